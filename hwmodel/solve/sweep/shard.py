"""One shard: its points answered, thinned to what is kept, and put into the bytes of a Parquet file."""

from __future__ import annotations

import io
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodel.solve.sweep.answers import ALWAYS, STATUS, known_columns
from hwmodel.solve.sweep.columns import placed
from hwmodel.solve.sweep.extras import extra
from hwmodel.solve.sweep.keeping import counts_of, packed, winners, with_winners
from hwmodel.solve.sweep.met import Met
from hwmodel.solve.sweep.points import Plans
from hwmodel.solve.sweep.services import Services
from hwmodel.solve.sweep.space import Space
from hwmodel.solve.sweep.table import PointTable, blank_table

ROW_GROUP = 1 << 17
REPEATS = 8  # of a value of numbers, on average, from which on a dictionary of them is shorter and sooner read
# Numbers of which compression leaves so much are written as they are, to be read at their places without the others.
INCOMPRESSIBLE, TRIED_VALUES = 0.75, 8192
ONE_PAGE_BYTES = 1 << 30  # above all columns of a row group


class Sweeper:
    """Answers shards of one space; what it learns on the way is kept for the next."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.answers = Plans(space) if space.ask == "plan" else Services(space)
        self.early, self.late = space.constraints()

    def shard(self, number: int) -> bytes:
        """The bytes of a shard's file: a pure function of the space and the number."""
        asked = self.space.points_of(number)
        every = np.arange(asked.start, asked.stop, dtype=np.int64)
        early = Met(self.early, _axes(self.space, every), len(every))
        points = every[early.all]
        table = self.answers.rows(points) if len(points) else blank_table(points, None)
        with_axes(self.space, table)
        late = Met(self.late, _spelled(self.space, table), table.rows)
        table = table.take(late.all)
        counts = counts_of(self.space, table, early, late)
        if self.space.keep.rows == "winners":
            best, front = winners(self.space, table)
            table = table.take(np.unique(np.concatenate([front, *best.values()])))
        said = packed(with_winners(self.space, counts, table))
        return parquet_bytes(self.space, table, {"partial": said, "shard": str(number).encode()})


