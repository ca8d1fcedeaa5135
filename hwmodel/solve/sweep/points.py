"""The rows of a shard: its points grouped by setting, sized, searched and billed in columns."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.errors import HwModelError
from hwmodel.predict.fastest import Kernels
from hwmodel.solve.plan.closing import BATCH_ROUNDS, near_batches
from hwmodel.solve.plan.solver import measured
from hwmodel.solve.question.parse import QUANTITIES, read_request
from hwmodel.solve.question.setting import Fleeted, Setting, fleeted, resolve
from hwmodel.solve.run.batch import batch_policy
from hwmodel.solve.sweep.billed import LIMITS, Billed, Floats, Index
from hwmodel.solve.sweep.closing import Closed, Closing, Refused, refused
from hwmodel.solve.sweep.searching import (
    WHAT,
    Case,
    Key,
    Layouts,
    Searches,
    joined_layouts,
    key_of,
)
from hwmodel.solve.sweep.space import Axis, Space, number_axes
from hwmodel.solve.sweep.table import PointTable, blank_table, joined
from hwmodel.specs import Shape

MOST_SETTINGS = 4096
Found = dict[Key, dict[Case, Layouts | Refused]]  # searches made


class Plans:
    """Answers points of `ask: plan`. One is kept by each process: settings and searches are shared between shards."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.numbers = number_axes(space)
        self.others = tuple(axis for axis in space.axes if axis not in self.numbers)
        self.kernels = Kernels()
        self.searches = Searches(space.layouts, self.kernels)
        self._catalog: Catalog | None = None
        self._settings: dict[tuple[int, ...], Closing | Refused] = {}

    def rows(self, points: Index) -> PointTable:
        """The rows of these points, in their order."""
        places = dict(zip((a.name for a in self.space.axes), np.unravel_index(points, self.space.dimensions)))
        tables = []
        for index in _groups([places[axis.name] for axis in self.others], len(points)):
            first = {axis.name: int(places[axis.name][index[0]]) for axis in self.space.axes}
            closing = self._closing(first)
            quantities = {axis: np.array(axis.values, dtype=float)[places[axis.name][index]] for axis in self.numbers}
            tables.append(_Group(closing, points[index], quantities, self.searches))
        found = self._found(tables)
        for _ in range(BATCH_ROUNDS):
            moved = [one for one in tables if one.rebatched(found)]
            if not moved:
                break
            for key, layouts in self._found(moved).items():
                found[key] = {**found[key], **layouts}
        return joined([one.table(found) for one in tables])

    def _found(self, tables: list[_Group]) -> Found:
        """The searches that the groups need, each once."""
        asked: dict[Key, set[Case]] = {}
        for one in tables:
            for key, case in one.asked():
                asked.setdefault(key, set()).add(case)
        return {key: self.searches.find(key, cases) for key, cases in asked.items()}

    def _closing(self, first: dict[str, int]) -> Closing | Refused:
        code = tuple(first[axis.name] for axis in self.others)
        if code not in self._settings:
            if len(self._settings) > MOST_SETTINGS:
                self._settings = {}
            try:
                self._settings[code] = Closing(self.setting(first), self.space.draws, self.kernels)
            except HwModelError as error:
                self._settings[code] = refused(error)
        return self._settings[code]

    def setting(self, places: dict[str, int]) -> Setting:
        """The setting of one point of the axes. Raises InputError as `plan` would."""
        request = read_request(**self.space.plan_at(places))
        if self._catalog is None or request.catalogs:
            self._catalog = load_catalog(tuple(map(_path, request.catalogs)))
        return measured(resolve(request, self._catalog))


def _path(folder: str) -> Any:
    from pathlib import Path

    return Path(folder)


