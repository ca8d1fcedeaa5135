"""What laws, prices and catalogs answer: a record, and how it reads as a document and as rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from hwmodel.answers import Shown
from hwmodel.plain import JsonValue, Rows

Found = TypeVar("Found")


class Sheet(Shown, msgspec.Struct, Generic[Found], frozen=True, kw_only=True):
    """What a question to the laws, the prices or the catalog came to: `found` is the record itself."""

    title: str
    found: Found
    document: msgspec.Struct | Mapping[str, JsonValue]  # what its JSON is made of
    rows: Rows
    figures: Rows | None = None  # the rows in plain numbers, where those for people are words
    below: str = ""
    above: str = ""

    def render(self, form: str, columns: int | None = None) -> str:
        """In a form (md, text, csv, json); text at most `columns` wide."""
        from hwmodel.report.sheets import render

        rows = self.figures if form == "csv" and self.figures is not None else self.rows
        return render(rows, self.to_dict(), form, self.below or None, self.above or None, columns)

    def contents(self) -> object:
        """What is written as JSON by the same command."""
        return self.document

    def __getitem__(self, key: str) -> Any:
        return self.to_dict()[key]

    def __len__(self) -> int:
        return len(self.rows)

    __repr__ = Shown.__repr__
