"""From a question to a plan: size, tokens, layout, time, money, energy, and what else was considered."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Unpack

import msgspec

from hwmodel import laws
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.physics import shape as shapes
from hwmodel.solve.budget.draws import Outcome, uncertain_run
from hwmodel.solve.budget.limits import check_limits
from hwmodel.solve.budget.risk import risk
from hwmodel.solve.life.demand import Life, life, regret_band
from hwmodel.solve.life.distilled import check_distillation, distilled
from hwmodel.solve.life.lifetime_budget import Paid, paid_loss, with_paid_loss
from hwmodel.solve.life.mixtures import check_mixtures, mixture_shape, mixtures
from hwmodel.solve.life.objective import own_costs
from hwmodel.solve.life.samples import Answers, answers
from hwmodel.solve.life.served_loss import served_line
from hwmodel.solve.life.serving_formats import serving_rows
from hwmodel.solve.life.sparse import sparse_model
from hwmodel.solve.life.whole_life import compute_band, life_of, stopped_early, within_limits
from hwmodel.solve.plan import sides
from hwmodel.solve.plan.alternatives import alternatives
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.plan.citations import sources
from hwmodel.solve.plan.closing import (
    CLOSING_ROUNDS,
    CLOSING_TOLERANCE,
    LIMIT_TOLERANCE,
    closed,
    with_tokens,
)
from hwmodel.solve.plan.curves import curves
from hwmodel.solve.plan.data import data
from hwmodel.solve.plan.long_run import long_run
from hwmodel.solve.plan.margin import HORIZONS_S, Horizon, margin, reachable, reductions
from hwmodel.solve.plan.money import money
from hwmodel.solve.plan.objectives import objective_answers
from hwmodel.solve.plan.open_fleet import FLEET_ROUNDS, fewer, fleet_given, loses_little
from hwmodel.solve.plan.own_batch import at_own_batch, beside, of_own_batch
from hwmodel.solve.plan.own_budget import of_answer, served
from hwmodel.solve.plan.own_cost import as_built, cheapest_life, chosen_by_cost, fewest_for, least_training
from hwmodel.solve.plan.precisions import precision_rows
from hwmodel.solve.plan.prepared import Prepared
from hwmodel.solve.plan.sampled import with_chosen_samples
from hwmodel.solve.question.measured import Predicted, with_level
from hwmodel.solve.question.options import PlanOptions
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import Fleeted, Setting, fleeted, resolve, run_like
from hwmodel.solve.run.answers import limits_used, unfleeted
from hwmodel.solve.run.fleet import Fleet, fleet_size, hourly_usd
from hwmodel.solve.run.result import Mixtures, RunAnswer, value_of
from hwmodel.solve.run.sizing import DRAWS, LossModel, Sized, loss_model, referred_loss
from hwmodel.solve.run.solved import on_fleet, sized_shape
from hwmodel.specs import Shape


def plan(**given: Unpack[PlanOptions]) -> Plan:
    """Answer a question. Options as on the command line: `plan(gpus="1024xA100", tokens="1.4T")`.

    Raises InputError for what cannot be read, InfeasibleError with the binding constraint where there is no answer.
    """
    return solve(setting_of(**given))


def setting_of(**given: Unpack[PlanOptions]) -> Setting:
    """A resolved request, with the level of the user's measured run where --measured gives one, and the number of
    answers chosen where it is left open."""
    setting = measured(resolve(parse_request(**given)))
    return with_chosen_samples(setting, prepare) if setting.request.samples_open else setting


def measured(setting: Setting) -> Setting:
    """The setting with the level of the run that its request measures; itself without one."""
    path = setting.request.measured
    return setting if path is None else with_level(setting, Path(path), _predicted_run)


def _predicted_run(options: PlanOptions) -> Predicted:
    """What is predicted of a described run (tokens do not matter: any number does)."""
    asked: PlanOptions = {"tokens": "1T", **options, "flop_convention": "6nd"}
    solved = prepare(resolve(parse_request(**asked))).solved
    if solved is None:
        raise InputError("a measured run needs its accelerators: add gpus, like 64xH100")
    return Predicted(
        setting=solved.fleet.setting, tokens_per_s=solved.choice.tokens_per_s, step_s=solved.choice.step_s,
        peak_share=value_of(solved.answer.mfu),
    )  # fmt: skip


def solve(setting: Setting) -> Plan:
    """The plan of a resolved request."""
    return solve_drawn(setting)[0]


def solve_drawn(setting: Setting) -> tuple[Plan, Outcome | None]:
    """The plan with the joint draws of its days, dollars and loss; None without a fleet."""
    try:
        prepared = prepare(setting)
        drawn = None
        if prepared.solved is not None:
            doubtful = uncertain_run(fleeted(setting), prepared.solved, prepared.model)
            drawn = doubtful.drawn(setting.request.seed)
        return run(prepared), drawn
    except InfeasibleError as error:
        said = reachable(setting) if error.binding == "floor" or setting.request.loss_factor != 1.0 else ""
        raise InfeasibleError(f"{error}{said}", binding=error.binding, remedy=error.remedy) from error


def prepare(setting: Setting) -> Prepared:
    """Close size, tokens and fleet, and find the best layout. Raises InfeasibleError where a limit is broken."""
    _check_asked(setting)
    prepared, near = _prepared(setting, fleet_given(setting)), False
    for _ in range(FLEET_ROUNDS):
        fleet = fewer(setting, prepared.solved)
        if fleet is None:
            break
        near, prepared = fleet.near is not None, _prepared(setting, fleet)
    return _anew(setting, prepared) if near else prepared


def _anew(setting: Setting, prepared: Prepared) -> Prepared:
    """A run on a large fleet that was closed near the size of one before, or the better one of that fleet by all sizes:
    rounds of nearly as many accelerators each would hold the first size up."""
    solved, loss = prepared.solved, prepared.sized.loss
    if solved is None or loss is None or loses_little(solved):
        return prepared
    other = _prepared(setting, Fleet(solved.fleet.setting, solved.fleet.accelerators))
    return other if other.sized.loss is not None and value_of(other.sized.loss) < value_of(loss) else prepared


def _check_asked(setting: Setting) -> None:
    """Raises InputError for what no plan answers."""
    r = setting.request
    if r.samples_open and r.sampled_like is None:
        raise InputError("--samples any is chosen by plan and compare; elsewhere give a number, like 16")
    if r.distill:
        check_distillation(setting)
    if r.experts:
        check_mixtures(setting)
    check_priced(setting)


def _prepared(setting: Setting, fleet: Fleet | None) -> Prepared:
    """The question closed on a fleet (None: the fewest that the run then asks for)."""
    r, model, shape = setting.request, loss_model_of(setting), setting.shape()
    params = float(shapes.parameters(shape).total) if shape is not None else r.params
    asked, filled = setting, _paid_in_full(setting, model, fleet)
    paid = paid_loss(setting, model, fleet) if filled is None else None
    setting = with_paid_loss(setting, paid)
    r = setting.request
    opened, near = fleet is None, beside(fleet, model) if fleet is not None else None
    sized = filled or near or closed(setting, model, shape, params, fleet)
    if fleet is None and isinstance(setting, Fleeted):
        fleet = Fleet(setting, fleet_size(setting, *_run(sized, shape)))
    if fleet is not None and filled is None and near is None:
        sized = of_own_batch(fleet, model, sized, partial(closed, setting, model, shape, params, fleet))
    by_cost = fleet is not None and chosen_by_cost(setting)
    if fleet is not None and by_cost:
        sized = least_training(fleet, model, sized, opened)
        fleet = at_own_batch(fewest_for(fleet, sized) if opened else fleet, sized)
    lifetime, best, trained = _lifetime(setting, model, fleet, sized, paid), filled, sized
    inside = fleet is not None and sized.closed_by == "fleet" and params is None and r.tokens is None
    if lifetime is not None and fleet is not None and paid is None and filled is None and not inside:
        lifetime = as_built(fleet, model, lifetime, sized, by_cost, opened)
    if lifetime is not None and filled is None and params is None and r.tokens is None:
        if r.has_loss_target:
            sized = cheapest_life(lifetime, sized, bool(r.lifetime_budget_usd))
            if paid is not None and fleet is not None:
                sized = _to_limits(asked, model, fleet, sized, paid)
        elif fleet is not None and inside:
            best = sized
            sized, lifetime = _inside_limits(setting, model, fleet, best, lifetime.demand)
    if fleet is not None and sized is not trained:
        fleet = at_own_batch(fewest_for(fleet, sized) if opened and by_cost else fleet, sized)
    solved = on_fleet(fleet, sized, shape) if fleet is not None else None
    if solved is not None:
        check_limits(fleeted(asked), solved, model)
    return Prepared(setting=asked, model=model, shape=shape, sized=sized, solved=solved, lifetime=lifetime, best=best)


def check_priced(setting: Setting) -> None:
    """Raises InputError where money is given and no price of the part is known."""
    if setting.request.budget_usd is not None and isinstance(setting, Fleeted):
        hourly_usd(setting)


def _inside_limits(setting: Setting, model: LossModel, fleet: Fleet, best: Sized, demand: float) -> tuple[Sized, Life]:
    """The run whose life is cheapest within the time and the money, with that life: `best`, which fills them, or a
    smaller one."""
    lifetime = within_limits(fleet, model, best, demand)
    sized = _inside(setting, model, fleet, lifetime)
    if _cheapest(fleet, model, lifetime, best, sized):
        return sized, lifetime
    loss = value_of(best.loss) + float(lifetime.costs.lost(best.n, best.d))
    return best, life_of(best, loss, lifetime.costs, lifetime.demand)


def _inside(setting: Setting, model: LossModel, fleet: Fleet, lifetime: Life) -> Sized:
    """The cheapest life as a run, its tokens brought to the limit by the speed of the shape that is built."""
    how = "least loss whose cheapest life for this demand trains within the time or money given"
    n, d = float(lifetime.found.params), float(lifetime.found.tokens)
    sized = Sized(
        params=n, tokens=d, loss=model.loss_band(n, d), solved={"params": how, "tokens": how}, closed_by="fleet"
    )
    for _ in range(CLOSING_ROUNDS):
        used = limits_used(setting, on_fleet(at_own_batch(fleet, sized), sized).answer)
        if 1.0 - CLOSING_TOLERANCE <= used <= 1.0 + LIMIT_TOLERANCE:
            break
        sized = with_tokens(model, sized, 1.0 / used)
    return sized


def _cheapest(fleet: Fleet, model: LossModel, lifetime: Life, best: Sized, run: Sized) -> bool:
    """Whether the life of a run costs no more by its own bill than that of the best one stopped at the loss that it
    reaches: a size is chosen by the trend of speeds, and the shape that is built there may be slower by far."""
    own, other = (lifetime.billed(on_fleet(at_own_batch(fleet, one), one).answer, one.n, one.d) for one in (run, best))
    return own is None or other is None or own <= stopped_early(lifetime, model, best, other, run)


def _paid_in_full(setting: Setting, model: LossModel, fleet: Fleet | None) -> Sized | None:
    """The best run within --time and --budget where --lifetime-budget pays for all of its life; None elsewhere."""
    r = setting.request
    if r.lifetime_budget_usd is None or fleet is None or (r.time_s is None and r.budget_usd is None):
        return None
    crew = Fleet(fleet.setting, fleet.accelerators, batch=fleet.batch)  # whose batch the run takes only if it is paid
    best = closed(setting, model, None, None, crew)
    best = of_own_batch(crew, model, best, partial(closed, setting, model, None, None, crew))
    life_costs = own_costs(setting, crew, model, best)
    whole = float(life_costs.train(best.n, best.d)) + (r.inference_tokens or 0.0) * float(life_costs.serve(best.n))
    if whole > r.lifetime_budget_usd:
        return None
    fleet.take(crew.batch, crew.near)
    return best


def _to_limits(setting: Setting, model: LossModel, fleet: Fleet, sized: Sized, paid: Paid) -> Sized:
    """The run with the tokens that its own bill sees within --lifetime-budget, --time and --budget: sizes are chosen by
    the trend of their speeds, the shape that is built may be a few per cent faster or slower."""
    r = setting.request
    left_usd = (r.lifetime_budget_usd or 0.0) - (r.inference_tokens or 0.0) * float(paid.costs.serve(sized.n))
    for _ in range(CLOSING_ROUNDS):
        answer = on_fleet(at_own_batch(fleet, sized), sized).answer
        own = value_of(answer.cost_usd) if answer.cost_usd is not None and left_usd > 0.0 else None
        used = max(limits_used(setting, answer), 1.0 if own is None else own / left_usd)
        if 1.0 - CLOSING_TOLERANCE <= used <= 1.0 + LIMIT_TOLERANCE:
            break
        sized = with_tokens(model, sized, 1.0 / used)
    return sized


def _run(sized: Sized, shape: Shape | None) -> tuple[Shape, float, float, float]:
    at = sized_shape(sized, shape, timed=True)
    return at.shape, sized.n, sized.d, at.flop_params


def loss_model_of(setting: Setting, draws: int = DRAWS) -> LossModel:
    """The law of a question with so many draws, and data that repeat. InputError for one that says nothing of it."""
    laws.need_plan(setting.law)
    r = setting.request
    repetition = setting.catalog.law("muennighoff_2023") if r.unique_tokens is not None else None
    return loss_model(setting.law, repetition, r.unique_tokens, r.seed, draws)


def _lifetime(
    setting: Setting, model: LossModel, fleet: Fleet | None, sized: Sized, paid: Paid | None = None
) -> Life | None:
    """The deployment-optimal life at the loss of this plan; None without demand."""
    r = setting.request
    if r.inference_tokens is None:
        return None
    if sized.loss is None:
        raise InfeasibleError(
            f"{setting.law.id} gives this plan no loss, so no size can be traded against serving; drop "
            "--inference-tokens or take a law with a loss and a dense model",
            binding="law",
            remedy="a law with a loss",
        )

    life_costs = own_costs(setting, fleet, model, sized) if paid is None else paid.costs
    # A loss that is asked for is that of the model as served; a run that is given has its own, and what the bits add.
    lost = 0.0 if r.has_loss_target else float(life_costs.lost(sized.n, sized.d))

    def target(law: Any) -> Any:
        if r.reference is not None:
            return referred_loss(r.reference, law)
        return laws.loss(law, sized.n, sized.d) + lost

    if paid is not None:
        return life(model, paid.loss, r.inference_tokens, life_costs, target, paid.limits)
    return life(model, value_of(sized.loss) + lost, r.inference_tokens, life_costs, target)


def run(prepared: Prepared) -> Plan:
    """The plan with its tables and curves."""
    setting, model, shape = prepared.setting, prepared.model, prepared.shape
    sized, solved, lifetime = prepared.sized, prepared.solved, prepared.lifetime
    fleet = solved.fleet if solved is not None else None
    objectives, saving = objective_answers(prepared)
    answer = _billed(prepared)
    usd = value_of(answer.cost_usd) if answer.cost_usd is not None else None
    built = solved.at.shape if solved is not None else sized_shape(sized, shape).shape
    return Plan(
        request=sides.asked(setting),
        resolved=sides.resolved(setting),
        solved=sized.solved,
        answer=answer,
        # A run that fills the time or the training money was chosen by its compute, whatever its life then costs.
        regret_band=compute_band(setting, model, sized, fleet)
        if lifetime is None or prepared.best is sized
        else regret_band(model, lifetime),
        laws=sides.law_rows(setting, sized),
        saving=saving,
        layout=solved.choice.shown if solved is not None else None,
        step=sides.terms(solved.choice.step, "total_s") if solved is not None else None,
        memory=sides.terms(solved.choice.memory, "total_bytes") if solved is not None else None,
        shape=sides.shape_table(built, setting.request.seq_len),
        batch=sides.batch(setting, solved) if solved is not None else None,
        objectives=objectives,
        precisions=precision_rows(fleeted(setting), solved, model, lifetime) if solved is not None else [],
        alternatives=alternatives(fleeted(setting), solved) if solved is not None else None,
        curves=curves(model, sized, solved, lifetime),
        money=money(fleeted(setting), solved) if solved is not None else None,
        warnings=[*sides.warnings(setting, sized, solved), *served_line(setting, sized, lifetime)],
        mixtures=_mixtures(prepared) if setting.request.experts else None,
        distillation=distilled(setting, model, fleet, sized) if setting.request.distill else None,
        sparsity=sparse_model(setting, model, sized) if setting.request.sparsity is not None else None,
        serving_formats=serving_rows(setting, model, fleet, lifetime, sized) if lifetime else [],
        sources=sources(setting, solved),
        budget=of_answer(answer, served(fleeted(setting), lifetime, sized.n) if solved is not None else None),
        data=data(model, sized, usd),
        like=run_like(fleeted(setting), solved.at.shape) if solved is not None else None,
        margin=margin(setting, sized, usd),
        reductions=reductions(setting, sides.LAWS_SHOWN),
        risk=risk(fleeted(setting), solved, model) if solved is not None else None,
        samples=_samples(prepared),
        horizons=_horizons(setting) if setting.request.open_time else [],
        long_run=long_run(prepared, prepare),
    )


def _billed(prepared: Prepared) -> RunAnswer:
    """The plan's own answer, with what its life costs."""
    if prepared.solved is not None:
        answer = prepared.solved.answer
    else:
        shape = prepared.shape
        answer = unfleeted(prepared.sized, float(shapes.parameters(shape).active) if shape is not None else None)
    if prepared.lifetime is None:
        return answer
    cost = prepared.lifetime.billed(answer, prepared.sized.n, prepared.sized.d)
    return msgspec.structs.replace(answer, lifetime_cost=cost)


