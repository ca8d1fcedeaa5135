"""Plain data at the edges: options as they are given, JSON documents as they are handed out, rows of tables.

Between the layers stand records; these are for what comes in as text and goes out as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

# Any value of a JSON document. Its containers are those that may only be read, so that records of numbers fit in.
JsonValue: TypeAlias = "Mapping[str, JsonValue] | Sequence[JsonValue] | str | int | float | bool | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"  # a document of any shape, as it is read from or written to a file
Options: TypeAlias = Mapping[str, object]  # an option's name to what was given: as typed, a number, a list, a group
Given: TypeAlias = dict[str, Any]  # keyword arguments of a verb, as a command or a request hands them over
Document: TypeAlias = dict[str, Any]  # a JSON object
Fields: TypeAlias = dict[str, JsonValue]  # settings of another program's file, written and not computed on
Row: TypeAlias = Mapping[str, JsonValue]  # a table's column to its cell
Rows: TypeAlias = Sequence[Row]


def listed(given: object) -> tuple[object, ...]:
    """The items of an option that may be given as one value or as several; of nothing, none."""
    if given is None:
        return ()
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)
