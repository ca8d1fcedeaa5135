"""Measured runs like a question: the nearest cells of the board, wider where few sources measured the like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from hwmodel.catalog.accuracy import board_cells
from hwmodel.specs.accuracy import BoardCell, Like

LEAST_SOURCES, LEAST_RUNS = 2, 8  # below them a circle of likeness is widened

Test = Callable[[BoardCell], bool]


def summary(cells: Sequence[BoardCell], kind: str, of: str) -> Like:
    """Figures of cells, sources weighing alike; coverage is of runs that got an interval."""
    errors: dict[str, list[int]] = {}
    inside: dict[str, list[int]] = {}  # those inside and all that have an interval
    for cell in cells:
        errors.setdefault(cell.source, []).extend(cell.sizes_of("left_out"))
        held = inside.setdefault(cell.source, [0, 0])
        held[0] += cell.inside
        held[1] += len(cell.left_out)
    return Like(
        kind=kind, of=of, n=sum(map(len, errors.values())), sources=len(errors),
        median_error=mean(median(values) / 1e3 for values in errors.values()),
        coverage=mean([held / answered for held, answered in inside.values() if answered] or [0.0]),
    )  # fmt: skip


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean of some values."""
    kept = list(values)
    return sum(kept) / len(kept)


def like(kind: str, part: str, family: str, *, mixture: bool, software: str = "") -> Like | None:
    """Runs of a kind of quantity nearest to a question; None where the board has none of the kind.

    Circles, from the nearest: the part under the software; the part; its family of parts; each with the same kind of
    model (dense or mixture of experts); then every run of the kind of model, then every run.
    """
    shape = "mixtures" if mixture else "dense models"
    circles: tuple[tuple[str, Test], ...] = (
        (f"{part}, {shape}, {software}",
         lambda c: c.part == part and c.mixture == mixture and c.software == software),
        (f"{part}, {shape}", lambda c: c.part == part and c.mixture == mixture),
        (f"{family} parts, {shape}", lambda c: c.family == family and c.mixture == mixture),
        (f"any part, {shape}", lambda c: c.mixture == mixture),
        ("any part and model", lambda c: True),
    )  # fmt: skip
    mine = [cell for cell in board_cells() if cell.kind == kind]
    found = [(of, [cell for cell in mine if test(cell)]) for of, test in circles]
    of, near = next((one for one in found if _enough(one[1])), found[-1])
    return summary(near, kind, of) if near else None


def _enough(cells: Sequence[BoardCell]) -> bool:
    """Whether so many sources and runs say something."""
    sources, runs = len({cell.source for cell in cells}), sum(len(cell.left_out) for cell in cells)
    return sources >= LEAST_SOURCES and runs >= LEAST_RUNS
