"""What a little more buys: a lower loss by size, by data or by both, the loss of a dollar more, fleets over time."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hwmodel import laws
from hwmodel.errors import HwModelError
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.records import Margin
from hwmodel.solve.run.result import value_of
from hwmodel.solve.run.sizing import Sized
from hwmodel.specs import LawSpec
from hwmodel.units import SECONDS_PER_DAY

BEYOND = 1e30  # stands for endless parameters or tokens
MORE = 1.1  # the budget whose gain is shown


class Reduction(msgspec.Struct, frozen=True, kw_only=True):
    """A lower loss by one way and one law. `most_share`: the largest reduction that way can reach at all; `flop` and
    sizes are None where the loss asked lies beyond it."""

    law: str
    way: str  # params | tokens | both
    loss_nats: float | None
    params: float | None
    tokens: float | None
    flop: float | None
    most_share: float | None
    reason: str = ""


def _row(law: LawSpec, way: str, target: float, most: float, solve: Callable[[], tuple[float, float]]) -> Reduction:
    try:
        n, d = solve()
    except HwModelError as error:
        return Reduction(law=law.id, way=way, loss_nats=target, params=None, tokens=None, flop=None, most_share=most,
                         reason=str(error))  # fmt: skip
    return Reduction(law=law.id, way=way, loss_nats=target, params=n, tokens=d, flop=6.0 * n * d, most_share=most)


def _by_law(law: LawSpec, params: float, tokens: float, factor: float) -> list[Reduction]:
    """The three ways to `factor` times the loss of a reference run, by one law."""
    now = float(laws.loss(law, params, tokens))
    target = now * factor

    def share(floor: float) -> float:
        return 1.0 - floor / now

    def size_alone() -> tuple[float, float]:
        return float(laws.params_for_loss_at_tokens(law, tokens, target)), tokens

    def data_alone() -> tuple[float, float]:
        return params, float(laws.tokens_for_loss(law, params, target))

    def both() -> tuple[float, float]:
        best = laws.optimum_for_loss(law, target)
        return float(best.params), float(best.tokens)

    return [
        _row(law, "params", target, share(float(laws.loss(law, BEYOND, tokens))), size_alone),
        _row(law, "tokens", target, share(float(laws.loss(law, params, BEYOND))), data_alone),
        _row(law, "both", target, share(float(laws.loss_floor(law))), both),
    ]


def reductions(setting: Setting, names: tuple[str, ...]) -> list[Reduction]:
    """The ways to the loss asked by --loss-like and --loss-factor: size alone, data alone, both, for each law."""
    r = setting.request
    if r.loss_like is None or r.loss_factor == 1.0:
        return []
    rows: list[Reduction] = []
    for name in dict.fromkeys((setting.law.id, *names)):
        law = setting.catalog.law(name)
        try:
            rows += _by_law(law, *r.loss_like, r.loss_factor)
        except HwModelError as error:
            rows.append(Reduction(law=name, way="both", loss_nats=None, params=None, tokens=None, flop=None,
                                  most_share=None, reason=str(error)))  # fmt: skip
    return rows


def reachable(setting: Setting) -> str:
    """How much lower than the reference the loss can get at all by each way, in words for a refusal; empty without
    --loss-like and --loss-factor."""
    shares = {row.way: row.most_share for row in reductions(setting, ()) if row.most_share is not None}
    if len(shares) < len(WAYS):
        return ""
    return "; at most " + ", ".join(f"{100 * shares[way]:.1f} % lower by {said}" for way, said in WAYS.items())


WAYS = {"params": "size alone", "tokens": "data alone", "both": "both"}


def margin(setting: Setting, sized: Sized, cost_usd: float | None) -> Margin | None:
    """The compute-optimal run of the plan's loss, and what a tenth more compute buys; None without either."""
    if sized.loss is None or not laws.splits_compute(setting.law):
        return None
    loss, flop = value_of(sized.loss), 6.0 * sized.n * sized.d
    best = laws.optimum_for_loss(setting.law, loss)
    more = float(laws.loss(setting.law, sized.n * MORE**0.5, sized.d * MORE**0.5))
    gained = float(laws.loss(setting.law, sized.n, sized.d)) - more
    return Margin(
        anchor_params=float(best.params),
        anchor_tokens=float(best.tokens),
        anchor_flop_share=6.0 * float(best.params) * float(best.tokens) / flop,
        more_compute=MORE,
        nats_gained=gained,
        nats_per_usd=gained / ((MORE - 1.0) * cost_usd) if cost_usd else None,
    )


HORIZONS_S = tuple(days * SECONDS_PER_DAY for days in (7.0, 30.0, 90.0, 180.0))


class Horizon(msgspec.Struct, frozen=True, kw_only=True):
    """The best run of a fleet within a time."""

    time_s: float
    params: float
    tokens: float
    loss_nats: float | None
    cost_usd: float | None
