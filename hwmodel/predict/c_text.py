"""Names and expressions of a traced graph as C."""

from __future__ import annotations

from collections.abc import Sequence

from hwmodel.trace import CONDITIONS, ROW, Graph

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==",
         "ne": "!=", "and": "&", "or": "|"}  # fmt: skip
CALLS = {"ceil": "__builtin_ceil", "floor": "__builtin_floor", "sqrt": "__builtin_sqrt", "exp": "exp", "log": "log",
         "power": "pow", "hypot": "hypot"}  # fmt: skip


class Writer:
    """Names and expressions of nodes in the loop of a level."""

    def __init__(self, graph: Graph, level: int) -> None:
        self.graph, self.level = graph, level
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
        if node.op in ("input", "number") or level < self.level:
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
