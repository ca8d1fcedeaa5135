"""One search behind floors: options in the order of their promise, each evaluated only where its floors may still win.

By the text of the physics in rounds, or by a kernel that hands back what may be asked for (see `compiled`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from hwmodel.physics.memory import peak_bytes
from hwmodel.predict.bound import (
    SLACK,
    Floats,
    Grid,
    Index,
    TimeFloor,
    likely,
    memory_floor,
    most_replicas,
    spread_floor,
    time_floor,
)
from hwmodel.predict.search import (
    FULLER_MAY_SAVE,
    Evaluation,
    fuller_layouts,
    least_seconds_of_micro_batch,
    load_of,
    ranked,
    timed,
    usable_bytes,
)
from hwmodel.predict.space import LayoutSpace
from hwmodel.predict.wanted import NONE, Few, Wanted
from hwmodel.specs import Precision
from hwmodel.specs.kernels import Machine
from hwmodel.specs.stack import Stack

if TYPE_CHECKING:
    from hwmodel.predict.kernel import Bound

CASES_A_BLOCK = 64  # fleets of like size share a floor of memory
FIRST_OPTIONS = 16  # that are tried on every case, those of the least floor; then eight times as many, and so on
WIDER = 8
MOST_OPTIONS = 2048  # of a round
LEANEST = 64  # options whose memory is looked at first where nothing fits


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Layouts by what became of them; they sum to all that the cases admit."""

    evaluated: int = 0
    by_memory: int = 0  # excluded by the floor of memory
    by_time: int = 0  # excluded by the floor of time, for a front together with that of memory

    @property
    def layouts(self) -> int:
        """All of them."""
        return self.evaluated + self.by_memory + self.by_time

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            evaluated=self.evaluated + other.evaluated,
            by_memory=self.by_memory + other.by_memory,
            by_time=self.by_time + other.by_time,
        )


class More(NamedTuple):
    """Layouts with fewer replicas that fill more of a batch; how many each case called for; their seconds and bytes."""

    space: LayoutSpace
    called: Index
    step_s: Floats
    bytes: Floats


