"""Rows of a sweep asked for again, through DuckDB on its Parquet files: the best, the front, or two axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.errors import InputError, unknown
from hwmodel.plain import Document
from hwmodel.solve.sweep.answers import ALWAYS, known_columns
from hwmodel.solve.sweep.expression import Expression, read_expression
from hwmodel.solve.sweep.extras import extra
from hwmodel.solve.sweep.folder import Folder
from hwmodel.solve.sweep.fronts import clearly_above, front_rows
from hwmodel.solve.sweep.keeping import largest_first
from hwmodel.solve.sweep.space import MOST_PARETO, MOST_TOP, Space

PLACE = ("point", "file_row_number")  # of a row
FILES_TRIED = 8  # files whose front says what excludes most rows before they are read
FEW_STRONG, MOST_STRONG, MOST_TRIED = 6, 64, 8192  # rows that do, of so many, by so many rows
FEW_LEFT = 0.2  # of the rows


class Selected(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that a question to a sweep finds, in its order."""

    columns: tuple[str, ...]
    rows: list[Document]


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
            raise InputError(f"{path} holds no rows yet: run the sweep first")
        self.missing = self.space.shards - len(found)  # shards that are not run yet, or damaged
        self._of_shard = {shard: str(found[shard]) for shard in sorted(found)}
        self._files = list(self._of_shard.values())
        self._base = extra("duckdb", "duckdb").connect()
        self.names = (*ALWAYS, *self.space.column_names())

    def best(self, count: int, by: str | None = None, where: str | None = None) -> Selected:
        """The best rows by an answer (the first that the sweep keeps the best of).

        A constraint on status, binding or reason finds rows without an answer too, in the order of their points.
        """
        if not 1 <= count <= MOST_TOP:
            raise InputError(f"--top must be a whole number from 1 to {MOST_TOP:,}, got {count}")
        if where and self._read(where).names & set(ALWAYS[1:]):
            return self._rows(f"WHERE {self._condition(where)} ORDER BY point, file_row_number LIMIT {count}")
        by = by or next(iter(self.space.keep.top), None) or self._measures()[0]
        self._need(by, self._measures(), "--by")
        way = "DESC" if largest_first(self.space, by) else "ASC"
        order = f'"{by}" {way}, point, file_row_number'
        asked = f'{self._where(where)} AND "{by}" IS NOT NULL ORDER BY {order} LIMIT {count}'
        # Which rows first, from the columns that decide it: the others are read of few.
        found = self._run(f"SELECT point, file_row_number FROM {self._source()} {asked}").fetchall()
        return self._these(found, order)

    def front(self, names: Sequence[str], where: str | None = None) -> Selected:
        """The rows that no other beats in every one of the answers, by the first of them."""
        if not 2 <= len(set(names)) <= MOST_PARETO:
            raise InputError(f"--pareto takes 2 to {MOST_PARETO} answers, like cost_usd,loss_nats")
        for name in names:
            self._need(name, self._measures(), "--pareto")
        signs = [-1.0 if largest_first(self.space, name) else 1.0 for name in names]
        some = self._files[:: -(-len(self._files) // FILES_TRIED)]
        seen = _costs(self._table(names, some, self._where(where)), names, signs)
        strong, share = _most_excluding(seen, seen[front_rows(seen)])
        columns = [f'"{name}"' if sign > 0 else f'-"{name}"' for name, sign in zip(names, signs)]
        left = " AND ".join([self._where(where), *(_unbeaten(columns, one) for one in strong)])
        few = share <= FEW_LEFT  # then their other columns are read with them, else of the front alone
        table = self._table(self.names if few else names, self._files, left)
        found = table.take(front_rows(_costs(table, names, signs)))
        if not few:
            order = ", ".join([*(f'"{name}"' for name in names), *PLACE])
            return self._these(list(zip(*(found[name].to_pylist() for name in PLACE))), order)
        ordered = found.sort_by([(name, "ascending") for name in (*names, *PLACE)])
        return Selected(columns=self.names, rows=ordered.select(self.names).to_pylist())

    def _table(self, names: Sequence[str], files: Sequence[str], where: str) -> Any:
        """Columns of rows, with their places, in their order."""
        columns = ", ".join(f'"{name}"' for name in dict.fromkeys((*PLACE, *names)))
        query = f"SELECT {columns} FROM {_source(files)} {where}"
        return self._answered(lambda: self._base.sql(query).to_arrow_table())

    def heat(self, across: str, up: str, answer: str, where: str | None = None) -> Heat:
        """The best of an answer at each pair of values of two axes, the others free."""
        axes = [axis.column for axis in self.space.axes]
        for name in (across, up):
            self._need(name, axes, "--heat")
        self._need(answer, self._measures(), "--heat")
        best = "max" if largest_first(self.space, answer) else "min"
        found = self._run(
            f'SELECT "{across}", "{up}", {best}("{answer}") FROM {self._source()} {self._where(where)} GROUP BY 1, 2'
        ).fetchall()
        values = {(x, y): value for x, y, value in found}
        ordered = {axis.column: axis.values if axis.numbers is None else axis.numbers for axis in self.space.axes}
        xs, ys = ([v for v in ordered[n] if v in {pair[k] for pair in values}] for k, n in enumerate((across, up)))
        return Heat(names=(across, up, answer), across=xs, up=ys, best=[[values.get((x, y)) for x in xs] for y in ys])

    def points(self, names: Sequence[str], most: int = 20_000) -> dict[str, NDArray[Any]]:
        """A few columns of answered rows, evenly thinned to at most so many."""
        quoted = ", ".join(f'"{name}"' for name in names)
        total = self._run(f"SELECT count(*) FROM {self._source()} WHERE status = 'ok'").fetchone()[0]
        every = max(1, -(-total // most))
        found: dict[str, NDArray[Any]] = self._run(
            f"SELECT {quoted} FROM {self._source()} WHERE status = 'ok' AND hash(point, file_row_number) % {every} = 0"
        ).fetchnumpy()
        return found

    def _measures(self) -> list[str]:
        """Columns of numbers."""
        known = known_columns(self.space.ask)
        texts = {axis.column for axis in self.space.axes if axis.numbers is None}
        return [n for n in self.space.column_names() if n not in texts and (n not in known or known[n].kind != "text")]

    def _need(self, name: str, known: Sequence[str], option: str) -> None:
        if name not in known:
            raise unknown("column", name, known, option)

    def _read(self, where: str) -> Expression:
        return read_expression(where, {*self.names, *self._spelled})

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

    def _these(self, places: Sequence[Sequence[int]], order: str) -> Selected:
        """Rows by their points and places in their files."""
        if not places:
            return Selected(columns=self.names, rows=[])
        files = [self._of_shard[shard] for shard in sorted({point // self.space.shard_points for point, _ in places})]
        pairs = ", ".join(f"({int(point)}, {int(row)})" for point, row in places)
        return self._rows(f"WHERE (point, file_row_number) IN ({pairs}) ORDER BY {order}", files)

    def _rows(self, rest: str, files: Sequence[str] | None = None) -> Selected:
        quoted = ", ".join(f'"{name}"' for name in self.names)
        found = self._run(f"SELECT {quoted} FROM {_source(files or self._files)} {rest}").fetchall()
        return Selected(columns=self.names, rows=[dict(zip(self.names, row)) for row in found])

    def _run(self, query: str) -> Any:
        return self._answered(lambda: self._base.execute(query))

    def _answered(self, ask: Callable[[], Any]) -> Any:
        duckdb = extra("duckdb", "duckdb")
        try:
            return ask()
        except duckdb.Error as error:
            text = str(error).splitlines()[0][:200]
            raise InputError(f"the rows of {self.folder.path} do not answer: {text}") from error


def _costs(table: Any, names: Sequence[str], signs: Sequence[float]) -> NDArray[np.float64]:
    """Answers of rows, less being better; nan where there is none."""
    columns = [sign * table[name].to_numpy().astype(float) for name, sign in zip(names, signs)]
    return np.stack(columns, axis=1)


def _most_excluding(some: NDArray[np.float64], strong: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """A few of the strong rows that together beat the most of some, and the share that they leave."""
    left = some[:: max(1, -(-len(some) // MOST_TRIED))]
    tried = strong[:: max(1, -(-len(strong) // MOST_STRONG))]
    count = max(1, len(left))
    chosen: list[NDArray[np.float64]] = []
    while len(chosen) < FEW_STRONG and len(left) and len(tried):
        beaten = np.all(left[:, None] > clearly_above(tried), axis=2)
        best = int(np.argmax(beaten.sum(axis=0)))
        chosen.append(tried[best])
        left = left[~beaten[:, best]]
    return np.array(chosen).reshape(-1, strong.shape[1]), len(left) / count


def _source(files: Sequence[str]) -> str:
    """Files as one table."""
    return f"read_parquet([{', '.join(map(_text, files))}], file_row_number=true)"


def _unbeaten(names: Sequence[str], by: NDArray[np.float64]) -> str:
    """That a row is not clearly worse than another in every answer."""
    return "(" + " OR ".join(f"{name} <= {float(cost)!r}" for name, cost in zip(names, clearly_above(by))) + ")"


def _text(value: Any) -> str:
    """A text as a database reads it."""
    return "'" + str(value).replace("'", "''") + "'"
