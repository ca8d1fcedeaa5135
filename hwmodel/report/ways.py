"""Ways to pay for a plan's accelerators as a table, with where each breaks even and what it leaves out."""

from __future__ import annotations

from typing import Any

from hwmodel.report.prices import dollars
from hwmodel.report.tables import table
from hwmodel.units import format_duration, format_usd

NAMES = {
    "on_demand": "on demand",
    "spot": "spot",
    "reserved_1y": "committed for a year",
    "owned_3y": "owned for three years",
    "capacity_block": "capacity block",
    "given": "at the price given",
}
HEAD = ("way", "an accelerator-hour", "this run", "committed", "pays off")


def ways_table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table of the ways; empty where there is one alone."""
    if len(rows) < 2:
        return ""
    return table(HEAD, [_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    committed = "-" if row["committed_usd"] is None else format_usd(row["committed_usd"])
    name = NAMES.get(row["way"], row["way"].replace("_", " "))
    return (name, dollars(row["usd_per_accelerator_hour"]), format_usd(row["run_usd"]), committed, _pays(row))


def _pays(row: dict[str, Any]) -> str:
    """Where the way costs what renting on demand does, and what is left out."""
    left = f"; not counted: {', '.join(row['not_counted'])}" if row["not_counted"] else ""
    return _break_even(row) + left


def _break_even(row: dict[str, Any]) -> str:
    value = row["break_even"]
    if row["break_even_of"] == "preemptions_per_hour":
        return f"up to one preemption of the whole job every {format_duration(3600.0 / value)}"
    if row["break_even_of"] == "share_of_the_year":
        return f"from {100 * value:.0f} % of the year's hours used"
    if row["break_even_of"] == "utilisation":
        months = row["break_even_months"]
        if value is None:
            return "not within three years"
        if months is None:
            return f"from {100 * value:.0f} % of the hours used, with what the hardware is worth then"
        return f"from {100 * value:.0f} % of the hours used, or {months} months of full use pay the capital back"
    return "-"
