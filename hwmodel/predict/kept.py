"""What was made of questions, kept for those that ask the same again: tables of unlike size, never too many rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class KeptByRows(Generic[V]):
    """The last asked for of what was made, as many as have no more than `most_rows` rows together, and one at least."""

    def __init__(self, most_rows: int, rows_of: Callable[[V], int]) -> None:
        self.most_rows, self.rows_of = most_rows, rows_of
        self._rows = 0
        self._kept: dict[Hashable, V] = {}

    def get(self, key: Hashable) -> V | None:
        """What was made of a key; None where nothing is kept."""
        found = self._kept.pop(key, None)
        if found is not None:
            self._kept[key] = found  # the last asked for
        return found

    def keep(self, key: Hashable, made: V) -> V:
        """Keep what was made of a key of which nothing is kept, in place of those asked for longest ago."""
        self._kept[key] = made
        self._rows += self.rows_of(made)
        while self._rows > self.most_rows and len(self._kept) > 1:
            self._rows -= self.rows_of(self._kept.pop(next(iter(self._kept))))
        return made
