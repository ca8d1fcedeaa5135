"""Constraints of a sweep: arithmetic, comparisons and words over names, read by a grammar of their own.

    either := both ('or' both)*        both := negated ('and' negated)*       negated := 'not' negated | compared
    compared := sum (('<' | '<=' | '>' | '>=' | '==' | '!=') sum)* | sum 'in' '[' sum (',' sum)* ']'
    sum := product (('+' | '-') product)*      product := power (('*' | '/' | '%') power)*
    power := atom ('**' power)?
    atom := number | 'text' | name | function '(' sum, ... ')' | '(' either ')' | '-' power

Numbers take the suffixes of counts (`70B`, `1.4T`) and `%` of shares. The same expression runs on columns and as SQL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.errors import InputError, unknown

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?P<suffix>[kKMBGTPEZ](?![\w.])|%(?=\s*(?:$|[)\]<>=!,]|and\b|or\b)))?)"
    r"|(?P<text>'[^']*'|\"[^\"]*\")|(?P<name>[A-Za-z_]\w*)|(?P<sign>\*\*|<=|>=|==|!=|[-+*/%<>()\[\],]))"
)
_SUFFIX = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21, "%": 0.01}
# How many arguments, on columns, and in SQL, where what has no value is NULL.
_FUNCTIONS: dict[str, tuple[int, Callable[..., Any], str]] = {
    "log": (1, lambda x: np.log(np.where(np.greater(x, 0), x, np.nan)), "(CASE WHEN {0} > 0 THEN ln({0}) END)"),
    "log10": (1, lambda x: np.log10(np.where(np.greater(x, 0), x, np.nan)), "(CASE WHEN {0} > 0 THEN log10({0}) END)"),
    "sqrt": (1, np.sqrt, "(CASE WHEN {0} >= 0 THEN sqrt({0}) END)"),
    "exp": (1, np.exp, "exp({0})"),
    "abs": (1, np.abs, "abs({0})"),
    "min": (2, np.minimum, "(CASE WHEN {0} <= {1} THEN {0} WHEN {0} > {1} THEN {1} END)"),
    "max": (2, np.maximum, "(CASE WHEN {0} >= {1} THEN {0} WHEN {0} < {1} THEN {1} END)"),
}
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.mod, "**": np.power,
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_WORDS = ("and", "or", "not")
_CONDITIONS = (*_COMPARISONS, *_WORDS, "in")
MOST_LETTERS, MOST_DEPTH, MOST_NODES_DEEP = 2000, 60, 150
_OF_TIME = ("s", "min", "h", "d", "w", "day", "days", "month", "months", "y", "year", "years")


Column: TypeAlias = NDArray[np.float64] | NDArray[np.object_]  # of numbers, nan where a row lacks one; of texts or None
Columns: TypeAlias = Mapping[str, Column]


class Node(msgspec.Struct, frozen=True):
    """One operation of an expression and its operands; a leaf has the `kind` number, text or name and its `value`."""

    kind: str
    value: Any = None
    parts: tuple[Node, ...] = ()


class _Reader:
    """Reads the grammar above, a word at a time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = _words(text)
        self.place = 0
        self.depth = 0

    def peek(self) -> tuple[str, Any]:
        return self.words[self.place] if self.place < len(self.words) else ("end", "")

    def take(self, *values: str) -> str | None:
        """The next word where it is a sign or one of the grammar's words among `values`."""
        kind, value = self.peek()
        if kind in ("sign", "name") and value in values:
            self.place += 1
            return str(value)
        return None

    def need(self, value: str) -> None:
        if self.take(value) is None:
            raise _unreadable(self.text, f"{value!r} expected, not {self.peek()[1] or 'the end'!r}")

    def chain(self, signs: tuple[str, ...], inner: Callable[[], Node]) -> Node:
        """Left-associative operators."""
        left = inner()
        while sign := self.take(*signs):
            left = Node(sign, parts=(left, inner()))
        return left

    def within(self, inner: Callable[[], Node]) -> Node:
        """What stands inside of something. InputError where that nests too deeply."""
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise _unreadable(self.text, "nested too deeply")
        found = inner()
        self.depth -= 1
        return found

    def either(self) -> Node:
        """`a or b`, which binds loosest."""
        return self.chain(("or",), lambda: self.chain(("and",), self.negated))

    def negated(self) -> Node:
        """`not a`, any number of times."""
        turned = 0
        while self.take("not"):
            turned += 1
        inner = self.compared()
        return Node("not", parts=(inner,)) if turned % 2 else inner

    def compared(self) -> Node:
        """`a < b`, `a < b <= c` (both hold), `a in [b, c]`."""
        left = self.sum()
        if self.take("in"):
            self.need("[")
            items = [self.sum()]
            while self.take(","):
                items.append(self.sum())
            self.need("]")
            return Node("in", parts=(left, *items))
        found: Node | None = None
        while sign := self.take(*_COMPARISONS):
            right = self.sum()
            one = Node(sign, parts=(left, right))
            found, left = one if found is None else Node("and", parts=(found, one)), right
        return found or left

    def sum(self) -> Node:
        """Sums of products."""
        return self.chain(("+", "-"), lambda: self.chain(("*", "/", "%"), self.power))

    def power(self) -> Node:
        """`a ** b`, from the right."""
        base = self.atom()
        return Node("**", parts=(base, self.within(self.power))) if self.take("**") else base

    def atom(self) -> Node:
        """A number, a text, a name, a call, what stands in parentheses, or the negative of one. InputError for else."""
        if self.take("-"):
            return Node("minus", parts=(self.within(self.power),))
        if self.take("("):
            inner = self.within(self.either)
            self.need(")")
            return inner
        kind, value = self.peek()
        if kind not in ("number", "text", "name") or value in ("and", "or", "not", "in"):
            raise _unreadable(self.text, f"a name or a number expected, not {value or 'the end'!r}")
        self.place += 1
        return self.call(value) if kind == "name" and self.take("(") else Node(kind, value)

    def call(self, name: str) -> Node:
        """A function and its arguments. InputError for an unknown one, or another count than it takes."""
        if name not in _FUNCTIONS:
            raise unknown("function", name, _FUNCTIONS, f"where {self.text!r}")
        arguments = [self.within(self.sum)]
        while self.take(","):
            arguments.append(self.within(self.sum))
        self.need(")")
        if len(arguments) != _FUNCTIONS[name][0]:
            raise _unreadable(self.text, f"{name} takes {_FUNCTIONS[name][0]}, not {len(arguments)}")
        return Node("call", name, tuple(arguments))


