"""How large, given how it will be used: the cheapest life at a plan's loss for usual demands, by law, within limits."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np

from hwmodel import laws
from hwmodel.errors import HwModelError, InfeasibleError
from hwmodel.laws.lifetime import Lifetime, Option, budget_band, option_optimum, placed, reached_loss
from hwmodel.numerics import falls_at
from hwmodel.solve.life.built_rows import Run, Trained, as_built
from hwmodel.solve.life.demand import Life, flip_demand, option
from hwmodel.solve.life.objective import Costs, flop_costs, own_costs
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.records import DemandCurve, DemandPoint, DemandRow, LawLife, LifePoint, RegretBand
from hwmodel.solve.run.result import value_of
from hwmodel.solve.run.sizing import LARGEST_PARAMS, SMALLEST_PARAMS, LossModel, Sized

# Tokens served over a model's life that every report answers for: a research model to a large public service.
DEMANDS = (1e11, 1e12, 1e13, 1e14)
FLIP_DEMANDS = tuple(10.0 ** (i / 2.0) for i in range(20, 35))  # 10 billion to 30 quadrillion
DRAWN_SHARES = (0.08, 0.985)  # of the size term: from sizes far too large to far too small
DRAWN_POINTS = 61
WASTE = 0.05
COLUMNS = ("params", "tokens", "train_cost", "serve_cost", "training_optimal_cost")
SAME_LOSS = 1e-9  # nats by which a run may miss the loss of the rows and still be one that reaches it


class WholeLife(msgspec.Struct, frozen=True, kw_only=True):
    """What usual demands make of the size, at the loss of the plan."""

    rows: list[DemandRow]
    flip_inference_tokens: float | None  # beyond it the training optimum wastes 5 %
    unit: str
    note: str
    curves: list[DemandCurve]  # lifetime cost against size, a curve a demand (0: training alone)


def usual_costs(setting: Setting, fleet: Fleet | None, model: LossModel, sized: Sized) -> Costs:
    """The costs of the objective, or FLOPs (which says so) where no fleet or no price is known."""
    if setting.request.objective is not None and fleet is not None:
        return own_costs(setting, fleet, model, sized)
    if fleet is None or setting.price is None:
        return flop_costs(setting, why=": no price is known here")
    return own_costs(setting, fleet, model, sized)


def whole_life(
    setting: Setting, model: LossModel, fleet: Fleet | None, sized: Sized, life: Life | None, trained: Trained
) -> WholeLife | None:
    """The demand rows, the flip and the curves of a plan; None where its law gives it no loss.

    `trained`: cost of training by the bill of what is built, where an accelerator's hours are counted.
    """
    if sized.loss is None:
        return None
    life_costs = life.costs if life is not None else usual_costs(setting, fleet, model, sized)
    loss = life.loss if life is not None else value_of(sized.loss) + float(life_costs.lost(sized.n, sized.d))
    way = option(model, life_costs)
    try:
        rows = demand_rows(way, loss, DEMANDS)
        many = demand_rows(way, loss, FLIP_DEMANDS)
    except HwModelError:
        return None
    plain = [
        DemandPoint(inference_tokens=r.inference_tokens, params=r.params, tokens=r.tokens, saving=r.saving)
        for r in many
    ]
    if life_costs.objective != "flops" and fleet is not None:
        known = [(sized.n, sized.d), *([life.training_run, life.whole_life_run] if life is not None else [])]
        own = [run for run in known if abs(float(reached_loss(way, *run)) - loss) < SAME_LOSS]
        rows = as_built(rows, life_costs.serve, trained, _training_run(way, loss, sized, life), own)
    return WholeLife(
        rows=rows, flip_inference_tokens=flip_demand(plain), unit=life_costs.unit, note=life_costs.note,
        curves=[_curve(way, loss, demand) for demand in (0.0, *DEMANDS[1:])],
    )  # fmt: skip


def demand_rows(way: Option, loss: float, demands: tuple[float, ...]) -> list[DemandRow]:
    """The cheapest life for each demand, answered together. Demands that no size can serve have no row."""
    if way.unique_tokens is not None:  # repeats are solved for one demand at a time
        found = [option_optimum(way, loss, demand) for demand in demands]
        columns = {name: np.array([float(getattr(one, name)) for one in found]) for name in COLUMNS}
    else:
        together = option_optimum(way, loss, np.array(demands))
        columns = {name: np.broadcast_to(np.asarray(getattr(together, name)), (len(demands),)) for name in COLUMNS}
    rows = []
    for place, demand in enumerate(demands):
        at = {name: float(column[place]) for name, column in columns.items()}
        whole = at["train_cost"] + at["serve_cost"]
        if not math.isfinite(whole):
            continue
        other = at.pop("training_optimal_cost")
        saving = 1.0 - whole / other if math.isfinite(other) else None
        rows.append(DemandRow(inference_tokens=demand, lifetime_cost=whole, saving=saving, **at))
    return rows


def _training_run(way: Option, loss: float, sized: Sized, life: Life | None) -> Run:
    """Size and tokens of the training optimum at the loss: of the fewest FLOPs, or of the least cost where that chose
    the plan."""
    if life is not None and life.trained is not None:
        return life.trained
    if life is None and sized.closed_by == "cost":
        return sized.n, sized.d
    best = option_optimum(way, loss, DEMANDS[0], 0)
    return float(best.training_optimal_params), float(best.training_optimal_tokens)


def _curve(way: Option, loss: float, demand: float) -> DemandCurve:
    """Lifetime cost of sizes that all reach the loss, smallest first."""
    params, tokens = (np.asarray(x) for x in placed(way, loss, np.linspace(*DRAWN_SHARES, DRAWN_POINTS)))
    with np.errstate(invalid="ignore", over="ignore"):
        cost = np.asarray(way.train_cost(params, tokens)) + demand * np.asarray(way.serve_cost(params))
    points = [
        LifePoint(params=float(params[i]), tokens=float(tokens[i]), lifetime_cost=float(cost[i]))
        for i in np.argsort(params)
        if math.isfinite(cost[i]) and params[i] > 0
    ]
    return DemandCurve(inference_tokens=demand, points=points)


def compute_band(setting: Setting, model: LossModel, sized: Sized, fleet: Fleet | None) -> RegretBand | None:
    """Sizes that waste at most 5 % of the compute of this plan, with the repeats of its data; tokens are released.

    A size that the speeds of a fleet chose wastes nothing: larger models may run at a higher share of peak, and where
    it is smaller than all of these, for larger ones run slower or not at all, the fleet sets the band. None
    where the law allots its compute otherwise than its own loss would (Kaplan's smallest compute), or not at all.
    """
    if sized.loss is None or not laws.splits_compute(setting.law):
        return None
    flop = 6.0 * sized.n * sized.d
    if model.unique_tokens is None:
        low, high = (float(end) for end in laws.regret_band(setting.law, flop))
    else:
        way = Option(law=model.law, unique_tokens=model.unique_tokens, repeats=model.repetition)
        low, high = budget_band(way, flop, WASTE)
    if own_allocation(setting, sized):
        return None
    if sized.by_speed:
        if fleet is not None and sized.n < low and model.unique_tokens is None:
            return fleet_band(fleet, model, sized, flop)
        low, high = min(low, sized.n), max(high, sized.n)
    return RegretBand(params_low=low, params_high=high, waste=WASTE, flop=flop)


BAND_STEP = 1.01  # between the sizes that a band on a fleet is searched at


def fleet_band(fleet: Fleet, model: LossModel, sized: Sized, flop: float) -> RegretBand:
    """Sizes around a plan's that need at most WASTE more tokens for its loss than the fleet sees with them in the same
    time and money; the speed of the shape that was built stands for all, also for smaller sizes where the ladder of
    speeds ends below the plan's."""

    def trained(n: float) -> float:
        """Tokens that a size sees in a second of elapsed time, and so in any time and money beside another."""
        return fleet.tokens_per_s(n) / fleet.elapsed_over_productive(n)

    loss, known = float(model.loss(sized.n, sized.d)), trained(sized.n)

    def wastes(n: float) -> bool:
        seen = trained(n) * sized.d / known if known > 0.0 else fleet.tokens_affordable(n)
        if seen == 0.0 and n < sized.n:
            seen = sized.d * sized.n / n
        return not float(model.loss(n, max(seen / (1.0 - WASTE), 1.0))) <= loss

    return RegretBand(
        params_low=_last_size(wastes, sized.n, 1.0 / BAND_STEP), params_high=_last_size(wastes, sized.n, BAND_STEP),
        waste=WASTE, flop=flop, on_fleet=True,
    )  # fmt: skip


def _last_size(wastes: Callable[[float], bool], params: float, step: float) -> float:
    """The last of the sizes in steps from one on that does not waste."""
    while SMALLEST_PARAMS < params * step < LARGEST_PARAMS and not wastes(params * step):
        params *= step
    return params


def own_allocation(setting: Setting, sized: Sized) -> bool:
    """Whether the size that the law allots to these FLOPs wastes more than WASTE of them by the law's own loss."""
    if setting.request.flop is None or "params" not in sized.solved or "tokens" not in sized.solved:
        return False
    low, high = (float(end) for end in laws.regret_band(setting.law, 6.0 * sized.n * sized.d))
    return setting.request.unique_tokens is None and not low <= sized.n <= high


def law_choices(setting: Setting, model: LossModel, names: tuple[str, ...], life: Life, sized: Sized) -> list[LawLife]:
    """The cheapest life by each law, at the loss that it gives this plan's size and tokens, in the same costs, with the
    same repeats and the same bits."""
    rows: list[LawLife] = []
    for name in dict.fromkeys((setting.law.id, *names)):
        law = setting.catalog.law(name)
        try:
            if model.unique_tokens is not None:
                laws.additive_terms(law)
            way = option(model, life.costs, law)
            loss = float(reached_loss(way, sized.n, sized.d))
            found = option_optimum(way, loss, life.demand)
            saving = float(found.saved_fraction) if math.isfinite(float(found.training_optimal_cost)) else None
            rows.append(
                LawLife(law=name, params=float(found.params), tokens=float(found.tokens),
                        training_optimal_params=float(found.training_optimal_params), saving=saving)
            )  # fmt: skip
        except HwModelError as error:
            rows.append(LawLife(law=name, reason=str(error)))
    return rows


MOST_NATS_GIVEN_UP = 1.0  # above the training optimum's loss: beyond it a limit is too tight for the demand
HALVINGS = 44


def within_limits(fleet: Fleet, model: LossModel, best: Sized, demand: float) -> Life:
    """The least loss whose cheapest life still trains within the time and the money given.

    The training optimum `best` fills the limit and is dear to serve; smaller models of its loss take longer than the
    limit allows. So the loss rises until the cheapest life of this demand fits. Raises InfeasibleError where none does.
    """
    life_costs = own_costs(fleet.setting, fleet, model, best)
    way = option(model, life_costs)
    least = value_of(best.loss) + float(life_costs.lost(best.n, best.d))  # as served

    def overruns(nats: float) -> bool:
        """Whether the cheapest life at so many nats above the least loss takes longer than allowed."""
        found = option_optimum(way, least + nats, demand)
        if not math.isfinite(float(found.total_cost)):
            return True
        return float(found.tokens) > fleet.tokens_affordable(float(found.params))

    if overruns(MOST_NATS_GIVEN_UP):
        raise InfeasibleError(
            "no model whose cheapest life for this demand trains within the time and money given: give more of them, "
            "or serve fewer tokens",
            binding="time",
            remedy="more time or money",
        )
    nats = float(falls_at(overruns, 0.0, MOST_NATS_GIVEN_UP, HALVINGS))
    found = option_optimum(way, least + nats, demand)
    if best.n <= float(found.params):
        return life_of(best, least, life_costs, demand)
    return Life(found=found, costs=life_costs, loss=least + nats, demand=demand)


def stopped_early(life: Life, model: LossModel, best: Sized, best_cost: float, run: Sized) -> float:
    """The life of the best run stopped where it reaches the loss of another run, in the unit of the objective;
    `best_cost`: its life as it is."""
    way = option(model, life.costs)
    goal = float(reached_loss(way, run.n, run.d))
    most = math.log(best.d)
    log_tokens = falls_at(lambda x: float(reached_loss(way, best.n, math.exp(x))) > goal, 0.0, most, HALVINGS)
    serving = float(life.served(best.n))
    return (best_cost - serving) * math.exp(log_tokens - most) + serving


def life_of(best: Sized, loss: float, life_costs: Costs, demand: float) -> Life:
    """The life of the best run within the limits: where the cheapest life of a demand is larger than it and reaches a
    higher loss (sizes between buildable shapes are priced by a trend), nothing speaks for the larger one."""
    found = Lifetime(
        params=best.n, tokens=best.d, loss=loss, train_cost=life_costs.train(best.n, best.d),
        serve_cost=demand * life_costs.serve(best.n), training_optimal_params=best.n, training_optimal_tokens=best.d,
        training_optimal_cost=life_costs.train(best.n, best.d) + demand * life_costs.serve(best.n), epochs=1.0,
        option="best run",
    )  # fmt: skip
    return Life(found=found, costs=life_costs, loss=loss, demand=demand)
