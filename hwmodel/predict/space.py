"""Layouts of several cases as rows, each an option of the shape on a case."""

from __future__ import annotations

from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.columns import take
from hwmodel.predict.columns import joined, row_of
from hwmodel.specs import Layout

Column = NDArray[np.float64]
Index = NDArray[np.int64]


class LayoutSpace(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Layouts of all cases below each other, a row each: an option of the shape on a case, with its replicas.

    The columns of whole layouts, many times the size of this, are built where they are asked for.
    """

    options: Layout  # columns, a row an option, without their replicas
    option: Index  # which of them each row is
    case: Index  # which case it belongs to
    dp: Column
    batch_seqs: Column
    own_micro_batch: Column | None = None  # where rows do not take that of their option

    @property
    def count(self) -> int:
        return len(self.case)

    def settings(self, *names: str) -> dict[str, Column]:
        """Some settings of each row's option."""
        return {
            name: np.take(np.broadcast_to(getattr(self.options, name), (self._width,)), self.option) for name in names
        }

    @property
    def micro_batch(self) -> Column:
        """Sequences of a micro-batch."""
        if self.own_micro_batch is not None:
            return self.own_micro_batch
        return self.settings("micro_batch")["micro_batch"]

    @cached_property
    def layout(self) -> Layout:
        """The layouts, as columns."""
        rows = take(self.options, self.option)
        layout: Layout = msgspec.structs.replace(rows, dp=self.dp, micro_batch=self.micro_batch)
        return layout

    @cached_property
    def accelerators(self) -> Column:
        """Accelerators that each layout uses."""
        one = self.options
        ways = one.tp * one.cp * one.pp
        used: Column = (ways[self.option] if isinstance(ways, np.ndarray) else ways) * self.dp
        return used

    @property
    def _width(self) -> int:
        """How many options there are."""
        columns = (getattr(self.options, name) for name in Layout.__struct_fields__)
        return next((len(one) for one in columns if isinstance(one, np.ndarray)), 1)

    def compact(self) -> LayoutSpace:
        """The same layouts without the options that none of them takes."""
        there = np.zeros(self._width, dtype=bool)
        there[self.option] = True
        options = take(self.options, np.flatnonzero(there))
        return msgspec.structs.replace(self, options=options, option=(np.cumsum(there) - 1)[self.option])

    def at(self, row: int) -> Layout:
        """The layout of one row, as numbers."""
        one: Layout = row_of(self.rows(np.array([row])).layout, 0)
        return one

    def joined(self, other: LayoutSpace) -> LayoutSpace:
        """These layouts and others of the same cases below them."""
        options, later = self.options, other.option
        own = self.own_micro_batch is not None or other.own_micro_batch is not None
        if other.options is not options:
            options = joined((self.options, other.options), (self._width, other._width))
            later = later + self._width
        return LayoutSpace(
            options=options,
            option=np.concatenate([self.option, later]),
            case=np.concatenate([self.case, other.case]),
            dp=np.concatenate([self.dp, other.dp]),
            batch_seqs=np.concatenate([self.batch_seqs, other.batch_seqs]),
            own_micro_batch=np.concatenate([self.micro_batch, other.micro_batch]) if own else None,
        )

    def rows(self, index: Index | NDArray[np.bool_] | slice) -> LayoutSpace:
        """The layouts at `index`."""
        return LayoutSpace(
            options=self.options, option=self.option[index], case=self.case[index], dp=self.dp[index],
            batch_seqs=self.batch_seqs[index],
            own_micro_batch=None if self.own_micro_batch is None else self.own_micro_batch[index],
        )  # fmt: skip
