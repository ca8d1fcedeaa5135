"""The compiled search over options and cases: what may win, and what may call for a layout with fewer replicas.

It only excludes. Its seconds agree with the text of the physics to rounding, and what lies within rounding of a winner
is handed back, so that the text decides: answers do not depend on whether a machine has a compiler.
"""

from __future__ import annotations

import ctypes

import msgspec
import numpy as np

from hwmodel.predict.bound import SLACK, Floats, Grid, Index, TimeFloor, likely
from hwmodel.predict.kernel import Bound, at, whole

CASES_A_BLOCK = 512
SPACE = 1 << 18  # candidates handed back at once
NEVER = 1e300  # seconds that everything is below


class Candidates(msgspec.Struct, frozen=True, kw_only=True):
    """Layouts that may matter, and the least seconds a sequence of each case: billed, and not."""

    option: Index
    case: Index
    step_s: Floats
    held_bytes: Floats
    best: Floats
    quickest: Floats
    evaluated: int


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """What decides which layouts matter, beside the floor of time: of each case and kind how much longer than steady a
    run is billed, and its room (see `fastest`); of each option the least seconds of one micro-batch more; bytes that
    may be filled."""

    bill: Floats
    room: Floats
    again_s: Floats
    usable_bytes: float


def candidates(g: Grid, floor: TimeFloor, bars: Bars, kernel: Bound, options: Index) -> Candidates:
    """Search `options` on all cases."""
    best, quickest = np.full(g.cases.count, NEVER), np.full(g.cases.count, NEVER)
    parts, evaluated = [_empty(0)], 0
    order = np.argsort(g.cases.accelerators, kind="stable")
    for start in range(0, g.cases.count, CASES_A_BLOCK):
        cases = order[start : start + CASES_A_BLOCK]
        tables = [np.ascontiguousarray(table[cases].T)
                  for table in (g.dp, g.batch_seqs, floor.rounds, floor.share, bars.bill, bars.room)]  # fmt: skip
        least = best[cases], quickest[cases]
        ordered = options[np.argsort(likely(g, floor, options, cases), kind="stable")]
        found, count = _search(g, floor, bars, kernel, ordered, tables, least)
        best[cases], quickest[cases] = least
        kind = g.kind[found.option]
        batch, bill, room = (table[kind, found.case] for table in (tables[1], tables[4], tables[5]))
        wins = found.step_s * bill <= least[0][found.case] * batch * (1.0 + SLACK)
        filled = found.step_s + bars.again_s[found.option]
        fills = (room > 1.0) & (filled <= least[1][found.case] * room * batch * (1.0 + SLACK))
        rows = np.flatnonzero(wins | fills)
        kept = _Found(found.option[rows], cases[found.case[rows]], found.step_s[rows], found.held_bytes[rows])
        parts.append(kept)
        evaluated += count
    every = _joined(parts)
    return Candidates(option=every.option, case=every.case, step_s=every.step_s, held_bytes=every.held_bytes,
                      best=best, quickest=quickest, evaluated=evaluated)  # fmt: skip


class _Found(msgspec.Struct, frozen=True):
    """What the compiled text hands back; `case` counts within the block."""

    option: Index
    case: Index
    step_s: Floats
    held_bytes: Floats

    def first(self, count: int) -> _Found:
        """A copy of the first rows."""
        some = slice(0, count)
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


def _search(
    g: Grid, floor: TimeFloor, bars: Bars, kernel: Bound, options: Index, tables: list[Floats],
    least: tuple[Floats, Floats],
) -> tuple[_Found, int]:  # fmt: skip
    """What the compiled text hands back of one block of cases, and how many layouts it evaluated."""
    count = len(least[0])
    room = _empty(max(SPACE, count))
    following, evaluated = ctypes.c_longlong(0), ctypes.c_longlong(0)
    parts = [_empty(0)]
    while following.value < len(options):
        found = kernel.library.search(
            at(kernel.constants), at(kernel.options), whole(kernel.options.shape[1]), at(options), whole(len(options)),
            ctypes.byref(following), at(g.kind), at(floor.stage_s), at(floor.once_s), whole(count),
            *(at(table) for table in (*tables, bars.again_s)), ctypes.c_double(bars.usable_bytes),
            ctypes.c_double(1.0 + SLACK), at(least[0]), at(least[1]), whole(len(room.option)), at(room.option),
            at(room.case), at(room.step_s), at(room.held_bytes), ctypes.byref(evaluated),
        )  # fmt: skip
        parts.append(room.first(found))
    return _joined(parts), evaluated.value
