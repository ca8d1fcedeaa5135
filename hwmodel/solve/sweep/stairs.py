"""What some rows beat of many others, looked up instead of compared: less is better in each cost.

The costs but the last are cut into steps; of each combination of steps a table holds the least last cost of the rows
that lie at or below it. A row that has clearly more than that is beaten. It takes some ten to thirty nanoseconds a row,
and leaves those near the front: which of them is on it is for `fronts.py` to say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]
Index = NDArray[np.int64]

CLEARLY = 1e-8  # of a cost
STEPS = {2: 1 << 13, 3: 768, 4: 64}  # of each cost but the last, by how many costs there are
CUT_ROWS = 1 << 14  # whose values are steps
TINY = 1e-300
CELL_BITS = 14
CELLS = 1 << CELL_BITS  # in which the step of a value is looked up


def clearly_above(cost: Column) -> Column:
    """What is greater than this is so beyond the rounding up to which costs are equal."""
    above: Column = cost + CLEARLY * np.abs(cost)
    return above


class _Steps:
    """Some rising values, and of others how many of them lie below: looked up by the cell in which these lie.

    Cells grow with the value where all values are of one sign, and are equal where they are not. Of the values that
    share a cell the counts say too few, or too many, as asked.
    """

    def __init__(self, values: Column) -> None:
        self.values = values
        low, high = values[0], values[-1]
        self.sign = 1 if low > 0.0 else -1 if high < 0.0 else 0
        ends = np.sort(_bits(self.sign * values[[0, -1]]))
        self.low, self.high = int(ends[0]), int(ends[1])  # of signed ones
        self.shift = max(0, (self.high - self.low).bit_length() - CELL_BITS)
        self.least, self.scale = float(low), min((CELLS - 1) / max(high - low, TINY), 1 / TINY)  # of others
        places = self._cells(values)
        self.before = np.searchsorted(places, np.arange(CELLS), side="left")  # in cells below
        self.through = np.searchsorted(places, np.arange(CELLS), side="right")  # and in the cell
        self.first = np.append(values, np.inf)[self.before]  # in the cell or above it

    def _cells(self, others: Column) -> Index:
        """The cell of each value; the outermost hold what lies beyond the ends."""
        if not self.sign:
            with np.errstate(all="ignore"):
                place = (others - self.least) * self.scale
            return np.fmin(np.fmax(place, 0.0), CELLS - 1.0).astype(np.int64)
        bits = np.clip(_bits(others if self.sign > 0 else -others), self.low, self.high)
        bits = bits - self.low if self.sign > 0 else self.high - bits
        return (bits >> self.shift).astype(np.int64)

    def at_most(self, others: Column) -> Index:
        """How many are not above each value, or fewer."""
        cells = self._cells(others)
        found: Index = self.before[cells]
        found += others >= self.first[cells]
        return found

    def below(self, others: Column) -> Index:
        """How many are below each value, or more."""
        cells = self._cells(others)
        return np.where(others <= self.first[cells], self.before[cells], self.through[cells])


def _bits(values: Column) -> NDArray[np.int32]:
    """Whole numbers in the order of positive values; those of others are below."""
    with np.errstate(over="ignore", under="ignore"):
        return values.astype(np.float32).view(np.int32)


class Stairs:
    """Rows, as columns of finite costs, that others are held against."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.empty = not len(columns[0])
        if self.empty:
            return
        most = STEPS[len(columns)]
        self.steps = [_Steps(_cuts(column, most)) for column in columns[:-1]]
        self.shape = tuple(len(one.values) + 1 for one in self.steps)
        table = np.full(self.shape, np.inf)
        place = [one.below(column) + 1 for one, column in zip(self.steps, columns)]
        within = np.flatnonzero(np.logical_and.reduce([at < size for at, size in zip(place, self.shape)]))
        np.minimum.at(table.ravel(), self._flat([at[within] for at in place]), columns[-1][within])
        for axis in range(table.ndim):
            np.minimum.accumulate(table, axis=axis, out=table)
        self.table = clearly_above(table).ravel()

    def _flat(self, places: Sequence[Index]) -> Index:
        found = places[0]
        for size, place in zip(self.shape[1:], places[1:]):
            found *= size
            found += place
        return found

    def unbeaten(self, columns: Sequence[Column]) -> Index:
        """Rows of which none of the stairs has no more of any cost and clearly less of the last."""
        if self.empty:
            return np.arange(len(columns[0]))
        place = self._flat([one.at_most(column) for one, column in zip(self.steps, columns)])
        return np.flatnonzero(columns[-1] <= self.table[place])


def _cuts(values: Column, most: int) -> Column:
    """So many of some values at most, rising, from end to end."""
    rising = np.sort(values[:: -(-len(values) // CUT_ROWS)])
    rising = rising[np.append(True, rising[1:] > rising[:-1])]
    return rising if len(rising) <= most else rising[evenly(len(rising), most)]


def evenly(count: int, most: int) -> Index:
    """So many of a count, from end to end."""
    found = np.round(np.linspace(0.0, count - 1.0, most)).astype(np.int64)
    return found[np.diff(found, prepend=-1) > 0]  # as np.unique, which loads masked arrays, 7 ms of a start
