"""A budget of stages in words: its lines, what is not counted, the sum, when it is paid, and who outspends whom."""

from __future__ import annotations

from typing import Any

from hwmodel.catalog.safe_text import csv_text
from hwmodel.report import words
from hwmodel.report.card import COLUMNS, card
from hwmodel.report.tables import table
from hwmodel.report.words import DASH, interval
from hwmodel.solve.run.budget_records import CashMonth
from hwmodel.solve.run.details import RlDetail
from hwmodel.solve.run.lines import COMPUTED, NOT_COUNTED, Line
from hwmodel.solve.run.result import Band
from hwmodel.solve.stages.keys import KINDS
from hwmodel.solve.stages.own import Owned
from hwmodel.solve.stages.solver import BudgetPlan
from hwmodel.solve.stages.total import PostTraining
from hwmodel.units import format_count, format_duration, format_power, format_usd

HOWS = {"computed": "computed", "entered": "entered", "not_counted": "not counted"}
PHASES = {
    "rollout_s": "rollouts", "verifier_s": "verifier", "logprob_s": "log probabilities", "update_s": "updates",
    "sync_s": "weights into the engine", "switch_s": "states out to the host and back",
    "other_s": "rewards, data, scheduling", "hidden_s": "of these at the same time",
}  # fmt: skip
CAPEX = {"accelerators_usd": "accelerators", "servers_usd": "servers", "network_usd": "network",
         "storage_usd": "storage", "site_usd": "site"}  # fmt: skip


def budget_markdown(found: BudgetPlan) -> str:
    """The whole report."""
    parts = [
        _title(found), _answer(found),
        "## Stages", lines_table(found.stages), _notes(found.stages), _not_counted(found),
        "## Pools", pools_table(found), "## Steps of reinforcement learning", _rl(found.stages),
        "## Bought", "\n\n".join(map(_owned, found.own)), "## Cash flow", cash_table(found.budget.cash_flow),
        f"hwmodel {found.resolved.hwmodel_version}, catalog {found.resolved.catalog_version}",
    ]  # fmt: skip
    kept: list[str] = []
    for i, part in enumerate(parts):
        last = i + 1 >= len(parts)
        if part and not (part.startswith("## ") and (last or not parts[i + 1])):
            kept.append(part)
    return "\n\n".join(kept) + "\n"


def _title(found: BudgetPlan) -> str:
    count = sum(line.how != NOT_COUNTED and line.kind in KINDS for line in found.stages)
    return f"# A budget of {count} stage{'' if count == 1 else 's'}"


def _answer(found: BudgetPlan) -> str:
    b = found.budget
    said = []
    if b.cost_usd is not None:
        said.append(
            f"**{words.usd(b.cost_usd)}** ({interval(b.cost_usd, words.usd)}) for "
            f"{words.plain(b.gpu_hours)} accelerator-hours, and {format_usd(b.contingency_usd)} contingency "
            f"({b.contingency_why}): {words.usd(b.total_usd)} in all."
        )
    elif b.gpu_hours is not None:
        said.append(f"**{words.plain(b.gpu_hours)} accelerator-hours**; no price is known.")
    if b.energy_mwh is not None:
        said.append(f"{words.plain(b.energy_mwh)} MWh, {words.plain(b.co2e_t)} t CO2e.")
    return " ".join([*said, outspends(found.post_training), *(f"{line}." for line in found.warnings)]).strip()


def outspends(beside: PostTraining | None) -> str:
    """When post-training takes more than pre-training; empty where either is missing."""
    if beside is None:
        return ""
    said = f"Post-training takes {beside.over_pretraining:.2g} times what pre-training does"
    at = beside.rl_steps_at_parity
    if at is None:
        return f"{said}."
    if at == 0.0:
        return f"{said}: it does so without a step of reinforcement learning."
    more = "it outspends it from" if beside.over_pretraining <= 1.0 else "it has done so since"
    planned = format_count(beside.rl_steps or 0.0)
    return f"{said}; {more} {format_count(at)} steps of reinforcement learning ({planned} planned)."


def lines_table(lines: list[Line]) -> str:
    """A row a stage."""
    head = ["stage", "on", "elapsed", "accelerator-hours", "money", "80 % interval", "how"]
    return table(head, [_row(line) for line in lines])


def _row(line: Line) -> list[str]:
    on = f"{line.accelerators:,} x {line.part}" if line.part and line.accelerators else DASH
    return [
        line.stage, on, words.days(line.elapsed_days) if line.elapsed_days else DASH,
        words.plain(line.gpu_hours) if line.gpu_hours else DASH, words.usd(line.cost_usd) if line.cost_usd else DASH,
        _spread(line.cost_usd or line.gpu_hours, line), HOWS[line.how],
    ]  # fmt: skip


def _spread(band: Band | None, line: Line) -> str:
    if band is None or line.how != COMPUTED or band.low == band.high:
        return DASH
    return interval(band, words.usd if line.cost_usd else words.plain)


def _notes(lines: list[Line]) -> str:
    return "\n".join(f"- {line.stage}: {line.note}" for line in lines if line.note)


