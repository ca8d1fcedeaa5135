"""Layouts one by one as C that gives what the text of the physics gives, to the bit.

Sums, products, quotients, roots, ends and comparisons are the same everywhere (IEEE 754), and the compiler may neither
contract nor reorder them. An exponential, a logarithm or a power is rounded by whose it is: these are left to NumPy,
whose they are in the text, and the rest is cut into stages between them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodel.predict.c_text import Writer
from hwmodel.predict.compiler import at, whole
from hwmodel.trace import CONSTANT, OPTION, Graph

Floats = NDArray[np.float64]
ROUNDED: dict[str, Callable[..., Any]] = {"exp": np.exp, "log": np.log, "power": operator.pow, "hypot": np.hypot}
# Few layouts are asked for at a time: what vectors would save is less than it takes to compile them.
FUNCTION = """
__attribute__((optimize("O1")))
void exact_{stage}(const double *restrict u, const double *given, whole n, double *kept)
{{
{outside}
    for (whole i = 0; i < n; i++) {{
{inside}
    }}
}}
"""


class Operand(NamedTuple):
    """What an operation takes: a row of `kept` or of `given`, a constant of the question, or a number."""

    of: str
    value: float


class Rounded(NamedTuple):
    """An operation that is NumPy's, and the row of `kept` that it fills."""

    row: int
    op: str
    operands: tuple[Operand, ...]


class Exact(NamedTuple):
    """The stages of a graph: their text, the inputs of layouts in the order in which they are given, how many columns
    are kept between stages, the operations after each stage, and where the ends of the graph stand."""

    text: str
    inputs: tuple[str, ...]
    kept: int
    rounded: tuple[tuple[Rounded, ...], ...]
    ends: tuple[int, ...]

    def __call__(self, functions: Any, constants: Floats, given: Floats) -> list[Floats]:
        """The ends of layouts, a column each; `functions`: what was compiled; `given`: a row an input."""
        kept = np.empty((self.kept, given.shape[1]))
        values = {"kept": kept, "given": given, "constant": constants.tolist()}
        with np.errstate(all="ignore"):
            for stage, operations in enumerate(self.rounded):
                getattr(functions, f"exact_{stage}")(at(constants), at(given), whole(given.shape[1]), at(kept))
                for row, op, operands in operations:
                    taken = [one.value if one.of == "number" else values[one.of][int(one.value)] for one in operands]
                    kept[row] = ROUNDED[op](*taken)
        return [kept[row] for row in self.ends]


def stages(graph: Graph, ends: Sequence[int], constants: Mapping[int, int]) -> Exact | None:
    """The ends of a graph in stages; `constants`: the place of each in the question's. None where a constant is rounded
    too: the text may have it from another library than columns."""
    every = graph.needed(ends, CONSTANT)
    if any(graph.nodes[p].op in ROUNDED and graph.levels[p] == CONSTANT for p in every):
        return None
    return _Stages(graph, ends, constants).written()


class _Stages:
    """Nodes of layouts by the stage that computes them. One that is rounded stands before the stage of its number."""

    def __init__(self, graph: Graph, ends: Sequence[int], constants: Mapping[int, int]) -> None:
        self.graph, self.nodes, self.ends, self.constants = graph, graph.nodes, ends, constants
        above = [place for place in graph.needed(ends, OPTION) if graph.levels[place] > CONSTANT]
        inputs = [place for place in above if self.nodes[place].op == "input"]
        self.inputs = {place: row for row, place in enumerate(inputs)}
        self.computed = [place for place in above if place not in self.inputs]
        self.stage: dict[int, int] = {}
        for place in self.computed:
            node = self.nodes[place]
            before = max((self.stage.get(arg, 0) for arg in node.args), default=0)
            self.stage[place] = before + (node.op in ROUNDED)
        self.rows = {place: row for row, place in enumerate(self._kept())}

    def _kept(self) -> list[int]:
        """Nodes that are asked for outside the stage that computes them."""
        found = set(self.ends)
        for place in self.computed:
            if self._rounded(place):
                found |= {place, *self.nodes[place].args}
            else:
                found |= {arg for arg in self.nodes[place].args if self.stage.get(arg, 0) < self.stage[place]}
        return [place for place in self.computed if place in found]

    def _rounded(self, place: int) -> bool:
        return self.nodes[place].op in ROUNDED

    def written(self) -> Exact:
        """Their text and what is done between."""
        last = max(self.stage.values())
        texts = [self._text(number) for number in range(last + 1)]
        between = [[p for p in self.computed if self._rounded(p) and self.stage[p] == n + 1] for n in range(last + 1)]
        rounded = tuple(
            tuple(Rounded(self.rows[p], self.nodes[p].op, tuple(map(self._operand, self.nodes[p].args))) for p in some)
            for some in between
        )
        names = tuple(self.nodes[place].name for place in self.inputs)
        return Exact("".join(texts), names, len(self.rows), rounded, tuple(self.rows[end] for end in self.ends))

    def _operand(self, place: int) -> Operand:
        if place in self.rows:
            return Operand("kept", self.rows[place])
        if place in self.inputs:
            return Operand("given", self.inputs[place])
        node = self.nodes[place]
        return Operand("number", node.value) if node.op == "number" else Operand("constant", self.constants[place])

    def _text(self, number: int) -> str:
        """The function of a stage."""
        writer = Writer(self.graph, OPTION)
        mine = [p for p in self.computed if self.stage[p] == number and not self._rounded(p)]
        asked = sorted({arg for place in mine for arg in self.nodes[place].args}.difference(mine))
        outside = [f"    const double {writer.name(p)} = u[{self.constants[p]}];" for p in asked if p in self.constants]
        inside = []
        for place in asked:
            if place in self.rows:
                inside.append(f"const double {writer.name(place)} = kept[{self.rows[place]} * n + i];")
            elif place in self.inputs:
                inside.append(f"const double {writer.name(place)} = given[{self.inputs[place]} * n + i];")
        inside += [line for place in mine if (line := writer.line(place))]
        inside += [f"kept[{self.rows[p]} * n + i] = {writer.value(p)};" for p in mine if p in self.rows]
        return FUNCTION.format(
            stage=number, outside="\n".join(outside), inside="\n".join(f"        {line}" for line in inside)
        )
