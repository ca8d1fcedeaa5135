"""One objective for every question: training plus serving cost over a model's life, in the unit asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from hwmodel.errors import InputError
from hwmodel.laws.precision import post_training_bound
from hwmodel.physics.machine import machine as physics_machine
from hwmodel.physics.shape import parameters, smooth_shapes, with_experts
from hwmodel.solve.answers import kwh_per_accelerator_hour
from hwmodel.solve.fleet import Fleet, hourly_usd
from hwmodel.solve.lifetime import serve_flop, train_flop
from hwmodel.solve.serving import serving_accelerator_seconds_per_token
from hwmodel.solve.serving_cost import DEFAULT_TPOT_S
from hwmodel.solve.serving_quality import SCHEMES, measured_quality
from hwmodel.solve.setting import Fleeted, Setting, fleeted
from hwmodel.specs import ServingPrecision
from hwmodel.units import SECONDS_PER_HOUR

UNITS = {"flops": "FLOP", "usd": "USD", "kwh": "kWh", "co2e": "kg CO2e"}
# Lifetime optima lie below the training optimum; sizes outside this span of it never win.
SIZE_SPAN = (1 / 60.0, 3.0)
SERVE_RUNGS = 33
PTQ_LAW = "kumar_2024"
UNSERVABLE = 1e30

SizeCost = Callable[[Any], Any]


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of training (size, tokens) and of serving one token (size), in `unit`; `note` says what they rest on."""

    train: Callable[[Any, Any], Any]
    serve: SizeCost
    objective: str
    note: str
    penalty: Callable[[Any, Any], Any] | None = None  # nats that serving in fewer bits adds, to be trained away

    @property
    def unit(self) -> str:
        return UNITS[self.objective]


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


def costs(setting: Setting, fleet: Fleet | None, near_params: float, experts: float = 1.0) -> Costs:
    """The two cost functions of the request's objective, for sizes around `near_params`: with `experts` of mixtures
    with one active expert, whose size counts active parameters."""
    objective = default_objective(setting)
    if objective == "flops":
        return Costs(train=train_flop, serve=serve_flop, objective="flops", note="6 N D to train, 2 N a token served")
    if fleet is None:
        raise InputError(f"--objective {objective} needs accelerators: add --gpus, like 1024xA100, or use flops")
    asked = fleeted(setting)
    per_hour = _per_accelerator_hour(asked, objective)
    span = (near_params * SIZE_SPAN[0], near_params * SIZE_SPAN[1])
    share = fleet.goodput(float(parameters(with_experts(smooth_shapes(near_params), experts)).total))
    crew = fleet if experts <= 1.0 else Fleet(asked, fleet.accelerators, fleet.precision, fleet.machine, experts)

    def train(params: Any, tokens: Any) -> Any:
        """Cost of a training run at the predicted speed of its size."""
        seconds = 6.0 * params * tokens / crew.flop_rates(params, span)
        return seconds * fleet.accelerators / share / SECONDS_PER_HOUR * per_hour

    recipe = setting.serving_precision()
    serve = _serving_cost(asked, span, per_hour, experts)
    note = f"training at the predicted speed of each size, serving in {recipe.id} on the same part and system"
    penalty, words = serving_penalty(setting)
    if penalty is not None:
        note += f", and training away the loss that {recipe.id} costs: {words}"
    return Costs(train=train, serve=serve, objective=objective, note=note, penalty=penalty)


def serving_penalty(setting: Setting) -> tuple[Callable[[Any, Any], Any] | None, str]:
    """Nats lost by serving in fewer bits, as a function of size and tokens, and the words that say which number it is.

    The median of measured perplexities of the same bits where there are enough, else Kumar's law of post-training
    quantisation (an upper bound). None for recipes of 16-bit weights.
    """
    recipe = setting.serving_precision()
    bits = weight_bits(recipe)
    if bits >= 16.0:
        return None, ""
    law = setting.catalog.law(PTQ_LAW)

    def by_law(params: Any, tokens: Any) -> Any:
        """The law's upper bound [nats]."""
        return post_training_bound(law.constants, params, tokens, bits)

    said = f"{float(by_law(7e10, 1.4e12)):.4f} nats at 70B on 1.4T by {PTQ_LAW}"
    measured, of = _measured_nats(setting, recipe.id, bits)
    if measured is None:
        return by_law, f"{said} (an upper bound; nothing measured for this recipe)"
    nats = max(measured["value"], 0.0)

    def flat(params: Any, tokens: Any) -> Any:
        """The measured nats, whatever the size."""
        return nats + 0.0 * params

    whose = "" if of == recipe.id else f" in {of}, the nearest recipe with published perplexities"
    return flat, f"{nats:.4f} nats, the median of {measured['n']:.0f} measured models{whose} ({said})"


