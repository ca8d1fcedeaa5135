"""A traced graph as C: the loop over layouts on many fleets, whose lower levels come in as numbers.

Two ways in: `rows` evaluates layouts, `search` goes through options and cases, leaves out what the floors exclude,
evaluates the rest and hands back what may be asked for. Conditions from outside the loop stay doubles and are compared
in it: compilers vectorise choices between values, not branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwmodel.trace import CONDITIONS, CONSTANT, ROW, Graph

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==",
         "ne": "!=", "and": "&", "or": "|"}  # fmt: skip
CALLS = {"ceil": "__builtin_ceil", "floor": "__builtin_floor", "sqrt": "__builtin_sqrt", "exp": "exp", "log": "log",
         "power": "pow", "hypot": "hypot"}  # fmt: skip

LOOP = Path(__file__).with_name("search.c")  # what surrounds the graph
GIVEN, INSIDE = "@GIVEN@", "@INSIDE@"


def source(graph: Graph, step: int, held: int) -> tuple[str, list[int], list[int]]:
    """The C text whose loop gives a step's seconds and bytes, and the nodes that it takes: constants and options'."""
    needed = graph.needed((step, held), ROW)
    outside = [place for place in needed if graph.levels[place] < ROW and graph.nodes[place].op != "number"]
    constants = [place for place in outside if graph.levels[place] == CONSTANT]
    options = [place for place in outside if graph.levels[place] != CONSTANT]
    writer = _Writer(graph)
    lines = [f"    const double {writer.name(place)} = u[{i}];" for i, place in enumerate(constants)]
    lines += [f"    const double {writer.name(place)} = p[{i}];" for i, place in enumerate(options)]
    inside = [f"        {line}" for place in needed if (line := writer.line(place))]
    ends = [f"        steps[i] = {writer.value(step)};", f"        bytes[i] = {writer.value(held)};"]
    text = LOOP.read_text(encoding="utf-8").replace(GIVEN, "\n".join(lines)).replace(INSIDE, "\n".join(inside + ends))
    return text, constants, options


class _Writer:
    """Names and expressions of nodes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.written: dict[int, str] = {}  # conditions inside the loop, in place of a name

    def name(self, place: int) -> str:
        """The variable of a node."""
        node = self.graph.nodes[place]
        inside = node.op == "input" and self.graph.levels[place] == ROW
        return node.name if inside else f"n{place}"

    def value(self, place: int) -> str:
        """A node as a number."""
        node = self.graph.nodes[place]
        if node.op == "number":
            return _number(node.value)
        if place in self.written:
            return f"({self.written[place]} ? 1.0 : 0.0)"
        return self.name(place)

    def condition(self, place: int) -> str:
        """A node as a condition."""
        return self.written.get(place, f"({self.value(place)} != 0.0)")

    def line(self, place: int) -> str:
        """The statement that computes a node inside the loop; none for what is given, and for conditions."""
        node, level = self.graph.nodes[place], self.graph.levels[place]
        if node.op in ("input", "number") or level < ROW:
            return ""
        if node.op in CONDITIONS:
            of = self.condition if node.op in ("and", "or") else self.value
            self.written[place] = f"({of(node.args[0])} {INFIX[node.op]} {of(node.args[1])})"
            return ""
        return f"const double {self.name(place)} = {self._expression(node.op, node.args)};"

    def _expression(self, op: str, args: Sequence[int]) -> str:
        if op == "where":
            return f"{self.condition(args[0])} ? {self.value(args[1])} : {self.value(args[2])}"
        values = [self.value(arg) for arg in args]
        if op in ("maximum", "minimum"):
            return f"{values[0]} {'>' if op == 'maximum' else '<'} {values[1]} ? {values[0]} : {values[1]}"
        if op in INFIX:
            return f"{values[0]} {INFIX[op]} {values[1]}"
        return f"{CALLS[op]}({', '.join(values)})"


def _number(value: float) -> str:
    if value in (float("inf"), float("-inf")):
        return "(-__builtin_inf())" if value < 0 else "__builtin_inf()"
    return f"({value!r})" if value < 0 else repr(value)