def _groups(places: list[Index], count: int) -> list[Index]:
    """Points that share the values of every axis that is no quantity, in the order of their first."""
    if not places:
        return [np.arange(count)]
    _, which = np.unique(np.stack(places), axis=1, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    starts = np.flatnonzero(np.diff(which.ravel()[order], prepend=-1))
    return np.split(order, starts[1:])


def field_of(axis: Axis) -> str:
    """The field of a request that a quantity sets."""
    return QUANTITIES[axis.name][0]


class _Group:
    """Points of one setting on their way to rows: the distinct question of each, and the batch it is searched under."""

    def __init__(
        self, closing: Closing | Refused, points: Index, quantities: dict[Axis, Floats], searches: Searches
    ) -> None:
        self.points, self.closing = points, closing
        self.quantities = {field_of(axis): values for axis, values in quantities.items()}
        self.every = searches.every
        self.closed: list[Closed | Refused] = []
        self.which = np.zeros(len(points), dtype=np.int64)
        if isinstance(closing, Closing):
            self._close(closing)

    def _close(self, closing: Closing) -> None:
        """Each distinct question once. Limits of time and money do not enter one that closes at once."""
        names = [n for n in self.quantities if not (closing.at_once and n in LIMITS)]
        if names:
            stacked = np.stack([self.quantities[name] for name in names])
            kinds, which = np.unique(stacked, axis=1, return_inverse=True)
            self.which = which.ravel().astype(np.int64)
            asked = [dict(zip(names, map(float, kind))) for kind in kinds.T]
        else:
            asked = [{}]
        self.closed = [closing(one) for one in asked]
        batches = [(one.batch_cap_seqs, one.critical_tokens) if isinstance(one, Closed) else (0.0, 0.0)
                   for one in self.closed]  # fmt: skip
        self.cap, self.critical = np.array(batches)[self.which].T

    def asked(self) -> list[tuple[Key, Case]]:
        """The searches that the points need."""
        if not isinstance(self.closing, Closing) or not isinstance(self.closing.setting, Fleeted):
            return []
        closed = [(place, one) for place, one in enumerate(self.closed) if isinstance(one, Closed)]
        return [
            (self._key(one.at.shape), (self._accelerators(one), float(cap)))
            for place, one in closed
            for cap in np.unique(self.cap[self.which == place])
        ]

    def _key(self, shape: Shape) -> Key:
        """The search of a shape under the group's setting, made once."""
        assert isinstance(self.closing, Closing)
        if shape not in self.closing.keys:
            self.closing.keys[shape] = key_of(fleeted(self.closing.setting), shape)
        found: Key = self.closing.keys[shape]
        return found

    def _accelerators(self, one: Closed) -> float:
        assert isinstance(self.closing, Closing)
        return float(one.accelerators or self.closing.setting.request.gpus or 1)

    def table(self, found: Found) -> PointTable:
        """The rows of the group."""
        if isinstance(self.closing, Refused):
            return blank_table(self.points, self.closing)
        parts = []
        for place, one in enumerate(self.closed):
            index = np.flatnonzero(self.which == place) if len(self.closed) > 1 else np.arange(len(self.points))
            parts += self._tables(one, index, found)
        return joined(parts)

    def rebatched(self, found: Found) -> bool:
        """Whether the tokens that a rate closes set another batch than was searched, as `plan` asks of its own
        (`of_own_batch`): then those points ask for theirs."""
        if not isinstance(self.closing, Closing) or not self.closing.by_rate:
            return False
        setting = self.closing.setting
        rule, moved = batch_policy(setting), False
        if not isinstance(setting, Fleeted) or rule.given_seqs is not None:
            return False
        for place, one in enumerate(self.closed):
            index, rows, _ = self._answers(one, np.flatnonzero(self.which == place), found)
            if rows is None or isinstance(one, Refused):
                continue
            tokens = rows.most_tokens()
            own = np.asarray(rule.critical_of(one.params, np.maximum(tokens, 1.0)))
            far = (tokens >= 1.0) & ~near_batches(own, self.critical[index])
            self.critical[index[far]], self.cap[index[far]] = own[far], rule.seqs_of(own[far])
            moved |= bool(far.any())
        return moved

    def _answers(
        self, one: Closed | Refused, index: Index, found: Found
    ) -> tuple[Index, Billed | None, list[tuple[Index, Refused]]]:
        """Of some points of one question: those that have layouts, their rows, and those that have none with the
        reason."""
        if isinstance(one, Refused):
            return index[:0], None, [(index, one)]
        assert isinstance(self.closing, Closing)
        accelerators, by_case = self._accelerators(one), found[self._key(one.at.shape)]
        caps, of = np.unique(self.cap[index], return_inverse=True)
        cases = [by_case[accelerators, float(cap)] for cap in caps]
        without = [(index[of == place], msgspec.structs.replace(case, reason=case.reason.replace(WHAT, one.what)))
                   for place, case in enumerate(cases) if isinstance(case, Refused)]  # fmt: skip
        layouts = [case for case in cases if isinstance(case, Layouts)]
        if not layouts:
            return index[:0], None, without
        has = np.array([isinstance(case, Layouts) for case in cases])
        index, of = index[has[of]], (np.cumsum(has) - 1)[of[has[of]]]
        limits = {name: values[index] for name, values in self.quantities.items() if name in LIMITS}
        setting = fleeted(self.closing.setting)
        rows = Billed(self.closing, setting, one, joined_layouts(layouts, of), self.points[index], limits, accelerators)
        return index, rows, without

    def _tables(self, one: Closed | Refused, index: Index, found: Found) -> list[PointTable]:
        """The rows of some points of one question."""
        assert isinstance(self.closing, Closing)
        if isinstance(one, Closed) and not isinstance(self.closing.setting, Fleeted):
            return [_unfleeted(self.points[index], one)]
        _, rows, without = self._answers(one, index, found)
        return [*([] if rows is None else [rows.table()]), *(blank_table(self.points[i], why) for i, why in without)]


def _unfleeted(points: Index, one: Closed) -> PointTable:
    """Rows of a question without accelerators."""
    table = blank_table(points, None)
    table.fill("params", one.params)
    table.fill("tokens", one.tokens)
    table.fill("train_flop", 6.0 * one.at.flop_params * one.tokens)
    for name, value in zip(("loss_nats", "loss_nats_low", "loss_nats_high"), one.loss):
        table.fill(name, value)
    table.fill("lifetime_cost", one.lifetime_cost)
    return table