def _unreadable(text: str, why: str) -> InputError:
    shown = text if len(text) <= 120 else text[:117] + "..."
    return InputError(f"cannot read where {shown!r}: {why}; write it like tokens / params >= 20 and cost_usd < 5M")


def _words(text: str) -> list[tuple[str, Any]]:
    if len(text) > MOST_LETTERS:
        raise _unreadable(text, f"longer than {MOST_LETTERS} letters")
    words: list[tuple[str, Any]] = []
    place = 0
    while place < len(text.rstrip()):
        found = _TOKEN.match(text, place)
        if found is None:
            raise _unreadable(text, f"{text[place:].strip()[:20]!r} is no part of an expression")
        place = found.end()
        if found["number"]:
            digits = found["number"].removesuffix(found["suffix"] or "").replace("_", "")
            number = float(digits) * _SUFFIX.get(found["suffix"] or "", 1.0)
            if not math.isfinite(number):
                raise _unreadable(text, f"{digits[:20]} is too large")
            words.append(("number", number))
        elif found["text"]:
            words.append(("text", found["text"][1:-1]))
        else:
            words.append(("name", found["name"]) if found["name"] else ("sign", found["sign"]))
    return words


class Expression(msgspec.Struct, frozen=True):
    """A constraint as read, with the names that it asks for."""

    text: str
    node: Node

    @property
    def names(self) -> frozenset[str]:
        return frozenset(_names(self.node))

    def holds(self, columns: Columns, rows: int) -> NDArray[np.bool_]:
        """Whether each row meets it; a row that lacks a value does not."""
        with np.errstate(all="ignore"):
            try:
                found = np.asarray(_value(self.node, columns)) == 1.0
            except (TypeError, ValueError) as error:
                raise _unreadable(self.text, "texts and numbers do not compare") from error
        return np.broadcast_to(found, (rows,))

    def sql(self, quoted: Mapping[str, str] | None = None) -> str:
        """The same condition for a database; `quoted` names a column otherwise than it is written."""
        return _sql(self.node, quoted or {})


