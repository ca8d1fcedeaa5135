"""Many layouts of one question: the physics traced once, what rows share computed once, the rest in blocks in cache.

The text of the physics computes every operation on every row. Of those of a step and its memory nine in ten depend on a
few settings of the layout alone (the ways to split, the micro-batch; or the ways and the replicas), of which a hundred
thousand rows hold some hundred combinations: the graph says which, and they are computed on these. Seconds and bytes
are those of the text, bit for bit (tests/predict/test_replay.py), so that either may answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.memory import peak_bytes
from hwmodel.physics.training import step
from hwmodel.predict.columns import Distinct, code_of, told_apart
from hwmodel.predict.space import LayoutSpace
from hwmodel.specs import Layout, Precision, Shape, Workload
from hwmodel.specs.kernels import Machine
from hwmodel.specs.stack import Stack
from hwmodel.trace import OPTION, ROW, Graph, Program

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
Columns = dict[str, Floats]
Settings = frozenset[str]

BATCH = "batch"
BLOCK_ROWS = 16_384  # rows whose columns stay in cache
TOGETHER_ROWS = 8 * BLOCK_ROWS  # rows among which combinations are shared
PLANNED_ROWS = 2 * BLOCK_ROWS  # rows that decide which combinations are worth it
SHARED_BY = 4  # rows a combination, at least, where it pays to compute combinations first
MOST_GROUPS, FEW_NODES = 4, 16  # of nodes that depend on the same settings, and how many a group is worth
MOST_CODES = 1 << 22  # combinations that could be, of those that are


class CommonInputs(NamedTuple):
    """What all rows have in common."""

    shape: Shape
    machine: Machine
    precision: Precision
    stack: Stack
    seq_len: float
    trainable_fraction: float


def seconds_and_bytes(
    graph: Graph, shape: Shape, machine: Machine, precision: Precision, layout: Layout, load: Workload, stack: Stack
) -> tuple[int, int]:
    """The nodes of a step's seconds and of the bytes of its fullest stage."""
    seconds = step(shape, machine, precision, layout, load, stack).total_s
    held = peak_bytes(shape, precision, layout, load, stack)
    return graph.place(seconds), graph.place(held)


class OptionColumns:
    """The columns that the options of a space decide, and which options agree in some of them."""

    def __init__(self, space: LayoutSpace) -> None:
        own = {"dp"} if space.own_micro_batch is None else {"dp", "micro_batch"}
        fields = {name: getattr(space.options, name) for name in Layout.__struct_fields__ if name not in own}
        self.columns: Columns = {name: value for name, value in fields.items() if isinstance(value, np.ndarray)}
        self.numbers = {name: value for name, value in fields.items() if name not in self.columns}
        self._alike: dict[Settings, Distinct] = {}
        self._code = cache(lambda name: code_of(self.columns[name]))

    def alike(self, names: Settings) -> Distinct:
        """The combinations of some settings among the options."""
        if names not in self._alike:
            codes = [self._code(name) for name in sorted(names)]
            one = told_apart(*codes[0])
            for place, count in codes[1:]:  # one after the other: what occurs is far less than what could
                one = told_apart(one.place * count + place, len(one.first) * count)
            self._alike[names] = one
        return self._alike[names]


class ReplayedRows:
    """Some rows of a space by the settings of their options and their own."""

    def __init__(self, options: OptionColumns, space: LayoutSpace) -> None:
        self.options, self.option, self.count = options, space.option, space.count
        self.own: Columns = {"dp": space.dp, BATCH: space.batch_seqs}
        if space.own_micro_batch is not None:
            self.own["micro_batch"] = space.own_micro_batch
        self._code = cache(lambda name: code_of(self.own[name]))

    def columns(self, names: Iterable[str], at: Index | slice) -> Columns:
        """Some settings of some of the rows."""
        option = self.option[at]
        return {name: self.own[name][at] if name in self.own else self.options.columns[name][option] for name in names}

    def distinct(self, names: Settings) -> Distinct | None:
        """The combinations of some settings; None where there could be too many to tell."""
        code, size = np.zeros(self.count, dtype=np.int64), 1
        if of_options := names.difference(self.own):
            alike = self.options.alike(of_options)
            code, size = alike.place[self.option], len(alike.first)
        for name in sorted(names.intersection(self.own)):
            one, count = self._code(name)
            code, size = code * count + one, size * count
        return told_apart(code, size) if size <= MOST_CODES else None


class SharedNodes(NamedTuple):
    """Nodes that some settings decide, computed once for each combination of these."""

    settings: Settings
    program: Program


