"""A plan against its demand: the cheapest life over sizes, over demands, and over the law's joint draws."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from hwmodel import laws
from hwmodel.errors import InfeasibleError
from hwmodel.laws.lifetime import FINE_POINTS, HIGH, LOW, Lifetime, Option, option_optimum, placed
from hwmodel.numerics import falls_at, least
from hwmodel.solve.life.objective import Costs
from hwmodel.solve.run.records import DemandPoint, LifePoint, RegretBand
from hwmodel.solve.run.result import Band, RunAnswer
from hwmodel.solve.run.sizing import LossModel

WASTE = 0.05
SIZE_POINTS = 121
SHARES_OF_SIZE_TERM = (0.2, 0.995)  # of the reducible loss: from models far too large to far too small
DEMANDS = tuple(10.0 ** (i / 4.0) for i in range(-8, 5))  # factors on the demand asked


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """The deployment-optimal choice at a loss, with the costs it was found by and its bands.

    `found` goes by the trend of sizes. On a fleet whose bills decide, `trained` is the run (parameters, tokens) of the
    loss that is cheapest to train as it is built, `built` the one that is cheapest over its life.
    """

    found: Lifetime
    costs: Costs
    loss: float
    demand: float
    params: Band | None = None
    tokens: Band | None = None
    saving: Band | None = None
    trained: tuple[float, float] | None = None
    built: tuple[float, float] | None = None

    @property
    def training_run(self) -> tuple[float, float]:
        """The cheapest run of the loss for training alone."""
        return self.trained or (float(self.found.training_optimal_params), float(self.found.training_optimal_tokens))

    @property
    def whole_life_run(self) -> tuple[float, float]:
        """The run of the cheapest life."""
        return self.built or (float(self.found.params), float(self.found.tokens))

    def cost(self, params: Any, tokens: Any) -> Any:
        """Lifetime cost of a size on its tokens, in the unit of the objective, trained at the trend of the sizes."""
        return self.costs.train(params, tokens) + self.served(params)

    def served(self, params: Any) -> Any:
        """What serving the demand costs, in the unit of the objective."""
        return self.demand * self.costs.serve(params)

    def billed(self, answer: RunAnswer, params: float, tokens: float) -> float | None:
        """The same with the run's own bill where it has one; None where the size cannot be served."""
        own = self.costs.own_bill(answer)
        trained = self.costs.train(params, tokens) if own is None else own
        whole = float(trained + self.served(params))
        return whole if math.isfinite(whole) else None


Limits = Mapping[str, Callable[[Any, Any], Any]]


def option(model: LossModel, life_costs: Costs, law: Any = None, limits: Limits | None = None) -> Option:
    """The way to train and serve that the costs, the data at hand and the limits on training describe."""
    return Option(
        law=law or model.law, train_cost=life_costs.train, serve_cost=life_costs.serve, penalty=life_costs.penalty,
        unique_tokens=model.unique_tokens, repeats=model.repetition, limits=limits or {},
    )  # fmt: skip


