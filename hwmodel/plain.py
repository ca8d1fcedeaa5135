"""Plain data at the edges: options as they are given, JSON documents as they are handed out, rows of tables.

Between the layers stand records; these are for what comes in as text and goes out as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from msgspec import Struct

# Any value of a JSON document. Its containers are those that may only be read, so that records of numbers fit in.
JsonValue: TypeAlias = "Mapping[str, JsonValue] | Sequence[JsonValue] | str | int | float | bool | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"  # a document of any shape, as it is read from or written to a file
# What an option may be given: as typed, a number, a file, a record (the shape of a model), several of these, a group.
OptionValue: TypeAlias = "Mapping[str, OptionValue] | Sequence[OptionValue] | str | float | bool | Path | Struct | None"
Options: TypeAlias = "Mapping[str, OptionValue]"  # by the option's name
Fields: TypeAlias = dict[str, JsonValue]  # settings of another program's file, written and not computed on
Row: TypeAlias = Mapping[str, JsonValue]  # a table's column to its cell
Rows: TypeAlias = Sequence[Row]


def listed(given: object) -> tuple[object, ...]:
    """The items of an option that may be given as one value or as several; of nothing, none."""
    if given is None:
        return ()
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)
