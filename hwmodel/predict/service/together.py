"""Configurations of many parts as one table: the constants of machines and engines become columns where they differ.

A pass over a few hundred rows takes as long as its calls of NumPy; those of thirty parts together take as long as one.
What many rows have of one part runs with its constants as numbers. Results are the same to the last bit
(tests/predict/test_together.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.predict.columns import gather, stack
from hwmodel.predict.service.layouts import column, rows_of
from hwmodel.predict.service.setting import ServiceSetting, on_layout
from hwmodel.specs.kernels import Machine
from hwmodel.specs.serving import Engine, ServingLayout

Column = NDArray[np.float64]
Index = NDArray[np.intp]
Run = Callable[..., Sequence[Column]]
LAYOUT = ("tp", "pp", "dp", "ep")
ALONE_ROWS = 1024  # rows of one part from which on its constants stay numbers
TOGETHER_ROWS = 8192  # rows whose columns stay in cache
FILLED = 0.75  # share of the cells of a grid from which on it is worth its empty ones


class Cells(NamedTuple):
    """Where configurations stand in a grid of rungs of a ladder of batches and of layouts, each once."""

    layouts: ServingLayout
    rung: Index
    place: Index  # of the layout

    def rows(self, index: Any) -> Cells:
        """Some of the configurations."""
        return Cells(self.layouts, self.rung[index], self.place[index])


class LayoutRows(NamedTuple):
    """Some configurations of one setting: their layouts, and columns that a run takes beside; `cells`: where they
    stand in a grid, if they do."""

    layout: ServingLayout
    columns: tuple[Column, ...] = ()
    cells: Cells | None = None

    @property
    def size(self) -> int:
        return len(column(self.layout.tp))


class Kin:
    """Settings that differ in machine and engine alone, which are stacked when first asked for."""

    def __init__(self, settings: Sequence[ServiceSetting], places: list[int]) -> None:
        self.places = places
        self.workers = [settings[place].worker for place in places]

    @cached_property
    def machine(self) -> Machine:
        """A row for each place."""
        return stack([w.machine for w in self.workers])

    @cached_property
    def engine(self) -> Engine:
        """A row for each place."""
        return stack([w.engine for w in self.workers])


class ServiceGroup:
    """Settings of one model and load on many parts and recipes, and their configurations together."""

    def __init__(self, settings: Sequence[ServiceSetting]) -> None:
        self.settings = settings
        self.kin = [Kin(settings, places) for places in _alike(settings)]

    def run(self, rows: Sequence[LayoutRows], run: Run) -> list[list[Column]]:
        """What `run` gives for the rows of each setting: it takes a setting whose layout is a column and the columns of
        the rows, and gives columns of as many rows."""
        found: list[list[Column]] = [[] for _ in rows]
        for kin in self.kin:
            for members in _tables(kin.places, rows):
                some = [rows[place] for place in members]
                alone = _run_grid(self.settings[members[0]], some[0], run) if len(members) == 1 else None
                columns = [alone] if alone else _run(self._setting(kin, members, some), some, run)
                for place, own in zip(members, columns, strict=True):
                    found[place] = own
        return found

    def _setting(self, kin: Kin, members: Sequence[int], rows: Sequence[LayoutRows]) -> ServiceSetting:
        """The setting of the rows of some members below each other."""
        one = self.settings[members[0]]
        if len(members) == 1:
            return on_layout(one, rows[0].layout)
        at = np.repeat([kin.places.index(place) for place in members], [r.size for r in rows])
        layout = ServingLayout(**{n: np.concatenate([column(getattr(r.layout, n)) for r in rows]) for n in LAYOUT})
        machine, engine = gather(kin.machine, at), gather(kin.engine, at)
        worker = msgspec.structs.replace(one.worker, machine=machine, engine=engine, layout=layout)
        return msgspec.structs.replace(one, worker=worker)


def _alike(settings: Sequence[ServiceSetting]) -> list[list[int]]:
    """Places of settings in the same formats; what enters as an exponent stays a number, for NumPy takes the power of
    a column by a number otherwise than by a column."""
    found: dict[tuple[object, ...], list[int]] = {}
    for place, s in enumerate(settings):
        engine = s.worker.engine
        key = (*msgspec.structs.astuple(s.worker.formats), engine.kv_reread, engine.independence)
        found.setdefault(key, []).append(place)
    return list(found.values())


def _tables(places: Sequence[int], rows: Sequence[LayoutRows]) -> Iterator[list[int]]:
    """Members whose rows make one table each; none of those without rows."""
    few: list[int] = []
    count = 0
    for place in places:
        own = rows[place].size
        if own >= ALONE_ROWS:
            yield [place]
        elif own:
            if few and count + own > TOGETHER_ROWS:
                yield few
                few, count = [], 0
            few, count = [*few, place], count + own
    if few:
        yield few


def _run(setting: ServiceSetting, rows: Sequence[LayoutRows], run: Run) -> list[list[Column]]:
    """One table run and cut into the columns of each."""
    counts = [r.size for r in rows]
    columns = [np.concatenate(same) for same in zip(*(r.columns for r in rows), strict=True)]
    ends = np.cumsum(counts)
    whole = [np.broadcast_to(column(values), (ends[-1],)) for values in run(setting, *columns)]
    return [[values[end - count : end] for values in whole] for count, end in zip(counts, ends, strict=True)]


def _run_grid(setting: ServiceSetting, rows: LayoutRows, run: Run) -> list[Column] | None:
    """The rows of one setting run as a grid in which what depends on the layout alone is worked out once for each; None
    where they fill too little of one. The cells between take the columns of the first row."""
    if rows.cells is None:
        return None
    layouts, rung, place = rows.cells
    used = np.bincount(place) > 0
    size = (int(rung.max()) + 1, int(used.sum()))
    if rows.size < FILLED * size[0] * size[1]:
        return None
    at = rung, (np.cumsum(used) - 1)[place]
    columns = []
    for values in rows.columns:
        grid = np.full(size, values[0])
        grid[at] = values
        columns.append(grid)
    found = run(on_layout(setting, rows_of(layouts, np.flatnonzero(used))), *columns)
    return [np.broadcast_to(column(values), size)[at] for values in found]
