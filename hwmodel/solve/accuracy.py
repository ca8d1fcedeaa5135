"""How right predictions are for runs like a question: the committed board, cut by part, model, software and format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hwmodel.answers import Shown
from hwmodel.catalog import Catalog, load_catalog
from hwmodel.catalog.accuracy import board_cells
from hwmodel.catalog.names import fold, resolve
from hwmodel.errors import InputError
from hwmodel.predict.likeness import mean, summary
from hwmodel.predict.uncertainty import is_mixture
from hwmodel.specs.accuracy import BoardCell, Like

# What is predicted of a measured run; `training` and `serving` asked for as a whole hold several.
KINDS = ("training", "searched", "memory", "tpot", "ttft", "throughput", "whole", "rl")
TOGETHER: dict[str, tuple[str, ...]] = {"serving": ("tpot", "ttft", "throughput"), "all": KINDS}
MODELS = ("moe", "dense")


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one kind of quantity over the runs asked for. Errors are fractions, of sources left out; means over
    sources, and by rows beside them. A refused run is wholly off, but for `answered_error`, which like `coverage` is of
    the others (None where there are none).
    `shipped`: by the shipped constants, fitted on these runs too (None of searched
    layouts); `constant`: by one utilisation a part and format, without the source (None where there is none)."""

    kind: str
    source: str  # "" for all of them
    n: int
    refused: int
    sources: int
    median_error: float
    answered_error: float | None
    median_error_by_rows: float
    coverage: float
    coverage_by_rows: float
    shipped: float | None
    constant: float | None


class Accuracy(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, and the figures: a row a kind over all sources, then one a source."""

    __repr__ = Shown.__repr__

    asked: dict[str, str]
    kinds: tuple[Measured, ...]
    by_source: tuple[Measured, ...]


def accuracy(
    *,
    part: str | None = None,
    model: str | None = None,
    kind: str | None = None,
    software: str | None = None,
    precision: str | None = None,
    catalog: Catalog | None = None,
) -> Accuracy:
    """Figures of measured runs on a `part`, of a `model` (`moe`, `dense` or a model whose kind is meant), of a `kind`
    of quantity, by a trainer or engine (`software`) and in a number format (`precision`); names are exact.

    Raises InputError for unknown names, and where nothing of the kind was measured.
    """
    data = catalog or load_catalog()
    cells = board_cells()
    asked: dict[str, str] = {}
    tests: list[Callable[[BoardCell], bool]] = []

    def only(name: str, value: str, test: Callable[[BoardCell], bool]) -> None:
        asked[name] = value
        tests.append(test)

    wanted: tuple[str, ...] = KINDS
    if kind is not None:
        word = _one_of("kind", kind, (*KINDS, *TOGETHER))
        wanted = TOGETHER.get(word, (word,))
        asked["kind"] = word
    if part is not None:
        name = data.part(part).id
        only("part", name, lambda c: c.part == name)
    if model is not None:
        word = _kind_of_model(model, data)
        only("model", word, lambda c: c.mixture == (word == "moe"))
    if software is not None:
        known = sorted({cell.software for cell in cells} - {""})
        own = _one_of("software", software, known)
        only("software", own, lambda c: c.software == own)
    if precision is not None:
        form = _one_of("precision", precision, sorted({cell.number_format for cell in cells} - {""}))
        only("precision", form, lambda c: c.number_format == form)
    mine = [cell for cell in cells if cell.kind in wanted and all(test(cell) for test in tests)]
    if not mine:
        said = ", ".join(f"{name} {value}" for name, value in asked.items())
        raise InputError(f"no run with {said} was measured; ask for less, like --part alone, or without options")
    return Accuracy(asked=asked, kinds=_by_kind(mine), by_source=_by_source(mine))


def _one_of(option: str, given: str, known: Sequence[str]) -> str:
    return resolve(option, given, {fold(name): name for name in known})


def _kind_of_model(model: str, data: Catalog) -> str:
    if fold(model) in {fold(name) for name in MODELS}:
        return _one_of("model", model, MODELS)
    return "moe" if is_mixture(data.model(model)) else "dense"


def _by_kind(cells: list[BoardCell]) -> tuple[Measured, ...]:
    return tuple(
        _measured(kind, "", [cell for cell in cells if cell.kind == kind])
        for kind in KINDS
        if any(cell.kind == kind for cell in cells)
    )


def _by_source(cells: list[BoardCell]) -> tuple[Measured, ...]:
    pairs = sorted({(KINDS.index(cell.kind), cell.source) for cell in cells})
    return tuple(
        _measured(KINDS[k], source, [cell for cell in cells if cell.kind == KINDS[k] and cell.source == source])
        for k, source in pairs
    )


def _measured(kind: str, source: str, cells: list[BoardCell]) -> Measured:
    found: Like = summary(cells, kind, "")
    errors = [error for cell in cells for error in cell.sizes_of("left_out")]
    constant = _sources_alike(cells, "constant")
    return Measured(
        kind=kind, source=source, n=found.n, sources=found.sources, median_error=found.median_error,
        answered_error=_sources_alike([msgspec.structs.replace(cell, refused=0) for cell in cells], "left_out"),
        median_error_by_rows=_middle(errors) / 1e3, coverage=found.coverage,
        coverage_by_rows=sum(cell.inside for cell in cells) / max(1, sum(len(cell.left_out) for cell in cells)),
        refused=sum(cell.refused for cell in cells),
        shipped=_sources_alike(cells, "shipped"), constant=constant,
    )  # fmt: skip


def _sources_alike(cells: list[BoardCell], field: str) -> float | None:
    """Mean over sources of the median of a list of errors; None where no source has any."""
    errors: dict[str, list[int]] = {}
    for cell in cells:
        errors.setdefault(cell.source, []).extend(cell.sizes_of(field))
    medians = [_middle(values) / 1e3 for values in errors.values() if values]
    return mean(medians) if medians else None


def _middle(values: list[Any]) -> float:
    from statistics import median

    return float(median(values))
