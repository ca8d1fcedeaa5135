"""The cheapest model for its whole life: minimise training plus serving cost at a fixed loss.

Chinchilla is the case without demand; Sardana et al. 2024 (arXiv 2401.00448) the case with costs in FLOPs, 6 N D and
2 N a token served. Costs may be any callables of size and tokens (dollars, kWh or kg CO2e from the engine).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hwmodel import laws, ops
from hwmodel.ops import Num
from hwmodel.specs.law import LawSpec

TrainCost = Callable[[Any, Any], Any]  # (params, tokens) -> cost of training
ServeCost = Callable[[Any], Any]  # params -> cost of serving one token


class Lifetime(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest life of a model at a loss, beside the same loss by the cheapest training run alone.

    Costs are in the unit of the callables (FLOP by default). `saved_fraction` is the share of lifetime cost saved
    against the training optimum.
    """

    params: Num
    tokens: Num
    loss: Num
    train_cost: Num
    serve_cost: Num
    training_optimal_params: Num
    training_optimal_tokens: Num
    training_optimal_cost: Num  # of its whole life

    @property
    def total_cost(self) -> Num:
        return self.train_cost + self.serve_cost

    @property
    def saved_fraction(self) -> Num:
        return 1.0 - self.total_cost / self.training_optimal_cost


def train_flop(params: Num, tokens: Num) -> Num:
    """6 N D."""
    return 6.0 * params * tokens


def serve_flop(params: Num) -> Num:
    """2 N a token."""
    return 2.0 * params


def lifetime_optimum(
    spec: LawSpec,
    loss: Num,
    inference_tokens: Num,
    train_cost: TrainCost = train_flop,
    serve_cost: ServeCost = serve_flop,
) -> Lifetime:
    """Size and tokens that reach `loss` [nats/token] at the least training plus serving cost of `inference_tokens`.

    `loss`, `inference_tokens` and the law's constants may be arrays (draws); the callables then see arrays with one
    more leading axis. Costs need not be convex: the best size of a grid along the curve of this loss is found first,
    then refined between its neighbours. Raises InfeasibleError at or below the law's floor.
    """
    best = laws.optimum_for_loss(spec, loss)

    def cost(logit: Any) -> Any:
        n, d = laws.same_loss(spec, loss, _share(logit))
        return train_cost(n, d) + inference_tokens * serve_cost(n)

    params, tokens = laws.same_loss(spec, loss, _share(_minimise(cost)))
    return Lifetime(
        params=params,
        tokens=tokens,
        loss=loss,
        train_cost=train_cost(params, tokens),
        serve_cost=inference_tokens * serve_cost(params),
        training_optimal_params=best.params,
        training_optimal_tokens=best.tokens,
        training_optimal_cost=train_cost(best.params, best.tokens) + inference_tokens * serve_cost(best.params),
    )


def _share(logit: Num) -> Num:
    return 1.0 / (1.0 + ops.exp(-logit))


def _minimise(cost: Callable[[Any], Any], low: float = -5.0, high: float = 7.0, points: int = 97) -> Any:
    """Arguments of the least cost, elementwise: a grid, then golden section between the best point's neighbours."""
    import numpy as np

    shape = np.shape(cost(0.0))
    grid = np.linspace(low, high, points)
    values = cost(grid.reshape((points,) + (1,) * len(shape)))
    middle = grid[np.argmin(values, axis=0)]
    step = (high - low) / (points - 1)
    left, right = middle - step, middle + step
    golden = (5.0**0.5 - 1.0) / 2.0
    inner, outer = right - golden * (right - left), left + golden * (right - left)
    f_inner, f_outer = cost(inner), cost(outer)
    for _ in range(38):
        keep_left = f_inner < f_outer
        left, right = np.where(keep_left, left, inner), np.where(keep_left, outer, right)
        fresh = np.where(keep_left, right - golden * (right - left), left + golden * (right - left))
        f_fresh = cost(fresh)
        inner, outer = np.where(keep_left, fresh, outer), np.where(keep_left, inner, fresh)
        f_inner, f_outer = np.where(keep_left, f_fresh, f_outer), np.where(keep_left, f_inner, f_fresh)
    result = 0.5 * (left + right)
    return float(result) if np.ndim(result) == 0 else result
