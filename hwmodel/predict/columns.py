"""Records as columns: many records become one whose fields are arrays, and one row of it a record of numbers again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.columns import take

R = TypeVar("R", bound=msgspec.Struct)
Index = NDArray[np.intp]
Column = NDArray[np.float64]
Places = NDArray[np.int64]
LARGEST_CODE = 1 << 16  # whole numbers below it are told apart without sorting


def column(values: Sequence[Any], index: Index | None = None) -> Any:
    """One number where all agree (so that the physics can skip what is absent), else an array, gathered at `index`."""
    array = np.asarray(values, dtype=float)
    if (array == array[0]).all():
        return float(array[0])
    return array if index is None else array[index]


def stack(records: Sequence[R], index: Index | None = None) -> R:
    """Records of one kind as one record of columns; row i holds the fields of `records[index[i]]` (or of `records[i]`).

    Records inside records are stacked too, tuples of records padded with records of count zero; words are the first's.
    """
    fields: dict[str, Any] = {}
    for name in records[0].__struct_fields__:
        values = [getattr(record, name) for record in records]
        first = values[0]
        if isinstance(first, msgspec.Struct):
            fields[name] = stack(values, index)
        elif isinstance(first, tuple) and first and isinstance(first[0], msgspec.Struct):
            fields[name] = _stacked_blocks(values, index)
        elif isinstance(first, (int, float)) and not isinstance(first, bool):
            fields[name] = column(values, index)
        else:
            fields[name] = first
    return type(records[0])(**fields)


def _stacked_blocks(values: Sequence[tuple[Any, ...]], index: Index | None) -> tuple[Any, ...]:
    depth = max(len(blocks) for blocks in values)
    padded = [blocks + (msgspec.structs.replace(blocks[0], count=0.0),) * (depth - len(blocks)) for blocks in values]
    return tuple(stack([blocks[place] for blocks in padded], index) for place in range(depth))


def stack_distinct(records: Sequence[R]) -> R:
    """`stack` for records of which many are one and the same object: each is read once."""
    places: dict[int, int] = {}
    kept: list[R] = []
    index = np.empty(len(records), dtype=np.intp)
    for row, record in enumerate(records):
        if id(record) not in places:
            places[id(record)] = len(kept)
            kept.append(record)
        index[row] = places[id(record)]
    return stack(kept, index)


def gather(record: R, rows: Any) -> R:
    """The record with every column, also of the records inside it, gathered at `rows`; numbers stay numbers."""
    fields: dict[str, Any] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, msgspec.Struct):
            fields[name] = gather(value, rows)
        elif isinstance(value, tuple):
            fields[name] = tuple(gather(item, rows) if isinstance(item, msgspec.Struct) else item for item in value)
        else:
            fields[name] = value[rows] if isinstance(value, np.ndarray) and value.ndim else value
    return type(record)(**fields)


def row_of(record: R, row: int) -> R:
    """One row of a record of columns as a record of plain floats; fields that are numbers stay."""
    values = {name: getattr(record, name) for name in record.__struct_fields__}
    return type(record)(**{n: float(v[row]) if isinstance(v, np.ndarray) else v for n, v in values.items()})


def joined(records: Sequence[R], counts: Sequence[int]) -> R:
    """Records of columns (`counts` rows each) below each other as one record; numbers in which all agree stay."""
    fields: dict[str, Any] = {}
    for name in records[0].__struct_fields__:
        first = getattr(records[0], name)
        if isinstance(first, float) and all(_same(getattr(record, name), first) for record in records):
            fields[name] = first
            continue
        values = [np.broadcast_to(np.asarray(getattr(r, name), dtype=float), (n,)) for r, n in zip(records, counts)]
        fields[name] = np.concatenate(values)
    return type(records[0])(**fields)


def _same(value: Any, number: float) -> bool:
    return isinstance(value, float) and value == number


class Distinct(NamedTuple):
    """A row for each combination of some settings, and of every row the place of its combination."""

    first: Places
    place: Places


def told_apart(code: Places, size: int) -> Distinct:
    """Rows told apart by whole numbers from nought, below `size`."""
    first, there = np.empty(size, np.int64), np.zeros(size, np.bool_)
    first[code], there[code] = np.arange(len(code)), True
    return Distinct(first[there], (np.cumsum(there) - 1)[code])


def code_of(column: Column) -> tuple[Places, int]:
    """Whole numbers from nought that tell the values of a column apart, and how many there are."""
    whole = column.astype(np.int64)
    if len(whole) and whole.min() >= 0 and whole.max() < LARGEST_CODE and np.array_equal(whole, column):
        found = told_apart(whole, int(whole.max()) + 1)
        return found.place, len(found.first)
    values, place = np.unique(column, return_inverse=True)
    return place, len(values)


def grouped_best(group: NDArray[np.int64], value: NDArray[np.float64], groups: int) -> NDArray[np.int64]:
    """Row of the smallest value in each group (the first of equal ones), -1 where a group has no finite value."""
    if not len(group):
        return np.full(groups, -1, dtype=np.int64)
    order = None if np.all(group[1:] >= group[:-1]) else np.argsort(group, kind="stable")
    if order is not None:
        group, value = group[order], value[order]
    starts = np.flatnonzero(np.diff(group, prepend=group[0] - 1))
    least = np.fmin.reduceat(value, starts)
    counts = np.diff(starts, append=len(group))
    rows = np.flatnonzero(value == np.repeat(least, counts))
    present, places = np.unique(group[rows], return_index=True)
    first = rows[places]
    best = np.full(groups, -1, dtype=np.int64)
    finite = np.isfinite(value[first])
    best[present[finite]] = (first if order is None else order[first])[finite]
    return best


__all__ = [
    "Distinct",
    "code_of",
    "column",
    "gather",
    "grouped_best",
    "joined",
    "row_of",
    "stack",
    "stack_distinct",
    "take",
    "told_apart",
]
