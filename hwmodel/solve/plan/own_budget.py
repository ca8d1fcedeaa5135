"""The budget of a plan without a plan file: its one run, what is not counted, contingency and cash flow."""

from __future__ import annotations

import math

from hwmodel.solve.life.demand import Life
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.budget_records import Budget
from hwmodel.solve.run.cash import monthly, schedule
from hwmodel.solve.run.lines import COMPUTED, NOT_COUNTED, StageLine, added, asked_for, certain, of_hours
from hwmodel.solve.run.result import RunAnswer
from hwmodel.units import HOURS_PER_YEAR

RUN, SERVING = "pre-training", "serving"
REST = ("ablations and scaling runs", "post-training", "evaluation", "failed runs and rewinds", "serving", "storage",
        "egress")  # fmt: skip
WHY = "what the run lacks to be enough in 80 % of cases"


def served(setting: Fleeted, life: Life | None, params: float) -> StageLine | None:
    """The line of the tokens that are served after training; None where the plan does not price them in dollars.

    Its interval is that of the price; it is paid as the demand comes, so it stands in no month.
    """
    if life is None or setting.price is None or life.costs.objective != "usd":
        return None
    usd = life.demand * float(life.costs.serve(params))
    if not math.isfinite(usd):
        return None
    hours = certain(usd / setting.price.median_usd_per_accelerator_hour)
    over_a_year = hours.value / HOURS_PER_YEAR  # accelerators: for how long prices drift until it is paid
    return of_hours(hours, setting, max(over_a_year, 1.0), stage=SERVING, kind="serving")


def of_answer(answer: RunAnswer, serving: StageLine | None = None) -> Budget | None:
    """The `budget` of the JSON contract for one run and what is served after it; None without a fleet."""
    if answer.gpu_hours is None or answer.quantiles is None:
        return None
    money, safe = answer.cost_usd, answer.quantiles["p80"]["cost_usd"]
    line = StageLine(
        stage=RUN, kind="pretrain", how=COMPUTED, gpu_hours=answer.gpu_hours, cost_usd=money,
        elapsed_days=answer.elapsed_days, accelerators=answer.accelerators,
        energy_mwh=answer.energy_mwh, co2e_t=answer.co2e_t,
    )  # fmt: skip
    more = 0.0 if money is None or safe is None else max(safe - money.value, 0.0)
    end = line.elapsed_days.value if line.elapsed_days is not None else 0.0
    flow = monthly(schedule([line]), [(end - 1e-6, end - 1e-6, more)] if more else [])
    rest = {name: StageLine(stage=name, kind="other", how=NOT_COUNTED) for name in REST}
    if serving is not None:
        rest[SERVING] = serving
    counted = [line] if serving is None else [line, serving]
    money = added([one.cost_usd for one in counted if one.cost_usd is not None])
    return Budget(
        lines=[one.row for one in (line, *rest.values())],
        gpu_hours=added([one.gpu_hours for one in counted if one.gpu_hours is not None]), cost_usd=money,
        contingency_usd=more, contingency_why=WHY, total_usd=asked_for(money, more), cash_flow=flow,
        not_counted=[name for name, one in rest.items() if one.how == NOT_COUNTED],
        energy_mwh=added([one.energy_mwh for one in counted if one.energy_mwh is not None]),
        co2e_t=added([one.co2e_t for one in counted if one.co2e_t is not None]),
    )  # fmt: skip
