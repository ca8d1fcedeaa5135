"""Values left out of the fits that predict them, one at a time or in lots: one loop for every kind of run."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Constants = TypeVar("Constants")
Mask = NDArray[np.bool_]


class Fold(NamedTuple, Generic[Constants]):
    """Values left out together, where they stand, what a fit may use without them, and what it gave."""

    lot: frozenset[str]
    left: Mask
    use: Mask
    constants: Constants


def folds_of(values: Sequence[str], folds: int, seed: int) -> list[frozenset[str]]:
    """Values to hold out together: one at a time, or in `folds` lots drawn with `seed`."""
    names = sorted(set(values))
    if folds <= 0 or folds >= len(names):
        return [frozenset((name,)) for name in names]
    order = list(names)
    random.Random(seed).shuffle(order)
    return [frozenset(order[start::folds]) for start in range(folds)]


def folds_left_out(
    values: Sequence[str],
    lots: Sequence[frozenset[str]],
    usable: Mask,
    fit: Callable[[Mask], Constants],
    say: Callable[[str], None] = lambda _: None,
    what: str = "fold",
) -> Iterator[Fold[Constants]]:
    """Each of the lots left out of the fit of the `usable` rows whose `values` are none of it."""
    names = np.array(values)
    for number, lot in enumerate(lots, start=1):
        say(f"{what} {number} of {len(lots)}: {', '.join(sorted(lot))[:60]}")
        left = np.isin(names, sorted(lot))
        use = usable & ~left
        yield Fold(lot, left, use, fit(use))
