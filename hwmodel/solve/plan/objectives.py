"""Both objectives of every plan: the best training run, the cheapest life, the user's own size, what demand does."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import msgspec

from hwmodel.errors import InfeasibleError
from hwmodel.solve.life.objective import billed, default_objective, per_accelerator_hour
from hwmodel.solve.life.whole_life import law_choices, whole_life
from hwmodel.solve.plan.own_batch import at_own_batch
from hwmodel.solve.plan.prepared import Prepared
from hwmodel.solve.plan.sides import LAWS_SHOWN
from hwmodel.solve.question.setting import fleeted
from hwmodel.solve.run.answers import unfleeted
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.records import Saving
from hwmodel.solve.run.result import Objectives, RunAnswer
from hwmodel.solve.run.sizing import Sized
from hwmodel.solve.run.solved import on_fleet

TRAINING, DEPLOYMENT, GIVEN = "training_optimal", "deployment_optimal", "given"


def finite(cost: Any) -> float | None:
    """A cost, or None where the size cannot be served within the limits."""
    return float(cost) if math.isfinite(float(cost)) else None


def _answer_of(fleet: Fleet | None, run: Sized) -> RunAnswer:
    if fleet is None:
        return unfleeted(run)
    try:
        return on_fleet(at_own_batch(fleet, run), run).answer
    except InfeasibleError:
        return unfleeted(run)


def _own(prepared: Prepared) -> RunAnswer:
    """The plan's own answer."""
    return prepared.solved.answer if prepared.solved is not None else unfleeted(prepared.sized)


def _answered(prepared: Prepared) -> str:
    """Which of the objectives the plan's headline answers."""
    r = prepared.setting.request
    if r.params is not None or prepared.shape is not None:
        return GIVEN
    free = prepared.best is not None or (prepared.lifetime is not None and r.has_loss_target and r.tokens is None)
    return DEPLOYMENT if free else TRAINING


def objective_answers(prepared: Prepared) -> tuple[Objectives, Saving | None]:
    """The training- and the deployment-optimal plan, the given one, the demand rows; and the saving over a life."""
    setting, sized, lifetime = prepared.setting, prepared.sized, prepared.lifetime
    fleet = prepared.solved.fleet if prepared.solved is not None else None
    usual = whole_life(setting, prepared.model, fleet, sized, lifetime, partial(_trained, prepared))
    answered = _answered(prepared)
    training, deployment = _both(prepared, fleet)
    found = Objectives(
        objective=default_objective(setting),
        answered=answered,
        same_loss=prepared.best is None,
        given=_own(prepared) if answered == GIVEN else None,
        demand_curve=usual.rows if usual else [],
        flip_inference_tokens=usual.flip_inference_tokens if usual else None,
        demand_unit=usual.unit if usual else None,
        demand_note=usual.note if usual else "the law gives this model no loss that holds while its size is traded",
        demand_sizes=usual.curves if usual else [],
        by_law=law_choices(setting, prepared.model, LAWS_SHOWN, lifetime, sized) if lifetime else [],
        training_optimal=training,
        deployment_optimal=deployment,
        note=_held(prepared),
    )
    return found, _saving(prepared, training, deployment)


def _trained(prepared: Prepared, params: float, tokens: float) -> float | None:
    """Cost of training a size by its own bill, in the unit of the objective; None where nothing of that size fits."""
    setting, solved, sized = prepared.setting, prepared.solved, prepared.sized
    assert solved is not None
    answer = solved.answer
    if (params, tokens) != (sized.n, sized.d):
        run = Sized(params=params, tokens=tokens, loss=None, solved={})
        try:
            answer = on_fleet(at_own_batch(solved.fleet, run), run).answer
        except InfeasibleError:
            return None
    objective = default_objective(setting)
    per_hour = math.nan if objective == "usd" else per_accelerator_hour(fleeted(setting), objective)
    return billed(answer, objective, per_hour)


def _held(prepared: Prepared) -> str:
    if prepared.lifetime is None:
        return "no demand is given: training-optimal is the case without one"
    if prepared.best is not None:
        return "both keep to the time and money given; the loss of the deployment-optimal one is what that leaves"
    return "both hold the loss of this plan and release its tokens"


def _both(prepared: Prepared, fleet: Fleet | None) -> tuple[RunAnswer, RunAnswer | None]:
    """Both optima as answers with their lifetime cost: at one loss, or (within limits) each at its own; without a
    demand the plan's own answer alone."""
    lifetime = prepared.lifetime
    if lifetime is None:
        return _own(prepared), None
    n, d = lifetime.training_run
    train = prepared.best or Sized(params=n, tokens=d, loss=lifetime.loss, solved={})
    n, d = lifetime.whole_life_run
    deploy = prepared.sized if prepared.best is not None else Sized(params=n, tokens=d, loss=lifetime.loss, solved={})

    def one(run: Sized) -> RunAnswer:
        answer = _answer_of(fleet, run)
        return msgspec.structs.replace(answer, lifetime_cost=lifetime.billed(answer, run.n, run.d))

    return one(train), one(deploy)


def _saving(prepared: Prepared, training: RunAnswer, deployment: RunAnswer | None) -> Saving | None:
    """What the cheapest life saves against the training optimum of the same loss: by the bills of both where they are
    built at that loss, by the trend of sizes elsewhere."""
    lifetime, sized = prepared.lifetime, prepared.sized
    if lifetime is None or deployment is None:
        return None
    found, life_costs = lifetime.found, lifetime.costs
    least, other = float(found.total_cost), finite(found.training_optimal_cost)
    own, scale = finite(lifetime.cost(sized.n, sized.d)), 1.0
    if lifetime.built is not None and deployment.lifetime_cost is not None:
        kept = math.nan if other is None else least / other
        least, other = deployment.lifetime_cost, training.lifetime_cost
        own = lifetime.billed(_own(prepared), sized.n, sized.d)
        scale = 1.0 if other is None else least / other / kept
    band = lifetime.saving if math.isfinite(scale) else None
    return Saving(
        objective=life_costs.objective,
        unit=life_costs.unit,
        value=1.0 - least / other if other is not None else None,
        low=1.0 - (1.0 - band.low) * scale if band else None,
        high=1.0 - (1.0 - band.high) * scale if band else None,
        lifetime_cost=least,
        training_optimal_lifetime_cost=other,
        this_plan_lifetime_cost=own,
        note=life_costs.note,
    )
