"""The compiled search over options and cases: what may be asked for, and what calls for a layout with fewer replicas.

It only excludes. Its seconds agree with the text of the physics to rounding, and what lies within rounding of what is
asked for is handed back. The text decides, or stages that give the same to the bit (see `exact_in_c`): answers do not
depend on whether a machine has a compiler.
"""

from __future__ import annotations

import ctypes

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.predict.bound import SLACK, Floats, Grid, Index, TimeFloor, likely
from hwmodel.predict.compiler import at, whole
from hwmodel.predict.kernel import Bound
from hwmodel.predict.wanted import FRONT_SIZE, NONE, Wanted

CASES_A_BLOCK = 512
FIRST_OPTIONS = 256  # whose order is worth sorting
SPACE = 1 << 14  # candidates handed back at once


class Candidates(msgspec.Struct, frozen=True, kw_only=True):
    """Layouts that may matter, and the least seconds a sequence of each case, not billed."""

    option: Index
    case: Index
    step_s: Floats
    held_bytes: Floats
    quickest: Floats
    evaluated: int


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """What decides which layouts matter, beside the floor of time: of each case and kind how much longer than steady a
    run is billed, and its room (see `floor_search`); of each option the least seconds of one micro-batch more and the
    floor of bytes; bytes that may be filled."""

    bill: Floats
    room: Floats
    again_s: Floats
    lean: Floats
    usable_bytes: float


def candidates(g: Grid, floor: TimeFloor, bars: Bars, kernel: Bound, wanted: Wanted) -> Candidates:
    """Search all options on all cases; `wanted` learns what was found."""
    quickest = np.full(g.cases.count, NONE)
    parts, evaluated = [_empty(0)], 0
    order, every = np.argsort(g.cases.accelerators, kind="stable"), np.arange(g.width)
    for start in range(0, g.cases.count, CASES_A_BLOCK):
        cases = order[start : start + CASES_A_BLOCK]
        ordered = promising_first(likely(g, floor, every, cases))
        block = _Block(g, floor, bars, cases, wanted)
        found, count = block.search(kernel, ordered)
        quickest[cases] = block.quickest
        wanted.take(cases, block.wanted)
        kept = found.rows(block.still_open(kernel, found))
        parts.append(msgspec.structs.replace(kept, case=cases[kept.case]))
        evaluated += count
    found = _joined(parts)
    return Candidates(option=found.option, case=found.case, step_s=found.step_s, held_bytes=found.held_bytes,
                      quickest=quickest, evaluated=evaluated)  # fmt: skip


def promising_first(least: Floats) -> Index:
    """Places of the FIRST_OPTIONS least, in their order, then of the others as they come: few of these stay open, and
    their tables lie together."""
    if len(least) <= FIRST_OPTIONS:
        return np.argsort(least, kind="stable")
    later = np.ones(len(least), dtype=bool)
    first = np.argpartition(least, FIRST_OPTIONS)[:FIRST_OPTIONS]
    later[first] = False
    return np.concatenate([first[np.argsort(least[first], kind="stable")], np.flatnonzero(later)])


class _Found(msgspec.Struct, frozen=True):
    """What the compiled text hands back; `case` counts within the block."""

    option: Index
    case: Index
    step_s: Floats
    held_bytes: Floats

    def rows(self, some: Index | slice) -> _Found:
        """A copy of some rows."""
        return _Found(
            self.option[some].copy(), self.case[some].copy(), self.step_s[some].copy(), self.held_bytes[some].copy()
        )


def _empty(count: int) -> _Found:
    return _Found(np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64), np.empty(count), np.empty(count))


def _joined(parts: list[_Found]) -> _Found:
    return _Found(
        np.concatenate([one.option for one in parts]), np.concatenate([one.case for one in parts]),
        np.concatenate([one.step_s for one in parts]), np.concatenate([one.held_bytes for one in parts]),
    )  # fmt: skip


class _Block:
    """Cases that are searched together: their tables, a row a kind, and the bars that fall meanwhile."""

    def __init__(self, g: Grid, floor: TimeFloor, bars: Bars, cases: Index, wanted: Wanted) -> None:
        self.kind, self.ways, self.floor, self.bars = g.kind, np.ascontiguousarray(g.ways), floor, bars
        self.dp, self.batch, self.rounds, self.share, self.bill, self.room = (
            np.take(table.T, cases, axis=1)
            for table in (g.dp, g.batch_seqs, floor.rounds, floor.share, bars.bill, bars.room)
        )
        self.count = len(cases)
        self.quickest = np.full(self.count, NONE)
        self.wanted = wanted.blank(self.count)

    def search(self, kernel: Bound, options: Index) -> tuple[_Found, int]:
        """What the compiled text hands back, and how many layouts it evaluated."""
        wanted, bar = self.wanted, np.full(self.count, NONE)
        room, floor, bars = _empty(max(SPACE, self.count)), self.floor, self.bars
        following, evaluated = ctypes.c_longlong(0), ctypes.c_longlong(0)
        parts = [_empty(0)]
        while following.value < len(options):
            found = kernel.functions.search(
                at(kernel.constants), at(kernel.settings), at(options),
                whole(len(options)), ctypes.byref(following), at(self.kind), at(self.ways), at(floor.stage_s),
                at(floor.once_s), at(bars.lean), at(bars.again_s), whole(self.count), at(self.dp), at(self.batch),
                at(self.rounds), at(self.share), at(self.bill), at(self.room), ctypes.c_double(bars.usable_bytes),
                ctypes.c_double(1.0 + SLACK), whole(wanted.keep), at(wanted.best), at(bar), at(wanted.points),
                at(wanted.sizes), whole(FRONT_SIZE), at(self.quickest), whole(len(room.option)), at(room.option),
                at(room.case), at(room.step_s), at(room.held_bytes), ctypes.byref(evaluated),
            )  # fmt: skip
            parts.append(room.rows(slice(0, found)))
        return _joined(parts), evaluated.value

    def still_open(self, kernel: Bound, found: _Found) -> Index:
        """Rows that may matter now that all bars have fallen."""
        kind = self.kind[found.option]
        dp, batch, bill, room = (table[kind, found.case] for table in (self.dp, self.batch, self.bill, self.room))
        seconds = found.step_s * bill / batch
        filled = found.step_s + self.bars.again_s[found.option]
        fills = (room > 1.0) & (filled <= self.quickest[found.case] * room * batch * (1.0 + SLACK))
        asked = seconds <= self.wanted.bar(found.case) * (1.0 + SLACK)
        if not self.wanted.keep:
            asked &= self._unbeaten(kernel, found, seconds, self.ways[kind] * dp)
        return np.flatnonzero(asked | fills | np.isnan(found.step_s + found.held_bytes))

    def _unbeaten(self, kernel: Bound, found: _Found, seconds: Floats, used: Floats) -> NDArray[np.bool_]:
        """Rows that no layout of their case's front surely beats."""
        free = np.empty(len(seconds), dtype=bool)
        held = found.held_bytes / (1.0 + SLACK)
        kernel.functions.unbeaten(
            whole(len(free)), at(found.case), at(seconds), at(held), at(used), at(self.wanted.points),
            at(self.wanted.sizes), whole(FRONT_SIZE), ctypes.c_double(1.0 + SLACK), at(free),
        )  # fmt: skip
        return free