def _measured_nats(setting: Setting, recipe: str, bits: float) -> tuple[dict[str, float] | None, str]:
    """Measured loss of a recipe, else of the best measured one with weights of as many bits; and which it was."""
    own = (measured_quality(recipe) or {}).get("loss_increase_nats")
    if own is not None:
        return own, recipe
    kin = []
    for other in SCHEMES:
        found = (measured_quality(other) or {}).get("loss_increase_nats")
        if found is not None and weight_bits(setting.catalog.serving_precision(other)) == bits:
            kin.append((found["n"], other, found))
    return (max(kin)[2], max(kin)[1]) if kin else (None, "")


def weight_bits(recipe: ServingPrecision) -> float:
    """Bits of a weight, the bytes of its scales left out."""
    return float(round(8.0 * recipe.weight_bytes - 0.26))


def _per_accelerator_hour(setting: Fleeted, objective: str) -> float:
    if objective == "usd":
        return hourly_usd(setting)
    kwh = kwh_per_accelerator_hour(setting)
    if objective == "kwh":
        return kwh
    embodied = setting.energy.embodied_kg_co2e_per_accelerator_hour
    return kwh * setting.energy.grid_kg_co2e_per_kwh + embodied


def _serving_cost(setting: Fleeted, span: tuple[float, float], per_hour: float, experts: float = 1.0) -> SizeCost:
    """Cost of a served token against size, computed on a ladder of shapes and interpolated on the log scale."""
    recipe = setting.serving_precision()
    machine = physics_machine(setting.part, setting.system, recipe, setting.kernels())
    sizes = np.geomspace(*span, SERVE_RUNGS)
    share = setting.request.prompt_share
    service = setting.request.service
    prompt, output = prompt_and_output(share)
    limit_s = service.tpot_limit_s if service is not None else None
    if service is not None:
        prompt, output = service.prompt_tokens, service.output_tokens
    cost = serving_accelerator_seconds_per_token(
        with_experts(smooth_shapes(sizes), experts), machine, recipe, prompt, output,
        tpot_limit_s=limit_s or DEFAULT_TPOT_S, strict=limit_s is not None,
    )  # fmt: skip
    mean_s = share * np.asarray(cost.prompt_accelerator_s) + (1 - share) * np.asarray(cost.output_accelerator_s)
    usd = np.where(np.asarray(cost.feasible) > 0, mean_s, UNSERVABLE) / SECONDS_PER_HOUR * per_hour
    logs, values = np.log(sizes), np.log(usd)

    def serve(params: Any) -> Any:
        """Cost of serving a token, between the rungs of the ladder."""
        x = np.log(params)
        beyond = x - np.clip(x, logs[0], logs[-1])  # outside the ladder in proportion to the size
        one = np.exp(np.interp(x, logs, values) + beyond)
        # Between a rung that fits and one that does not, nothing is known to fit.
        return np.where(np.interp(x, logs, values) < math.log(10.0 * usd[usd < usd.min() * 1e9].max()), one, np.inf)

    return serve


REQUEST_TOKENS = 2048.0


def prompt_and_output(prompt_share: float) -> tuple[float, float]:
    """Prompt and output tokens of one request of 2,048 tokens at a prompt share, at least one of each."""
    prompt = min(max(prompt_share * REQUEST_TOKENS, 1.0), REQUEST_TOKENS - 1.0)
    return prompt, REQUEST_TOKENS - prompt
