"""What a folder of a sweep says, as a section of a report: the question, what was evaluated, the winners, the front and
an answer over two axes with their figures, and what it rests on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from hwmodel.catalog.safe_text import markdown_safe
from hwmodel.report.figures import figure_files
from hwmodel.report.sweep import (
    HEADING,
    best_lines,
    cell,
    heat_table,
    left_out,
    rows_table,
    shown_columns,
    spread,
    sweep_title,
)
from hwmodel.report.sweep_figures import drawn_front, heat_figure, units_of
from hwmodel.report.tables import table
from hwmodel.solve.sweep.answers import SweepRow
from hwmodel.solve.sweep.show import Rows
from hwmodel.solve.sweep.summary import standing_summary

TOP_SHOWN, FRONT_SHOWN = 5, 10  # rows of a table, where nobody says how many
MOST_TICKS, MOST_ACROSS = 64, 12  # values of an axis that is drawn, and that is a table's head
VALUES_SHOWN = 8  # of an axis, where they are listed
FRONT_DRAWN = 1000
Top = Mapping[str, Sequence[SweepRow]]


class RowsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows a section is about; without by, pareto and heat all that the sweep keeps."""

    where: str | None = None
    by: str | None = None
    pareto: tuple[str, ...] | None = None
    heat: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    count: int | None = None

    @property
    def all_kept(self) -> bool:
        return self.by is None and self.pareto is None and self.heat is None


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Paragraphs, and the figures that they name."""

    paragraphs: list[str]
    figures: dict[str, Any] = {}


def sweep_section(rows: Rows, wanted: RowsWanted, named: Callable[[str], str]) -> tuple[str, dict[str, bytes]]:
    """The section as Markdown, and its figures by the names that `named` gives their files in it."""
    top = _top(rows, wanted)
    parts = [_head(rows, wanted, top), _question(rows), _evaluated(rows, wanted), *_winners(rows, wanted, top)]
    names = wanted.pareto or (rows.space.keep.pareto if wanted.all_kept else ())
    if names:
        parts.append(_front(rows, names, wanted, named))
    axes = wanted.heat or (_drawn_axes(rows) if wanted.all_kept else None)
    if axes is not None:
        parts.append(_heat(rows, axes, wanted, named))
    parts.append(_sources(rows))
    figures = {name: one for part in parts for name, one in part.figures.items()}
    text = "\n\n".join(one for part in parts for one in part.paragraphs)
    drawn = figure_files({name: (Path(name), one) for name, one in figures.items()})
    return markdown_safe(text) + "\n", {path.name: data for path, data in drawn.items()}


def _top(rows: Rows, wanted: RowsWanted) -> Top:
    """The best rows by each answer that is asked for."""
    names = [wanted.by] if wanted.by else list(rows.space.keep.top) if wanted.all_kept else []
    count = wanted.count or TOP_SHOWN
    return {name: rows.best(count, name, wanted.where).rows for name in names}


def _head(rows: Rows, wanted: RowsWanted, top: Top) -> _Part:
    axes = [axis.column for axis in rows.space.axes]
    sizes = {axis.column: len(axis.values) for axis in rows.space.axes}
    found = [f"# {sweep_title(rows.space.points, sizes)}"]
    if wanted.where:
        found.append(f"Only rows that meet `{wanted.where}`.")
    lines = best_lines(top, axes, units_of(rows), rows.space.ask)
    return _Part(paragraphs=[*found, *(["\n".join(lines)] if lines else [])])


def _question(rows: Rows) -> _Part:
    """What was asked at every point, and the axes."""
    space = rows.space
    base = [[name, _said(value)] for name, value in space.base.items()]
    axes = [f"- {axis.column} ({len(axis.values):,}): {_values(axis.column, axis.values)}" for axis in space.axes]
    found = ["## Question", f"`hwmodel {space.ask}` at every point of the axes, the rest given."]
    found += [table(["given", "value"], base)] if base else []
    found += ["\n".join(axes)]
    limits = [f"- Constraint of the sweep: `{one}`" for one in space.where]
    limits += [f"- Layouts of a point that are rows: {space.layouts}"] if space.layouts != "best" else []
    return _Part(paragraphs=[*found, *(["\n".join(limits)] if limits else [])])


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _values(name: str, values: Sequence[Any]) -> str:
    """The values of an axis, or of many the ends."""
    said = [cell(name, value) if not isinstance(value, bool) else _said(value) for value in values[:VALUES_SHOWN]]
    return ", ".join(said) if len(values) <= VALUES_SHOWN else f"{said[0]} to {cell(name, values[-1])}"


def _evaluated(rows: Rows, wanted: RowsWanted) -> _Part:
    """How many rows there are, with an answer and without, and what was left out."""
    summary, space = standing_summary(rows.folder, rows.shards), rows.space
    counted = [["points of the space", f"{space.points:,}"]]
    if summary is not None:
        counted += [["left out by constraints on axes", f"{summary.excluded_by_axes:,}"]] * bool(space.where)
        counted += [["left out by constraints on answers", f"{summary.excluded_by_answers:,}"]] * bool(space.where)
        counted += [[f"by `{one.constraint}`", left_out(one)] for one in summary.where if len(summary.where) > 1]
        counted += [["layouts that they were chosen from", f"{summary.layouts:,}"]] * bool(summary.layouts)
    for (status, binding), count in rows.counts().items():
        words = "rows with an answer" if status == "ok" else f"{status}{f' ({binding})' if binding else ''}"
        counted.append([words, f"{count:,}"])
    if wanted.where:
        counted.append(["of those with an answer meet the constraint", f"{rows.counted(wanted.where):,}"])
    found = ["## What was evaluated", table(["", "count"], counted)]
    if rows.missing:
        found.append(f"{rows.missing:,} of {space.shards:,} shards are not run yet or damaged: their rows are missing.")
    return _Part(paragraphs=found)


def _columns(rows: Rows, wanted: RowsWanted, names: Sequence[str]) -> Sequence[str]:
    axes = [axis.column for axis in rows.space.axes]
    several = rows.space.layouts != "best"
    return wanted.columns or shown_columns(axes, rows.space.ask, names, rows.names, layouts=several)


def _winners(rows: Rows, wanted: RowsWanted, top: Top) -> list[_Part]:
    parts = []
    for name, best in top.items():
        said = rows_table(best, _columns(rows, wanted, [name])) if best else "No row has it."
        parts.append(_Part(paragraphs=[f"## {HEADING.get(name, f'Best by {name}')}", said]))
    return parts


def _front(rows: Rows, names: Sequence[str], wanted: RowsWanted, named: Callable[[str], str]) -> _Part:
    """Some rows of a front, and it drawn among the others by the first two answers."""
    columns = _columns(rows, wanted, names)
    front = rows.front(names, wanted.where, list(dict.fromkeys([*rows.axis_names, *columns, *names])), FRONT_DRAWN)
    title = f"## Pareto front of {', '.join(names)} ({front.found:,} rows)"
    if not front.rows:
        return _Part(paragraphs=[title, "No row has all of them."])
    shown = spread(front.rows, wanted.count or FRONT_SHOWN)
    some = f"{len(shown):,} of them, from end to end." if len(shown) < front.found else ""
    picture, file = f"{names[1]} against {names[0]}: the rows and their front", named("front")
    found = [title, f"![{picture}]({file})", rows_table(shown, columns), some]
    return _Part(
        paragraphs=[one for one in found if one], figures={file: drawn_front(rows, names, front.rows, wanted.where)}
    )


def _drawn_axes(rows: Rows) -> tuple[str, ...] | None:
    """The two longest axes that a figure has room for, and the first answer that is kept; None where one is lacking."""
    fitting = [axis for axis in rows.space.axes if 1 < len(axis.values) <= MOST_TICKS]
    answer = next((name for name in rows.space.keep.top if name not in rows.axis_names), None)
    two = sorted(fitting, key=lambda axis: -len(axis.values))[:2]
    if len(two) < 2 or answer is None:
        return None
    across, up = sorted(two, key=lambda axis: axis.numbers is not None)
    return across.column, up.column, answer


def _heat(rows: Rows, axes: Sequence[str], wanted: RowsWanted, named: Callable[[str], str]) -> _Part:
    """The best of an answer over two axes, drawn, and as a table where it has room."""
    heat = rows.heat(axes[0], axes[1], axes[2], wanted.where)
    across, up, answer = heat.names
    title = f"## Best {answer} by {across} and {up}"
    if not heat.across:
        return _Part(paragraphs=[title, "No row has it."])
    file = named("heat")
    found = [title, f"![best {answer} by {across} and {up}, the other axes free]({file})"]
    found += [heat_table(heat, "md")] if len(heat.across) <= MOST_ACROSS else []
    return _Part(paragraphs=found, figures={file: heat_figure(heat, units_of(rows))})


def _sources(rows: Rows) -> _Part:
    """The versions and files that the rows come from, and where they lie."""
    origin, folder = rows.folder.origin(), rows.folder.path
    versions = [[name, version] for name, version in origin.versions.items()]
    files = [[f"`{name}`", digest] for name, digest in origin.files.items()]
    return _Part(paragraphs=[
        "## What it rests on",
        f"Rows: `{folder}/shards/*.parquet`, with units and meaning of each column in their schema; each is the answer "
        f"of `hwmodel {rows.space.ask}` to its point, whose own report names the sources of its figures. "
        f"Asked again: `hwmodel sweep show {folder}`.",
        table(["made by", "version"], versions),
        *([table(["file", "digest"], files)] if files else []),
    ])  # fmt: skip