def _not_counted(found: BudgetPlan) -> str:
    left = found.budget.not_counted
    return f"Not counted: {', '.join(left)}." if left else ""


def pools_table(found: BudgetPlan) -> str:
    """A row a pool with its power at the rating."""
    if not found.pools:
        return ""
    rows = [
        [f"{one.accelerators:,} x {one.part}", format_power(one.rated_site_w),
         words.plain(one.gpu_hours), ", ".join(one.stages)]
        for one in found.pools
    ]  # fmt: skip
    return table(["pool", "power at its rating, with servers and PUE", "accelerator-hours", "stages"], rows)


def _rl(lines: list[Line]) -> str:
    return "\n\n".join(_rl_one(line.stage, line.detail) for line in lines if isinstance(line.detail, RlDetail))


def _rl_one(stage: str, d: RlDetail) -> str:
    """Where the time of a step goes."""
    spent = {name: float(getattr(d.terms_s, name)) for name in PHASES}
    rows = [[said, format_duration(abs(spent[name]))] for name, said in PHASES.items() if spent[name]]
    stale = f", weights up to {d.lag:g} step{'' if d.lag == 1 else 's'} old" if d.lag else ", on policy"
    return (
        f"{stage}: {format_count(d.steps)} steps of {format_duration(d.step_s)} on {d.pools} "
        f"pool{'s' if d.pools == 'two' else ''}{stale}; responses of {d.mean_response:,.0f} tokens in the mean, "
        f"the longest {d.longest_response:,.0f}.\n\n" + table(["where a step's time goes", "time"], rows)
    )


def _owned(one: Owned) -> str:
    rows = [[CAPEX[name], format_usd(value)] for name, value in one.capex_usd.items() if value]
    rows += [["power and staff a month at full use", format_usd(one.running_usd_per_month)],
             [f"sold after {one.life_months} months", format_usd(one.residual_usd)]]  # fmt: skip
    rent = one.rent_usd_per_accelerator_hour
    pays = (
        "it pays back in no month of its life"
        if one.break_even_months is None
        else (f"full use pays the purchase back in {one.break_even_months} months")
    )
    least = (
        ""
        if one.break_even_utilisation is None
        else (f", use of {100 * one.break_even_utilisation:.0f} % of the hours over its life with what it is sold for")
    )
    beside = (
        ""
        if rent is None
        else (
            f" Renting takes ${rent:.2f}: {pays}{least}. Net present value of owning for these hours: "
            f"{format_usd(one.npv_usd or 0.0)}."
        )
    )
    left = f" Not counted: {', '.join(one.not_counted)}." if one.not_counted else ""
    return (
        f"{one.accelerators:,} x {one.part} bought: ${one.usd_per_accelerator_hour:.2f} an accelerator-hour worked, "
        f"{100 * sum(one.used) / len(one.used):.0f} % of the hours of {one.life_months} months used.{beside}{left}\n\n"
        + table(["", "money"], rows)
    )


def cash_table(flow: list[CashMonth]) -> str:
    """Money by month; runs of the same amount as one row."""
    rows: list[list[str]] = []
    for first, last, money in _runs(flow):
        rows.append([f"{first}" if first == last else f"{first} to {last}", format_usd(money)])
    return table(["month", "money"], rows) if rows else ""


def _runs(flow: list[CashMonth]) -> list[tuple[int, int, float]]:
    out: list[tuple[int, int, float]] = []
    for row in flow:
        month, money = row.month, row.usd
        if out and format_usd(out[-1][2]) == format_usd(money) and out[-1][1] == month - 1:
            out[-1] = (out[-1][0], month, out[-1][2])
        else:
            out.append((month, month, money))
    return out


def budget_csv(found: BudgetPlan) -> str:
    """A line a stage."""
    names = (
        "stage",
        "kind",
        "how",
        "part",
        "accelerators",
        "gpu_hours",
        "cost_usd",
        "elapsed_days",
        "energy_mwh",
        "co2e_t",
    )

    def cell(value: Any) -> Any:
        return value.value if isinstance(value, Band) else value

    return csv_text(names, ([cell(getattr(line, name)) for name in names] for line in found.stages))


def budget_card(found: BudgetPlan, columns: int = COLUMNS) -> str:
    """The budget on one screen."""
    rows = [
        (line.stage, words.usd(line.cost_usd) if line.cost_usd else words.plain(line.gpu_hours),
         _spread(line.cost_usd or line.gpu_hours, line))
        for line in found.stages
        if line.cost_usd or line.gpu_hours
    ]  # fmt: skip
    b = found.budget
    rows.append(("contingency", format_usd(b.contingency_usd), ""))
    said = [("post", outspends(found.post_training)), ("left out", ", ".join(b.not_counted)),
            ("notes", "; ".join(found.warnings))]  # fmt: skip
    head = f"A budget of {format_usd(b.total_usd)}" if b.total_usd is not None else "A budget in hours"
    return card(head, rows, said, columns, "The whole answer: --format md, --out FILE.md or --format json")