def _samples(prepared: Prepared) -> Answers | None:
    """Several answers a prompt, where they are asked for and served."""
    r = prepared.setting.request
    if prepared.lifetime is None or not (r.samples > 1.0 or r.samples_open):
        return None
    return answers(prepared.setting, prepared.model, prepared.lifetime, prepared.sized)


def _horizons(setting: Setting) -> list[Horizon]:
    """The best runs of the fleet over a week, a month, a quarter and half a year."""
    rows = []
    for time_s in HORIZONS_S:
        request = msgspec.structs.replace(setting.request, time_s=time_s, open_time=False)
        one = prepare(msgspec.structs.replace(setting, request=request))
        answer = one.solved.answer if one.solved is not None else None
        rows.append(
            Horizon(
                time_s=time_s, params=one.sized.n, tokens=one.sized.d,
                loss_nats=value_of(one.sized.loss) if one.sized.loss is not None else None,
                cost_usd=value_of(answer.cost_usd) if answer is not None and answer.cost_usd is not None else None,
            )
        )  # fmt: skip
    return rows


def _mixtures(prepared: Prepared) -> Mixtures:
    """Experts beside dense over the life of this plan, with the training run of the winner."""
    assert prepared.lifetime is not None
    fleet = prepared.solved.fleet if prepared.solved is not None else None
    found = mixtures(prepared.setting, prepared.model, fleet, prepared.lifetime)
    best = next(row for row in found.rows if row.experts == found.winner_experts)
    if best.experts <= 1 or fleet is None:
        return found
    run = Sized(params=best.params, tokens=best.tokens, loss=prepared.lifetime.loss, solved={})
    try:
        solved = on_fleet(fleet, run, mixture_shape(best))
    except InfeasibleError as error:
        return msgspec.structs.replace(found, refused={**found.refused, "training": str(error)})
    one = msgspec.structs.replace(solved.answer, lifetime_cost=best.lifetime_cost)
    return msgspec.structs.replace(found, answer=one, layout=solved.choice.shown)
