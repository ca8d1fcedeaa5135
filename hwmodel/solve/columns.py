"""Columns of a search: one row as plain numbers, the best row of each group."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def row_of(record: Any, row: int) -> Any:
    """One row of a record of columns as a record of plain floats; fields that are numbers stay."""
    values = {name: getattr(record, name) for name in record.__struct_fields__}
    return type(record)(**{n: float(v[row]) if isinstance(v, np.ndarray) else v for n, v in values.items()})


def grouped_best(group: NDArray[np.int64], value: NDArray[np.float64], groups: int) -> NDArray[np.int64]:
    """Row of the smallest value in each group, -1 where a group has no finite value."""
    order = np.lexsort((value, group))
    best = np.full(groups, -1, dtype=np.int64)
    firsts, positions = np.unique(group[order], return_index=True)
    best[firsts] = order[positions]
    found = np.flatnonzero(best >= 0)
    best[found[~np.isfinite(value[best[found]])]] = -1
    return best