def life(
    model: LossModel,
    loss: float,
    demand: float,
    life_costs: Costs,
    target: Callable[[Any], Any],
    limits: Limits | None = None,
) -> Life:
    """The cheapest life at `loss`. `target` gives the loss to hold under a drawn law: that of the same reference run.

    Raises InfeasibleError at or below the law's floor.
    """
    found = option_optimum(option(model, life_costs, limits=limits), loss, demand)
    if not np.isfinite(found.total_cost):
        raise InfeasibleError(
            f"no size that reaches a loss of {loss:.3f} can be trained on this fleet and served within the limits on "
            "this part: allow a longer TPOT, a smaller serving format or more accelerators",
            binding="serving",
            remedy="a longer TPOT or a smaller serving format",
        )
    if model.drawn is None:
        return Life(found=found, costs=life_costs, loss=loss, demand=demand)
    try:
        drawn = option_optimum(option(model, life_costs, model.drawn), target(model.drawn), demand)
    except InfeasibleError:  # under no draw, though under the law itself
        return Life(found=found, costs=life_costs, loss=loss, demand=demand)
    # A draw may need more data than repeats give: its cost is infinite, and it stays out of the bands.
    reached = np.isfinite(drawn.total_cost) & np.isfinite(drawn.training_optimal_cost)
    if not np.any(reached):
        return Life(found=found, costs=life_costs, loss=loss, demand=demand)
    kept, optimal = (np.asarray(cost)[reached] for cost in (drawn.total_cost, drawn.training_optimal_cost))

    def band(value: Any, draws: Any) -> Band:
        """The value with the 80 % interval of the draws, which holds it."""
        low, high = laws.band(draws)
        return Band(float(value), min(low, float(value)), max(high, float(value)))

    return Life(
        found=found, costs=life_costs, loss=loss, demand=demand,
        params=band(found.params, np.asarray(drawn.params)[reached]),
        tokens=band(found.tokens, np.asarray(drawn.tokens)[reached]),
        saving=band(found.saved_fraction, 1.0 - kept / optimal),
    )  # fmt: skip


def size_curve(model: LossModel, one: Life) -> list[LifePoint]:
    """Lifetime cost of sizes that all reach the plan's loss, with its repeats and what the serving recipe costs."""
    shares = np.linspace(*SHARES_OF_SIZE_TERM, SIZE_POINTS)
    params, tokens = (np.asarray(column) for column in placed(option(model, one.costs), one.loss, shares))
    cost = np.asarray(one.cost(params, tokens))
    order = np.argsort(params)
    return [
        LifePoint(params=float(params[i]), tokens=float(tokens[i]), lifetime_cost=float(cost[i]))
        for i in order
        if np.isfinite(cost[i]) and params[i] > 0
    ]


def regret_band(model: LossModel, one: Life, waste: float = WASTE) -> RegretBand:
    """Smallest and largest size at the plan's loss that waste at most this share of the least lifetime cost.

    Sizes run along the curve of this loss (repeats and the serving recipe's penalty counted): two roots beside the
    cheapest one.
    """
    way = option(model, one.costs)

    def size(logit: float) -> tuple[Any, Any]:
        return placed(way, one.loss, 1.0 / (1.0 + math.exp(-logit)))

    def wastes(logit: float) -> bool:
        cost = float(one.cost(*size(logit)))
        return not cost * (1.0 - waste) <= float(one.found.total_cost)

    best = least(lambda x: np.vectorize(lambda y: float(one.cost(*size(y))))(x), LOW, HIGH, FINE_POINTS)
    # The size term's share falls as the size grows.
    large = falls_at(wastes, LOW, best)
    small = falls_at(lambda x: not wastes(x), best, HIGH)
    own = one.whole_life_run[0]  # which wastes nothing as it is built
    low, high = min(float(size(small)[0]), own), max(float(size(large)[0]), own)
    return RegretBand(params_low=low, params_high=high, waste=waste)


def demand_curve(model: LossModel, one: Life) -> list[DemandPoint]:
    """The optimum and its saving against demand, from a hundredth of the demand asked to ten times it."""
    rows = []
    for factor in DEMANDS:
        found = option_optimum(option(model, one.costs), one.loss, one.demand * factor)
        rows.append(
            DemandPoint(
                inference_tokens=one.demand * factor,
                params=float(found.params),
                tokens=float(found.tokens),
                saving=float(found.saved_fraction) if np.isfinite(found.training_optimal_cost) else None,
            )
        )
    return rows


def flip_demand(curve: Sequence[DemandPoint], waste: float = WASTE) -> float | None:
    """Served tokens beyond which the training-optimal size wastes more than this share; None if never on the curve."""
    for low, high in pairwise(curve):
        if low.saving is not None and high.saving is not None and low.saving < waste <= high.saving:
            share = (waste - low.saving) / (high.saving - low.saving)
            a, b = math.log(low.inference_tokens), math.log(high.inference_tokens)
            return math.exp(a + share * (b - a))
    return None
