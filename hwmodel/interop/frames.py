"""Rows of an answer as a pandas frame, and a frame as the file that a reader of CSV takes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hwmodel.errors import InputError
from hwmodel.plain import JsonObject, Row, Rows

if TYPE_CHECKING:
    from pandas import DataFrame

Read = TypeVar("Read")
BAND = {"value", "low", "high"}
NAME = "the frame"


def frame(rows: Rows) -> DataFrame:
    """A row a row; a band becomes `x`, `x_low`, `x_high`, a record inside a row `record.field`."""
    import pandas

    return pandas.DataFrame([flat(row) for row in rows])


def flat(row: Row, before: str = "") -> JsonObject:
    """A row without records inside."""
    out: JsonObject = {}
    for key, value in row.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and set(value) == BAND:
            out |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
        elif isinstance(value, Mapping):
            out |= flat(value, f"{name}.")
        else:
            out[name] = value
    return out


def with_file(given: Any, read: Callable[[Path], Read]) -> Read:
    """What `read` makes of a file, or of a frame written as one. Raises InputError for anything else."""
    if isinstance(given, (str, Path)):
        return read(Path(given))
    if not hasattr(given, "to_csv"):
        raise InputError(f"takes the path of a CSV file or a pandas frame, not a {type(given).__name__}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        given.to_csv(path, index=False)
        try:
            return read(path)
        except InputError as error:
            raise InputError(str(error).replace(str(path), NAME)) from error
