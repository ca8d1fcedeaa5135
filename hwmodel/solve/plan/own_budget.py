"""The budget of a plan without a plan file: its one run, what is not counted, contingency and cash flow."""

from __future__ import annotations

from typing import Any

from hwmodel.solve.run.budget_records import Budget
from hwmodel.solve.run.cash import monthly, schedule
from hwmodel.solve.run.lines import COMPUTED, NOT_COUNTED, Line
from hwmodel.solve.run.result import Band, RunAnswer

RUN = "pre-training"
REST = ("ablations and scaling runs", "post-training", "evaluation", "failed runs and rewinds", "serving", "storage",
        "egress")  # fmt: skip
WHY = "what the run lacks to be enough in 80 % of cases"


def of_answer(answer: RunAnswer) -> Budget | None:
    """The `budget` of the JSON contract for one run; None without a fleet."""
    if answer.gpu_hours is None or answer.quantiles is None:
        return None
    money, safe = _band(answer.cost_usd), answer.quantiles["p80"]["cost_usd"]
    line = Line(
        stage=RUN, kind="pretrain", how=COMPUTED, gpu_hours=_band(answer.gpu_hours), cost_usd=money,
        elapsed_days=_band(answer.elapsed_days), accelerators=answer.accelerators,
        energy_mwh=_band(answer.energy_mwh), co2e_t=_band(answer.co2e_t),
    )  # fmt: skip
    more = 0.0 if money is None or not isinstance(safe, (int, float)) else max(float(safe) - money.value, 0.0)
    end = line.elapsed_days.value if line.elapsed_days is not None else 0.0
    flow = monthly(schedule([line]), [(end - 1e-6, end - 1e-6, more)] if more else [])
    rows = [line, *(Line(stage=name, kind="other", how=NOT_COUNTED) for name in REST)]
    return Budget(
        lines=[one.row for one in rows], gpu_hours=line.gpu_hours, cost_usd=money, contingency_usd=more,
        contingency_why=WHY, total_usd=None if money is None else money.value + more, cash_flow=flow,
        not_counted=list(REST), energy_mwh=line.energy_mwh, co2e_t=line.co2e_t,
    )  # fmt: skip


def _band(value: Any) -> Band | None:
    if value is None or isinstance(value, Band):
        return value
    return Band(float(value), float(value), float(value))
