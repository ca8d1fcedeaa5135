"""What stays of rows: the best by each answer, the Pareto front, histograms, counts; of shards and of whole sweeps.

Of rows that are equal in what they are the best by the cheaper wins, then the faster, then that of fewer accelerators,
then the earlier; shards are folded in the order of their numbers: so the outcome depends on nothing but the space.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.solve.sweep.best import best_rows
from hwmodel.solve.sweep.fronts import front_rows
from hwmodel.solve.sweep.met import Met
from hwmodel.solve.sweep.space import Space
from hwmodel.solve.sweep.table import PointTable

BINS_A_DECADE = 10
FRONT_ROWS = 1 << 16  # of shards' fronts that are folded at once
PACKED = 1  # level of compression: the least is nearly all there is to gain
NOT_POSITIVE = "not_positive"


class Winners(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a shard's file (of several: with the shard of each) and the values that they won by, a list a row."""

    rows: list[int] = []
    values: list[list[float]] = []
    shards: list[int] = []


class Partial(msgspec.Struct, kw_only=True):
    """The winners and counts of some rows."""

    points: int = 0
    excluded: int = 0  # by constraints on axes
    dropped: int = 0  # by constraints on answers
    failed: dict[str, int] = {}  # constraint -> points or rows that do not meet it
    failed_alone: dict[str, int] = {}  # and those that meet every other that was asked with it
    rows: int = 0
    ok: int = 0
    layouts: int = 0  # that the points admit, all told
    without: dict[str, int] = {}  # binding constraint, or refused -> rows
    top: dict[str, Winners] = {}
    pareto: Winners = Winners()
    histograms: dict[str, dict[str, int]] = {}


def winners(space: Space, table: PointTable) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """Rows of the best by each answer (best first), and of the front."""
    ok = np.flatnonzero(table.ok)
    best = {
        name: best_rows([table.number(one)[ok] for one in space.told_by(name)], count, space.largest_first(name))
        for name, count in space.keep.top.items()
    }
    front = np.empty(0, dtype=np.int64)
    if space.keep.pareto and len(ok):
        front = front_rows(_costs(space, [table.number(name)[ok] for name in space.keep.pareto]))
    return {name: ok[rows] for name, rows in best.items()}, ok[front]


def _costs(space: Space, columns: Sequence[Any]) -> NDArray[np.float64]:
    signs = [-1.0 if space.largest_first(name) else 1.0 for name in space.keep.pareto]
    return np.stack([sign * np.asarray(column, dtype=float) for sign, column in zip(signs, columns)], axis=1)


def counts_of(space: Space, table: PointTable, early: Met, late: Met) -> Partial:
    """Counts and histograms of the rows of one shard, and what its constraints on axes and on answers left out."""
    ok = table.ok
    without = [str(b or s) for b, s in zip(table.texts["binding"][~ok], table.texts["status"][~ok])]
    return Partial(
        points=early.rows, excluded=early.left_out, dropped=late.left_out, rows=table.rows, ok=int(ok.sum()),
        failed={**early.failed, **late.failed}, failed_alone={**early.failed_alone, **late.failed_alone},
        layouts=int(np.nansum(table.number("layouts")[_firsts(table.point)])),
        without={name: without.count(name) for name in sorted(set(without))},
        histograms={name: _histogram(table.number(name)[ok]) for name in space.keep.histograms},
    )  # fmt: skip


def with_winners(space: Space, counts: Partial, table: PointTable) -> Partial:
    """The counts with the winners among the rows that the shard's file holds."""
    best, front = winners(space, table)
    return msgspec.structs.replace(
        counts,
        top={name: _winners(table, rows, space.told_by(name)) for name, rows in best.items()},
        pareto=_winners(table, front, space.keep.pareto),
    )


def _winners(table: PointTable, rows: NDArray[np.int64], names: Sequence[str]) -> Winners:
    values = [table.number(name)[rows] for name in names]
    return Winners(rows=rows.tolist(), values=np.stack(values, axis=1).tolist() if len(rows) else [])


