"""Which rows meet the constraints of a sweep, and how many each of them leaves out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwmodel.solve.sweep.expression import Columns, Expression


class Met:
    """Constraints asked of the same rows. `all`: rows that meet every one; `failed`: by constraint the rows that do not
    meet it, `failed_alone` those of them that meet all the others: what dropping it alone would give back."""

    def __init__(self, constraints: Sequence[Expression], columns: Columns, rows: int) -> None:
        met = [one.holds({name: columns[name] for name in one.names}, rows) for one in constraints]
        missed = np.zeros(rows, dtype=int)  # constraints, of each row
        for one in met:
            missed += ~one
        self.rows = rows
        self.all = missed == 0
        self.failed = {c.text: int((~one).sum()) for c, one in zip(constraints, met)}
        self.failed_alone = {c.text: int((~one & (missed == 1)).sum()) for c, one in zip(constraints, met)}

    @property
    def left_out(self) -> int:
        """Rows that some constraint leaves out."""
        return self.rows - int(self.all.sum())
