"""Pareto fronts of millions of rows in up to four costs: less is better in each.

Rows are thinned by what all of them together beat (`stairs.py`), each cost being the last in turn, then put in the
order of their first cost, so that a row can only be beaten by one before it. With two costs the rest is one look at a
stair: the least second cost of what has no more of the first. With three or four it is divided and conquered: the front
of each half, then of the later half what the earlier beats in the other costs, asked again by halves of the next cost
(Kung, Luccio and Preparata, On finding the maxima of a set of vectors, JACM 22, 1975). Time is n log^(d-2) n sorts of
whole columns.

Where its text is compiled, a tree (`tree.py`) does both for three and four costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from ctypes import CDLL
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodel.solve.sweep.stairs import Column, Index, Stairs
from hwmodel.solve.sweep.tree import Tree, compiled

Costs = NDArray[np.float64]

COST_DIGITS = 10
FEW_ROWS = 4096  # from which on rows are thinned
WORTH = 0.8  # of rows that may be left by a round of thinning for another to be worth its time
SOME = 16  # of so many rows one is held against the others first
CHUNK = 1 << 16  # rows looked at together, which a processor's own memory holds
SHARE = 1 << 13  # of rows that a pool looks at, those that one of it takes at once
BLOCK_ROWS = 256
BEFORE = np.triu(np.ones((BLOCK_ROWS, BLOCK_ROWS), dtype=bool), 1)  # of pairs of a block


def front_rows(costs: Costs) -> Index:
    """Rows that no other beats in every cost, in their order; of equal rows the first.

    Costs that differ by less than a part in 10^9 are equal: they differ by the rounding of the arithmetic.
    """
    rows = np.flatnonzero(np.logical_and.reduce([np.isfinite(column) for column in costs.T]))
    columns = [np.ascontiguousarray(column[rows]) for column in costs.T]
    kept = thinned(columns)
    return rows[kept[front_of_thinned([column[kept] for column in columns])]]


def front_of_thinned(columns: Sequence[Column], pool: Executor | None = None) -> Index:
    """`front_rows` of rows of finite costs, of which others clearly beat few; a pool looks at many together."""
    return _swept(list((map if pool is None else pool.map)(rounded, columns)), pool)


def ordered(columns: Sequence[NDArray[Any]]) -> Index:
    """Rows by their first column, of equal ones by the next and so on, the earlier first: only those that are equal in
    the first are looked at in the others."""
    order = np.argsort(columns[0])
    first = columns[0][order]
    equal = np.zeros(len(order) + 1, dtype=bool)  # to the row before
    equal[1:-1] = first[1:] == first[:-1]
    tied = np.flatnonzero(equal[1:] | equal[:-1])
    rows = np.sort(order[tied])
    order[tied] = rows[np.lexsort([column[rows] for column in reversed(columns)])]
    return order


def tree_of(costs: int) -> CDLL | None:
    """The compiled text, if there is one and a tree is quicker than stairs: of two costs they are the whole answer."""
    return compiled() if costs > 2 else None


def beaters(columns: Sequence[Column]) -> Stairs | Tree:
    """Rows of finite costs as others are held against them."""
    library = tree_of(len(columns))
    return Stairs(columns) if library is None else Tree(library, columns)


def thinned(columns: list[Column]) -> Index:
    """Rows of finite costs less most of those that are not on the front: those that others clearly beat."""
    if tree_of(len(columns)) is None:
        return _by_stairs(columns)
    rows = np.arange(len(columns[0]))
    for every in (SOME, 1) if len(rows) > FEW_ROWS else (1,):
        kept = unbeaten(beaters([column[::every] for column in columns]), columns)
        rows, columns = rows[kept], [column[kept] for column in columns]
    return rows


def _by_stairs(columns: list[Column]) -> Index:
    rows, count = np.arange(len(columns[0])), len(columns)
    for turn in range(2 * count):
        if len(rows) <= FEW_ROWS:
            break
        first = turn % count
        turned = columns[first:] + columns[:first]
        kept = unbeaten(Stairs(turned), turned)
        rows, columns = rows[kept], [column[kept] for column in columns]
        if turn >= count - 1 and len(kept) > WORTH * len(turned[0]):
            break
    return rows


def unbeaten(others: Stairs | Tree, columns: Sequence[Column], pool: Executor | None = None) -> Index:
    """Rows that others do not clearly beat; a pool looks at many together."""

    def of(start: int) -> Index:
        return start + others.unbeaten([column[start : start + step] for column in columns])

    step = CHUNK if pool is None else SHARE
    kept = list((map if pool is None else pool.map)(of, range(0, len(columns[0]), step)))
    return np.concatenate(kept) if kept else np.empty(0, dtype=np.int64)


def rounded(costs: Costs) -> Costs:
    """Costs to COST_DIGITS digits."""
    with np.errstate(all="ignore"):
        scale = 10.0 ** (COST_DIGITS - 1 - np.floor(np.log10(np.abs(costs))))
        found = np.round(costs * scale) / scale
    return np.where(np.isfinite(found), found, costs)


def _least_before(pairs: Costs, first: Costs) -> Costs:
    """The least second value of the pairs whose first is not above each of `first`; infinite where there is none."""
    stairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    least = np.concatenate([[np.inf], np.minimum.accumulate(stairs[:, 1])])
    found: Costs = least[np.searchsorted(stairs[:, 0], first, side="right")]
    return found


def _swept(columns: Sequence[Column], pool: Executor | None = None) -> Index:
    """Rows of the front of rounded costs."""
    order = ordered(columns)
    in_order = [column[order] for column in columns]
    differs = np.ones(len(order), dtype=bool)  # from the row before: of equal rows the first stays
    differs[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in in_order])
    library = tree_of(len(columns))
    if library is not None:
        rows = np.sort(order[differs])
        columns = [column[rows] for column in columns]
        return rows[unbeaten(Tree(library, columns, share=0.0), columns, pool)]
    order, later = order[differs], np.stack([column[differs] for column in in_order[1:]], axis=1)
    if len(columns) == 2:
        before = np.concatenate([[np.inf], np.minimum.accumulate(later[:, 0])])[: len(order)]
        return np.sort(order[later[:, 0] < before])
    return np.sort(order[_maxima(later, np.arange(len(order)))])


def _maxima(costs: Costs, rows: Index) -> Index:
    """Of rows in the order of their first cost, those that none before them beats in the others (all rows differ)."""
    if len(rows) <= BLOCK_ROWS:
        some = costs[rows]
        return rows[~np.any(_no_more(some, some) & BEFORE[: len(rows), : len(rows)], axis=0)]
    before, after = _maxima(costs, rows[: len(rows) // 2]), _maxima(costs, rows[len(rows) // 2 :])
    return np.concatenate([before, after[~_beaten(costs[after], costs[before])]])


def _beaten(costs: Costs, by: Costs) -> NDArray[np.bool_]:
    """Rows of which one of the others has in no cost more.

    Two costs are a stair. Of more, the first is cut in two: low ones are beaten by low ones alone; high ones by high
    ones, or by low ones in the costs that are left.
    """
    if not len(costs) or not len(by):
        return np.zeros(len(costs), dtype=bool)
    if costs.shape[1] == 2:
        stair: NDArray[np.bool_] = _least_before(by, costs[:, 0]) <= costs[:, 1]
        return stair
    if len(costs) * len(by) <= BLOCK_ROWS**2:
        pairs: NDArray[np.bool_] = np.logical_or.reduce(_no_more(by, costs), axis=0)
        return pairs
    low = by[:, 0] <= (middle := _middle(by[:, 0]))
    above = costs[:, 0] > middle
    found = np.zeros(len(costs), dtype=bool)
    found[above] = _beaten(costs[above, 1:], by[low, 1:])
    left = above & ~found
    found[left] = _beaten(costs[left], by[~low])
    if low.all():  # one value: what has it, or more, is beaten in the costs that are left
        same = costs[:, 0] == middle
        found[same] = _beaten(costs[same, 1:], by[:, 1:])
    else:
        found[~above] = _beaten(costs[~above], by[low])
    return found


def _middle(values: NDArray[np.float64]) -> float:
    """The median of some values, or the greatest below it where none is above: so that a cut parts what differs."""
    middle = np.partition(values, len(values) // 2)[len(values) // 2]
    below = values[values < middle]
    if np.any(values > middle) or not len(below):
        return float(middle)
    return float(below.max())


def _no_more(some: Costs, others: Costs) -> NDArray[np.bool_]:
    """Of each of some against each of others whether it has in no cost more."""
    found = np.ones((len(some), len(others)), dtype=bool)
    for at in range(some.shape[1]):
        found &= some[:, None, at] <= others[:, at]
    return found
