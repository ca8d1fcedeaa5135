"""A sweep for people: what was swept, the best by each answer, the front, and why points have no answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwmodel.catalog.safe_text import csv_text, markdown_safe
from hwmodel.plain import Row, Rows
from hwmodel.report.blocks import text_of_markdown
from hwmodel.report.tables import Form, record_cells, table
from hwmodel.solve.sweep.answers import ASKED
from hwmodel.units import (
    format_bytes,
    format_count,
    format_duration,
    format_fraction,
    format_percent,
    format_power,
    format_usd,
)

if TYPE_CHECKING:  # rows are shown without what a sweep is computed with
    from hwmodel.solve.sweep.answers import SweepRow
    from hwmodel.solve.sweep.show import Heat, Selected
    from hwmodel.solve.sweep.summary import Constrained, Summary

DIGITS = 4
_BY_NAME = {
    "params": format_count, "tokens": format_count, "train_flop": format_count, "gpu_hours": format_count,
    "peak_memory_bytes": lambda value: format_bytes(value, binary=True),
    "reserved_memory_bytes": lambda value: format_bytes(value, binary=True),
    "unique_tokens": format_count, "inference_tokens": format_count, "global_batch_tokens": format_count,
    "time_s": format_duration, "ttft": format_duration, "tpot": format_duration, "flop": format_count,
    "power_w": format_power, "watts": format_power, "demand": lambda value: f"{value:,.6g} req/s",
    "mfu": format_percent, "goodput": format_percent, "load": format_percent, "confidence": format_fraction,
    "prefix_hit": format_fraction, "min_quality": format_fraction,
}  # fmt: skip
# Answers shown beside the axes where no columns are named.
SHOWN = {
    "plan": ("loss_nats", "tokens", "accelerators", "elapsed_days", "cost_usd", "mfu"),
    "serve": ("part", "accelerators", "usd_per_hour", "usd_per_million_tokens", "ttft_s", "tpot_s"),
}
OF_LAYOUT = ("tp", "cp", "pp", "ep", "dp", "zero", "micro_batch", "recompute")  # what tells rows of one point apart
WHY = ("status", "binding", "reason")  # shown of rows that are asked for by one of them
ROWS_SHOWN = 5  # of each table in the report after a sweep
PLURALS = {"day": "days", "nat/token": "nats/token", "h": "hours"}
HEADING = {"cost_usd": "Cheapest", "elapsed_days": "Fastest", "loss_nats": "Least loss"}


def cell(name: str, value: Any) -> str:
    """A figure of a row in words."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return "-"
    base = name.removeprefix(ASKED).removesuffix("_low").removesuffix("_high")
    if base in _BY_NAME:
        return _BY_NAME[base](float(value))
    if base.endswith("_usd") or (base.startswith("usd_") and abs(value) >= 1000):
        return format_usd(float(value))
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.{DIGITS}g}"


def rows_table(rows: Rows, columns: Sequence[str], form: Form = "md", wide: int | None = None) -> str:
    """Rows as a table of these columns; text is at most so `wide`."""
    return table(list(columns), [[cell(name, row.get(name)) for name in columns] for row in rows], form, wide)


def shown_columns(
    axes: Sequence[str], ask: str, extra: Sequence[str], names: Sequence[str], *, layouts: bool = False
) -> list[str]:
    """Columns of a table of rows: the axes, what was asked by, then the usual answers that the rows have; with
    `layouts`, where a point has several rows, what tells these apart."""
    told = OF_LAYOUT if layouts else ()
    return [n for n in dict.fromkeys([*axes, *told, *extra, *SHOWN[ask]]) if n in names]


def _several_a_point(summary: Summary) -> bool:
    """Whether two rows that are shown are of one point."""
    tables = [[row["point"] for row in rows] for rows in (*summary.top.values(), summary.pareto.rows)]
    return any(len(set(points)) < len(points) for points in tables)


def shown_text(shown: Selected, columns: Sequence[str], fmt: str, wide: int | None = None) -> str:
    """The rows of a question to a sweep, as a table (text at most so `wide`) or as CSV with every column."""
    if fmt == "csv":
        return csv_text(*record_cells([{name: row[name] for name in shown.columns} for row in shown.rows]))
    if not shown.rows:
        return "no row\n"
    text = rows_table(shown.rows, columns, "md" if fmt == "md" else "text", wide) + "\n"
    if shown.found > len(shown.rows):
        text += f"\n{len(shown.rows):,} of {shown.found:,} rows, from end to end.\n"
    return markdown_safe(text) if fmt == "md" else text


