"""The least loss that an amount of money pays for, training and serving together: the dual of the cheapest life."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from hwmodel import laws
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.laws.lifetime import Lifetime, option_optimum
from hwmodel.numerics import falls_at
from hwmodel.solve.life.demand import option
from hwmodel.solve.life.objective import Costs, costs
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.fleet import Fleet, hourly_usd
from hwmodel.solve.run.sizing import LossModel
from hwmodel.units import SECONDS_PER_HOUR, format_usd

HIGHEST_NATS, LEAST_NATS = 6.0, 1e-4  # above the law's floor
ROUNDS, SETTLED, HALVINGS = 6, 0.01, 34
GUESSED_MFU = 0.4


def loss_for_budget(setting: Setting, model: LossModel, fleet: Fleet, demand: float, usd: float) -> float:
    """Loss [nats/token] of the best model whose training and serving of `demand` tokens cost `usd`.

    Costs are a ladder of sizes around the answer, so a few rounds bring ladder and answer together. Raises InputError
    for a law without a loss, InfeasibleError where even the worst model costs more.
    """
    if not laws.has_loss(model.law):
        raise InputError(f"law {model.law.id} has no loss, so it cannot minimise one; take besiroglu_2024")
    floor = float(laws.loss_floor(model.law))
    flop = 0.5 * usd / hourly_usd(setting) * SECONDS_PER_HOUR * GUESSED_MFU * fleet.peak_flop_per_s
    near = float(laws.optimum_for_flop(model.law, flop).params)
    loss = floor
    for _ in range(ROUNDS):
        loss = _affordable_loss(model, costs(setting, fleet, near), floor, demand, usd)
        size = float(laws.optimum_for_loss(model.law, loss).params)
        if abs(size / near - 1.0) < SETTLED:
            break
        near = size
    return loss


def with_paid_loss(setting: Setting, model: LossModel, fleet: Fleet | None) -> Setting:
    """The setting with the loss that --lifetime-budget pays for as its target; itself without one."""
    r = setting.request
    if r.lifetime_budget_usd is None or fleet is None or r.inference_tokens is None:
        return setting
    loss = loss_for_budget(setting, model, fleet, r.inference_tokens, r.lifetime_budget_usd)
    return msgspec.structs.replace(setting, request=msgspec.structs.replace(r, loss=loss))


def _affordable_loss(model: LossModel, of: Costs, floor: float, demand: float, usd: float) -> float:
    """Where the least lifetime cost falls to the budget as the loss rises."""
    way = option(model, of)

    def life(x: float) -> Lifetime:
        return option_optimum(way, floor + math.exp(x), demand)

    low, high = math.log(LEAST_NATS), math.log(HIGHEST_NATS)
    last = life(high)
    if not float(last.total_cost) <= usd:
        least = f"at least {format_usd(float(last.total_cost))}" if np.isfinite(last.total_cost) else "any money"
        raise InfeasibleError(
            f"--lifetime-budget {format_usd(usd)} does not pay for serving this demand: even the smallest model "
            f"costs {least}; raise it or serve fewer tokens",
            binding="budget",
            remedy="a larger budget or less demand",
        )
    return floor + math.exp(falls_at(lambda x: not float(life(x).total_cost) <= usd, low, high, HALVINGS))
