"""One objective for every question: training plus serving cost over a model's life, in the unit asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from hwmodel.catalog.quantised import quantised_constants
from hwmodel.errors import InputError
from hwmodel.laws.lifetime import serve_flop, train_flop
from hwmodel.physics.machine import machine as physics_machine
from hwmodel.physics.shape import parameters, smooth_shapes, with_experts
from hwmodel.predict.service.cost import DEFAULT_TPOT_S
from hwmodel.solve.life.pace import Pace, own_pace
from hwmodel.solve.question.setting import Fleeted, Setting, fleeted
from hwmodel.solve.run.answers import kwh_per_accelerator_hour
from hwmodel.solve.run.fleet import Fleet, hourly_usd
from hwmodel.solve.run.result import RunAnswer, value_of
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.solve.serve.face import serving_accelerator_seconds_per_token
from hwmodel.solve.serve.quality import bits_of, loss_of, quality
from hwmodel.units import SECONDS_PER_HOUR

UNITS = {"flops": "FLOP", "usd": "USD", "kwh": "kWh", "co2e": "kg CO2e"}
# Lifetime optima lie below the training optimum; sizes outside this span of it never win.
SIZE_SPAN = (1 / 60.0, 3.0)
# Rungs a decade of the ladder of served sizes. They are the same for every question, so that a size costs the same in
# all: between rungs the best layouts change by steps, and the cost interpolated there is up to 5 % off.
SERVE_RUNGS = 16
PENALTY_EXAMPLE = (7e10, 1.5e13)  # parameters and tokens that the note names the loss at
UNSERVABLE = 1e30
USUAL_PACE = Pace()

SizeCost = Callable[[Any], Any]
Answers = Callable[[float], SizeCost]  # answers a prompt -> cost of a token of the demand with one


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of training (size, tokens) and of serving one token (size), in `unit`; `note` says what they rest on.

    `answers` gives the cost of serving against the number of answers a prompt: of each token of the demand that one
    answer would make, prompts read once and each answer written.
    """

    train: Callable[[Any, Any], Any]
    serve: SizeCost
    answers: Answers
    objective: str
    note: str
    penalty: Callable[[Any, Any], Any] | None = None  # nats that serving in fewer bits adds, to be trained away
    pace: Pace = USUAL_PACE  # of training beside the trend of the fleet's sizes
    per_accelerator_hour: float = math.nan  # without a fleet there is none

    def own_bill(self, answer: RunAnswer) -> float | None:
        """What a run costs as it is built; None where it has no bill: FLOPs are those of the size."""
        return None if self.objective == "flops" else billed(answer, self.objective, self.per_accelerator_hour)

    @property
    def unit(self) -> str:
        return UNITS[self.objective]

    def lost(self, params: Any, tokens: Any) -> Any:
        """Nats that serving in fewer bits adds to the loss of a trained model; 0 in 16 bits."""
        return 0.0 if self.penalty is None else self.penalty(params, tokens)


def default_objective(setting: Setting) -> str:
    """Dollars where accelerators are named, FLOPs otherwise.

    Raises InputError where the cost of a life is asked on a part that nobody quotes: FLOPs are no dollars.
    """
    if setting.request.objective is not None:
        return setting.request.objective
    if setting.part is None or (setting.price is None and setting.request.inference_tokens is None):
        return "flops"
    hourly_usd(setting)
    return "usd"


def own_costs(setting: Setting, fleet: Fleet | None, model: LossModel, sized: Sized) -> Costs:
    """The two cost functions around the run of a plan, at its pace."""
    if fleet is None or default_objective(setting) == "flops":
        return costs(setting, fleet, sized.n)
    return costs(setting, fleet, sized.n, pace=own_pace(fleet, model, sized, _span(sized.n)))


def _span(near_params: float) -> tuple[float, float]:
    return near_params * SIZE_SPAN[0], near_params * SIZE_SPAN[1]


def costs(
    setting: Setting, fleet: Fleet | None, near_params: float, experts: float = 1.0, pace: Pace = USUAL_PACE
) -> Costs:
    """The two cost functions of the request's objective, for sizes around `near_params`: with `experts` of mixtures
    with one active expert, whose size counts active parameters. `pace`: of training, beside the fleet's trend."""
    objective = default_objective(setting)
    if objective == "flops":
        return flop_costs(setting, experts)
    if fleet is None:
        raise InputError(f"--objective {objective} needs accelerators: add --gpus, like 1024xA100, or use flops")
    asked = fleeted(setting)
    per_hour = per_accelerator_hour(asked, objective)
    span = _span(near_params)
    beyond = fleet.elapsed_over_productive(float(parameters(with_experts(smooth_shapes(near_params), experts)).total))
    crew = fleet if experts <= 1.0 else Fleet(asked, fleet.accelerators, fleet.precision, fleet.machine, experts)

    def train(params: Any, tokens: Any) -> Any:
        """Cost of a training run at the predicted speed of its size."""
        seconds = 6.0 * params * tokens / pace.flop_per_s(params, crew.flop_rates(params, span))
        return seconds * fleet.accelerators * beyond / SECONDS_PER_HOUR * per_hour

    recipe = setting.serving_precision()
    answers = _serving_cost(asked, span, per_hour, experts)
    serve = _a_token(answers, setting)
    note = f"training at each size's speed, serving in {recipe.id} on the same hardware"
    penalty, words = serving_penalty(setting, experts)
    return Costs(
        train=train, serve=serve, answers=answers, objective=objective, note=note + words, penalty=penalty, pace=pace,
        per_accelerator_hour=per_hour,
    )  # fmt: skip