class Replay:
    """The graph of one question, and how the rows of a space go through it."""

    def __init__(self, question: CommonInputs, space: LayoutSpace) -> None:
        self.graph, self.options = Graph(), OptionColumns(space)
        few = space.rows(slice(PLANNED_ROWS)).compact()
        rows = ReplayedRows(OptionColumns(few), few)
        inputs: dict[str, Any] = {name: self.graph.input(name, OPTION) for name in self.options.columns}
        inputs |= self.options.numbers | {name: self.graph.input(name, ROW) for name in rows.own}
        shape, machine, precision, stack, seq_len, trainable = question
        load = Workload(seq_len=seq_len, global_batch_seqs=inputs.pop(BATCH), trainable_fraction=trainable)
        self.ends = seconds_and_bytes(self.graph, shape, machine, precision, Layout(**inputs), load, stack)
        self._plan(rows)

    def _plan(self, rows: ReplayedRows) -> None:
        """Choose the settings whose combinations come first, by some of the rows."""
        depends, nodes = self.graph.dependencies(self.ends), self.graph.nodes
        computed = {place: on for place, on in depends.items() if nodes[place].args}
        chosen = _chosen(Counter(computed.values()), rows)
        group = {p: next((i for i, one in enumerate(chosen) if on <= one), None) for p, on in computed.items()}
        asked = {arg for p, at in group.items() if at is None for arg in nodes[p].args} | set(self.ends)
        handed = sorted(p for p in asked if group.get(p) is not None)
        self.groups = [
            SharedNodes(one, Program(self.graph, [p for p in handed if group[p] == i])) for i, one in enumerate(chosen)
        ]
        self.seconds, self.held = (Program(self.graph, [end], set(handed)) for end in self.ends)

    def rows(self, space: LayoutSpace, usable_bytes: float = np.inf) -> tuple[Floats, Floats]:
        """Seconds of a step (infinite where it fills more than the usable bytes) and bytes of the fullest stage."""
        seconds, held = np.full(space.count, np.inf), np.empty(space.count)
        for start in range(0, space.count, TOGETHER_ROWS):
            some = slice(start, start + TOGETHER_ROWS)
            self._together(ReplayedRows(self.options, space.rows(some)), seconds[some], held[some], usable_bytes)
        return seconds, held

    def _together(self, rows: ReplayedRows, seconds: Floats, held: Floats, usable_bytes: float) -> None:
        """Rows among which combinations are shared, into `seconds` and `held`."""
        shared = Shared(self.groups, rows)
        for start in range(0, rows.count, BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            held[block] = shared.run(self.held, block)
            fits = start + np.flatnonzero(held[block] <= usable_bytes)
            if len(fits):
                whole = len(fits) == len(held[block])
                seconds[fits] = shared.run(self.seconds, block if whole else fits)


def _chosen(left: Counter[Settings], rows: ReplayedRows) -> list[Settings]:
    """Settings that many nodes depend on and few combinations of which occur, those of the most nodes first."""
    chosen: list[Settings] = []
    open_ = set(left)
    while len(chosen) < MOST_GROUPS:
        worth = {one: sum(count for on, count in left.items() if on <= one) for one in open_}
        best = max(worth, key=lambda one: (worth[one], -len(one), sorted(one)), default=None)
        if best is None or worth[best] < FEW_NODES:
            break
        open_.discard(best)
        found = rows.distinct(best)
        if found is not None and SHARED_BY * len(found.first) <= rows.count:
            chosen.append(best)
            left = Counter({on: count for on, count in left.items() if not on <= best})
    return chosen


class Shared:
    """What groups computed for the combinations among some rows, and programs that take it."""

    def __init__(self, groups: Sequence[SharedNodes], rows: ReplayedRows) -> None:
        self.rows = rows
        self.found: dict[int, tuple[Floats, int]] = {}  # values of a node, and which of the places says whose
        self.places: list[Index] = []
        for group in groups:
            every = np.arange(rows.count)
            first, place = rows.distinct(group.settings) or Distinct(every, every)
            values = group.program(rows.columns(group.settings, first))
            self.found |= {node: (column, len(self.places)) for node, column in zip(group.program.outputs, values)}
            self.places.append(place)

    def run(self, program: Program, at: Index | slice) -> Any:
        """The one output of a program on some of the rows."""
        places = [place[at] for place in self.places]
        taken = {node: np.take(values, places[which]) for node in program.taken
                 for values, which in [self.found[node]]}  # fmt: skip
        return program(self.rows.columns([name for _, name in program.inputs], at), taken)[0]
