"""A Markdown table from rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A pipe table; columns are the keys of the first row."""
    names = list(rows[0]) if rows else []
    cells = [["" if row.get(n) is None else str(row.get(n)).replace("|", "\\|") for n in names] for row in rows]
    lines = [names, ["---"] * len(names), *cells]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
