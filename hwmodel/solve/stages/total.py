"""What the lines of a budget add up to: contingency, cash flow, and post-training beside pre-training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from hwmodel.errors import InputError
from hwmodel.ops import Num, maximum
from hwmodel.solve.run.budget_records import Budget, CashMonth
from hwmodel.solve.run.cash import Slot, monthly
from hwmodel.solve.run.details import RlDetail
from hwmodel.solve.run.lines import NOT_COUNTED, StageLine, added, asked_for
from hwmodel.solve.stages.committed import is_committed, paid_evenly
from hwmodel.solve.stages.frame import share, usd
from hwmodel.solve.stages.given import BudgetKeys
from hwmodel.solve.stages.own import Owned

PRETRAINING = ("pretrain", "context")


POST_TRAINING = ("sft", "preference", "rl", "distillation")


class PostTraining(msgspec.Struct, frozen=True, kw_only=True):
    """Post-training beside pre-training in dollars (hours, where a price is missing), and the steps of reinforcement
    learning from which it outspends it."""

    unit: str
    pretraining: float
    post_training: float
    over_pretraining: float
    rl_steps: float | None
    rl_steps_at_parity: float | None


class Contingency(NamedTuple):
    """Money set aside, and why so much."""

    usd: float
    why: str


def margin_to_safe(pairs: Iterable[tuple[Num, Num]]) -> Num:
    """What lines lack together to be enough in 80 % of cases, of what is enough for each and its cost [USD]."""
    return maximum(sum(safe - cost for safe, cost in pairs), 0.0)


def steps_at_parity(pretraining: Num, other: Num, reinforcement: Num, steps: Num) -> Num:
    """Steps of reinforcement learning from which post-training outspends pre-training; `other`: of its other stages."""
    return maximum(pretraining - other, 0.0) / (reinforcement / steps)


def price_of(line: StageLine) -> float:
    if line.cost_usd is not None:
        return line.cost_usd.value
    return line.gpu_hours.value if line.gpu_hours is not None else 0.0


def contingency_of(top: BudgetKeys, lines: list[StageLine]) -> Contingency:
    """As entered, or what the computed lines lack to be enough in 80 % of cases, their errors taken as one."""
    total = added([line.cost_usd for line in lines if line.cost_usd is not None])
    if "contingency" in top:
        text = str(top["contingency"])
        why = str(top.get("contingency_why", "as entered"))
        relative = "%" in text or (isinstance(top["contingency"], float) and top["contingency"] < 1.0)
        money = share(text, "contingency") * (total.value if total else 0.0) if relative else usd(text, "contingency")
        return Contingency(money, why)
    if "contingency_why" in top:
        raise InputError("contingency_why gives the reason of a contingency: add `contingency: 15%` or an amount")
    known = [
        (line.safe_cost_usd, line.cost_usd.value)
        for line in lines
        if line.safe_cost_usd is not None and line.cost_usd is not None
    ]
    why = "what the computed lines lack to be enough in 80 % of cases, their errors taken as one and the same"
    return Contingency(float(margin_to_safe(known)), why)


def budget_of(lines: list[StageLine], contingency: Contingency, flow: list[CashMonth]) -> Budget:
    """The lines with their sum."""
    hours = added([line.gpu_hours for line in lines if line.gpu_hours is not None])
    money = added([line.cost_usd for line in lines if line.cost_usd is not None])
    return Budget(
        lines=[line.row for line in lines], gpu_hours=hours, cost_usd=money, contingency_usd=contingency.usd,
        contingency_why=contingency.why,
        total_usd=asked_for(money, contingency.usd), cash_flow=flow,
        not_counted=[line.stage for line in lines if line.how == NOT_COUNTED]
        + [f"{term} of {line.stage}" for line in lines for term in line.not_counted],
        energy_mwh=added([line.energy_mwh for line in lines if line.energy_mwh is not None]),
        co2e_t=added([line.co2e_t for line in lines if line.co2e_t is not None]),
    )  # fmt: skip


def cash_flow(
    slots: list[Slot], extras: list[StageLine], bought: list[Owned], idle: list[StageLine], contingency_usd: float
) -> list[CashMonth]:
    """Money out by month. Commitments are paid evenly over their terms. Owned pools are paid as they fall due: the
    purchase in month 0, power and staff over the life, what they are sold for at its end; the contingency follows the
    last stage."""
    parts = {one.part for one in bought}
    rented = [slot for slot in slots if slot.line.part not in parts and not (idle and is_committed(slot.line))]
    end = max((slot.end_days for slot in slots), default=0.0)
    more = [(0.0, end, line.cost_usd.value) for line in extras if line.cost_usd is not None]
    more += paid_evenly(idle, slots)
    if contingency_usd:
        last = max(end - 1e-6, 0.0)
        more.append((last, last, contingency_usd))
    paid = {row.month: row.usd for row in monthly(rented, more)}
    for one in bought:
        for month, money in enumerate(one.monthly_usd):
            paid[month] = paid.get(month, 0.0) - money
    first, last_month = min(paid, default=1), max(paid, default=0)
    return [CashMonth(month=month, usd=paid.get(month, 0.0)) for month in range(first, last_month + 1)]


def post_training(lines: list[StageLine]) -> PostTraining | None:
    """Post-training beside pre-training, and the steps of reinforcement learning from which it outspends it."""
    unit = "usd" if all(line.cost_usd is not None for line in lines if line.gpu_hours is not None) else "gpu_hours"

    def spent(kinds: tuple[str, ...]) -> float:
        bands = [line.cost_usd if unit == "usd" else line.gpu_hours for line in lines if line.kind in kinds]
        return sum(band.value for band in bands if band is not None)

    before, after = spent(PRETRAINING), spent(POST_TRAINING)
    if not before or not after:
        return None
    made = steps = None
    rl = next((line for line in lines if isinstance(line.detail, RlDetail)), None)
    if rl is not None and isinstance(rl.detail, RlDetail):
        made = rl.detail.steps
        mine = price_of(rl) if unit == "usd" else (rl.gpu_hours.value if rl.gpu_hours else 0.0)
        steps = float(steps_at_parity(before, after - mine, mine, made))
    return PostTraining(
        unit=unit, pretraining=before, post_training=after, over_pretraining=after / before,
        rl_steps=made, rl_steps_at_parity=steps,
    )  # fmt: skip
