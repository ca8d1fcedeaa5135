"""Errors of sources that a fit has not seen, and the width that holds most of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Constants = TypeVar("Constants")
Errors = dict[str, list[float]]  # source -> ln(measured over predicted) of its rows
HELD = 0.8  # share of the rows that an interval holds


def left_out(
    items: Sequence[Item],
    source: Callable[[Item], str],
    fit: Callable[[list[Item]], Constants],
    error: Callable[[Constants, Item], float],
) -> Errors:
    """The errors of each source by a fit of the others."""
    found: Errors = {}
    for name in sorted({source(item) for item in items}):
        constants = fit([item for item in items if source(item) != name])
        found[name] = [error(constants, item) for item in items if source(item) == name]
    return found


def half_width(errors: Errors) -> float:
    """The size of error that 80 % of the rows stay below, sources weighted alike."""
    weighted = sorted((abs(e), 1.0 / len(rows)) for rows in errors.values() for e in rows)
    reached, target = 0.0, HELD * sum(weight for _, weight in weighted)
    for error, weight in weighted:
        reached += weight
        if reached >= target:
            return error
    return weighted[-1][0]
