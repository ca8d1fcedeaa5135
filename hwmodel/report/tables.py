"""Every table of the product: a header and rows as Markdown, aligned text or HTML.

Cells are words already; what a number reads like belongs to `report.words` or to the caller.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from hwmodel.plain import Rows
from hwmodel.report.wide import longest_piece, padded, width, wrapped

Form = Literal["md", "text", "html"]

_FIGURE = re.compile(r"[*+$~-]*\d")  # how a cell with a figure begins
_BLANK = ("", "-")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], form: Form = "md", columns: int | None = None) -> str:
    """The table, without a line break at its end; columns of figures stand to the right.

    Text wraps its cells to be at most `columns` wide; see `_narrow` for what is done where they do not fit.
    """
    right = _figures(header, rows)
    if form == "md":
        return _markdown(header, rows, right)
    if form == "text":
        return _narrow(header, rows, right, columns)
    from tabulate import tabulate  # only HTML waits for its import

    sides = ["right" if is_figure else "left" for is_figure in right]
    return tabulate(rows, header, "html", disable_numparse=True, colalign=sides if rows else None)


GAP = 2  # spaces between columns
FEW = 5  # columns of a table that says nothing without its last ones
LEFT = 3  # columns that are too few to be what is left of a wide table
_NAMES = 30  # columns that names may take before they are broken


def _narrow(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], columns: int | None) -> str:
    """A text table within a width. Where words would have to be cut, the last of many columns go, and are named under
    it; a table of few columns, or of which few would be left, gives each row lines of its own."""
    natural = [max(width(line[i]) for line in (header, *rows)) for i in range(len(header))]
    if columns is None:
        return "\n".join(_line(line, natural, right) for line in (header, *rows))
    least = [max(longest_piece(line[i]) for line in (header, *rows)) for i in range(len(header))]
    if natural and natural[0] <= min(columns // 2, _NAMES):
        least[0] = natural[0]  # names stay whole: they are copied
    kept = len(natural)
    while kept and sum(least[:kept]) + GAP * (kept - 1) > columns:
        kept -= 1
    if kept < len(header) and (len(header) <= FEW or kept <= LEFT):
        return _stacked(header, rows, columns)
    widths = _fitting(natural[:kept], least, columns)
    lines = [_line(line[:kept], widths, right) for line in (header, *rows)]
    left = f"also in --format csv and json: {', '.join(name for name in header[kept:] if name)}"
    return "\n".join([*lines, *wrapped(left, columns)] if kept < len(header) else lines)


def _fitting(natural: Sequence[int], least: Sequence[int], columns: int) -> list[int]:
    """Widths of columns: the widest gives way first, none below its least."""
    widths = list(natural)
    while sum(widths) + GAP * (len(widths) - 1) > columns:
        widest = max(range(len(widths)), key=lambda i: (widths[i] > least[i], widths[i]))
        widths[widest] -= 1
    return widths


def _stacked(heads: Sequence[str], rows: Sequence[Sequence[str]], columns: int) -> str:
    """A row below the other: its first cell, then a line for each further one, under its heading."""
    label = min(max(map(width, heads[1:]), default=0), columns // 3)
    blocks = []
    for name, *cells in rows:
        lines = wrapped(name, columns)
        for head, cell in zip(heads[1:], cells, strict=True):
            if cell not in _BLANK:
                beside = width(head) <= label
                begin = f"  {padded(head, label)}  " if beside else f"  {head}: "
                lines += wrapped(cell, columns, begin, " " * (label + 4 if beside else 4))
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    """A row, its cells wrapped to their columns."""
    blocks = [wrapped(cell, max(wide, 1)) for cell, wide in zip(cells, widths, strict=True)]
    height = max(map(len, blocks), default=0)
    sides = [-wide if is_figure else wide for wide, is_figure in zip(widths, right, strict=False)]
    drawn = (
        (" " * GAP).join(
            padded(block[i] if i < len(block) else "", side) for block, side in zip(blocks, sides, strict=True)
        )
        for i in range(height)
    )
    return "\n".join(line.rstrip() for line in drawn)


def record_table(rows: Rows, form: Form = "md", columns: int | None = None) -> str:
    """The same from mappings; the keys of the first are the header."""
    header, body = record_cells(rows)
    return table(header, body, form, columns) if header else ""


def record_cells(rows: Rows) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, and the cells: ten digits of a float, nothing for none."""
    names = list(rows[0]) if rows else []
    return names, [[_cell(row.get(name)) for name in names] for row in rows]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _one_line(cell: str) -> str:
    """A cell that ends neither its column nor its row."""
    return cell.replace("|", "\\|").replace("\n", " ")


def _figures(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[bool]:
    """Which columns hold figures alone; the first names its row."""
    columns = [[row[i] for row in rows if row[i] not in _BLANK] for i in range(len(header))]
    return [i > 0 and bool(cells) and all(map(_FIGURE.match, cells)) for i, cells in enumerate(columns)]


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """A pipe table whose rule states the sides; Markdown needs no columns of equal width."""
    head, *body = (f"| {' | '.join(map(_one_line, line))} |" for line in (header, *rows))
    rule = "|" + "".join("--:|" if is_figure else "---|" for is_figure in right)
    return "\n".join([head, rule, *body])
