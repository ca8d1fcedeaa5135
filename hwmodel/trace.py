"""The physics as a graph of operations: traced once over `ops`, then evaluated in NumPy or written out in C.

A traced value takes part in the text of the physics like a number and notes what is done to it. Equal operations are
one node, what is known is folded, and each node knows the level of what it depends on: 0 the constants of a question,
1 an option of the layout, 2 a layout on one fleet. Most of the physics depends on the lower levels alone, which is what
makes a search over many fleets fast. The text is never copied: a change of the physics changes the graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

CONSTANT, OPTION, ROW = 0, 1, 2
BAKED = (0.0, 1.0, math.inf)  # values that decide which terms there are; other numbers stay free
NOTHING: frozenset[str] = frozenset()
COMMUTES = frozenset({"add", "mul", "maximum", "minimum", "and", "or"})
CONDITIONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "and", "or"})


class TraceNode(NamedTuple):
    """One operation on earlier nodes; `value` of a constant, `name` of an input."""

    op: str
    args: tuple[int, ...] = ()
    value: float = 0.0
    name: str = ""


class Graph:
    """Nodes in the order in which they can be computed, each once."""

    def __init__(self) -> None:
        self.nodes: list[TraceNode] = []
        self.levels: list[int] = []
        self._known: dict[TraceNode, int] = {}

    def input(self, name: str, level: int) -> Traced:
        """A value that is given when the graph is evaluated."""
        return Traced(self, self._place(TraceNode("input", name=name), level))

    def apply(self, op: str, *operands: Any) -> Any:
        """The result of an operation: traced, or a number where it is known."""
        folded = _folded(op, operands)
        if folded is not None:
            return folded
        args = tuple(self.place(one) for one in operands)
        args = tuple(sorted(args)) if op in COMMUTES else args
        return Traced(self, self._place(TraceNode(op, args), max(self.levels[arg] for arg in args)))

    def place(self, value: Any) -> int:
        """The node of a traced value or of a number."""
        if isinstance(value, Traced):
            return value.place
        return self._place(TraceNode("number", value=float(value)), CONSTANT)

    def _place(self, node: TraceNode, level: int) -> int:
        if node not in self._known:
            self._known[node] = len(self.nodes)
            self.nodes.append(node)
            self.levels.append(level)
        return self._known[node]

    def needed(self, outputs: Sequence[int], level: int = ROW, given: Container[int] = ()) -> list[int]:
        """Nodes that the outputs need, in order; those below `level` or `given` are taken as they are, not followed."""
        found: set[int] = set()
        ahead = list(outputs)
        while ahead:
            place = ahead.pop()
            if place in found:
                continue
            found.add(place)
            if self.levels[place] >= level and place not in given:
                ahead += self.nodes[place].args
        return sorted(found)

    def dependencies(self, outputs: Sequence[int]) -> dict[int, frozenset[str]]:
        """Of each node that the outputs need the inputs that it depends on."""
        found: dict[int, frozenset[str]] = {}
        for place in self.needed(outputs, CONSTANT):
            node = self.nodes[place]
            own = frozenset([node.name]) if node.op == "input" else NOTHING
            found[place] = own.union(*(found[arg] for arg in node.args))
        return found


def _is(value: Any, number: float) -> bool:
    return not isinstance(value, Traced) and value == number


class Neutral(NamedTuple):
    """One operand that decides an operation: where it is `number`, the result is `result`, or (None) the other one."""

    place: int
    number: float
    result: float | None = None


# Operands that decide each operation of two, in the order in which they are looked at.
DECIDES: dict[str, tuple[Neutral, ...]] = {
    "mul": (Neutral(0, 0.0, 0.0), Neutral(1, 0.0, 0.0), Neutral(0, 1.0), Neutral(1, 1.0)),
    "add": (Neutral(0, 0.0), Neutral(1, 0.0)),
    "sub": (Neutral(1, 0.0),),
    "div": (Neutral(0, 0.0, 0.0), Neutral(1, math.inf, 0.0), Neutral(1, 1.0)),
    "and": (Neutral(0, 0.0, False), Neutral(1, 0.0, False), Neutral(0, 1.0), Neutral(1, 1.0)),
    "or": (Neutral(0, 1.0, True), Neutral(1, 1.0, True), Neutral(0, 0.0), Neutral(1, 0.0)),
}


def _folded(op: str, operands: tuple[Any, ...]) -> Any:
    """The result where one operand decides it; None where it has to be computed."""
    if op == "where":
        return _folded_choice(*operands[1:])
    if op in ("maximum", "minimum"):
        return _folded_end(op, *operands)
    for place, number, result in DECIDES.get(op, ()):
        if _is(operands[place], number):
            return operands[1 - place] if result is None else result
    return None


def _folded_choice(if_true: Any, if_false: Any) -> Any:
    """What both branches of a choice are where they are the same."""
    if isinstance(if_true, Traced):
        return if_true if isinstance(if_false, Traced) and if_true.place == if_false.place else None
    return if_true if _is(if_false, if_true) else None


def _folded_end(op: str, a: Any, b: Any) -> Any:
    """The larger or smaller of two where one is infinite or both are the same."""
    if isinstance(a, Traced) and isinstance(b, Traced):
        return a if a.place == b.place else None
    other, number = (a, b) if isinstance(a, Traced) else (b, a)
    if number == math.inf:
        return math.inf if op == "maximum" else other
    return None


class Operations:
    """The functions of `ops` on traced values."""

    @staticmethod
    def where(condition: Any, if_true: Any, if_false: Any) -> Any:
        return condition.graph.apply("where", condition, if_true, if_false)

    def __getattr__(self, op: str) -> Callable[..., Any]:
        def apply(*operands: Any) -> Any:
            return next(one for one in operands if isinstance(one, Traced)).graph.apply(op, *operands)

        return apply


def _binary(op: str, *, turned: bool = False) -> Callable[[Any, Any], Any]:
    if turned:
        return lambda self, other: self.graph.apply(op, other, self)
    return lambda self, other: self.graph.apply(op, self, other)


class Traced:
    """A value of a graph in place of a number."""

    __slots__ = ("graph", "place")
    operations = Operations()  # what `ops` calls

    def __init__(self, graph: Graph, place: int) -> None:
        self.graph, self.place = graph, place

    def __bool__(self) -> bool:
        raise TypeError("a traced condition is neither true nor false: choose by ops.where")

    __hash__ = object.__hash__
    __add__, __radd__ = _binary("add"), _binary("add", turned=True)
    __sub__, __rsub__ = _binary("sub"), _binary("sub", turned=True)
    __mul__, __rmul__ = _binary("mul"), _binary("mul", turned=True)
    __truediv__, __rtruediv__ = _binary("div"), _binary("div", turned=True)
    __pow__, __rpow__ = _binary("power"), _binary("power", turned=True)
    __lt__, __le__, __gt__, __ge__ = _binary("lt"), _binary("le"), _binary("gt"), _binary("ge")
    __and__, __rand__ = _binary("and"), _binary("and", turned=True)
    __or__, __ror__ = _binary("or"), _binary("or", turned=True)

    def __eq__(self, other: object) -> Any:
        return self.graph.apply("eq", self, other)

    def __ne__(self, other: object) -> Any:
        return self.graph.apply("ne", self, other)

    def __neg__(self) -> Any:
        return self.graph.apply("sub", 0.0, self)

    def any(self) -> bool:
        """Whether a condition may hold somewhere: what is traced is skipped nowhere."""
        return True

    def all(self) -> bool:
        """Whether a condition surely holds everywhere."""
        return False


def traced(graph: Graph, record: Any, level: int, path: str = "", baked: Container[float] = BAKED) -> Any:
    """A record whose numbers are inputs of the graph, named by their place; those that are `baked` stay numbers."""
    fields: dict[str, Any] = {}
    for name in record.__struct_fields__:
        value, place = getattr(record, name), f"{path}{name}"
        if isinstance(value, msgspec.Struct):
            fields[name] = traced(graph, value, level, f"{place}.", baked)
        elif isinstance(value, tuple):
            fields[name] = tuple(
                traced(graph, one, level, f"{place}.{i}.", baked) if isinstance(one, msgspec.Struct) else one
                for i, one in enumerate(value)
            )
        elif _is_number(value) and value not in baked:
            fields[name] = graph.input(place, level)
        else:
            fields[name] = value
    return type(record)(**fields)


def numbers(record: Any, path: str = "") -> dict[str, float]:
    """The numbers of a record by their place, as `traced` names them, also those that it bakes."""
    found: dict[str, float] = {}
    for name in record.__struct_fields__:
        value, place = getattr(record, name), f"{path}{name}"
        if isinstance(value, msgspec.Struct):
            found |= numbers(value, f"{place}.")
        elif isinstance(value, tuple):
            for i, one in enumerate(value):
                found |= numbers(one, f"{place}.{i}.") if isinstance(one, msgspec.Struct) else {}
        elif _is_number(value):
            found[place] = float(value)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (float, int)) and not isinstance(value, bool)


def structure(values: Mapping[str, float]) -> tuple[tuple[str, float | None], ...]:
    """What of some numbers decides the graph: which there are, and the values of those that are baked."""
    return tuple((name, value if value in BAKED else None) for name, value in values.items())


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "power": np.power,
    "maximum": np.maximum, "minimum": np.minimum, "where": np.where, "ceil": np.ceil, "floor": np.floor,
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "hypot": np.hypot, "lt": np.less, "le": np.less_equal,
    "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal, "and": np.logical_and,
    "or": np.logical_or,
}  # fmt: skip


class Program:
    """The nodes that some outputs need, as steps over columns: each value is dropped after its last use.

    `given`: nodes that are computed elsewhere; those that are needed are its `taken`.
    """

    def __init__(self, graph: Graph, outputs: Sequence[int], given: Container[int] = ()) -> None:
        self.outputs = tuple(outputs)
        self.steps: list[tuple[int, Callable[..., Any], tuple[int, ...], tuple[int, ...]]] = []
        self.inputs: list[tuple[int, str]] = []
        self.numbers: list[tuple[int, float]] = []
        self.taken: list[int] = []
        last: dict[int, int] = {}
        needed = graph.needed(self.outputs, CONSTANT, given)
        for place in needed:
            last |= dict.fromkeys(() if place in given else graph.nodes[place].args, place)
        kept = set(self.outputs)
        for place in needed:
            node = graph.nodes[place]
            if place in given:
                self.taken.append(place)
            elif node.op == "input":
                self.inputs.append((place, node.name))
            elif node.op == "number":
                self.numbers.append((place, node.value))
            else:
                over = tuple({arg for arg in node.args if last[arg] == place and arg not in kept})
                self.steps.append((place, FUNCTIONS[node.op], node.args, over))

    def __call__(
        self, given: Mapping[str, float | NDArray[np.float64]], taken: Mapping[int, Any] = MappingProxyType({})
    ) -> list[Any]:
        """The outputs, in order, from inputs by name and from what was computed elsewhere by place."""
        values: dict[int, Any] = dict(self.numbers)
        for place, name in self.inputs:
            values[place] = np.float64(given[name]) if isinstance(given[name], float) else given[name]
        for place in self.taken:
            values[place] = taken[place]
        with np.errstate(all="ignore"):
            for place, function, args, over in self.steps:
                values[place] = function(*[values[arg] for arg in args])
                for arg in over:
                    del values[arg]
        return [values[place] for place in self.outputs]
