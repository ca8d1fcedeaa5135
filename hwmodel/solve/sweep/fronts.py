"""Pareto fronts of millions of rows in up to four costs: less is better in each.

Rows are thinned by the front of every so-many-th of them, then put in the order of their first cost, so that a row can
only be beaten by one before it. With two costs both are one look at a stair: the least second cost of what has no more
of the first. With three or four the first is cut into steps to thin; the rest is divided and conquered: the front of
each half, then of the later half what the earlier beats in the other costs, asked again by halves of the next cost
(Kung, Luccio and Preparata, On finding the maxima of a set of vectors, JACM 22, 1975). Time is n log^(d-2) n sorts of
whole columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]
Index = NDArray[np.int64]

COST_DIGITS = 10
CLEARLY = 1e-8  # of a cost
FEW_ROWS, SAMPLED = 4096, 16  # rows from which on a front is thinned, by that of every so-many-th
STEPS = {3: 64, 4: 16}  # of the first cost, by how many costs there are
BLOCK_ROWS = 256
BEFORE = np.triu(np.ones((BLOCK_ROWS, BLOCK_ROWS), dtype=bool), 1)  # of pairs of a block


def front_rows(costs: Costs) -> Index:
    """Rows that no other beats in every cost, in their order; of equal rows the first.

    Costs that differ by less than a part in 10^9 are equal: they differ by the rounding of the arithmetic.
    """
    rows = np.flatnonzero(np.logical_and.reduce([np.isfinite(column) for column in costs.T]))
    rows = rows[_open(costs[rows])]
    return rows[_swept(_rounded(costs[rows]))]


def clearly_above(cost: Costs) -> Costs:
    """What is greater than this is so beyond the rounding up to which costs are equal."""
    above: Costs = cost + CLEARLY * np.abs(cost)
    return above


def _rounded(costs: Costs) -> Costs:
    """Costs to COST_DIGITS digits."""
    with np.errstate(all="ignore"):
        scale = 10.0 ** (COST_DIGITS - 1 - np.floor(np.log10(np.abs(costs))))
        found = np.round(costs * scale) / scale
    return np.where(np.isfinite(found), found, costs)


def _open(costs: Costs) -> Index:
    """Rows of the front among others: those that the front of some of them does not clearly beat."""
    every = np.arange(len(costs))
    if len(costs) <= FEW_ROWS:
        return every
    some = costs[::SAMPLED]
    return unbeaten(costs, some[front_rows(some)])


def unbeaten(costs: Costs, strong: Costs) -> Index:
    """Rows that none of the strong ones beats clearly: none has no more of every cost and clearly less of the last."""
    count = costs.shape[1]
    if count == 2:
        return np.flatnonzero(costs[:, 1] <= clearly_above(_least_before(strong, costs[:, 0])))
    edges = np.quantile(strong[:, 0], np.linspace(0.0, 1.0, STEPS[count])) if len(strong) else np.empty(0)
    step = np.searchsorted(edges, costs[:, 0], side="right")  # above or at so many of the edges
    order = np.argsort(step, kind="stable")
    ends = np.searchsorted(step[order], np.arange(len(edges) + 2))
    kept = []
    for at, edge in enumerate([-np.inf, *edges]):
        rows = order[ends[at] : ends[at + 1]]
        below = strong[strong[:, 0] <= edge]
        kept.append(rows[unbeaten(costs[rows, 1:], below[:, 1:])] if len(rows) and len(below) else rows)
    return np.sort(np.concatenate(kept))


def _least_before(pairs: Costs, first: Costs) -> Costs:
    """The least second value of the pairs whose first is not above each of `first`; infinite where there is none."""
    stairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    least = np.concatenate([[np.inf], np.minimum.accumulate(stairs[:, 1])])
    found: Costs = least[np.searchsorted(stairs[:, 0], first, side="right")]
    return found


def _swept(costs: Costs) -> Index:
    """Rows of the front of rounded costs."""
    order = np.lexsort((np.arange(len(costs)), *costs.T[::-1]))
    ordered = costs[order]
    differs = np.ones(len(order), dtype=bool)  # from the row before: of equal rows the first stays
    differs[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in ordered.T])
    order, ordered = order[differs], ordered[differs]
    if costs.shape[1] == 2:
        before = np.concatenate([[np.inf], np.minimum.accumulate(ordered[:, 1])])[: len(ordered)]
        return np.sort(order[ordered[:, 1] < before])
    return np.sort(order[_maxima(ordered[:, 1:], np.arange(len(order)))])


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
