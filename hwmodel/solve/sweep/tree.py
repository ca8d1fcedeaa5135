"""What some rows beat of many others, looked up in a tree, by compiled text: less is better in each cost.

Rows are halved by one cost after another down to blocks of sixteen, which are compared with a row at once; above them
stand the least costs of blocks (`tree.c`). Rows that are beaten mostly are by the block that beat the row before, and
most that stand together in a file are beaten together, by what beats the least of each of their costs; the others look
at some twenty blocks, of fronts of 10^5 rows too. A million rows take 10 to 300 ms.

The text is compiled once a machine, at the end of a large sweep (`readied`), never by who shows rows: it is used where
it is kept. Without it `stairs.py` and `fronts.py` find the same front.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog.places import cache_dir
from hwmodel.predict import compiler
from hwmodel.solve.sweep.stairs import CLEARLY, Column, Index

LANES = 16  # rows of a block, in tree.c too
TEXT = Path(__file__).with_suffix(".c")


class Tree:
    """Rows, as columns of two to four finite costs, that others are held against: `share` is of a cost what it must
    have less than another for it to count as less."""

    def __init__(self, kernel: ctypes.CDLL, columns: Sequence[Column], share: float = CLEARLY) -> None:
        self.kernel, self.share, self.rows = kernel, share, len(columns[0])
        columns = [np.ascontiguousarray(column) for column in columns]
        level = blocks = -(-self.rows // LANES)
        while level > 1:
            level = -(-level // LANES)
            blocks += level
        self.blocks = np.empty(blocks * LANES * len(columns))
        rows = np.empty(self.rows, dtype=np.int64)
        kernel.plant(_whole(self.rows), _whole(len(columns)), _of(columns), _at(rows), _at(self.blocks))

    def unbeaten(self, columns: Sequence[Column]) -> Index:
        """Rows of which none of the tree has no more of any cost and clearly less of one."""
        found = np.empty(len(columns[0]), dtype=np.int64)
        if not self.rows:
            return np.arange(len(found))
        columns = [np.ascontiguousarray(column) for column in columns]
        count = self.kernel.left(
            _whole(len(found)), _whole(len(columns)), _of(columns), _whole(self.rows), _at(self.blocks),
            ctypes.c_double(self.share), _at(found),
        )  # fmt: skip
        return found[:count]


def _whole(number: int) -> ctypes.c_longlong:
    return ctypes.c_longlong(number)


def _at(column: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(column.ctypes.data)


def _of(columns: Sequence[Column]) -> Any:
    return (ctypes.c_void_p * len(columns))(*(column.ctypes.data for column in columns))


@cache
def compiled() -> ctypes.CDLL | None:
    """The library, where one is kept and a compiler is wanted; None else."""
    return _library(make=False)


def readied() -> bool:
    """Compile the text unless it is kept; whether there is a library now."""
    made = _library(make=True) is not None
    compiled.cache_clear()
    return made


def _library(*, make: bool) -> ctypes.CDLL | None:
    found = compiler.load(TEXT.read_text(encoding="utf-8"), cache_dir() / "kernels", make=make)
    if found is not None:
        found.left.restype = ctypes.c_longlong
    return found
