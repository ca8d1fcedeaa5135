"""Text that a reader's program must not take for code: names from a user's files inside Markdown and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any, Protocol

_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_NUMBER = re.compile(r"[+-]?(\d[\d,_]*\.?\d*|\.\d+)([eE][+-]?\d+)?\s*%?")


def markdown_safe(text: str) -> str:
    """Markdown in which no `<` opens a tag: raw HTML in a name shows as it is written."""
    return _TAG.sub("&lt;", text)


def csv_cell(value: Any) -> Any:
    """The cell with a `'` before what a spreadsheet would run as a formula (`= + - @`); numbers stay."""
    if not isinstance(value, str) or value[:1] not in ("=", "+", "-", "@", "\t", "\r") or len(value) < 2:
        return value
    return value if _NUMBER.fullmatch(value.strip()) else f"'{value}"


class _Stream(Protocol):
    """What takes text."""

    def write(self, text: str, /) -> Any: ...


class SafeCsv:
    """A CSV writer whose cells no spreadsheet runs."""

    def __init__(self, stream: _Stream) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")

    def writerow(self, cells: Iterable[Any]) -> None:
        """One line."""
        self._writer.writerow([csv_cell(cell) for cell in cells])

    def writerows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Lines."""
        for cells in rows:
            self.writerow(cells)


def csv_text(header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """A header and rows as the text of a CSV file; an empty cell for None."""
    stream = io.StringIO()
    writer = SafeCsv(stream)
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()
