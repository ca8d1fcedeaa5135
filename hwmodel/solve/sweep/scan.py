"""All files of a sweep looked through for the rows of a front, and rows read at their places in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodel.solve.sweep.columns import ShardColumns
from hwmodel.solve.sweep.expression import Expression
from hwmodel.solve.sweep.fronts import SOME, beaters, front_of_thinned, thinned, tree_of, unbeaten
from hwmodel.solve.sweep.stairs import Column, Stairs
from hwmodel.solve.sweep.tree import Tree

FIRST_SHARE = 64  # one of so many files is looked at first, then as many again as were: they say what beats the others
Open = Callable[[int], ShardColumns]  # a file by its number


class Placed(NamedTuple):
    """Rows by their files and places in them, with their costs as columns."""

    place: NDArray[np.int64]
    costs: list[Column]

    def take(self, rows: NDArray[np.int64]) -> Placed:
        """Some of them."""
        return Placed(self.place[:, rows], [column[rows] for column in self.costs])


def front_of(
    opened: Open, count: int, answers: Sequence[tuple[str, float]], condition: Expression | None,
    named: Mapping[str, str],
) -> Placed:  # fmt: skip
    """Of the rows of `count` files that have all answers (each with the sign that makes less the better) and meet a
    condition over names of columns, or of `named`, those that no other beats, in the order of their places."""

    def of(file: int) -> Placed:
        return _of_file(opened(file), file, answers, others, condition, named)

    others: Stairs | Tree | None = None
    parts, looked_at = [Placed(np.empty((2, 0), dtype=np.int64), [np.empty(0)] * len(answers))], 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for files, part in enumerate(pool.map(of, _spread(count)), 1):
            parts.append(part)
            if files < 2 * looked_at or files == count:
                continue
            # Meanwhile the next files are held against what the others were: less is beaten, and nobody waits.
            found, looked_at = _joined(parts), files
            for every in (SOME, 1) if others is None else (1,):  # of the first files all rows have come
                beating = beaters([column[::every] for column in found.costs])
                found = found.take(unbeaten(beating, found.costs))
            others, parts = beating, [found]
        found = _joined(parts)
        if tree_of(len(answers)) is None:
            found = found.take(thinned(found.costs))
        file, row = found.place
        found = found.take(np.argsort(file * (row.max(initial=0) + 1) + row))
        return found.take(front_of_thinned(found.costs, pool))


def _of_file(
    shard: ShardColumns, file: int, answers: Sequence[tuple[str, float]], others: Stairs | Tree | None,
    condition: Expression | None, named: Mapping[str, str],
) -> Placed:  # fmt: skip
    """Those of one file that others do not beat, nor, where a tree says it of few rows too, one another."""
    costs = [found if sign > 0.0 else -found for name, sign in answers for found in (shard.answers(name),)]
    kept = np.arange(len(costs[0])) if others is None else unbeaten(others, costs)
    kept = kept[np.logical_and.reduce([np.isfinite(column[kept]) for column in costs])]
    if condition is not None:
        kept = shard.holds(condition, named, kept)
    if tree_of(len(costs)) is not None:
        kept = kept[thinned([column[kept] for column in costs])]
    rows = shard.answered[kept] if len(kept) else kept
    return Placed(np.stack([np.full(len(rows), file), rows]), [column[kept] for column in costs])


def _joined(parts: Sequence[Placed]) -> Placed:
    costs = [np.concatenate(columns) for columns in zip(*(part.costs for part in parts))]
    return Placed(np.concatenate([part.place for part in parts], axis=1), costs)


def _spread(count: int) -> Iterator[int]:
    """Numbers up to a count, so that the first of them, however many, lie about evenly over all."""
    step = FIRST_SHARE
    yield from range(0, count, step)
    while step > 1:
        yield from range(step // 2, count, step)
        step //= 2


def values_at(opened: Open, place: NDArray[np.int64], names: Sequence[str]) -> list[list[Any]]:
    """Of each column the values of rows by their files and places in them, in the order given: no other file is
    opened."""
    files, rows = place
    order = np.lexsort((rows, files))
    parts = np.split(order, np.flatnonzero(np.diff(files[order])) + 1) if len(order) else []

    def of(part: NDArray[np.int64]) -> list[list[Any]]:
        shard = opened(int(files[part[0]]))
        return [shard.at(name, rows[part]) for name in names]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pieces = list(pool.map(of, parts))
    back = np.argsort(order).tolist()
    flat = (list(chain.from_iterable(one)) for one in zip(*pieces))
    return [[column[at] for at in back] for column in flat]
