"""The fastest layouts of many cases without evaluating all: what a floor excludes is counted, never built.

The winners, and the layouts with fewer replicas that they call for, are those of `search.evaluate`, bit for bit; it
stays the way to an answer that also shows who came next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from hwmodel.physics.memory import peak_memory
from hwmodel.predict.bound import SLACK, Floats, Grid, Index, grid, likely, memory_floor, time_floor
from hwmodel.predict.layouts import Cases, Policy, Space
from hwmodel.predict.search import (
    FULLER_MAY_SAVE,
    Evaluation,
    evaluate,
    fuller_layouts,
    least_seconds_of_micro_batch,
    load_of,
    ranked,
    timed,
    usable_bytes,
)
from hwmodel.specs import Precision
from hwmodel.specs.kernels import Machine
from hwmodel.specs.stack import Stack

if TYPE_CHECKING:
    from hwmodel.predict.compiled import Candidates
    from hwmodel.predict.kernel import Bound

FEW_CASES = 6  # below, floors cost more than they save
CASES_A_BLOCK = 64  # fleets of like size share a floor of memory
FIRST_OPTIONS = 16  # that are tried on every case, those of the least floor; then eight times as many, and so on
WIDER = 8
MOST_OPTIONS = 2048  # of a round
LEANEST = 64  # options whose memory is looked at first where nothing fits
NONE = 1e300  # seconds that everything is below


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Layouts by what became of them; they sum to all that the cases admit."""

    evaluated: int = 0
    by_memory: int = 0  # excluded by the floor of memory
    by_time: int = 0  # excluded by the floor of time

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


class Fastest(msgspec.Struct, frozen=True, kw_only=True):
    """The layouts that had to be evaluated, in the order of the whole space, and how many there are of each case."""

    evaluation: Evaluation
    layouts: Index
    tally: Tally


def fastest(
    cases: Cases,
    machine: Machine,
    precision: Precision,
    stack: Stack,
    policy: Policy,
    billed: Callable[[Floats], Floats] | None = None,
    keep: int = 1,
    *,
    compiled: bool = False,
    leanest: bool = True,
) -> Fastest:
    """What `search.evaluate` finds best, and the `keep` best, of each case; where nothing fits, the `leanest` too.

    `compiled`: one winner a case by the compiled search, where a compiler is; the answers are the same.
    """
    if policy.exact or cases.count < FEW_CASES:
        found = evaluate(cases, machine, precision, stack, policy, billed)
        counts = np.bincount(found.space.case, minlength=cases.count)
        return Fastest(evaluation=found, layouts=counts, tally=Tally(evaluated=found.space.count))
    whole = grid(cases, float(machine.network.domain), policy)
    search = _Search(whole, machine, precision, stack, billed, keep)
    kernel = _kernel(whole, machine, precision, stack) if compiled and keep == 1 else None
    if kernel is not None:
        search.compiled(kernel)
    else:
        search.in_numpy()
    if leanest:
        search.leanest()
    return search.found()


def _kernel(g: Grid, machine: Machine, precision: Precision, stack: Stack) -> Bound | None:
    from hwmodel.predict.kernel import bound_kernel  # a plan needs no compiler, and does not wait for its imports

    return bound_kernel(g, machine, precision, stack)


