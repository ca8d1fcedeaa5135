"""Where the money, the energy and the time lost to failures go, and what could move them."""

from __future__ import annotations

from typing import Any

from hwmodel.report import words
from hwmodel.report.blocks import Block, Heading, Table, Text
from hwmodel.report.energy import energy_lines
from hwmodel.report.failures import failures_line
from hwmodel.report.phrases import heard, say
from hwmodel.report.plan.front import RISKS_SHOWN, dearest, swing
from hwmodel.report.prices import price_line
from hwmodel.report.ways import ways_table
from hwmodel.report.words import DASH, interval
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.budget_records import Budget
from hwmodel.units import format_usd

LINE_WORDS = {
    "steady": "steady training",
    "failures": "failures and restarts",
    "beyond": "whole runs beyond both",
}
DRIVER_WORDS = {
    "step": "speed of the step",
    "failures": "failures",
    "whole_run": "hours of whole runs",
    "price": "price",
    "drift": "drift of prices",
    "law": "constants of the law",
}
# Stages of a budget, counted or not.
STAGES = {
    "pre-training": "pre-training",
    "ablations and scaling runs": "ablations and scaling runs",
    "post-training": "post-training",
    "evaluation": "evaluation",
    "failed runs and rewinds": "failed runs and rewinds",
    "serving": "serving",
    "storage": "storage",
    "egress": "egress",
}
# Of the answer: what page one has not said.
FIGURES: list[tuple[str, str, Any]] = [
    ("productive time", "train_days", words.days),
    ("tokens a second", "tokens_per_s", words.count),
    ("MFU", "mfu", words.percent),
    ("loss, nats a token", "loss_nats", words.loss),
]


def bill(plan: Plan) -> list[Block]:
    """Days and dollars by line, what moves them, ways to pay, energy and failures."""
    blocks: list[Block] = []
    if plan.answer.quantiles is not None:
        blocks.append(Heading(say("How long and how much, and what moves it?")))
        blocks += [lines_table(plan), Text(_apart(plan) + _billed(plan)), Text(_others(plan))]
    blocks += [Heading(say("The answer in figures"), 3 if blocks else 2), figures_table(plan)]
    if plan.money is None:
        return blocks
    blocks.append(Heading(say("How to pay?")))
    if plan.money.price:
        blocks.append(Text(price_line(plan.money.price)))
    blocks.append(ways_table(plan.money.ways))
    blocks += whole_budget(plan)
    blocks.append(Heading(say("Energy, carbon, failures")))
    return [*blocks, Text(energy_lines(plan.money.energy)), Text(failures_line(plan.money.goodput))]


def whole_budget(plan: Plan) -> list[Block]:
    """What this run sets aside, line by line, when it is paid, and what no line counts; nothing without a price."""
    budget = plan.budget
    if budget is None or budget.total_usd is None:
        return []
    rows = [
        [say(STAGES[one.stage]), words.plain(one.gpu_hours), words.usd(one.cost_usd)]
        for one in budget.lines
        if one.cost_usd is not None
    ]
    rows += [
        [say("contingency: {why}", why=heard(budget.contingency_why)), DASH, format_usd(budget.contingency_usd)],
        [say("in all"), DASH, words.usd(budget.total_usd)],
    ]
    left = say(", ").join(say(STAGES[stage]) for stage in budget.not_counted)
    said = say(
        "Not counted: {what}. A plan file counts them (`hwmodel plan budget.yaml`).",
        what=left,
    )
    table = Table([say("budget"), say("accelerator-hours"), say("money")], rows)
    return [Heading(say("The whole budget"), 3), table, Text(" ".join(filter(None, (_paid(budget), said))))]


def _paid(budget: Budget) -> str:
    """When the run and its contingency are paid, where that is more than two months."""
    if len(budget.cash_flow) < 3:
        return ""
    months = say(", ").join(f"{row.month}: {format_usd(row.usd)}" for row in budget.cash_flow)
    return say("Paid by month, the contingency in the last: {months}.", months=months)


def lines_table(plan: Plan) -> Table:
    """Rent by line from P10 to P90; without a price days and hours by certainty."""
    if plan.risk is not None and plan.risk.lines:
        rows = [
            [say(LINE_WORDS[one.line]), *(words.signed_usd(v) for v in (one.p10, one.p50, one.p90))]
            for one in plan.risk.lines
        ]
        return Table([say("rent of"), "P10", "P50", "P90"], rows)
    q = plan.answer.quantiles
    assert q is not None
    rows = [[name.upper(), words.days(one["elapsed_days"]), words.plain(one["gpu_hours"])] for name, one in q.items()]
    return Table([say("certainty"), say("elapsed"), say("accelerator-hours")], rows)


def _apart(plan: Plan) -> str:
    """Why the lines do not add to the whole, where they visibly do not."""
    found = plan.answer.quantiles
    if plan.risk is None or not plan.risk.lines or found is None:
        return ""
    for name in ("p50", "p90"):
        added = sum(getattr(one, name) for one in plan.risk.lines)
        if words.usd(added) != words.usd(found[name]["cost_usd"]):
            return say("Lines, each by its own draws, do not add. ")
    return ""


def _billed(plan: Plan) -> str:
    """P90, the median goodput, and what the whole-run factor stands on."""
    a = plan.answer
    assert a.quantiles is not None
    last = a.quantiles["p90"]
    cost = say(" and {usd}", usd=words.usd(last["cost_usd"])) if last["cost_usd"] is not None else ""
    said = say(
        "90 % certainty takes {days}{cost}. Goodput {goodput}; beyond failures whole runs bill {factor} times their "
        "steady hours ({span}; {fit}).",
        days=words.days(last["elapsed_days"]),
        cost=cost,
        goodput=words.percent(a.goodput),
        factor=f"{words.number(a.whole_run_factor):.2f}",
        fit=heard(plan.resolved.whole_run_fit),
        span=interval(a.whole_run_factor, lambda v: f"{v:.2f}"),
    )
    if plan.request.confidence != 0.5:
        said += say(
            " Figures and limits hold with {share} certainty, as asked.",
            share=words.percent(plan.request.confidence),
        )
    return said


def _others(plan: Plan) -> str:
    """The doubts that page one does not list, one time in ten each."""
    if plan.risk is None:
        return ""
    rest = dearest(plan)[RISKS_SHOWN:]
    if not rest:
        return ""
    listed = say("; ").join(f"{say(DRIVER_WORDS[one.driver])} {swing(plan, one)}" for one in rest)
    return say("Smaller, one time in ten: {listed}.", listed=listed)


def figures_table(plan: Plan) -> Table:
    """Figures of the answer with their 80 % intervals."""
    rows = []
    for label, name, show in FIGURES:
        value = getattr(plan.answer, name)
        if value is not None:
            rows.append([say(label) if label != "MFU" else label, show(value), interval(value, show)])
    for name in ("params", "tokens"):
        value = getattr(plan.answer, name)
        if interval(value, words.count) != DASH:
            label = say("parameters") if name == "params" else say("tokens")
            rows.insert(0, [label, words.count(value), interval(value, words.count)])
    return Table(["", say("value"), say("80 % interval")], rows)
