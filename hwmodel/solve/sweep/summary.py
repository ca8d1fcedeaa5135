"""What a finished sweep comes to: its counts, the best rows, the front, histograms."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path

import msgspec

from hwmodel.solve.sweep.answers import SweepRow
from hwmodel.solve.sweep.folder import SUMMARY, Folder, rows_digest
from hwmodel.solve.sweep.keeping import BINS_A_DECADE, Partial, Winners, bins
from hwmodel.solve.sweep.origin import DIGEST_LETTERS
from hwmodel.solve.sweep.space import Space

MOST_FRONT = 1000  # rows of a front in the summary; `sweep show --pareto` gives all


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Rows from `low` to `high` of an answer; an end is None where it is infinite."""

    low: float | None
    high: float | None
    count: int


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that none beats in every one of the answers `by`; of a long front some, from end to end."""

    by: list[str]
    count: int
    rows: list[SweepRow]


class Constrained(msgspec.Struct, frozen=True, kw_only=True):
    """A constraint, whether it is one on axes (met before anything is answered) or on answers, and how many points or
    rows do not meet it; of these `alone` meet every other of its kind."""

    constraint: str
    on: str  # axes | answers
    count: int
    alone: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep in one file. Counts are of points or rows; a row is its columns by name."""

    versions: dict[str, str]
    ask: str
    axes: dict[str, int]  # column -> values
    points: int
    excluded_by_axes: int
    excluded_by_answers: int
    where: list[Constrained]  # each constraint, in the order of the space
    rows: int
    ok: int
    without_answer: dict[str, int]  # what binds, or `refused` -> rows
    layouts: int
    units: dict[str, str]
    top: dict[str, list[SweepRow]]  # answer -> its best rows
    pareto: Front
    histograms: dict[str, int | list[Bin]]  # answer -> bins, beside `bins_per_decade`
    rows_digest: str
    digest: str = ""  # of all the rest


def summary_of(space: Space, total: Partial, folder: Folder, shards: dict[int, Path]) -> Summary:
    """The summary of a sweep whose shards all stand."""
    known = space.units()
    front = _spread(total.pareto)
    every = [*total.top.values(), front]
    rows = folder.records(shards, [pair for one in every for pair in zip(one.shards, one.rows)])
    return Summary(
        versions=folder.origin().versions,
        ask=space.ask,
        axes={axis.column: len(axis.values) for axis in space.axes},
        points=total.points,
        excluded_by_axes=total.excluded,
        excluded_by_answers=total.dropped,
        where=_left_out(space, total),
        rows=total.rows,
        ok=total.ok,
        without_answer=total.without,
        layouts=total.layouts,
        units={name: known[name] for name in space.column_names()},
        top={name: [rows[pair] for pair in zip(one.shards, one.rows)] for name, one in total.top.items()},
        pareto=Front(
            by=list(space.keep.pareto),
            count=len(total.pareto.rows),
            rows=[rows[pair] for pair in zip(front.shards, front.rows)],
        ),
        histograms={"bins_per_decade": BINS_A_DECADE, **{n: _bins(h) for n, h in total.histograms.items()}},
        rows_digest=rows_digest(shards),
    )


def _left_out(space: Space, total: Partial) -> list[Constrained]:
    """What each constraint left out."""
    early = {one.text for one in space.constraints()[0]}
    return [
        Constrained(
            constraint=text, on="axes" if text in early else "answers", count=total.failed.get(text, 0),
            alone=total.failed_alone.get(text, 0),
        )
        for text in dict.fromkeys(space.where)
    ]  # fmt: skip


def summary_text(summary: Summary) -> str:
    """The text of `summary.json`."""
    return json.dumps(msgspec.to_builtins(summary), indent=1, ensure_ascii=False) + "\n"


def sealed(summary: Summary) -> Summary:
    """The summary with the digest of all else in it."""
    bare = msgspec.structs.replace(summary, digest="")
    return msgspec.structs.replace(
        bare, digest=hashlib.sha256(summary_text(bare).encode()).hexdigest()[:DIGEST_LETTERS]
    )


def read_summary(text: str) -> Summary | None:
    """The summary of such a text; None where a letter of it is not what was written."""
    try:
        found = msgspec.json.decode(text, type=Summary)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return found if text == summary_text(sealed(found)) else None


def standing_summary(folder: Folder, shards: dict[int, Path]) -> Summary | None:
    """The summary that stands in a folder, where it is whole and that of these rows."""
    try:
        found = read_summary((folder.path / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if found is not None and found.rows_digest == rows_digest(shards) else None


def _spread(front: Winners) -> Winners:
    """A front, or of a long one rows at equal distances by its first answer, the ends among them."""
    order = sorted(range(len(front.rows)), key=lambda i: (front.values[i], front.shards[i], front.rows[i]))
    if len(order) > MOST_FRONT:
        order = [order[round(i * (len(order) - 1) / (MOST_FRONT - 1))] for i in range(MOST_FRONT)]
    return Winners(rows=[front.rows[i] for i in order], shards=[front.shards[i] for i in order])


def _bins(counts: Mapping[str, int]) -> list[Bin]:
    """Bins without infinite ends, which JSON does not know."""
    return [
        Bin(low=one["low"] if isfinite(one["low"]) else None, high=one["high"], count=int(one["count"]))
        for one in bins(counts)
    ]
