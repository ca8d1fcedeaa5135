"""The least loss that an amount of money pays for, training and serving together: the dual of the cheapest life."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from hwmodel import laws
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.laws.lifetime import Option, option_optimum
from hwmodel.numerics import falls_at
from hwmodel.solve.life.demand import option
from hwmodel.solve.life.objective import SIZE_SPAN, Costs, costs
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.fleet import Fleet, hourly_usd
from hwmodel.solve.run.sizing import LossModel
from hwmodel.units import SECONDS_PER_HOUR, format_usd

HIGHEST_NATS, LEAST_NATS = 6.0, 1e-4  # above the law's floor
ROUNDS, SETTLED, HALVINGS = 6, 0.01, 34
GUESSED_MFU = 0.4


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """The loss [nats/token] that a lifetime budget pays for, with the costs and the limits that it was found by."""

    loss: float
    costs: Costs
    limits: dict[str, Callable[[Any, Any], Any]]


def paid_for(setting: Setting, model: LossModel, fleet: Fleet, demand: float, usd: float) -> Paid:
    """The least loss of a model whose training and serving of `demand` tokens cost `usd`, within --time and --budget.

    Costs are a ladder of sizes around the answer, so a few rounds bring ladder and answer together. Raises InputError
    for a law without a loss, InfeasibleError where even the worst model costs more.
    """
    if not laws.has_loss(model.law):
        raise InputError(f"law {model.law.id} has no loss, so it cannot minimise one; take besiroglu_2024")
    floor = float(laws.loss_floor(model.law))
    flop = 0.5 * usd / hourly_usd(setting) * SECONDS_PER_HOUR * GUESSED_MFU * fleet.peak_flop_per_s
    near = float(laws.optimum_for_flop(model.law, flop).params)
    for _ in range(ROUNDS):
        life_costs, within = costs(setting, fleet, near), training_limits(fleet, near)
        loss = _affordable_loss(option(model, life_costs, limits=within), floor, demand, usd)
        size = float(laws.optimum_for_loss(model.law, loss).params)
        if abs(size / near - 1.0) < SETTLED:
            break
        near = size
    return Paid(loss=loss, costs=life_costs, limits=within)


def paid_loss(setting: Setting, model: LossModel, fleet: Fleet | None) -> Paid | None:
    """What --lifetime-budget pays for; None without one."""
    r = setting.request
    if r.lifetime_budget_usd is None or fleet is None or r.inference_tokens is None:
        return None
    return paid_for(setting, model, fleet, r.inference_tokens, r.lifetime_budget_usd)


def with_paid_loss(setting: Setting, paid: Paid | None) -> Setting:
    """The setting with that loss as its target, and without the limits, which it keeps already."""
    if paid is None:
        return setting
    request = msgspec.structs.replace(setting.request, loss=paid.loss, time_s=None, budget_usd=None)
    return msgspec.structs.replace(setting, request=request)


def training_limits(fleet: Fleet, near: float) -> dict[str, Callable[[Any, Any], Any]]:
    """What --time and --budget allow a run of (params, tokens) around the size `near`; nothing without them."""
    r = fleet.setting.request
    if r.time_s is None and r.budget_usd is None:
        return {}
    available_s = fleet.productive_s_available(near)
    span = (near * SIZE_SPAN[0], near * SIZE_SPAN[1])

    def trains(params: Any, tokens: Any) -> Any:
        """Whether a run's steady time is within what is left of the limits."""
        return 6.0 * params * tokens / fleet.flop_rates(params, span) <= available_s

    return {"--time" if r.time_s is not None else "--budget": trains}


def _affordable_loss(way: Option, floor: float, demand: float, usd: float) -> float:
    """Where the least lifetime cost within the limits falls to the budget as the loss rises."""

    def cost(x: float) -> float:
        """Of the cheapest life at a loss; infinite where the limits allow none."""
        try:
            return float(option_optimum(way, floor + math.exp(x), demand).total_cost)
        except InfeasibleError:
            return math.inf

    low, high = math.log(LEAST_NATS), math.log(HIGHEST_NATS)
    last = cost(high)
    if not last <= usd:
        least = f"at least {format_usd(last)}" if math.isfinite(last) else "any money"
        raise InfeasibleError(
            f"--lifetime-budget {format_usd(usd)} does not pay for serving this demand: even the smallest model "
            f"costs {least}; raise it or serve fewer tokens",
            binding="budget",
            remedy="a larger budget or less demand",
        )
    # A step to the side that can be paid: at the limit itself a single size is allowed.
    return floor + (1.0 + 1e-8) * math.exp(falls_at(lambda x: not cost(x) <= usd, low, high, HALVINGS))
