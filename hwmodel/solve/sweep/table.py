"""Rows of a sweep as columns: numbers with nan for what a row lacks, texts, and each row's status."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.solve.run.result import Band
from hwmodel.solve.sweep.closing import Refused
from hwmodel.specs.layout import NAMES


class PointTable(msgspec.Struct, kw_only=True):
    """Rows below each other; a column that is absent is empty in every row."""

    point: NDArray[np.int64]
    numbers: dict[str, NDArray[np.float64]]
    texts: dict[str, NDArray[Any]]  # of str or None; status, binding and reason among them

    @property
    def rows(self) -> int:
        return len(self.point)

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Rows that have an answer."""
        return np.asarray(self.texts["status"] == "ok", dtype=bool)

    def fill(self, name: str, value: Any) -> None:
        """Set a column of numbers."""
        column = np.empty(self.rows)
        column[:] = value
        self.numbers[name] = column

    def band(self, name: str, value: Band | None) -> None:
        """Set a column and its ends."""
        if value is not None:
            self.fill(name, value.value)
            self.fill(f"{name}_low", value.low)
            self.fill(f"{name}_high", value.high)

    def text(self, name: str, value: str | None) -> None:
        """Set a column of one text."""
        self.texts[name] = np.full(self.rows, value, dtype=object)

    def number(self, name: str) -> NDArray[np.float64]:
        """A column of numbers, nan where it is absent."""
        return self.numbers[name] if name in self.numbers else np.full(self.rows, np.nan)

    def words(self, name: str) -> NDArray[Any]:
        """A column of texts, None where it is absent."""
        return self.texts[name] if name in self.texts else np.full(self.rows, None, dtype=object)

    def refuse(self, rows: NDArray[np.int64], status: str, binding: str, reason: str) -> None:
        """Take the figures of rows away and say why."""
        if not len(rows):
            return
        for name, column in self.numbers.items():
            if name not in KEPT_OF_REFUSED:
                column[rows] = np.nan
        for name, value in (("status", status), ("binding", binding), ("reason", reason)):
            self.texts[name][rows] = value

    def take(self, rows: Any) -> PointTable:
        """The rows at an index or under a mask."""
        return PointTable(
            point=self.point[rows],
            numbers={name: column[rows] for name, column in self.numbers.items()},
            texts={name: column[rows] for name, column in self.texts.items()},
        )


# What a layout that does not fit still says of itself.
KEPT_OF_REFUSED = (
    "params",
    "accelerators",
    *NAMES,
    "global_batch_seqs",
    *(f"{kind}_memory_bytes{end}" for kind in ("peak", "reserved") for end in ("", "_low", "_high")),
    "layouts",
)


def blank_table(points: NDArray[np.int64], why: Refused | None) -> PointTable:
    """Rows without figures: answered, or refused with the reason."""
    table = PointTable(point=points, numbers={}, texts={})
    table.text("status", "ok" if why is None else why.status)
    table.text("binding", None if why is None else why.binding or None)
    table.text("reason", None if why is None else why.reason)
    return table


def joined(tables: Sequence[PointTable]) -> PointTable:
    """Tables below each other, ordered by point (rows of one point stay in their order)."""
    if len(tables) == 1:
        return tables[0]
    point = np.concatenate([t.point for t in tables]) if tables else np.empty(0, dtype=np.int64)
    order = np.argsort(point, kind="stable")
    numbers, texts = _names([t.numbers for t in tables]), _names([t.texts for t in tables])
    return PointTable(
        point=point[order],
        numbers={n: np.concatenate([t.number(n) for t in tables])[order] for n in numbers},
        texts={n: np.concatenate([t.words(n) for t in tables])[order] for n in texts},
    )


def _names(columns: Sequence[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for one in columns for name in one))