def _axes(space: Space, points: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """The values of each axis at these points, under both of its names."""
    places = np.unravel_index(points, space.dimensions)
    found: dict[str, NDArray[Any]] = {}
    for axis, place in zip(space.axes, places):
        found |= dict.fromkeys(axis.names, axis.array[place])
    return found


def with_axes(space: Space, table: PointTable) -> None:
    """Write the axes into the rows, also into those without an answer."""
    for axis, place in zip(space.axes, np.unravel_index(table.point, space.dimensions)):
        column = axis.array[place]
        if column.dtype == object:
            table.texts[axis.column] = np.array([str(value) for value in column], dtype=object)
            table.numbers.pop(axis.column, None)
        else:
            table.numbers[axis.column] = column


def _spelled(space: Space, table: PointTable) -> dict[str, NDArray[Any]]:
    """Everything that a constraint may name."""
    known = known_columns(space.ask).items()
    found = {name: table.words(name) if column.kind == "text" else table.number(name) for name, column in known}
    return {**found, **table.numbers, **_axes(space, table.point), **table.texts}


def schema(space: Space) -> Any:
    """The columns of the rows with their types, units and meaning."""
    arrow = extra("pyarrow", "pyarrow")
    texts = {axis.column: axis.numbers is None for axis in space.axes}
    units = space.units()
    known = known_columns(space.ask)
    fields = [arrow.field("point", arrow.int64(), metadata={"meaning": "number of the point in the space"})]
    fields += [
        arrow.field(n, arrow.dictionary(arrow.int32(), arrow.string()), metadata={"meaning": STATUS[n]})
        for n in ALWAYS[1:]
    ]
    for name in space.column_names():
        column = known.get(name)
        said = {"unit": units[name], "meaning": "axis" if column is None else column.meaning}
        text = texts.get(name, column is not None and column.kind == "text")
        whole = name not in texts and column is not None and column.kind == "whole"
        kind = arrow.dictionary(arrow.int32(), arrow.string()) if text else arrow.int64() if whole else arrow.float64()
        fields.append(arrow.field(name, kind, metadata=said))
    return arrow.schema(fields)


def parquet_bytes(space: Space, table: PointTable, said: dict[str, bytes]) -> bytes:
    """The rows as a Parquet file."""
    arrow, parquet = extra("pyarrow", "pyarrow"), extra("pyarrow.parquet", "pyarrow")
    fields = schema(space)
    columns = [_arrow(arrow, field, table) for field in fields]
    whole = arrow.Table.from_arrays(columns, schema=fields)
    stream = io.BytesIO()
    words, split, plain = _encoded(arrow, whole, table.ok)
    with parquet.ParquetWriter(
        stream, fields, use_dictionary=words, use_byte_stream_split=split, data_page_size=ONE_PAGE_BYTES,
        compression={name: "none" if name in plain else "zstd" for name in whole.column_names},
        **_no_limit_of_rows(parquet),
    ) as writer:  # fmt: skip
        writer.write_table(whole, row_group_size=ROW_GROUP)
        # As metadata of the table it would stand in the file a second time, in the schema that Arrow writes.
        said = {**said, **placed(plain, table.ok)}
        writer.add_key_value_metadata({f"hwmodel.{name}": value for name, value in said.items()})
    return stream.getvalue()


def _no_limit_of_rows(parquet: Any) -> dict[str, int]:
    """That a page holds a whole row group, as it does in versions that know no limit."""
    known = signature(parquet.ParquetWriter.__init__).parameters
    return {"max_rows_per_page": ROW_GROUP} if "max_rows_per_page" in known else {}


def _encoded(arrow: Any, table: Any, ok: NDArray[np.bool_]) -> tuple[list[str], list[str], list[str]]:
    """The columns written by a dictionary of their values; those written byte by byte of their numbers: a half to a
    quarter of the size, and read in half the time, where numbers hardly repeat; and those written as they are, for even
    so they would not be much shorter."""
    numbers = [field.name for field in table.schema if arrow.types.is_floating(field.type)]
    rare = [name for name in numbers if REPEATS * len(table[name].unique()) > table.num_rows]
    plain = [name for name in rare if _lacks_with(table[name], ok) and not _compresses(arrow, table[name])]
    words = [name for name in table.column_names if name not in rare]
    return words, [name for name in rare if name not in plain], plain


def _lacks_with(column: Any, ok: NDArray[np.bool_]) -> bool:
    """Whether a column has a number in every row, or in every answered row and no other."""
    lacking = column.null_count
    return lacking == 0 or (lacking == len(ok) - int(ok.sum()) and not column.is_null().to_numpy()[ok].any())


def _compresses(arrow: Any, column: Any) -> bool:
    """Whether numbers, byte by byte, become much shorter."""
    some = column.drop_null().to_numpy()[:TRIED_VALUES]
    bytewise = some.view(np.uint8).reshape(-1, some.itemsize).T.tobytes()
    return len(arrow.compress(bytewise, codec="zstd", asbytes=True)) < INCOMPRESSIBLE * len(bytewise)


def _arrow(arrow: Any, field: Any, table: PointTable) -> Any:
    if field.name == "point":
        return arrow.array(table.point)
    if arrow.types.is_dictionary(field.type):
        words = table.texts.get(field.name)
        values = [None] * table.rows if words is None else list(words)
        return arrow.array(values, arrow.string()).dictionary_encode()
    numbers = table.number(field.name)
    missing = ~np.isfinite(numbers)
    if arrow.types.is_integer(field.type):
        return arrow.array(np.where(missing, 0.0, numbers).astype(np.int64), field.type, mask=missing)
    return arrow.array(numbers, field.type, mask=missing)
