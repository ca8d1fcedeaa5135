"""Rows of a sweep asked for again, through DuckDB on its Parquet files: the best, the front, or two axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.errors import InputError, unknown
from hwmodel.solve.sweep.answers import ALWAYS, SweepRow, known_columns
from hwmodel.solve.sweep.best import best_rows
from hwmodel.solve.sweep.columns import ShardColumns
from hwmodel.solve.sweep.expression import Expression, read_expression
from hwmodel.solve.sweep.extras import extra
from hwmodel.solve.sweep.folder import Folder
from hwmodel.solve.sweep.fronts import ordered
from hwmodel.solve.sweep.scan import front_of, values_at
from hwmodel.solve.sweep.space import MOST_PARETO, MOST_TOP, Space
from hwmodel.solve.sweep.stairs import clearly_above, evenly

PLACE = ("file_index", "file_row_number")  # of a row, which the database counts and does not read
MOST_OPEN = 256  # files, of the thousand that a process may have
MOST_EQUAL = 256  # rows beyond those asked for that the best may be equal to, before all such rows are read
MOST_VALUES = 20_000_000  # of a front, about a gigabyte


class Selected(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that a question to a sweep finds, in its order: all of `found`, or of more than were asked for some from
    end to end."""

    columns: tuple[str, ...]
    rows: list[SweepRow]
    found: int


class Heat(msgspec.Struct, frozen=True, kw_only=True):
    """The best of an answer over two axes: `best[j][i]` at `across[i]` and `up[j]`, None where nothing answers."""

    names: tuple[str, str, str]
    across: list[Any]
    up: list[Any]
    best: list[list[float | None]]