class _Search:
    """What was evaluated so far, and the bars that it sets for the rest."""

    def __init__(self, g: Grid, machine: Machine, precision: Precision, stack: Stack,
                 billed: Callable[[Floats], Floats] | None, keep: int) -> None:  # fmt: skip
        self.grid, self.machine, self.precision, self.stack = g, machine, precision, stack
        self.floor = time_floor(g, machine, precision, stack)
        self.billed = billed
        self.bill = np.ones_like(g.dp) if billed is None else billed(g.ways * np.maximum(g.dp, 1.0))
        self.room = _room(g)
        self.best = np.full((g.cases.count, keep), np.inf)  # billed seconds a sequence, least first
        self.quickest = np.full(g.cases.count, np.inf)  # the least that is not billed
        self.rows: list[Index] = []
        self.step_s: list[Floats] = []
        self.bytes: list[Floats] = []
        self.by_memory = 0
        self.evaluated = 0
        self.more: tuple[Space, Index] | None = None  # layouts with fewer replicas, and how many of each case there are

    def in_numpy(self) -> None:
        """Search by the text of the physics."""
        order = np.argsort(self.grid.cases.accelerators, kind="stable")
        for start in range(0, len(order), CASES_A_BLOCK):
            self.block(order[start : start + CASES_A_BLOCK])

    def compiled(self, kernel: Bound) -> None:
        """Search by a kernel; what lies within rounding of the best is left for the text."""
        from hwmodel.predict.compiled import Bars, candidates

        g, every = self.grid, np.arange(self.grid.cases.count)
        options, _ = self._that_may_fit(every)
        usable = usable_bytes(self.machine)
        again_s = least_seconds_of_micro_batch(g.cases, g.option_layouts(), self.machine) / (1.0 - FULLER_MAY_SAVE)
        bars = Bars(bill=self.bill, room=self.room, again_s=again_s, usable_bytes=usable)
        found = candidates(g, self.floor, bars, kernel, options)
        order = np.lexsort((found.option, found.case))
        option, case = found.option[order], found.case[order]
        step_s = np.where(found.held_bytes <= usable, found.step_s, np.inf)[order]
        space, best = g.layouts(option, case), found.best
        billed = step_s / space.batch_seqs * self.bill[case, g.kind[option]]
        self.evaluated = found.evaluated
        if not g.cases.batch_given:
            best = self._compiled_more(kernel, found, option, space, step_s)
        near = billed <= best[case] * (1.0 + SLACK)
        self._evaluate(option[near], case[near])

    def _compiled_more(self, kernel: Bound, found: Candidates, option: Index, space: Space, step_s: Floats) -> Floats:
        """The layouts with fewer replicas that candidates call for, those near the best kept; and the best of all."""
        more, of = fuller_layouts(self.grid.cases, space, step_s, self.machine, found.quickest)
        option, dp = option[of], np.asarray(more.layout.dp, dtype=float)
        order = np.argsort(option, kind="stable")  # the kernel takes runs of one option
        more_s, held = np.empty(len(of)), np.empty(len(of))
        more_s[order], held[order] = kernel.rows(option[order], dp[order], more.batch_seqs[order])
        kind = self.grid.kind[option]
        seconds = np.where(held <= usable_bytes(self.machine) * (1.0 + SLACK), more_s / more.batch_seqs, np.inf)
        if self.billed is not None:
            seconds = seconds * self.billed(self.grid.ways[kind] * dp)
        best = found.best.copy()
        np.minimum.at(best, more.case, seconds)
        near = seconds <= best[more.case] * (1.0 + SLACK)
        self.more = more.rows(near), np.bincount(more.case, minlength=self.grid.cases.count)
        return best

    def _that_may_fit(self, cases: Index) -> tuple[Index, Floats]:
        """Options whose floor of memory is not above what may be filled on some cases, and that floor of all."""
        g = self.grid
        part = msgspec.structs.replace(g, dp=g.dp[cases], batch_seqs=g.batch_seqs[cases])
        held = memory_floor(part, self.precision, self.stack)
        fits = held <= usable_bytes(self.machine)
        admitted = (g.dp[cases] > 0).sum(axis=0)[g.kind]
        self.by_memory += int(admitted[~fits].sum())
        return np.flatnonzero(fits), held

    def leanest(self) -> None:
        """Memory of the leanest layout of each case in which nothing fits."""
        cases = np.flatnonzero(~np.isfinite(self.best[:, 0]))
        for start in range(0, len(cases), CASES_A_BLOCK):
            some = cases[start : start + CASES_A_BLOCK]
            part = msgspec.structs.replace(self.grid, dp=self.grid.dp[some], batch_seqs=self.grid.batch_seqs[some])
            floor = memory_floor(part, self.precision, self.stack)
            for case in some:
                self._leanest(int(case), floor)

    def block(self, cases: Index) -> None:
        """Search some cases, in rounds of ever more options, those of the least floor of time first."""
        options, _ = self._that_may_fit(cases)
        options = options[np.argsort(likely(self.grid, self.floor, options, cases), kind="stable")]
        for some in _rounds(options):
            self._evaluate(*self._below_bar(cases, some))

    def _below_bar(self, cases: Index, options: Index) -> tuple[Index, Index]:
        """Options and cases whose floor of time may still win."""
        kind, floor = self.grid.kind[options], self.floor
        best, quickest = self.best[cases, -1:], self.quickest[cases, None]
        bar = best / self.bill[cases]
        if not self.grid.cases.batch_given:
            bar = np.maximum(bar, quickest * self.room[cases])
        bar = np.minimum(bar * (1.0 + SLACK), NONE)
        least = np.take(floor.rounds[cases], kind, axis=1) * floor.stage_s[options]
        least += np.take(floor.share[cases], kind, axis=1) * floor.once_s[options]
        place, option = np.nonzero(least <= np.take(bar, kind, axis=1))
        return options[option], cases[place]

    def _evaluate(self, option: Index, case: Index) -> None:
        if not len(option):
            return
        space = self.grid.layouts(option, case)
        step_s, held = timed(self.grid.cases, space, self.machine, self.precision, self.stack)
        self._add(option, case, step_s, held)
        seconds = step_s / space.batch_seqs
        np.minimum.at(self.quickest, case, seconds)
        self.best = _least(self.best, case, seconds * self.bill[case, self.grid.kind[option]])

    def _add(self, option: Index, case: Index, step_s: Floats, held: Floats) -> None:
        self.rows.append(case * len(self.grid.options) + option)
        self.step_s.append(step_s)
        self.bytes.append(held)

    def _leanest(self, case: int, floor: Floats) -> None:
        """Memory of the leanest layout of a case in which nothing fits."""
        g = self.grid
        mine = np.flatnonzero(g.dp[case, g.kind] > 0)
        mine = mine[np.argsort(floor[mine], kind="stable")]
        least, seen = np.inf, 0
        while seen < len(mine) and floor[mine[seen]] <= least:
            some = mine[seen : seen + LEANEST]
            space = g.layouts(some, np.full(len(some), case))
            load = load_of(g.cases, space.batch_seqs)
            held = peak_memory(g.cases.shape, self.precision, space.layout, load, self.stack).total_bytes
            held = held + np.zeros(len(some))
            self._add(some, np.full(len(some), case), np.full(len(some), np.inf), held)
            least, seen = min(least, float(held.min())), seen + LEANEST

    def found(self) -> Fastest:
        """All that was evaluated, in order, with the layouts that fill more of a batch."""
        g = self.grid
        rows, first = np.unique(np.concatenate([np.empty(0, np.int64), *self.rows]), return_index=True)
        step_s, held = (np.concatenate([np.empty(0), *one])[first] for one in (self.step_s, self.bytes))
        width = max(1, len(g.options))
        space = g.layouts(rows % width, rows // width)
        counts = (g.dp > 0) @ np.bincount(g.kind, minlength=g.dp.shape[1])
        evaluated = self.evaluated or len(rows)
        more, fuller = self.more or self._more(space, step_s)
        if more.count:
            more_s, more_bytes = timed(g.cases, more, self.machine, self.precision, self.stack)
            space, step_s, held = space.joined(more), np.append(step_s, more_s), np.append(held, more_bytes)
        total, evaluated = int(counts.sum()) + int(fuller.sum()), evaluated + int(fuller.sum())
        counts = counts + fuller
        tally = Tally(evaluated=evaluated, by_memory=self.by_memory, by_time=total - evaluated - self.by_memory)
        return Fastest(evaluation=self._evaluation(space, step_s, held), layouts=counts, tally=tally)

    def _more(self, space: Space, step_s: Floats) -> tuple[Space, Index]:
        """Layouts with fewer replicas that fill more of a batch, and how many of each case."""
        none = space.rows(slice(0)), np.zeros(self.grid.cases.count, dtype=np.int64)
        if self.grid.cases.batch_given:
            return none
        more, _ = fuller_layouts(self.grid.cases, space, step_s, self.machine)
        return more, np.bincount(more.case, minlength=self.grid.cases.count)

    def _evaluation(self, space: Space, step_s: Floats, held: Floats) -> Evaluation:
        return ranked(self.grid.cases, space, step_s, held, self.grid.policy, self.billed)


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


def _least(known: Floats, case: Index, value: Floats) -> Floats:
    """The least values of each case, with new ones."""
    keep = known.shape[1]
    order = np.lexsort((value, case))
    case, value = case[order], value[order]
    starts = np.flatnonzero(np.diff(case, prepend=-1))
    place = np.arange(len(case)) - np.repeat(starts, np.diff(starts, append=len(case)))
    some = place < keep
    fresh = np.full(known.shape, np.inf)
    fresh[case[some], place[some]] = value[some]
    least: Floats = np.sort(np.concatenate([known, fresh], axis=1), axis=1)[:, :keep]
    return least