def read_expression(text: Any, known: Iterable[str]) -> Expression:
    """A constraint over the names `known`. Raises InputError for what the grammar lacks and for unknown names."""
    if not isinstance(text, str) or not text.strip():
        raise _unreadable(str(text), "it is empty")
    reader = _Reader(text)
    node = reader.either()
    if reader.peek()[0] != "end":
        raise _unreadable(text, _left_over(reader))
    if _deep(node) > MOST_NODES_DEEP:
        raise _unreadable(text, f"more than {MOST_NODES_DEEP} operations one inside or after the other")
    _check_kinds(text, node, condition=True)
    found = Expression(text, node)
    allowed = set(known)
    for name in sorted(found.names - allowed):
        raise unknown("name", name, allowed, f"where {text!r}")
    return found


def _left_over(reader: _Reader) -> str:
    """What stands behind the end of an expression; of a unit of time what to write instead."""
    word, before = reader.peek()[1], reader.words[reader.place - 1][0]
    if before == "number" and word in _OF_TIME:
        return f"numbers here take no unit of time: write the seconds or days of the column instead of {word!r}"
    return f"{word!r} is left over"


def _deep(node: Node) -> int:
    """How many nodes stand one inside the other."""
    deep, nodes = 0, [node]
    while nodes:
        deep, nodes = deep + 1, [part for one in nodes for part in one.parts]
    return deep


def _check_kinds(text: str, node: Node, *, condition: bool) -> None:
    """Conditions stand where conditions belong, and values where values do."""
    if condition and node.kind not in _CONDITIONS:
        raise _unreadable(text, "it is a value, not a condition")
    if not condition and node.kind in _CONDITIONS:
        raise _unreadable(text, "a condition stands where a value belongs")
    for part in node.parts:
        _check_kinds(text, part, condition=node.kind in _WORDS)


def _names(node: Node) -> Iterable[str]:
    if node.kind == "name":
        yield node.value
    for part in node.parts:
        yield from _names(part)


def _value(node: Node, columns: Columns) -> Any:
    """A number or text of each row; of a condition whether it holds: 1, 0, nan where a row lacks what it asks for."""
    if node.kind in ("number", "text"):
        return node.value
    if node.kind == "name":
        return columns[node.value]
    parts = [_value(part, columns) for part in node.parts]
    if node.kind == "in":
        return _any([_compared(np.equal, parts[0], one) for one in parts[1:]])
    if node.kind == "not":
        return 1.0 - parts[0]
    if node.kind == "and":
        return 1.0 - _any([1.0 - part for part in parts])
    if node.kind == "or":
        return _any(parts)
    if node.kind == "minus":
        return np.negative(parts[0])
    if node.kind == "call":
        return _FUNCTIONS[node.value][1](*parts)
    compared = node.kind in _COMPARISONS
    return _compared(_BINARY[node.kind], *parts) if compared else _BINARY[node.kind](*parts)


def _compared(how: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    return np.where(_missing(one) | _missing(other), np.nan, how(one, other))


def _any(parts: Sequence[Any]) -> Any:
    """Whether one of the conditions holds; unknown where none does and one is unknown, as in SQL."""
    stacked = np.stack(np.broadcast_arrays(*parts))
    return np.where((stacked == 1.0).any(axis=0), 1.0, stacked.max(axis=0))


def _missing(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype == object:
        return np.equal(array, np.array(None)).astype(bool)
    return np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, dtype=bool)


def _sql(node: Node, quoted: Mapping[str, str]) -> str:
    if node.kind == "number":
        return repr(node.value)
    if node.kind == "text":
        return "'" + node.value.replace("'", "''") + "'"
    if node.kind == "name":
        return '"' + quoted.get(node.value, node.value) + '"'
    parts = [_sql(part, quoted) for part in node.parts]
    if node.kind == "in":
        return f"({parts[0]} IN ({', '.join(parts[1:])}))"
    if node.kind == "not":
        return f"(NOT {parts[0]})"
    if node.kind == "minus":
        return f"(-{parts[0]})"
    if node.kind == "call":
        return _FUNCTIONS[node.value][2].format(*parts)
    if node.kind == "%":  # of the divisor's sign, as on columns
        return "(CASE WHEN ({0} % {1}) * {1} < 0 THEN ({0} % {1}) + {1} ELSE {0} % {1} END)".format(*parts)
    sign = {"==": "=", "!=": "<>", "and": "AND", "or": "OR"}.get(node.kind, node.kind)
    return f"({parts[0]} {sign} {parts[1]})"
