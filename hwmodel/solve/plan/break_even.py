"""How large a loss gap a speed-up pays for: at the same size, with size and tokens free, over a life with demand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from hwmodel import laws
from hwmodel.errors import HwModelError
from hwmodel.laws.evidence import RESOLUTION, GapBand, student_quantile
from hwmodel.laws.lifetime import option_optimum
from hwmodel.numerics import falls_at_log
from hwmodel.solve.life.demand import Life, option
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.run.sizing import LossModel, Sized

LIFE_ROUNDS = 14  # halvings of the gap, on the log scale
LIFE_NARROWINGS = 18  # of a size: its cost is flat at the best one, so that this gives it to nine digits
SPEEDS = 9  # equally likely speed-ups that a probability is averaged over
MANY_DEGREES = 400  # of a normal distribution, as Student's t
SHARE_OF_DATA_TERM = 0.5  # beyond it the factor on the tokens explodes and says nothing


def gap_at_fixed_size(model: LossModel, params: float, tokens: float, speedup: float) -> float:
    """Nats that the tokens of the time saved are worth: the run as asked, `speedup` times as many tokens."""
    return float(model.loss(params, tokens)) - float(model.loss(params, tokens * speedup))


def gap_with_size_free(model: LossModel, loss: float, speedup: float) -> float | None:
    """Nats between the compute-optimal runs of this loss and of `speedup` times its compute; None where the law has no
    such optimum or tokens repeat."""
    if model.unique_tokens is not None:
        return None
    try:
        flop = laws.optimum_for_loss(model.law, loss).flop
        better = laws.optimum_for_flop(model.law, flop * speedup).loss
    except HwModelError:
        return None
    return None if better is None else loss - float(better)


def gap_over_a_life(model: LossModel, life: Life, speedup: float) -> float | None:
    """Nats at which a life trained `speedup` times as cheaply, to a loss lower by them, costs as much as this one."""
    base = float(life.found.total_cost)
    life_costs = msgspec.structs.replace(life.costs, train=_cheaper(life.costs.train, speedup))
    if speedup <= 1.0:
        return 0.0

    def pays(gap: float) -> bool:
        """Whether the life at a loss lower by `gap` still costs no more."""
        try:
            found = option_optimum(option(model, life_costs), life.loss - gap, life.demand, LIFE_NARROWINGS)
        except HwModelError:
            return False
        return float(found.total_cost) <= base

    least, most = 1e-6 * life.loss, 0.2 * life.loss
    return falls_at_log(pays, least, most, LIFE_ROUNDS) if pays(least) else 0.0


def _cheaper(train: Callable[[Any, Any], Any], speedup: float) -> Callable[[Any, Any], Any]:
    def cost(params: Any, tokens: Any) -> Any:
        """Training at the cost of the faster format."""
        return train(params, tokens) / speedup

    return cost


def tokens_factor(model: LossModel, sized: Sized, gap_nats: float) -> float | None:
    """Factor on the tokens that regains a gap at the same size; None beyond half of what data can still give."""
    if sized.loss is None or gap_nats <= 0.0:
        return None if sized.loss is None else 1.0
    at, reachable = float(model.loss(sized.n, sized.d)), float(model.loss(sized.n, sized.d * 1e9))
    if gap_nats > SHARE_OF_DATA_TERM * (at - reachable):
        return None
    return falls_at_log(lambda factor: float(model.loss(sized.n, sized.d * factor)) > at - gap_nats, 1.0, 1e6, 60)


def factors(model: LossModel, sized: Sized, gap_nats: Band) -> Band | None:
    """`tokens_factor` at the value and the ends of a gap; None where any of them has none."""
    value, low, high = (tokens_factor(model, sized, end) for end in (gap_nats.value, gap_nats.low, gap_nats.high))
    return None if value is None or low is None or high is None else Band(value, low, high)


def over_band(speedup: Band, gap: Callable[[float], float | None]) -> Band | None:
    """A gap as a function of the speed-up, at its value and its ends."""
    ends = [gap(s) for s in (speedup.value, speedup.low, speedup.high)]
    if any(end is None for end in ends):
        return None
    value, low, high = (end or 0.0 for end in ends)
    return Band(value, low, high)


def probability_wins(band: GapBand, speedup: Band, share: Callable[[float], float]) -> float:
    """Probability that the gap stays below what the speed-up pays for, both uncertain and independent."""
    width = math.log(speedup.high / speedup.value) / student_quantile(0.9, MANY_DEGREES)
    quantiles = [student_quantile((i + 0.5) / SPEEDS, MANY_DEGREES) for i in range(SPEEDS)]
    return sum(band.below(share(speedup.value * math.exp(width * q))) for q in quantiles) / SPEEDS


def verdict(gap: Band, pays_up_to: float) -> str:
    """pays | pays_unless_at_the_top | within_noise | does_not_pay: where the gap paid for lies in the band of gaps."""
    if pays_up_to >= gap.high:
        return "pays"
    if pays_up_to <= max(gap.low, 0.0):
        return "does_not_pay"
    return "pays_unless_at_the_top" if pays_up_to > gap.value + RESOLUTION else "within_noise"


def worth(sized: Sized) -> float | None:
    """Loss that shares are taken of."""
    return None if sized.loss is None else value_of(sized.loss)
