"""The data of a run: epochs, what repeats are worth and cost, and whether so much text exists."""

from __future__ import annotations

import math

import msgspec

from hwmodel import laws
from hwmodel.catalog.topics import text_stock
from hwmodel.errors import HwModelError
from hwmodel.solve.run.result import value_of
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.units import format_count

# Laws were fitted up to some hundred tokens a parameter; beyond a thousand only released models stand, no ladder.
MOST_TOKENS_PER_PARAM = 1000.0
ASKED_FROM_TOKENS = 5e13  # below half the least estimate of the stock it is not looked up


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What the tokens of a run on few distinct ones are worth, and the price of repeating them."""

    unique_tokens: float
    epochs: float
    effective_tokens: float  # fresh tokens that would be worth as much
    fresh_flop: float | None  # training FLOPs (6 N D) of the same loss on fresh data; None where no run reaches it
    extra_compute_share: float | None  # of the run's FLOPs over those, less one
    extra_usd: float | None  # of the run's rent, in proportion


def data(model: LossModel, sized: Sized, cost_usd: float | None) -> Data | None:
    """The data of a run whose distinct tokens are given; None where all are fresh."""
    unique = model.unique_tokens
    if unique is None:
        return None
    effective = float(model.effective(sized.d))
    fresh = _fresh_flop(model, sized)
    share = max(0.0, 6.0 * sized.n * sized.d / fresh - 1.0) if fresh is not None else None
    extra = cost_usd * share / (1.0 + share) if share is not None and cost_usd is not None else None
    return Data(
        unique_tokens=unique, epochs=max(sized.d / unique, 1.0), effective_tokens=effective, fresh_flop=fresh,
        extra_compute_share=share, extra_usd=extra,
    )  # fmt: skip


def _fresh_flop(model: LossModel, sized: Sized) -> float | None:
    """Least training FLOPs that reach the run's loss where no token repeats."""
    if sized.loss is None:
        return None
    try:
        best = laws.optimum_for_loss(model.law, value_of(sized.loss))
    except HwModelError:
        return None
    flop = 6.0 * float(best.params) * float(best.tokens)
    return flop if math.isfinite(flop) else None


def data_warnings(sized: Sized, unique_tokens: float | None, active_params: float | None = None) -> list[str]:
    """Tokens beyond the stock of public text, and beyond what any law was fitted on."""
    said = []
    distinct = sized.d if unique_tokens is None else min(sized.d, unique_tokens)
    if distinct > ASKED_FROM_TOKENS:
        stock = text_stock()
        if distinct > stock.low:
            more = "are more than" if distinct > stock.value else "may be more than"
            span = f"{format_count(stock.low)} to {format_count(stock.high)}, {stock.source}"
            said.append(
                f"{format_count(distinct)} distinct tokens {more} the public text that exists: about "
                f"{format_count(stock.value)} ({span}); say what you have with --unique-tokens"
            )
    ratio = sized.d / (active_params or sized.n)
    if ratio > MOST_TOKENS_PER_PARAM:
        said.append(
            f"{ratio:,.0f} tokens a parameter: no law was fitted so far beyond its optimum, so the loss is a guess"
        )
    return said
