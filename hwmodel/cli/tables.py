"""Rows as text, Markdown, CSV, or a document as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hwmodel.catalog.safe_text import SafeCsv, markdown_safe
from hwmodel.cli.output import json_text

Rows = Sequence[Mapping[str, Any]]


def render(rows: Rows, document: Any, fmt: str, text: str | None = None, lead: str | None = None) -> str:
    """`document` as JSON, else the rows as a table with `lead` above it and `text` under it (neither in CSV)."""
    if fmt == "json":
        return json_text(document, sort_keys=True)
    if fmt == "csv":
        return _csv(rows)
    table = markdown(rows) if fmt == "md" else columns(rows)
    above = f"{lead}\n\n" if lead else ""
    whole = above + (table if text is None else f"{table}\n{text}\n")
    return markdown_safe(whole) if fmt == "md" else whole


def _cells(rows: Rows) -> list[list[str]]:
    """The names of the columns, then the rows."""
    names = list(rows[0]) if rows else []
    return [names, *([_cell(row.get(n)) for n in names] for row in rows)]


def _cell(value: Any) -> str:
    """A value as text; nothing for none."""
    if value is None:
        return ""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _csv(rows: Rows) -> str:
    import io

    stream = io.StringIO()
    SafeCsv(stream).writerows(_cells(rows))
    return stream.getvalue()


def markdown(rows: Rows) -> str:
    """A pipe table."""
    head, *body = [[c.replace("|", "\\|") for c in line] for line in _cells(rows)]
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def columns(rows: Rows) -> str:
    """Aligned columns; the last one is not padded."""
    lines = _cells(rows)
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))] if lines[0] else []
    padded = ("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines)
    return "".join(f"{line}\n" for line in padded)
