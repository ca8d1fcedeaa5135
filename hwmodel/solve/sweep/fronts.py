"""Pareto fronts of millions of rows in up to four costs: less is better in each.

Rows are thinned by the front of every so-many-th of them, then the rest is swept in the order of its first cost, so
that a row can only be beaten by one before it. With two costs both are one look at a stair: the least second cost of
what has no more of the first. With three or four the first is cut into steps, or swept in blocks, and the others are
asked the same question.
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


def front_rows(costs: Costs) -> Index:
    """Rows that no other beats in every cost, in their order; of equal rows the first.

    Costs that differ by less than a part in 10^9 are equal: they differ by the rounding of the arithmetic.
    """
    rows = np.flatnonzero(np.isfinite(costs).all(axis=1))
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
    costs = costs[order]
    if costs.shape[1] == 2:
        before = np.concatenate([[np.inf], np.minimum.accumulate(costs[:, 1])])[: len(costs)]
        return np.sort(order[costs[:, 1] < before])
    kept = costs[:0]
    front = [order[:0]]
    for start in range(0, len(order), BLOCK_ROWS):
        block = np.arange(start, min(start + BLOCK_ROWS, len(order)))
        block = block[~_reached(costs[block, 1:], kept[:, 1:])]  # what was kept has no more of the first cost
        some = costs[block]
        no_more = np.all(some[:, None] <= some, axis=2)
        block = block[~np.triu(no_more, 1).any(axis=0)]
        kept = np.concatenate([kept, costs[block]])
        front.append(order[block])
    return np.sort(np.concatenate(front))


def _reached(costs: Costs, kept: Costs) -> NDArray[np.bool_]:
    """Rows of which one that was kept has in no cost more."""
    if costs.shape[1] == 2:
        found: NDArray[np.bool_] = _least_before(kept, costs[:, 0]) <= costs[:, 1]
        return found
    no_more = np.ones((len(kept), len(costs)), dtype=bool)
    for at in range(costs.shape[1]):
        no_more &= kept[:, None, at] <= costs[:, at]
    reached: NDArray[np.bool_] = np.logical_or.reduce(no_more, axis=0)
    return reached
