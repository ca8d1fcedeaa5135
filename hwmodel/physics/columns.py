"""Helpers for columns: skip what no row has, and compute once what rows share."""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.ops import Num, where

PLAIN = (float, int, str)


def anywhere(condition: Any) -> bool:
    """Whether a condition holds for the number, or for any row of the column."""
    if isinstance(condition, bool):
        return condition
    return bool(condition.any()) if hasattr(condition, "any") else bool(condition)


def everywhere(condition: Any) -> bool:
    """Whether a condition holds for the number, or for all rows of the column."""
    if isinstance(condition, bool):
        return condition
    return bool(condition.all()) if hasattr(condition, "all") else bool(condition)


def absent(width: Num) -> bool:
    """Whether a part of a layer is missing for certain (a plain zero, not a column)."""
    return isinstance(width, (int, float)) and width == 0


def only(mask: Any, value: Num) -> Num:
    """`value` where the mask holds, else zero."""
    return where(mask, value, 0.0)


def is_column(*values: Any) -> bool:
    """Whether any of the values is an array of at least one dimension."""
    # Most are numbers, and asking these for what they lack takes ten times as long.
    return any(not isinstance(value, PLAIN) and getattr(value, "ndim", 0) > 0 for value in values)


def has_column(record: Any) -> bool:
    """Whether a record (or any record inside it) holds a column."""
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, PLAIN):
            continue
        for item in value if isinstance(value, tuple) else (value,):
            if has_column(item) if isinstance(item, msgspec.Struct) else is_column(item):
                return True
    return False


def take(record: Any, rows: Any) -> Any:
    """The record with every column gathered at `rows`; numbers stay numbers."""
    values = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        values[name] = value[rows] if is_column(value) else value
    return type(record)(**values)


def distinct(columns: list[Num]) -> tuple[Any, Any] | None:
    """Rows that stand for all others, and for each row the place of its stand-in; None where nothing repeats.

    The columns are mixed into one key by irrational weights, and the result is checked: on a collision (never seen)
    the answer is None and the caller computes every row.
    """
    import numpy as np

    arrays: list[Any] = [c for c in columns if is_column(c)]
    if not arrays or len(arrays[0]) < 256 or any(c.shape != (len(arrays[0]),) for c in arrays):
        return None  # few rows, or columns that broadcast against each other
    key = np.zeros(len(arrays[0]))
    for place, column in enumerate(arrays):
        key = key + column * (2.0 + 3.0 * place) ** 0.5
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    if 2 * len(first) > len(key):
        return None
    if not all(np.array_equal(column[first][inverse], column) for column in arrays):
        return None
    return first, inverse
