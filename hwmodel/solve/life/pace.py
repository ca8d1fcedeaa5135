"""How fast the sizes around the run of a plan train, as that run tells it beside the trend of the fleet."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel import laws
from hwmodel.numerics import falls_at
from hwmodel.physics import shape as shapes
from hwmodel.solve.run.fleet import LADDER_STEP, Fleet
from hwmodel.solve.run.sizing import LossModel, Sized

# Sizes that the bound is computed at, on the log scale between them; beyond so many times the tokens of the plan a
# size does not reach its loss.
BOUND_SIZES = 65
MOST_TOKENS = 1e4


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """FLOP/s of sizes from the trend of their fleet: lifted by `reach`, up to a bound (`logs`: of the sizes that it
    stands for, `most`: logarithms of its FLOP/s; empty without one)."""

    reach: float = 1.0
    logs: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.empty(0))
    most: NDArray[np.float64] = msgspec.field(default_factory=lambda: np.empty(0))

    def flop_per_s(self, params: Any, trend: Any) -> Any:
        """FLOP/s of sizes (numbers or columns) whose trend says `trend`."""
        lifted = trend * self.reach
        return np.minimum(lifted, np.exp(np.interp(np.log(params), self.logs, self.most))) if len(self.logs) else lifted


def own_pace(fleet: Fleet, model: LossModel, sized: Sized, span: tuple[float, float]) -> Pace:
    """The pace around the run of a plan, by which its own size is as fast as its shape, or faster where its shape is
    slower than those around it and the plan did not choose it.

    On fleets that few layouts suit, as where the batch holds many accelerators back, shapes that suit them are up to
    twice as fast as the trend, and the size of a plan is such a one. What it is traded against may be chosen as well,
    so that its trend is lifted as much; a shape slower than the trend is mended by another near it.

    Where a plan has the least loss for its time or money, or the least cost for its loss, no size reaches its loss
    for less: what the trend of the sizes says beyond that is the scatter of their shapes and of the batches of their
    tokens.
    """
    nearest = LADDER_STEP ** round(math.log(sized.n) / math.log(LADDER_STEP))
    if fleet.setting.request.mfu is not None or fleet.rung(nearest) == 0.0:
        return Pace()
    shape = fleet.setting.shape() or shapes.with_experts(shapes.shape_for_params(sized.n), fleet.experts)
    active = float(shapes.parameters(shape).active)
    built = 6.0 * active * fleet.evaluate(shape, sized.n).tokens_per_s(0) / fleet.setting.level
    reach = max(1.0, built / float(fleet.flop_rates(np.array([sized.n]), span)[0]))
    if not sized.by_speed or not laws.has_loss(model.law):
        return Pace(reach=reach)
    sizes = np.sort(np.append(np.geomspace(*span, BOUND_SIZES), sized.n))
    most = built * sizes * tokens_of_same_loss(model, sized, sizes) / (sized.n * sized.d)
    return Pace(reach=reach, logs=np.log(sizes), most=np.log(most))


def tokens_of_same_loss(model: LossModel, sized: Sized, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tokens on which each size reaches the loss of a run; MOST_TOKENS times its own where more do not."""
    goal, most = float(model.loss(sized.n, sized.d)), math.log(MOST_TOKENS * sized.d)
    found = falls_at(lambda x: model.loss(sizes, np.exp(x)) > goal, np.zeros(len(sizes)), np.full(len(sizes), most))
    return np.exp(np.asarray(found))
