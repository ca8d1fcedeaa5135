"""Models of the catalog against their public parameter counts."""

from __future__ import annotations

from hwmodel.catalog import Catalog
from hwmodel.physics.shape import parameters

NOMINAL = 0.10  # names and tables round: `8B`, `30B-A3B`
EXACT = 1e-4
DIGITS = 8  # from so many digits on, a public figure is a count


def is_count(value: float) -> bool:
    """Whether a public figure is an exact count and not a rounded one."""
    return len(f"{value:.0f}".rstrip("0")) >= DIGITS


def count_problems(catalog: Catalog) -> list[str]:
    """A line for every model whose parameters are not those published."""
    found = []
    for entry in catalog.models():
        if entry.shape is None or not entry.public_params:
            continue
        total = float(parameters(entry.shape).total)
        tolerance = EXACT if is_count(entry.public_params) else NOMINAL
        off = total / entry.public_params - 1.0
        if abs(off) > tolerance:
            found.append(
                f"models: {entry.id}: the shape has {total:,.0f} parameters, published are "
                f"{entry.public_params:,.0f} ({off * 100:+.2f} %)"
            )
    return found
