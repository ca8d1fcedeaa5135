"""What a search is asked for of each case: its few fastest layouts, or its Pareto front. What was found so far sets the
bar for the rest: a layout whose floors (see `bound`) do not reach it could not have been among those asked for.
"""

from __future__ import annotations

import numpy as np

from hwmodel.predict.bound import Floats, Index

NONE = 1e300  # seconds that everything is below
FRONT_SIZE = 256  # layouts of a front that exclude others; of a longer one the first found


class Few:
    """The `keep` fastest layouts of each case, as billed: their seconds a sequence, least first."""

    points, sizes = np.empty((0, FRONT_SIZE, 3)), np.empty(0, dtype=np.int64)  # no front

    def __init__(self, cases: int, keep: int) -> None:
        self.keep = keep
        self.best = np.full((cases, keep), np.inf)

    def blank(self, cases: int) -> Few:
        """The same wish for other cases, of which nothing is known."""
        return Few(cases, self.keep)

    def bar(self, cases: Index) -> Floats:
        """Billed seconds a sequence up to which a layout of each case may be asked for."""
        return self.best[cases, -1]

    def learn(self, case: Index, billed_s: Floats) -> None:
        """Take in layouts that were evaluated; what does not fit takes infinite seconds."""
        self.best = _least(self.best, case, billed_s)

    def take(self, cases: Index, known: Wanted) -> None:
        """Take over what is known of some cases, of which nothing was."""
        self.best[cases] = known.best


class Fronts:
    """The layouts of each case that no other beats in billed seconds a sequence, bytes and accelerators used: a row
    each, blank ones infinite. The compiled search fills them."""

    keep, best = 0, np.empty(0)  # no few fastest

    def __init__(self, cases: int) -> None:
        self.points = np.full((cases, FRONT_SIZE, 3), np.inf)
        self.sizes = np.zeros(cases, dtype=np.int64)

    def blank(self, cases: int) -> Fronts:
        """The same wish for other cases, of which nothing is known."""
        return Fronts(cases)

    def bar(self, cases: Index) -> Floats:
        """No number of seconds excludes a layout: it may be the leanest."""
        return np.full(len(cases), np.inf)

    def take(self, cases: Index, known: Wanted) -> None:
        """Take over what is known of some cases, of which nothing was."""
        self.points[cases], self.sizes[cases] = known.points, known.sizes


Wanted = Few | Fronts


def _least(known: Floats, case: Index, value: Floats) -> Floats:
    """The least values of each case, with new ones."""
    keep = known.shape[1]
    order = np.lexsort((value, case))
    case, value = case[order], value[order]
    starts = np.flatnonzero(np.diff(case, prepend=-1))
    place = np.arange(len(case)) - np.repeat(starts, np.diff(starts, append=len(case)))
    some = place < keep
    fresh = np.full(known.shape, np.inf)
    fresh[case[some], place[some]] = value[some]
    least: Floats = np.sort(np.concatenate([known, fresh], axis=1), axis=1)[:, :keep]
    return least