def _a_token(answers: Answers, setting: Setting) -> SizeCost:
    """Cost of a token of the demand as it is: that of so many answers over what they make of one answer's tokens."""
    r = setting.request
    whole = answers(r.samples)
    grown = r.one_answer_share + (1.0 - r.one_answer_share) * r.samples
    return lambda params: whole(params) / grown


def flop_costs(setting: Setting, experts: float = 1.0, why: str = "") -> Costs:
    """6 N D to train and 2 N a token served. Fewer bits save no FLOPs, but the loss that they cost is trained away
    all the same: the target is the loss of the model that is served."""
    penalty, words = serving_penalty(setting, experts)
    note = f"6 N D to train, 2 N a token served{why}{words}"
    share = setting.request.one_answer_share

    def answers(samples: float) -> SizeCost:
        return lambda params: serve_flop(params) * (share + (1.0 - share) * samples)

    return Costs(
        train=train_flop, serve=serve_flop, answers=answers, objective="flops", note=note, penalty=penalty
    )  # fmt: skip


def serving_penalty(setting: Setting, experts: float = 1.0) -> tuple[Callable[[Any, Any], Any] | None, str]:
    """Nats lost by serving in fewer bits, as a function of size and tokens, and what a note says of them.

    None and no words for recipes that keep 16 bits throughout.
    """
    recipe = setting.serving_precision()
    if bits_of(recipe).full:
        return None, ""

    def penalty(params: Any, tokens: Any) -> Any:
        """Nats by bits of weights, activations and cache, size and tokens a parameter."""
        return loss_of(recipe, params, tokens, mixture=experts > 1.0)

    one = quality(recipe, *PENALTY_EXAMPLE, mixture=experts > 1.0)
    band = f"{one.loss_nats.value:.4f} ({one.loss_nats.low:.4f} to {one.loss_nats.high:.4f})"
    said = f", and training away the loss that {recipe.id} costs: {band} nats at 70B on 15T, fitted on "
    said += quantised_constants().fitted_on.split(" (")[0]
    return penalty, said if one.measured else f"{said}; nothing is published in these bits"


def per_accelerator_hour(setting: Fleeted, objective: str) -> float:
    """What an hour of an accelerator counts in the objective's unit: dollars, kWh or kg CO2e."""
    if objective == "usd":
        return hourly_usd(setting)
    kwh = kwh_per_accelerator_hour(setting)
    if objective == "kwh":
        return kwh
    embodied = setting.energy.embodied_kg_co2e_per_accelerator_hour
    return kwh * setting.energy.grid_kg_co2e_per_kwh + embodied


def billed(answer: RunAnswer, objective: str, per_hour: float) -> float | None:
    """What a run costs by its own bill, in the unit of an objective: its dollars, or `per_hour` of its hours."""
    if objective == "usd":
        return None if answer.cost_usd is None else value_of(answer.cost_usd)
    return None if answer.gpu_hours is None else value_of(answer.gpu_hours) * per_hour


def _serving_cost(setting: Fleeted, span: tuple[float, float], per_hour: float, experts: float = 1.0) -> Answers:
    """Cost of serving against size and answers a prompt, on a ladder of shapes, between them on the log scale."""
    recipe = setting.serving_precision()
    machine = physics_machine(setting.part, setting.system, recipe, setting.kernels())
    first, last = (SERVE_RUNGS * math.log10(end) for end in span)
    sizes = 10.0 ** (np.arange(math.floor(first), math.ceil(last) + 1) / SERVE_RUNGS)
    share = setting.request.one_answer_share
    service = setting.request.service
    prompt, output = prompt_and_output(share)
    limit_s = service.tpot_limit_s if service is not None else None
    if service is not None:
        prompt, output = service.prompt_tokens, service.output_tokens
    cost = serving_accelerator_seconds_per_token(
        with_experts(smooth_shapes(sizes), experts), machine, recipe, prompt, output,
        tpot_limit_s=limit_s or DEFAULT_TPOT_S, strict=limit_s is not None,
    )  # fmt: skip
    read_s, written_s = np.asarray(cost.prompt_accelerator_s), np.asarray(cost.output_accelerator_s)
    feasible = np.asarray(cost.feasible) > 0

    def answers(samples: float) -> SizeCost:
        mean_s = share * read_s + (1.0 - share) * samples * written_s
        return _between(sizes, np.where(feasible, mean_s, UNSERVABLE) / SECONDS_PER_HOUR * per_hour)

    return answers


def _between(sizes: Any, costs: Any) -> SizeCost:
    """The cost between the rungs of a ladder, and beyond it in proportion to the size."""
    logs, values = np.log(sizes), np.log(costs)
    # Between a rung that fits and one that does not, nothing is known to fit.
    dearest = math.log(10.0 * costs[costs < costs.min() * 1e9].max())

    def serve(params: Any) -> Any:
        """Cost of serving a size."""
        x = np.log(params)
        between = np.interp(x, logs, values)
        beyond = x - np.clip(x, logs[0], logs[-1])  # outside the ladder in proportion to the size
        return np.where(between < dearest, np.exp(between + beyond), np.inf)

    return serve


REQUEST_TOKENS = 2048.0


def prompt_and_output(prompt_share: float) -> tuple[float, float]:
    """Prompt and output tokens of one request of 2,048 tokens at a prompt share, at least one of each."""
    prompt = min(max(prompt_share * REQUEST_TOKENS, 1.0), REQUEST_TOKENS - 1.0)
    return prompt, REQUEST_TOKENS - prompt
