"""Every table of the product: a header and rows as Markdown, aligned text or HTML.

Cells are words already; what a number reads like belongs to `report.words` or to the caller.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from hwmodel.plain import Rows
from hwmodel.report.wide import padded, width, wrapped

Form = Literal["md", "text", "html"]

_FIGURE = re.compile(r"[*+$~-]*\d")  # how a cell with a figure begins
_BLANK = ("", "-")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], form: Form = "md", columns: int | None = None) -> str:
    """The table, without a line break at its end; columns of figures stand to the right.

    Text wraps its cells to be at most `columns` wide; columns for which no room is left are named under it.
    """
    right = _figures(header, rows)
    if form == "md":
        return _markdown(header, rows, right)
    if form == "text":
        return _narrow(header, rows, right, columns)
    from tabulate import tabulate  # only HTML waits for its import

    sides = ["right" if is_figure else "left" for is_figure in right]
    return tabulate(rows, header, "html", disable_numparse=True, colalign=sides if rows else None)


LEAST = 6  # columns below which a cell is not wrapped
GAP = 2  # spaces between columns


def _narrow(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool], columns: int | None) -> str:
    """A text table within a width: the widest columns give way first, then the last ones go."""
    heads = [name.replace("_", " ") for name in header]
    natural = [max(width(line[i]) for line in (heads, *rows)) for i in range(len(heads))]
    widths = natural if columns is None else _fitting(natural, columns)
    kept = len(widths)
    lines = [_line(line[:kept], widths, right) for line in (heads, *rows)]
    left = f"also in --format csv and json: {', '.join(name for name in header[kept:] if name)}"
    return "\n".join([*lines, left] if kept < len(header) else lines)


def _fitting(natural: Sequence[int], columns: int) -> list[int]:
    """Widths of the columns that are kept, with two spaces between them."""
    least = [min(one, LEAST) for one in natural]
    if natural and natural[0] <= columns // 2:
        least[0] = natural[0]  # names stay whole: they are copied
    kept = len(natural)
    while kept > 1 and sum(least[:kept]) + GAP * (kept - 1) > columns:
        kept -= 1
    widths = list(natural[:kept])
    while sum(widths) + GAP * (kept - 1) > columns and widths != least[:kept]:
        widest = max(range(kept), key=lambda i: (widths[i] > least[i], widths[i]))
        widths[widest] -= 1
    return widths


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
