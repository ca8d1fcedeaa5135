"""Which size and how many tokens: what the request leaves open is closed by a law, by compute, or by both."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from hwmodel import laws
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.laws import data as data_laws
from hwmodel.laws.combine import require_sound
from hwmodel.laws.lifetime import Option, option_optimum
from hwmodel.numerics import falls_at_log, least
from hwmodel.solve.question.request import Request
from hwmodel.solve.run.result import Band, Value, value_of
from hwmodel.specs import LawSpec
from hwmodel.units import format_count

DRAWS = 400
# Tokens that a fleet gets through in the time or money given, as a function of the size.
TokensOfSize = Callable[[float], float]
# What closed the size and the tokens: a law alone, the FLOPs, the fleet's time or money, a loss, what it costs on the
# fleet to reach it, or the user.
ClosedBy = Literal["law", "flop", "fleet", "loss", "cost", "given"]


class Sized(msgspec.Struct, frozen=True, kw_only=True):
    """Size [parameters, the law's convention] and tokens, with bands where the law's constants decide them."""

    params: float | Band
    tokens: float | Band
    loss: Value
    solved: dict[str, str]
    closed_by: ClosedBy = "given"

    @property
    def n(self) -> float:
        return value_of(self.params)

    @property
    def d(self) -> float:
        return value_of(self.tokens)

    @property
    def by_speed(self) -> bool:
        """Whether the speeds of sizes on the fleet chose size and tokens: the least loss for time or money, or the
        least money for a loss."""
        return self.closed_by in ("fleet", "cost") and {"params", "tokens"} <= self.solved.keys()


class LossModel(msgspec.Struct, frozen=True, kw_only=True):
    """A law, its joint draws where it has them, and the unique data that repeats when tokens exceed it."""

    law: LawSpec
    drawn: Any = None  # the law with columns of draws, None without a covariance
    repetition: LawSpec | None = None
    unique_tokens: float | None = None

    def loss(self, params: Any, tokens: Any, law: LawSpec | None = None) -> Any:
        """Loss [nats/token], with the tokens beyond the unique ones worth less (Muennighoff et al. 2023)."""
        law = law or self.law
        if self.unique_tokens is None or self.repetition is None:
            return laws.loss(law, params, tokens)
        repeated = data_laws.repeated_loss(law.constants, self.repetition.constants, params, tokens, self.unique_tokens)
        return repeated["loss_nats"]

    def effective(self, tokens: Any) -> Any:
        """Fresh tokens that are worth as much as these."""
        if self.unique_tokens is None or self.repetition is None:
            return tokens
        return data_laws.effective_tokens(tokens, self.unique_tokens, self.repetition.constants["RD_star"])

    def band(self, value: float, of_law: Callable[[LawSpec], Any]) -> float | Band:
        """The value with its band over the joint draws; the plain number for a law without them."""
        if self.drawn is None:
            return value
        low, high = laws.band(of_law(self.drawn))
        return Band(value, low, high)

    def loss_band(self, params: float, tokens: float) -> Value:
        if not laws.has_loss(self.law):
            return None
        value = float(self.loss(params, tokens))
        return self.band(value, lambda law: self.loss(params, tokens, law))


def loss_model(
    law: LawSpec, repetition: LawSpec | None, unique_tokens: float | None, seed: int, draws: int = DRAWS
) -> LossModel:
    """A loss model with its draws (none: without a band). InputError where nobody has judged repeats under the law."""
    if unique_tokens is not None and repetition is not None:
        _need_judged(law, repetition)
    drawn = laws.draws(law, draws, seed) if draws and laws.has_draws(law) else None
    return LossModel(law=law, drawn=drawn, repetition=repetition, unique_tokens=unique_tokens)


def _need_judged(law: LawSpec, repetition: LawSpec) -> None:
    """What repeats are worth was fitted beside a law of dense models with a term in N and one in D."""
    try:
        require_sound(law, [repetition])
    except InputError as error:
        raise InputError(f"--unique-tokens: {error}; take --law besiroglu_2024") from error


def loss_target(r: Request, model: LossModel) -> float | None:
    """The loss asked for [nats/token], or what is enough with the answers chosen for it; None without one."""
    if r.loss is not None and r.sampled_like is None:
        return r.loss * r.loss_factor
    return None if r.reference is None else float(referred_loss(r.reference, model.law))


def referred_loss(reference: tuple[float, float, float], law: LawSpec) -> Any:
    """The loss of the run that a target refers to, under a law or its draws."""
    n, d, factor = reference
    return laws.loss(law, n, d) * factor


SMALLEST_PARAMS, LARGEST_PARAMS = 1e6, 1e14
SIZES_TRIED = 65  # of the grid that a least loss is refined from


def size(
    r: Request,
    model: LossModel,
    params: float | None,
    affordable: TokensOfSize | None,
    at_most: TokensOfSize | None = None,
) -> Sized:
    """Close size and tokens. `params` is given by --params or --model; `affordable` by time or money on a fleet, which
    no size sees more tokens in than `at_most` says (None: endless ones).

    Raises InfeasibleError for a loss that cannot be reached, InputError for a law that cannot answer.
    """
    target = loss_target(r, model)
    if target is not None:
        sized = _for_loss(r, model, target, params)
    elif params is not None and r.tokens is not None:
        sized = _sized(model, params, r.tokens, {})
    elif r.flop is not None:
        budget = r.flop
        sized = _for_compute(r, model, params, lambda n: budget / (6.0 * n), "flop")
    elif affordable is not None:
        sized = _for_compute(r, model, params, affordable, "fleet", at_most)
    elif params is not None:
        sized = _from_law(model, params=params)
    else:
        assert r.tokens is not None
        sized = _from_law(model, tokens=r.tokens)
    return sized


def _sized(
    model: LossModel, params: float | Band, tokens: float | Band, solved: dict[str, str], closed_by: ClosedBy = "given"
) -> Sized:
    if not 1.0 <= value_of(tokens) < math.inf:
        raise InfeasibleError(
            "what is asked leaves less than one training token: no model of that size runs, or the target needs none",
            binding="tokens",
            remedy="a larger fleet, another layout, or a nearer target",
        )
    loss = model.loss_band(value_of(params), value_of(tokens))
    return Sized(params=params, tokens=tokens, loss=loss, solved=solved, closed_by=closed_by)


def _from_law(model: LossModel, params: float | None = None, tokens: float | None = None) -> Sized:
    law = model.law
    if tokens is not None:
        if model.unique_tokens is None:
            n = float(laws.params_for_tokens(law, tokens))
            band = model.band(n, lambda drawn: laws.params_for_tokens(drawn, tokens))
        else:
            n = float(laws.params_for_tokens(law, model.effective(tokens)))
            band = model.band(n, lambda drawn: laws.params_for_tokens(drawn, model.effective(tokens)))
        how = f"the size for which these tokens are compute-optimal ({law.id})"
        return _sized(model, band, tokens, {"params": how}, "law")
    assert params is not None
    d = float(laws.tokens_for_params(law, params))
    band = model.band(d, lambda drawn: laws.tokens_for_params(drawn, params))
    return _sized(
        model, params, band, {"tokens": f"the tokens that are compute-optimal for this size ({law.id})"}, "law"
    )


GIVEN: dict[ClosedBy, str] = {"flop": "--flops", "fleet": "the time or money given"}


def _for_compute(
    r: Request,
    model: LossModel,
    params: float | None,
    tokens_of: TokensOfSize,
    by: ClosedBy,
    at_most: TokensOfSize | None = None,
) -> Sized:
    """Compute binds: `tokens_of` says how many tokens a size can see, never above `at_most`; `by` what gives it."""
    given = GIVEN[by]
    if params is not None:
        return _sized(model, params, tokens_of(params), {"tokens": f"what {given} buys at this size"}, by)
    if r.tokens is not None:
        wanted = r.tokens
        n = falls_at_log(lambda x: tokens_of(x) > wanted, SMALLEST_PARAMS, LARGEST_PARAMS)
        if tokens_of(n) < wanted * (1.0 - 1e-6):
            raise InfeasibleError(
                f"{format_count(wanted)} tokens leave no model of at least {format_count(SMALLEST_PARAMS)} parameters "
                f"within {given}",
                binding=given, remedy="fewer tokens, or more compute",
            )  # fmt: skip
        return _sized(model, n, wanted, {"params": f"the largest size that sees these tokens within {given}"}, by)
    law = model.law
    flop = r.flop
    if flop is not None and model.unique_tokens is None:
        best = laws.optimum_for_flop(law, flop)
        n, d = float(best.params), float(best.tokens)
        if best.params_convention == "non_embedding":
            # Kaplan's own tokens belong to C_min: 6 N D of them would overrun the FLOPs that were given.
            d = flop / (6.0 * n)
        params_band = model.band(n, lambda drawn: laws.optimum_for_flop(drawn, flop).params)
        tokens_band = model.band(d, lambda drawn: laws.optimum_for_flop(drawn, flop).tokens)
        how = f"least loss at 6 N D = {format_count(flop)} FLOP ({law.id})"
        return _sized(model, params_band, tokens_band, {"params": how, "tokens": how}, by)
    laws.need_split(law, flop_given=True)
    how = f"least loss within {given} ({law.id})"
    if laws.has_loss(law):
        n = _least_loss(model, tokens_of, at_most)
    else:
        n = falls_at_log(
            lambda x: tokens_of(x) > float(laws.tokens_for_params(law, x)), SMALLEST_PARAMS, LARGEST_PARAMS
        )
    d = tokens_of(n)
    if not d >= 1.0:
        raise InfeasibleError(
            f"no model of any size trains within {given} on this fleet in the layout that is asked",
            binding="layout", remedy="more accelerators, or a layout that they can hold (drop --tp, --pp, --ep ...)",
        )  # fmt: skip
    return least_loss_run(model, n, d, how, by)


def least_loss_run(model: LossModel, n: float, d: float, how: str, by: ClosedBy) -> Sized:
    """A size that compute allots, with its tokens, and the bands of both."""
    params: float | Band = n
    tokens: float | Band = d
    if model.drawn is not None:
        # The budget's shape in N barely moves the relative spread, so the band of the plain 6 N D optimum serves.
        plain = laws.optimum_for_flop(model.law, 6.0 * n * d).params
        low, high = laws.band(laws.optimum_for_flop(model.drawn, 6.0 * n * d).params / plain)
        params, tokens = Band(n, n * low, n * high), Band(d, d / high, d / low)
    return _sized(model, params, tokens, {"params": how, "tokens": how}, by)


def _least_loss(model: LossModel, tokens_of: TokensOfSize, at_most: TokensOfSize | None = None) -> float:
    """The size of the least loss on the tokens that each size can see, `at_most` so many (None: endless ones).

    Of the sizes tried first those are not asked for their tokens whose loss would be above the least found though they
    saw the most: what a fleet does with a size is dear to find out. Those that may have the least are asked first, of
    equal ones the largest.
    """
    import numpy as np

    def loss(log_params: float) -> float:
        n = math.exp(log_params)
        return float(model.loss(n, max(tokens_of(n), 1.0)))

    def losses(log_params: Any) -> Any:
        """Of one size, or of the grid."""
        if np.ndim(log_params) == 0:
            return np.float64(loss(log_params))
        found = np.array([_floor_of_loss(model, math.exp(x), at_most) for x in log_params])
        lowest = math.inf
        for place in sorted(range(len(found)), key=lambda one: (float(found[one]), -one)):
            if not found[place] > lowest:
                found[place] = loss(log_params[place])
                lowest = min(lowest, found[place])
        return found

    ends = math.log(SMALLEST_PARAMS), math.log(LARGEST_PARAMS)
    return math.exp(least(losses, *ends, points=SIZES_TRIED, shape=()))


def _floor_of_loss(model: LossModel, params: float, at_most: TokensOfSize | None = None) -> float:
    """The loss of a size on the most tokens: it has no less on fewer. -infinity where tokens repeat, or where the law
    says nothing of endless ones."""
    most = math.inf if at_most is None else max(at_most(params), 1.0)
    floor = float(model.loss(params, most)) if model.unique_tokens is None else math.nan
    return -math.inf if math.isnan(floor) else floor


def _for_loss(r: Request, model: LossModel, target: float, params: float | None) -> Sized:
    law = model.law
    if not laws.has_loss(law):
        raise InputError(f"law {law.id} has no loss, so it cannot aim at one; take besiroglu_2024")
    why = f"reaches a loss of {target:.3f} nats/token ({law.id})"
    how = f"{why} at the least training FLOPs"
    if model.unique_tokens is not None and model.repetition is not None:
        n, d = with_repeats(model, target, params, r.tokens)
    elif params is not None:
        n, d = params, float(laws.tokens_for_loss(law, params, target))
    elif r.tokens is not None:
        n, d = float(laws.params_for_loss_at_tokens(law, r.tokens, target)), r.tokens
    else:
        best = laws.optimum_for_loss(law, target)
        n, d = float(best.params), float(best.tokens)
    if params is not None:
        return _sized(model, params, d, {"tokens": why}, "loss")
    if r.tokens is not None:
        return _sized(model, n, r.tokens, {"params": why}, "loss")
    return _sized(model, n, d, {"params": how, "tokens": how}, "loss")


MOST_EPOCHS = 1e6  # beyond this no further repeat is worth anything


def with_repeats(model: LossModel, target: float, params: float | None, tokens: float | None) -> tuple[float, float]:
    """Size and tokens that reach a loss on few distinct tokens, where both repeats and size are worth less and less."""
    unique = model.unique_tokens or 0.0
    if params is None and tokens is None:
        found = option_optimum(
            Option(law=model.law, unique_tokens=unique, repeats=model.repetition), target, inference_tokens=0.0
        )
        return float(found.params), float(found.tokens)
    if params is not None:
        best = float(model.loss(params, MOST_EPOCHS * unique))
    else:
        best = float(model.loss(LARGEST_PARAMS, tokens))
    if best >= target:
        raise InfeasibleError(
            f"a loss of {target:.3f} is out of reach on {format_count(unique)} unique tokens, however often repeated "
            f"(at best {best:.3f}); find more data, free the size or the tokens, or take a higher loss",
            binding="unique_tokens",
            remedy="more unique tokens",
        )
    if params is not None:
        return params, falls_at_log(lambda d: float(model.loss(params, d)) > target, 1.0, MOST_EPOCHS * unique)
    assert tokens is not None
    return falls_at_log(lambda n: float(model.loss(n, tokens)) > target, SMALLEST_PARAMS, LARGEST_PARAMS), tokens
