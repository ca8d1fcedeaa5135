"""Points of `ask: serve`: each is one question of `hwmodel serve`, its own search over layouts and formats inside."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.errors import HwModelError
from hwmodel.plain import listed
from hwmodel.solve.question.options import ServeAsked, ServiceAsked, ServiceOptions
from hwmodel.solve.run.band import Band
from hwmodel.solve.serve.ask import answer_alone, read_asked, read_question
from hwmodel.solve.serve.notes import ALL
from hwmodel.solve.serve.records import FleetRow, PredictedRow
from hwmodel.solve.serve.sharing import SharedPasses
from hwmodel.solve.sweep.answers import SERVE
from hwmodel.solve.sweep.closing import refused
from hwmodel.solve.sweep.ranges import Value
from hwmodel.solve.sweep.space import Space
from hwmodel.solve.sweep.table import PointTable, blank_table, joined

# Options of `serve` that are no part of the question itself.
NOT_OF_QUESTION = ("model", "demand", "concurrency", "gpus", "pools", "prefill_tp", "catalogs")
PREFILL = "prefill_"  # of a column: the answer's figure of the prefill pool


class Services:
    """Answers points of a serving space one after another; what engines take is shared between them."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._catalogs: dict[tuple[Path, ...], Catalog] = {}  # of the rows asked for together
        self._passes: tuple[Catalog | None, SharedPasses] = None, SharedPasses()

    def rows(self, points: NDArray[np.int64]) -> PointTable:
        """The rows of these points, in their order."""
        self._catalogs = {}
        places = np.stack(np.unravel_index(points, self.space.dimensions), axis=1)
        return joined([self._row(int(point), place) for point, place in zip(points, places)])

    def answer(self, places: Any) -> FleetRow | PredictedRow:
        """The answer of one point. Raises InputError and InfeasibleError as `serve` does."""
        asked = self.space.service_at({axis.name: int(place) for axis, place in zip(self.space.axes, places)})
        read = read_asked(**asked)
        catalog = self._catalog(read.catalogs)
        return answer_alone(read, catalog, self._passes_of(catalog))

    def _catalog(self, overlays: tuple[Path, ...]) -> Catalog:
        if overlays not in self._catalogs:
            self._catalogs[overlays] = load_catalog(overlays)
        return self._catalogs[overlays]

    def _passes_of(self, catalog: Catalog) -> SharedPasses:
        """What questions of one catalog share: the latest one's are kept."""
        if self._passes[0] is not catalog:
            self._passes = catalog, SharedPasses()
        return self._passes[1]

    def _row(self, point: int, places: Any) -> PointTable:
        at = np.array([point], dtype=np.int64)
        try:
            found = self.answer(places)
        except HwModelError as error:
            return blank_table(at, refused(error))
        table = blank_table(at, None)
        for name, column in SERVE.items():
            value = _figure(found, name)
            if column.kind == "text":
                table.text(name, None if value is None else str(value))
            elif isinstance(value, Band):
                table.band(name, value)
            else:
                table.fill(name, math.nan if value is None else float(value))
        return table


def check_names(options: ServeAsked) -> None:
    """Raises InputError for a question that cannot be read, UnknownNameError for names that no catalog has."""
    text = cast("ServiceAsked", {name: one for name, one in options.items() if name not in NOT_OF_QUESTION})
    question = read_question(str(options.get("model", "")), options.get("demand"), **text)
    catalog = load_catalog(tuple(Path(str(one)) for one in listed(options.get("catalogs") or None)))
    pools = [pool.part for pool in (question.prefill, question.decode) if pool is not None]
    for name in (*(question.parts if question.parts != ALL else ()), *pools):
        catalog.part(name)
    for name in question.precisions:
        catalog.serving_precision(name)
    catalog.model(question.model)


def read_alone(name: str, value: Value) -> None:
    """Raises InputError for a value that the option of this name cannot read, whatever stands beside it."""
    if name == "demand":
        read_question("", str(value))
    elif name in ServiceOptions.__annotations__ and name not in ("prefill", "decode"):
        read_question("", **cast("ServiceAsked", {name: value}))


def _figure(found: FleetRow | PredictedRow, name: str) -> Any:
    """A figure of the answer, or of its prefill pool; None where it has none."""
    if name.startswith(PREFILL) and not hasattr(found, name):
        return getattr(found.prefill, name.removeprefix(PREFILL), None)
    return getattr(found, name, None)
