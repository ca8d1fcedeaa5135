"""Rows as text, Markdown, CSV, or a document as JSON."""

from __future__ import annotations

from typing import Any

from hwmodel.catalog.safe_text import csv_text, markdown_safe
from hwmodel.cli.output import json_text
from hwmodel.report.tables import Records, record_cells, record_table


def render(rows: Records, document: Any, fmt: str, text: str | None = None, lead: str | None = None) -> str:
    """`document` as JSON, else the rows as a table with `lead` above it and `text` under it (neither in CSV)."""
    if fmt == "json":
        return json_text(document, sort_keys=True)
    if fmt == "csv":
        return csv_text(*record_cells(rows))
    drawn = record_table(rows, "md" if fmt == "md" else "text")
    above = f"{lead}\n\n" if lead else ""
    whole = f"{above}{drawn}\n" + ("" if text is None else f"\n{text}\n")
    return markdown_safe(whole) if fmt == "md" else whole
