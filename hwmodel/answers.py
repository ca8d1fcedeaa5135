"""What every verb of the Python API returns: one protocol, and the views that the layers above lend to a record.

A result is a record of numbers; how it reads is said by the reports, which stand above it. `hwmodel.api.views` joins
the two by setting `views` on each class of results once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from hwmodel.errors import unknown
from hwmodel.plain import JsonObject, Rows

if TYPE_CHECKING:
    from pandas import DataFrame


class Answer(Protocol):
    """What an answer can do, whichever verb gave it."""

    def to_dict(self) -> JsonObject: ...
    def to_json(self) -> str: ...
    def to_markdown(self) -> str: ...
    def to_text(self, columns: int = 80) -> str: ...
    def to_csv(self) -> str: ...
    def to_html(self) -> str: ...
    def to_frame(self, table: str | None = None) -> DataFrame: ...


class Views(NamedTuple):
    """How a kind of result reads: each view takes the result itself; `tables` give rows of what it holds."""

    line: Callable[[Any], str]
    markdown: Callable[[Any], str]
    text: Callable[[Any, int], str]
    csv: Callable[[Any], str]
    html: Callable[[Any], str]
    tables: Mapping[str, Callable[[Any], Rows]]  # the first is the one that stands for the whole
    frame: Callable[[Rows], Any]
    document: Callable[[Any], object] | None = None  # where the record does not hold it itself


class Shown:
    """A result that reads as its views say; without them (a record made below the API) as its plain data alone."""

    __slots__ = ()
    views: ClassVar[Views | None] = None

    def to_dict(self) -> JsonObject:
        """Plain JSON types (objects, lists, words, numbers, true, false and null), in the order of the contract."""
        from msgspec import to_builtins

        made = None if self.views is None else self.views.document
        plain: JsonObject = _with_lists(to_builtins(self.contents() if made is None else made(self)))
        return plain

    def contents(self) -> object:
        """The record, or the mapping of records, that the document is made of."""
        return self

    def to_json(self) -> str:
        """The JSON document; null for what is not finite."""
        return json_text(self.to_dict())

    def to_markdown(self) -> str:
        """The report."""
        return self._seen().markdown(self)

    def to_text(self, columns: int = 80) -> str:
        """A card for a terminal of so many columns."""
        return self._seen().text(self, columns)

    def to_csv(self) -> str:
        """The figures, a row each."""
        return self._seen().csv(self)

    def to_html(self) -> str:
        """The report as one page, its pictures inside."""
        return self._seen().html(self)

    def to_frame(self, table: str | None = None) -> DataFrame:
        """One of the result's tables as a pandas frame; bands are three columns (`x`, `x_low`, `x_high`).

        Raises InputError for a table that it does not have.
        """
        views = self._seen()
        name = next(iter(views.tables)) if table is None else table
        if name not in views.tables:
            raise unknown("table", name, views.tables)
        found: DataFrame = views.frame(views.tables[name](self))
        return found

    def _seen(self) -> Views:
        if self.views is None:
            raise RuntimeError("this answer was made below the Python API: hwmodel.plan and its kin show themselves")
        return self.views

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"<{name}>" if self.views is None else f"<{name}: {self.views.line(self)}>"

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that its style stays inside, for notebooks."""
        import html

        whole = repr(self) if self.views is None else self.to_html()
        return f'<iframe srcdoc="{html.escape(whole)}" width="100%" height="640" style="border: 0"></iframe>'


def _with_lists(data: Any) -> Any:
    """Plain data whose sequences are lists, as they are when the JSON is read again."""
    if isinstance(data, dict):
        return {key: _with_lists(value) for key, value in data.items()}
    return [_with_lists(each) for each in data] if isinstance(data, (list, tuple)) else data


def json_text(data: object) -> str:
    """Indented JSON with null for what is not finite."""
    return json.dumps(finite(data), indent=2, ensure_ascii=False)


def finite(data: object) -> object:
    """Plain data with None for what is not finite."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    return data
