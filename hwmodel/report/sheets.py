"""A document and its rows in a form: JSON of the document; the rows as text, Markdown, HTML or CSV."""

from __future__ import annotations

from msgspec import to_builtins

from hwmodel.answers import json_text
from hwmodel.catalog.safe_text import csv_text, markdown_safe
from hwmodel.plain import Rows
from hwmodel.report.tables import record_cells, record_table
from hwmodel.report.wide import wrapped


def render(
    rows: Rows, document: object, fmt: str, text: str | None = None, lead: str | None = None, columns: int | None = None
) -> str:
    """`document` (a record, or plain data) as JSON, else the rows as a table with `lead` above it and `text` under it
    (neither in CSV); HTML is one page.

    Text is at most `columns` wide, where that is given.
    """
    if fmt == "json":
        return json_text(to_builtins(document))
    if fmt == "csv":
        return csv_text(*record_cells(rows))
    if fmt == "html":
        from hwmodel.report.html import page_of_markdown

        return page_of_markdown(render(rows, document, "md", text, lead))
    drawn = record_table(rows, "md" if fmt == "md" else "text", columns)
    above = f"{lead}\n\n" if lead else ""
    whole = f"{above}{drawn}\n" + ("" if text is None else f"\n{text}\n")
    return markdown_safe(whole) if fmt == "md" else _within(whole, columns)


def _within(text: str, columns: int | None) -> str:
    """Paragraphs wrapped at the width; the lines of tables are within it already."""
    if columns is None:
        return text
    return "".join("\n".join(wrapped(line, columns)) + "\n" for line in text.splitlines())
