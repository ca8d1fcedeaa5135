"""The best of some rows, and which of equal ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwmodel.solve.sweep.fronts import rounded
from hwmodel.solve.sweep.stairs import clearly_above


def best_rows(columns: Sequence[NDArray[np.float64]], count: int, largest: bool) -> NDArray[np.int64]:
    """Rows of the least (or largest) values of the first column, best first; nan never. Of equal ones those with less
    of the next columns come first, then the earlier. Values that differ by rounding alone are equal, as in fronts."""
    keys = -columns[0] if largest else columns[0]
    rows = np.flatnonzero(np.isfinite(keys))
    if len(rows) > 4 * count:  # what lies clearly beyond the last place cannot win
        last = np.partition(keys[rows], count - 1)[count - 1 : count]
        rows = rows[keys[rows] <= clearly_above(last)]
    told = [rounded(keys[rows]), *(rounded(column[rows]) for column in columns[1:])]
    return rows[np.lexsort(told[::-1])][:count]