class Rows:
    """The rows of a sweep's folder, finished or not. Damaged files are not read."""

    def __init__(self, path: str | Path) -> None:
        self.folder = Folder(Path(path))
        self.space: Space = self.folder.space()
        found = self.folder.sound()
        if not found:
            raise self.folder.without_rows()
        self.missing = self.space.shards - len(found)  # shards that are not run yet, or damaged
        self.shards = found
        self._numbers = sorted(found)
        self._files = [str(found[shard]) for shard in self._numbers]
        self._opened: dict[int, ShardColumns] = {}
        self.names = (*ALWAYS, *self.space.column_names())
        self.axis_names = tuple(axis.column for axis in self.space.axes)

    def best(
        self, count: int, by: str | None = None, where: str | None = None, columns: Sequence[str] | None = None
    ) -> Selected:
        """The best rows by an answer (the first that the sweep keeps the best of), with these columns or all; of rows
        that are equal in it the cheaper first, then the faster, then those of fewer accelerators, then the earlier.

        A constraint on status, binding or reason finds rows without an answer too, in the order of their points.
        """
        _check_count(count)
        if where and self.asks_why(where):
            asked = f"WHERE {self._condition(where)} ORDER BY {', '.join(PLACE)} LIMIT {count}"
        else:
            by = by or next(iter(self.space.keep.top), None) or self._measures()[0]
            self._need(by, self._measures(), "--by")
            return self._these(self._best(count, by, f'{self._where(where)} AND "{by}" IS NOT NULL'), columns)
        return self._these(self._found(asked)[0], columns)

    def asks_why(self, where: str) -> bool:
        """Whether a constraint is on whether rows have an answer, or why not."""
        return bool(self._read(where).names & set(ALWAYS[1:]))

    def _best(self, count: int, by: str, where: str) -> NDArray[np.int64]:
        """The places of the best rows by an answer, of equal ones of those that win."""
        told, largest = self.space.told_by(by), self.space.largest_first(by)
        sign, way = (-1.0, "DESC") if largest else (1.0, "ASC")
        # Which rows first, from the column that decides it: the others are read of few.
        most = count + MOST_EQUAL
        place, (values,) = self._found(f'{where} ORDER BY "{by}" {way}, {", ".join(PLACE)} LIMIT {most}', [by])
        last = clearly_above(sign * values[count - 1 : count])
        near = np.arange(len(values)) if not len(last) else np.flatnonzero(sign * values <= last)
        if len(near) == most:  # and there are more
            limit = f'"{by}" {">=" if largest else "<="} {sign * float(last[0])!r}'
            place, columns = self._found(f"{where} AND {limit}", told)
        else:
            place = place[:, near]
            rest = values_at(self._shard, place, told[1:]) if place.size else []
            columns = [values[near], *(np.array(one, dtype=float) for one in rest)]
        order = np.lexsort(place[::-1])
        return place[:, order[best_rows([one[order] for one in columns], count, largest)]]

    def _found(self, asked: str, names: Sequence[str] = ()) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
        """The places of the rows that a question to the database finds, and columns of numbers of them."""
        quoted = ", ".join([*PLACE, *(f'"{name}"' for name in names)])
        found = self._run(f"SELECT {quoted} FROM {self._source()} {asked}").fetchnumpy()
        numbers: list[NDArray[np.float64]] = []
        numbers += [np.ma.filled(np.ma.asarray(found[name], dtype=float), np.nan) for name in names]
        return np.array([found[name] for name in PLACE], dtype=np.int64), numbers

    def front(
        self,
        names: Sequence[str],
        where: str | None = None,
        columns: Sequence[str] | None = None,
        most: int | None = None,
    ) -> Selected:
        """The rows that no other beats in every one of the answers, by the first of them: with these columns or all,
        and of a front of more than `most` so many of them, evenly from end to end."""
        if most is not None:
            _check_count(most)
        if not 2 <= len(set(names)) <= MOST_PARETO:
            raise InputError(f"--pareto takes 2 to {MOST_PARETO} answers, like cost_usd,loss_nats")
        for name in names:
            self._need(name, self._measures(), "--pareto")
        asked = self._read(where) if where else None
        signs = self._signs(names)
        place, costs = front_of(self._shard, len(self._files), list(zip(names, signs)), asked, self._spelled)
        values = {name: sign * column for name, sign, column in zip(names, signs, costs)}
        order = ordered(list(values.values()))
        shown = order if most is None or len(order) <= most else order[evenly(len(order), most)]
        wide = len(columns or self.names)
        if len(shown) * wide > MOST_VALUES:
            raise InputError(
                f"the front has {len(order):,} rows of {wide} columns, {MOST_VALUES:,} values are handed over at once: "
                "narrow it with --where, or name fewer --columns"
            )
        known = {name: column[shown] for name, column in values.items() if not self._whole(name)}
        return msgspec.structs.replace(self._these(place[:, shown], columns, known), found=len(order))

    def _signs(self, names: Sequence[str]) -> list[float]:
        """What makes less the better of each answer."""
        return [-1.0 if self.space.largest_first(name) else 1.0 for name in names]

    def heat(self, across: str, up: str, answer: str, where: str | None = None) -> Heat:
        """The best of an answer at each pair of values of two axes, the others free."""
        axes = [axis.column for axis in self.space.axes]
        for name in (across, up):
            self._need(name, axes, "--heat")
        self._need(answer, self._measures(), "--heat")
        best = "max" if self.space.largest_first(answer) else "min"
        found = self._run(
            f'SELECT "{across}", "{up}", {best}("{answer}") FROM {self._source()} {self._where(where)} GROUP BY 1, 2'
        ).fetchall()
        values = {(x, y): value for x, y, value in found}
        ordered = {axis.column: axis.values if axis.numbers is None else axis.numbers for axis in self.space.axes}
        xs, ys = ([v for v in ordered[n] if v in {pair[k] for pair in values}] for k, n in enumerate((across, up)))
        return Heat(names=(across, up, answer), across=xs, up=ys, best=[[values.get((x, y)) for x in xs] for y in ys])

    def points(self, names: Sequence[str], where: str | None = None, most: int = 20_000) -> dict[str, NDArray[Any]]:
        """A few columns of answered rows that meet a constraint, evenly thinned to at most so many."""
        quoted = ", ".join(f'"{name}"' for name in names)
        every = max(1, -(-self.counted(where) // most))
        found: dict[str, NDArray[Any]] = self._run(
            f"SELECT {quoted} FROM {self._source()} {self._where(where)} AND hash(point, file_row_number) % {every} = 0"
        ).fetchnumpy()
        return found

    def counted(self, where: str | None = None) -> int:
        """How many answered rows meet a constraint."""
        return int(self._run(f"SELECT count(*) FROM {self._source()} {self._where(where)}").fetchone()[0])

    def counts(self) -> dict[tuple[str, str], int]:
        """How many rows have each status and binding constraint, the answered first, then the most."""
        found = self._run(
            f"SELECT status, coalesce(binding, ''), count(*) FROM {self._source()} GROUP BY 1, 2"
        ).fetchall()
        ordered = sorted(found, key=lambda one: (one[0] != "ok", -one[2], one[:2]))
        return {(status, binding): count for status, binding, count in ordered}

    def _measures(self) -> list[str]:
        """Columns of numbers."""
        known = known_columns(self.space.ask)
        texts = {axis.column for axis in self.space.axes if axis.numbers is None}
        return [n for n in self.space.column_names() if n not in texts and (n not in known or known[n].kind != "text")]

    def _whole(self, name: str) -> bool:
        """Whether a column holds whole numbers."""
        known = known_columns(self.space.ask)
        return name in known and known[name].kind == "whole"

    def _need(self, name: str, known: Sequence[str], option: str) -> None:
        if name not in known:
            raise unknown("column", name, known, option)

    @cached_property
    def _base(self) -> Any:
        return extra("duckdb", "duckdb").connect()

    def _read(self, where: str) -> Expression:
        held = {*self.names, *self._spelled}
        return read_expression(where, {name: one for name, one in self.space.known_names().items() if name in held})

    def _condition(self, where: str) -> str:
        return self._read(where).sql(self._spelled)

    @property
    def _spelled(self) -> dict[str, str]:
        """Names of axes as typed, with those of their columns."""
        return {name: axis.column for axis in self.space.axes for name in axis.names}

    def _where(self, where: str | None) -> str:
        return "WHERE status = 'ok'" + (f" AND {self._condition(where)}" if where else "")

    def _source(self) -> str:
        return _source(self._files)

    def _these(
        self, places: NDArray[np.int64], columns: Sequence[str] | None, known: Mapping[str, NDArray[Any]] | None = None
    ) -> Selected:
        """Rows by their files and places in them, in the order given: no other file is opened, and of these only the
        columns that are asked for and not known are read."""
        names = self.names if columns is None else tuple(dict.fromkeys(columns))
        values = {name: column.tolist() for name, column in (known or {}).items() if name in names}
        read = [name for name in names if name not in values]
        values |= dict(zip(read, values_at(self._shard, places, read)))
        ordered = [values.get(name, ()) for name in names]
        return Selected(columns=names, rows=[dict(zip(names, row)) for row in zip(*ordered)], found=places.shape[1])

    def _shard(self, file: int) -> ShardColumns:
        """A file opened; some stay so, to be asked again."""
        found = self._opened.get(file)
        if found is None:
            found = ShardColumns(Path(self._files[file]), self.space, self._numbers[file])
            if len(self._opened) < MOST_OPEN:
                self._opened[file] = found
        return found

    def _run(self, query: str, values: Sequence[Any] = ()) -> Any:
        duckdb = extra("duckdb", "duckdb")
        try:
            return self._base.cursor().execute(query, values)
        except duckdb.Error as error:
            text = str(error).splitlines()[0][:200]
            raise InputError(f"the rows of {self.folder.path} do not answer: {text}") from error


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_TOP:
        raise InputError(f"--top must be a whole number from 1 to {MOST_TOP:,}, got {count}")


def _source(files: Sequence[str]) -> str:
    """Files as one table."""
    return f"read_parquet([{', '.join(map(_text, files))}], file_row_number=true)"


def _text(value: Any) -> str:
    """A text as a database reads it."""
    return "'" + str(value).replace("'", "''") + "'"