def sweep_report(
    summary: Summary, folder: Path, fmt: str = "md", figures: Mapping[str, str] | None = None, wide: int | None = None
) -> str:
    """The report of a finished sweep: Markdown, or text at most so `wide`; as CSV the best rows alone."""
    axes = list(summary.axes)
    if fmt == "csv":
        return csv_text(*record_cells(best_rows(summary)))
    best = best_lines(summary.top, axes, summary.units, summary.ask)
    lines = [f"# {sweep_title(summary.points, summary.axes)}", "", *best, "", _counts(summary, folder), ""]
    for name, file in (figures or {}).items():
        lines += [f"![{name}]({file})", ""]
    several = _several_a_point(summary)
    for by, rows in summary.top.items():
        if rows:
            shown = shown_columns(axes, summary.ask, [by], list(rows[0]), layouts=several)
            lines += [f"## {HEADING.get(by, f'Best by {by}')}", "", rows_table(rows[:ROWS_SHOWN], shown), ""]
    front = summary.pareto
    if front.rows:
        named = ", ".join(front.by)
        shown = shown_columns(axes, summary.ask, front.by, list(front.rows[0]), layouts=several)
        title = f"## Pareto front of {named} ({front.count:,} rows)"
        lines += [title, "", rows_table(spread(front.rows, 2 * ROWS_SHOWN), shown), ""]
    text = markdown_safe("\n".join(lines).rstrip() + "\n")
    return text if fmt == "md" else text_of_markdown(text, wide)


def best_rows(summary: Summary) -> list[Row]:
    """The best rows by each answer, below each other."""
    return [{"best_by": by, **row} for by, rows in summary.top.items() for row in rows]


def sweep_line(summary: Summary | None, folder: Path) -> str:
    """A sweep in a few words."""
    state = "unfinished" if summary is None else f"{summary.ok:,} of {summary.points:,} points answered"
    return f"{state}, in {folder}"


def best_lines(
    top: Mapping[str, Sequence[SweepRow]], axes: Sequence[str], units: Mapping[str, str], ask: str
) -> list[str]:
    """The best by each answer in a line: what it is, where, and what goes with it."""
    lines = []
    for by, rows in top.items():
        if rows:
            at = ", ".join(f"{name} {cell(name, rows[0].get(name))}" for name in axes if name != by)
            told = (by, *axes, *(("accelerators",) if "gpus" in axes else ()))
            others = [n for n in SHOWN[ask] if n not in told and rows[0].get(n) is not None]
            beside = ", ".join(f"{name} {cell(name, rows[0][name])}" for name in others[:4])
            best = f"**{cell(by, rows[0][by])}{_unit(units.get(by, ''), by)}**"
            lines.append(f"- {HEADING.get(by, f'Best by {by}')}: {best} at {at}{f' ({beside})' if beside else ''}")
    return lines


def _unit(unit: str, name: str) -> str:
    """A unit behind a figure that does not carry its own."""
    return "" if unit in ("", "1", "USD") or name in _BY_NAME else f" {PLURALS.get(unit, unit)}"


def sweep_title(points: int, axes: Mapping[str, int]) -> str:
    """How large a space is, and of what."""
    return f"Sweep of {points:,} points: {' x '.join(f'{count:,} {name}' for name, count in axes.items())}"


def heat_table(heat: Heat, form: Form, wide: int | None = None) -> str:
    """The best of an answer at each pair of values of two axes; text is at most so `wide`."""
    across, up, answer = heat.names
    head = [f"{up} / {across}", *(cell(across, x) for x in heat.across)]
    rows = [[cell(up, y), *(cell(answer, v) for v in line)] for y, line in zip(heat.up, heat.best)]
    return table(head, rows, form, wide)


def _counts(summary: Summary, folder: Path) -> str:
    said = [f"{summary.ok:,} rows have an answer"]
    if summary.layouts:
        said.append(f"chosen from {summary.layouts:,} layouts")
    for name, count in summary.without_answer.items():
        said.append(f"{count:,} have none ({name})")
    out = summary.excluded_by_axes + summary.excluded_by_answers
    if out:
        said.append(f"{out:,} left out by `where`{left_out_by(summary.where)}")
    empty = [by for by, rows in summary.top.items() if not rows] if summary.ok else []
    if empty:
        said.append(f"none has {', '.join(empty)}")
    if summary.ok and summary.pareto.by and not summary.pareto.count:
        said.append(f"none has all of {', '.join(summary.pareto.by)}, so that there is no front")
    why = f""", why: `hwmodel sweep show {folder} --where "status != 'ok'"`""" if summary.without_answer else ""
    return f"{'; '.join(said)}. Rows: `{folder}/shards/*.parquet` (`hwmodel sweep show {folder}`{why})."


def left_out_by(constraints: Sequence[Constrained]) -> str:
    """How many each of several constraints leaves out; empty where there is one."""
    said = [f"by `{one.constraint}` {left_out(one)}" for one in constraints if one.count]
    return f": {', '.join(said)}" if len(constraints) > 1 and said else ""


def left_out(one: Constrained) -> str:
    """How many points or rows a constraint leaves out, and how many of them no other does."""
    return f"{one.count:,}" + ("" if one.alone == one.count else f" ({one.alone:,} by it alone)")


def spread(rows: Sequence[SweepRow], most: int) -> Sequence[SweepRow]:
    """So many of some rows at most, from end to end."""
    if len(rows) <= most:
        return rows
    return [rows[round(place * (len(rows) - 1) / max(1, most - 1))] for place in range(most)]
