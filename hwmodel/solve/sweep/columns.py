"""The columns of a shard's file, read for few rows of many: numbers that were written as they are stand one after
another, those of answered rows alone or of all, and are taken from their places; others are decoded.

A file says which columns stand so, and which of its rows have an answer (`placed`). Parquet's own readers know nothing
of it: to them these are columns without compression, whose row groups have one page each.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodel.errors import InputError
from hwmodel.solve.sweep.expression import Expression
from hwmodel.solve.sweep.extras import extra
from hwmodel.solve.sweep.space import Axis, Space

PLAIN, ANSWERED = "plain", "answered"
NUMBER_BYTES = 8
NUMPY = {"double": np.float64, "int64": np.int64, "int32": np.int32}  # of Arrow's types of numbers


def placed(plain: Sequence[str], ok: NDArray[np.bool_]) -> dict[str, bytes]:
    """What a file says of the columns that are read at their places, and of its answered rows where some are not."""
    bits = b"" if ok.all() else base64.b64encode(np.packbits(ok).tobytes())
    return {PLAIN: ",".join(plain).encode(), ANSWERED: bits}


class ShardColumns:
    """The rows of one file, by their places in it."""

    def __init__(self, path: Path, space: Space, shard: int) -> None:
        self._path = path
        # Read, not mapped: of a mapped file whole pages of a gigabyte would stay in memory.
        self._opened = extra("pyarrow", "pyarrow").OSFile(str(path))
        self._file = extra("pyarrow.parquet", "pyarrow").ParquetFile(self._opened)
        self._facts = self._file.metadata
        said: dict[bytes, bytes] = self._facts.metadata
        self._plain = said[f"hwmodel.{PLAIN}".encode()].decode().split(",")
        self._bits = said[f"hwmodel.{ANSWERED}".encode()]
        self._names = {name: at for at, name in enumerate(self._facts.schema.names)}
        self.rows = int(self._facts.num_rows)
        self._space, points = space, space.points_of(shard)
        whole = space.layouts == "best" and not space.where and space.keep.rows == "all"
        self._points = points if whole and len(points) == self.rows else None  # a row each, in their order

    @cached_property
    def answered(self) -> NDArray[np.int64]:
        """The rows that have an answer."""
        if not self._bits:
            return np.arange(self.rows)
        bits = np.frombuffer(base64.b64decode(self._bits), dtype=np.uint8)
        return np.flatnonzero(np.unpackbits(bits, count=self.rows))

    def answers(self, name: str) -> NDArray[np.float64]:
        """A number of each answered row, nan where it lacks one."""
        if name in self._plain:
            values = self._numbers(name)
            return values[self.answered] if self._bits and len(values) == self.rows else values
        values = self._decoded(name)
        return values[self.answered] if self._bits else values

    def at(self, name: str, rows: NDArray[np.int64]) -> list[Any]:
        """The values of some rows, None where they have none."""
        if self._points is not None and (name == "point" or name in self._axes):
            points = self._points.start + rows
            return points.tolist() if name == "point" else self._of_axis(name, points)
        if name not in self._plain:
            return self._of_few(name, rows)
        values = self._numbers(name)
        if len(values) == self.rows:
            return list(values[rows].tolist())
        place = np.searchsorted(self.answered, rows)
        has = np.append(self.answered, -1)[place] == rows
        found = iter(values[place[has]].tolist())
        return [next(found) if one else None for one in has]

    def words(self, name: str) -> NDArray[Any]:
        """A text of each answered row, None where it lacks one."""
        known, places = self._coded(name)
        return known[places[self.answered] if self._bits else places]

    def holds(self, condition: Expression, named: Mapping[str, str], kept: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of some of the answered rows that meet a condition; `named`: its names with their columns."""
        columns = {}
        for name in condition.names:
            column = named.get(name, name)
            columns[name] = (self.words if self._is_text(column) else self.answers)(column)[kept]
        return kept[condition.holds(columns, len(kept))]

    def _is_text(self, name: str) -> bool:
        return self._kind(name) == "BYTE_ARRAY"

    def _kind(self, name: str) -> str:
        return str(self._facts.schema.column(self._names[name]).physical_type)

    def _of_few(self, name: str, rows: NDArray[np.int64]) -> list[Any]:
        """The values of some rows of a column that is decoded, None where they have none."""
        if self._is_text(name):
            known, places = self._coded(name)
            return list(known[places[rows]].tolist())
        values = self._decoded(name)[rows].tolist()
        kind: Callable[[float], Any] = int if self._kind(name) == "INT64" else float
        return [None if value != value else kind(value) for value in values]

    def _decoded(self, name: str) -> NDArray[np.float64]:
        """The number of each row, nan where it lacks one."""
        return np.concatenate([_floats(chunk) for chunk in self._column(name).chunks])

    def _coded(self, name: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """The texts of a column, None the last of them, and which of them each row has."""
        coded = self._column(name).unify_dictionaries().combine_chunks()
        known = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
        return known, np.nan_to_num(_floats(coded.indices), nan=len(known) - 1.0).astype(np.int64)

    def _column(self, name: str) -> Any:
        return self._file.read(columns=[name], use_threads=False).column(0)

    def _of_axis(self, name: str, points: NDArray[np.int64]) -> list[Any]:
        axis = self._axes[name]
        places = np.unravel_index(points, self._space.dimensions)[list(self._axes).index(name)]
        values = axis.array[places].tolist()
        return values if axis.numbers is not None else [str(value) for value in values]

    @cached_property
    def _axes(self) -> Mapping[str, Axis]:
        return {axis.column: axis for axis in self._space.axes}

    def _numbers(self, name: str) -> NDArray[np.float64]:
        """The numbers of a column that stand as they are: the page of each row group ends with them."""
        runs = []
        for group in range(self._facts.num_row_groups):
            chunk = self._facts.row_group(group).column(self._names[name])
            count = chunk.num_values - chunk.statistics.null_count
            at = chunk.data_page_offset + chunk.total_compressed_size - NUMBER_BYTES * count
            runs.append(self._read_at(at, count))
        return runs[0] if len(runs) == 1 else np.concatenate(runs)

    def _read_at(self, at: int, count: int) -> NDArray[np.float64]:
        """Numbers from a place of the file on, in one call: other threads work meanwhile."""
        data: bytes = self._opened.read_at(NUMBER_BYTES * count, at)
        if len(data) < NUMBER_BYTES * count:
            raise InputError(f"{self._path} is shorter than it says: sweep with --resume to compute it again")
        return np.frombuffer(data, "<f8")


def _floats(array: Any) -> NDArray[np.float64]:
    """The numbers of an Arrow array, nan where it lacks them. Its own way into NumPy imports pandas first."""
    valid, data = array.buffers()
    place = slice(array.offset, array.offset + len(array))
    values = np.frombuffer(data, NUMPY[str(array.type)])[place].astype(float)
    if array.null_count:
        has = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")[place]
        values[has == 0] = np.nan
    return values