class FloorSearch:
    """What was evaluated so far, and the bars that it sets for the rest."""

    def __init__(self, g: Grid, machine: Machine, precision: Precision, stack: Stack,
                 billed: Callable[[Floats], Floats] | None) -> None:  # fmt: skip
        self.whole, self.machine, self.precision, self.stack, self.billed = g, machine, precision, stack, billed
        self.grid, self.option = g, np.arange(g.width)  # what is searched, and where in the whole its options are
        self.quickest = np.full(g.cases.count, np.inf)  # least seconds a sequence, not billed
        self.rows: list[Index] = []
        self.step_s: list[Floats] = []
        self.bytes: list[Floats] = []
        self.by_memory = 0
        self.evaluated = 0
        self.more: More | None = None
        self.kernel: Bound | None = None

    def _search(self, g: Grid, floor: TimeFloor) -> None:
        """What the search of a grid takes."""
        self.grid, self.floor, self.room = g, floor, _room(g)
        self.bill = np.ones_like(g.dp) if self.billed is None else self.billed(g.ways * np.maximum(g.dp, 1.0))

    # --- by the text

    def in_numpy(self, wanted: Few) -> None:
        """Search by the text of the physics."""
        self._search(self.whole, time_floor(self.whole, self.machine, self.precision, self.stack))
        order = np.argsort(self.grid.cases.accelerators, kind="stable")
        for start in range(0, len(order), CASES_A_BLOCK):
            self._block(order[start : start + CASES_A_BLOCK], wanted)

    def _block(self, cases: Index, wanted: Few) -> None:
        """Search some cases, in rounds of ever more options, those of the least floor of time first."""
        options = self._that_may_fit(cases)
        options = options[np.argsort(likely(self.grid, self.floor, options, cases), kind="stable")]
        for some in _rounds(options):
            option, case = self._below_bar(cases, some, wanted)
            if len(option):
                seconds = self._evaluate(option, case)
                wanted.learn(case, seconds * self.bill[case, self.grid.kind[option]])

    def _that_may_fit(self, cases: Index) -> Index:
        """Options whose floor of memory is not above what may be filled on some cases."""
        return self._fitting(memory_floor(_on(self.grid, cases), self.precision, self.stack), cases)

    def _fitting(self, lean: Floats, cases: Index) -> Index:
        """Options of a floor of memory that may be filled; the layouts of the others are counted."""
        g, fits = self.whole, lean <= usable_bytes(self.machine)
        admitted = (g.dp[cases] > 0).sum(axis=0)[g.kind]
        self.by_memory += int(admitted[~fits].sum())
        return np.flatnonzero(fits)

    def _below_bar(self, cases: Index, options: Index, wanted: Few) -> tuple[Index, Index]:
        """Options and cases whose floor of time leaves open that they are asked for."""
        kind, floor = self.grid.kind[options], self.floor
        bar = wanted.bar(cases)[:, None] / self.bill[cases]
        if not self.grid.cases.batch_given:
            bar = np.maximum(bar, self.quickest[cases, None] * self.room[cases])
        bar = np.minimum(bar * (1.0 + SLACK), NONE)
        least = np.take(floor.rounds[cases], kind, axis=1) * floor.stage_s[options]
        least += np.take(floor.share[cases], kind, axis=1) * floor.once_s[options]
        place, option = np.nonzero(least <= np.take(bar, kind, axis=1))
        return options[option], cases[place]

    def _evaluate(self, option: Index, case: Index) -> Floats:
        """Seconds a sequence of layouts by the text, noted with their memory."""
        space = self.grid.layouts(option, case)
        return self._note(space, *timed(self.grid.cases, space, self.machine, self.precision, self.stack))

    def _note(self, space: LayoutSpace, step_s: Floats, held: Floats) -> Floats:
        """Take in layouts of the grid that were evaluated; their seconds a sequence."""
        self._add(self.option[space.option], space.case, step_s, held)
        seconds: Floats = step_s / space.batch_seqs
        np.minimum.at(self.quickest, space.case, seconds)
        return seconds

    def _add(self, option: Index, case: Index, step_s: Floats, held: Floats) -> None:
        self.rows.append(case * self.whole.width + option)
        self.step_s.append(step_s)
        self.bytes.append(held)

    # --- by a kernel

    def compiled(self, kernel: Bound, wanted: Wanted) -> bool:
        """Search by a kernel; what lies within rounding of what is asked for is left for the text. False, with nothing
        found, where the kernel came to what is no number: the text may skip a term that it computes."""
        from hwmodel.predict.compiled import Bars, candidates

        lean = self._lean(kernel, self.whole)
        options = np.flatnonzero(~(lean > usable_bytes(self.machine)))
        g, some = self.whole.narrowed(options), kernel.narrowed(options)
        stage_s, once_s = some.least_seconds()
        if np.isnan(lean).any() or np.isnan(stage_s + once_s).any():
            return False
        self._search(g, spread_floor(g, stage_s, once_s, self.machine, self.stack))
        again_s = least_seconds_of_micro_batch(g.cases, g.options, self.machine) / (1.0 - FULLER_MAY_SAVE)
        bars = Bars(
            bill=self.bill, room=self.room, again_s=again_s, usable_bytes=usable_bytes(self.machine), lean=lean[options]
        )
        found = candidates(g, self.floor, bars, some, wanted)
        if np.isnan(found.step_s + found.held_bytes).any():
            return False
        self._fitting(lean, np.arange(g.cases.count))
        self.kernel, self.option, self.evaluated = kernel, options, found.evaluated
        order = np.lexsort((found.option, found.case))
        option, case = found.option[order], found.case[order]
        if not isinstance(wanted, Few):
            self._evaluate(option, case)
            return True
        step_s = np.where(found.held_bytes <= bars.usable_bytes, found.step_s, np.inf)[order]
        self._last_word(g.layouts(option, case), step_s, wanted, some, found.quickest)
        return True

    def _last_word(self, space: LayoutSpace, step_s: Floats, wanted: Few, kernel: Bound, quickest: Floats) -> None:
        """As the text has it what of some candidates lies within rounding of the few fastest, and the layouts with
        fewer replicas that they call for and that do so too."""
        g = self.grid
        more, called = None, np.zeros(g.cases.count, dtype=np.int64)
        if not g.cases.batch_given:
            more, called = self._fewer_replicas(wanted, kernel, space, step_s, quickest)
        billed = step_s / space.batch_seqs * self.bill[space.case, g.kind[space.option]]
        near = space.rows(np.flatnonzero(billed <= wanted.bar(space.case) * (1.0 + SLACK)))
        both = near if more is None else near.joined(more)
        figures = self._timed(both, kernel)
        some = slice(0, near.count)
        self._note(near, *(one[some] for one in figures))
        rest = slice(near.count, both.count)
        more = both.rows(rest)
        more = msgspec.structs.replace(more, options=self.whole.options, option=self.option[more.option])
        self.more = More(more, called, *(one[rest] for one in figures))

    def _timed(self, space: LayoutSpace, kernel: Bound) -> tuple[Floats, Floats]:
        """Layouts of the grid as `search.timed` has them, to the bit, by a kernel that was seen to give that."""
        step_s, held = kernel.timed(
            space, partial(timed, self.grid.cases, space, self.machine, self.precision, self.stack)
        )
        return np.where(held <= usable_bytes(self.machine), step_s, np.inf), held

    def _fewer_replicas(
        self, wanted: Few, kernel: Bound, space: LayoutSpace, step_s: Floats, quickest: Floats
    ) -> tuple[LayoutSpace, Index]:
        """The layouts with fewer replicas that candidates call for, those near the few fastest; how many of each case
        there were."""
        more, of = fuller_layouts(self.grid.cases, space, step_s, self.machine, quickest)
        option, dp = space.option[of], more.dp
        more_s, held = kernel.rows(option, dp, more.batch_seqs)
        seconds = np.where(held <= usable_bytes(self.machine) * (1.0 + SLACK), more_s / more.batch_seqs, np.inf)
        if self.billed is not None:
            seconds = seconds * self.billed(self.grid.ways[self.grid.kind[option]] * dp)
        wanted.learn(more.case, seconds)
        near = seconds <= wanted.bar(more.case) * (1.0 + SLACK)
        return more.rows(near), np.bincount(more.case, minlength=self.grid.cases.count)

    def _lean(self, kernel: Bound, g: Grid) -> Floats:
        return kernel.least_bytes(most_replicas(g)) * (1.0 - SLACK)

    # --- where nothing fits

    def leanest(self) -> None:
        """Memory of the leanest layout of each case in which nothing fits."""
        cases = np.flatnonzero(~np.isfinite(self.quickest))
        for start in range(0, len(cases), CASES_A_BLOCK):
            some = cases[start : start + CASES_A_BLOCK]
            g = _on(self.whole, some)
            if self.kernel is None:
                self._leanest(some, memory_floor(g, self.precision, self.stack))
            else:
                self._held(*self._as_lean(self.kernel, some, self._lean(self.kernel, g)))

    def _leanest(self, cases: Index, floor: Floats) -> None:
        """By the text, options of the least floor first, until the floor is above what was found."""
        order = np.argsort(floor, kind="stable")
        order = order[self.whole.dp[cases][:, self.whole.kind[order]].any(axis=0)]
        least, seen = np.full(len(cases), np.inf), 0
        while seen < len(order):
            wanting = np.flatnonzero(floor[order[seen]] <= least)
            if not len(wanting):
                break
            some = order[seen : seen + LEANEST]
            option, case = np.tile(some, len(wanting)), np.repeat(wanting, len(some))
            there = self.whole.dp[cases[case], self.whole.kind[option]] > 0
            held = self._held(option[there], cases[case[there]])
            np.minimum.at(least, case[there], held)
            seen += LEANEST

    def _as_lean(self, kernel: Bound, cases: Index, floor: Floats) -> tuple[Index, Index]:
        """Options and cases within rounding of the least bytes of their case, as the kernel counts them."""
        g, least = self.whole, np.full(len(cases), np.inf)
        for options in (np.argsort(floor, kind="stable")[:LEANEST], np.arange(g.width)):
            dp = g.dp.T[g.kind[options]][:, cases]
            which, case = np.nonzero((dp > 0) & ~(floor[options, None] > least))
            option = options[which]
            batch = g.batch_seqs[cases[case], g.kind[option]]
            held = kernel.rows(option, dp[which, case], batch)[1]
            np.minimum.at(least, case, held)
        near = ~(held > least[case] * (1.0 + SLACK))
        return option[near], cases[case[near]]

    def _held(self, option: Index, case: Index) -> Floats:
        """Bytes of layouts that do not fit, by the text, noted."""
        g = self.whole
        space = g.layouts(option, case)
        held = peak_bytes(g.cases.shape, self.precision, space.layout, load_of(g.cases, space.batch_seqs), self.stack)
        held = held + np.zeros(space.count)
        self._add(option, case, np.full(space.count, np.inf), held)
        return held

    # --- what was found

    def found(self) -> tuple[Evaluation, Index, Tally]:
        """All that was evaluated, in order, with the layouts that fill more of a batch; how many layouts each case
        admits; what became of them."""
        g = self.whole
        rows, first = np.unique(np.concatenate([np.empty(0, np.int64), *self.rows]), return_index=True)
        step_s, held = (np.concatenate([np.empty(0), *one])[first] for one in (self.step_s, self.bytes))
        width = max(1, g.width)
        space = g.layouts(rows % width, rows // width)
        counts = (g.dp > 0) @ np.bincount(g.kind, minlength=g.dp.shape[1])
        more = self.more or self._more(space, step_s)
        if more.space.count:
            space = space.joined(more.space)
            step_s, held = np.append(step_s, more.step_s), np.append(held, more.bytes)
        evaluated = (self.evaluated or len(rows)) + int(more.called.sum())
        counts = counts + more.called
        by_time = int(counts.sum()) - evaluated - self.by_memory
        tally = Tally(evaluated=evaluated, by_memory=self.by_memory, by_time=by_time)
        return ranked(g.cases, space, step_s, held, g.policy, self.billed), counts, tally

    def _more(self, space: LayoutSpace, step_s: Floats) -> More:
        """Layouts with fewer replicas that fill more of a batch."""
        cases = self.whole.cases
        if cases.batch_given:
            return More(space.rows(slice(0)), np.zeros(cases.count, dtype=np.int64), np.empty(0), np.empty(0))
        more, _ = fuller_layouts(cases, space, step_s, self.machine)
        called = np.bincount(more.case, minlength=cases.count)
        return More(more, called, *timed(cases, more, self.machine, self.precision, self.stack))


def _on(g: Grid, cases: Index) -> Grid:
    """The grid on some of its cases."""
    return msgspec.structs.replace(g, dp=g.dp[cases], batch_seqs=g.batch_seqs[cases])


def _room(g: Grid) -> Floats:
    """Seconds a sequence over the least of its case up to which a layout counts: it may be that least, or may leave a
    part of its cap of the batch and call for one with fewer replicas (`search.fuller_layouts`). 0 where the batch is
    given, and only what is billed counts."""
    if g.cases.batch_given:
        return np.zeros_like(g.dp)
    room = g.cases.batch_cap_seqs[:, None] / np.maximum(g.batch_seqs, 1.0)
    return np.where(room > 1.0, room / (1.0 - FULLER_MAY_SAVE), 1.0)


def _rounds(options: Index) -> Iterator[Index]:
    """The options in parts, each so many times longer than the one before."""
    start, count = 0, FIRST_OPTIONS
    while start < len(options):
        yield options[start : start + count]
        start, count = start + count, min(count * WIDER, MOST_OPTIONS)