def _firsts(point: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.flatnonzero(np.diff(point, prepend=-1))


def _histogram(values: NDArray[np.float64]) -> dict[str, int]:
    """Counts by tenths of a decade: bin k holds 10^(k/10) up to 10^((k+1)/10)."""
    values = values[np.isfinite(values)]
    positive = values[values > 0]
    bins, counts = np.unique(np.floor(np.log10(positive) * BINS_A_DECADE).astype(int), return_counts=True)
    found = {str(place): int(count) for place, count in zip(bins, counts)}
    rest = len(values) - len(positive)
    return {**found, NOT_POSITIVE: rest} if rest else found


def packed(partial: Partial) -> bytes:
    """A partial packed, for a front may have as many rows as its shard; as letters: metadata are texts."""
    return base64.b85encode(zlib.compress(msgspec.msgpack.encode(partial), PACKED))


def unpacked(data: bytes) -> Partial:
    """The partial of such bytes."""
    return msgspec.msgpack.decode(zlib.decompress(base64.b85decode(data)), type=Partial)


def merged(space: Space, partials: Iterable[Partial]) -> Partial:
    """Shards folded in the order in which they come: that of their numbers."""
    total = Partial(
        top={name: Winners() for name in space.keep.top}, histograms={name: {} for name in space.keep.histograms}
    )
    front = _GrowingFront(space)
    for shard, one in enumerate(partials):
        for name in ("points", "excluded", "dropped", "rows", "ok", "layouts"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
        for name in ("without", "failed", "failed_alone"):
            setattr(total, name, _added(getattr(total, name), getattr(one, name)))
        for name, count in space.keep.top.items():
            both = _both(total.top[name], one.top[name], shard)
            if both.rows:
                columns = list(np.array(both.values, dtype=float).T)
                total.top[name] = _chosen(both, best_rows(columns, count, space.largest_first(name)))
        front.add(shard, one.pareto)
        for name in space.keep.histograms:
            total.histograms[name] = _added(total.histograms[name], one.histograms[name])
    total.pareto = front.winners()
    return total


class _GrowingFront:
    """The front of the shards so far, in columns: thinned whenever what came since is as much as it, and at the end."""

    def __init__(self, space: Space) -> None:
        self.space, self.least = space, FRONT_ROWS
        self.parts: list[NDArray[np.float64]] = []  # a row each: shard, row, values

    def add(self, shard: int, one: Winners) -> None:
        """Take in the front of the next shard."""
        if not one.rows:
            return
        values = np.array(one.values, dtype=float)
        self.parts.append(np.column_stack([np.full(len(values), float(shard)), one.rows, values]))
        if sum(map(len, self.parts)) > self.least:
            self.parts = [self._front()]
            self.least = max(FRONT_ROWS, 2 * len(self.parts[0]))

    def _front(self) -> NDArray[np.float64]:
        every = np.concatenate(self.parts)
        return every[front_rows(_costs(self.space, list(every.T[2:])))]

    def winners(self) -> Winners:
        """The rows of the front."""
        if not self.parts:
            return Winners()
        found = self._front()
        shards, rows = found[:, :2].astype(int).T.tolist()
        return Winners(shards=shards, rows=rows, values=found[:, 2:].tolist())


def _both(total: Winners, one: Winners, shard: int) -> Winners:
    return Winners(
        rows=total.rows + one.rows, values=total.values + one.values, shards=total.shards + [shard] * len(one.rows)
    )


def _chosen(both: Winners, rows: NDArray[np.int64]) -> Winners:
    return Winners(
        rows=[both.rows[i] for i in rows], values=[both.values[i] for i in rows], shards=[both.shards[i] for i in rows]
    )


def _added(a: Mapping[str, int], b: Mapping[str, int]) -> dict[str, int]:
    return {name: a.get(name, 0) + b.get(name, 0) for name in sorted({*a, *b})}


def bins(counts: Mapping[str, int]) -> list[dict[str, float]]:
    """A histogram as bins with their ends, lowest first."""
    places = sorted(int(place) for place in counts if place != NOT_POSITIVE)
    found: list[dict[str, float]] = [
        {"low": 10.0 ** (k / BINS_A_DECADE), "high": 10.0 ** ((k + 1) / BINS_A_DECADE), "count": counts[str(k)]}
        for k in places
    ]
    rest = counts.get(NOT_POSITIVE, 0)
    return [{"low": -math.inf, "high": 0.0, "count": rest}, *found] if rest else found
