"""Ways to pay for a plan's accelerators as a table, with where each breaks even and what it leaves out."""

from __future__ import annotations

from hwmodel.report.blocks import Table
from hwmodel.report.phrases import heard, say
from hwmodel.report.prices import dollars
from hwmodel.report.words import DASH
from hwmodel.solve.run.records import Way
from hwmodel.units import format_duration, format_usd

NAMES = {
    "on_demand": "on demand",
    "spot": "spot",
    "reserved_1y": "committed for a year",
    "reserved_3y": "committed for three years",
    "owned_3y": "owned for three years",
    "capacity_block": "capacity block",
    "given": "at the price given",
}


def ways_table(rows: list[Way]) -> Table:
    """A table of the ways; without rows where there is one alone."""
    header = [say("way"), say("an accelerator-hour"), say("this run"), say("committed"), say("pays off")]
    return Table(header, [_cells(row) for row in rows] if len(rows) > 1 else [])


def _cells(row: Way) -> list[str]:
    committed = DASH if row.committed_usd is None else format_usd(row.committed_usd)
    name = say(NAMES[row.way]) if row.way in NAMES else row.way.replace("_", " ")
    return [name, dollars(row.usd_per_accelerator_hour), format_usd(row.run_usd), committed, _pays(row)]


def _pays(row: Way) -> str:
    """Where the way costs what renting on demand does, and what is left out."""
    if not row.not_counted:
        return _break_even(row)
    return _break_even(row) + say("; not counted: {what}", what=say(", ").join(map(heard, row.not_counted)))


def _break_even(row: Way) -> str:
    value = row.break_even
    if value is None:
        return say("not within three years") if row.break_even_of == "utilisation" else DASH
    if row.break_even_of == "preemptions_per_hour":
        return say("up to one preemption of the whole job every {time}", time=format_duration(3600.0 / value))
    if row.break_even_of == "share_of_the_year":
        return say("from {share} of the year's hours used", share=f"{100 * value:.0f} %")
    if row.break_even_of == "utilisation":
        months = row.break_even_months
        if months is None:
            return say(
                "from {share} of the hours used, with what the hardware is worth then", share=f"{100 * value:.0f} %"
            )
        return say("from {share} of the hours used, or {months} months of full use pay the capital back",
                   share=f"{100 * value:.0f} %", months=months)  # fmt: skip
    return DASH
