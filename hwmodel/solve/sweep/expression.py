"""Constraints of a sweep on columns and as SQL: the same rows meet them either way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.errors import unknown
from hwmodel.solve.sweep.grammar import (
    COMPARISONS,
    MOST_NODES_DEEP,
    ConstraintReader,
    Node,
    check_kinds,
    deep,
    left_over,
    unreadable,
)
from hwmodel.solve.sweep.names import ConstraintMeaning, Known

MOST_SQL = 100_000  # letters: some of its functions name what is in them twice


def _real(value: Any) -> Any:
    """Numbers, nan where arithmetic has none."""
    return np.where(np.isfinite(value), value, np.nan)


def _power(base: Any, exponent: Any) -> Any:
    """A power, nan where either is unknown: to the nought, and of one, it is 1 otherwise."""
    return _real(np.where(np.isnan(base) | np.isnan(exponent), np.nan, np.power(base, exponent)))


# On columns, and in SQL, where what has no value is NULL: a database holds nan for more than any number.
_FUNCTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "log": (lambda x: np.log(np.where(np.greater(x, 0), x, np.nan)), "(CASE WHEN {0} > 0 THEN ln({0}) END)"),
    "log10": (lambda x: np.log10(np.where(np.greater(x, 0), x, np.nan)), "(CASE WHEN {0} > 0 THEN log10({0}) END)"),
    "sqrt": (np.sqrt, "(CASE WHEN {0} >= 0 THEN sqrt({0}) END)"),
    "exp": (lambda x: _real(np.exp(x)), "(CASE WHEN isfinite(exp({0})) THEN exp({0}) END)"),
    "abs": (np.abs, "abs({0})"),
    "min": (np.minimum, "(CASE WHEN {0} <= {1} THEN {0} WHEN {0} > {1} THEN {1} END)"),
    "max": (np.maximum, "(CASE WHEN {0} >= {1} THEN {0} WHEN {0} < {1} THEN {1} END)"),
}
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "%": np.mod, "**": _power,
    "/": lambda x, y: np.divide(x, np.where(np.equal(y, 0), np.nan, y)),
    "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal,
}  # fmt: skip
_IN_SQL = {
    "/": "({0} / nullif({1}, 0))",
    "**": "(CASE WHEN isfinite({0} ** {1}) THEN {0} ** {1} END)",
    # of the divisor's sign, as on columns
    "%": "(CASE WHEN ({0} % {1}) * {1} < 0 THEN ({0} % {1}) + {1} WHEN {1} <> 0 THEN {0} % {1} END)",
}


Column: TypeAlias = NDArray[np.float64] | NDArray[np.object_]  # of numbers, nan where a row lacks one; of texts or None
Columns: TypeAlias = Mapping[str, Column]


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
                raise unreadable(self.text, "texts and numbers do not compare") from error
        return np.broadcast_to(found, (rows,))

    def sql(self, quoted: Mapping[str, str] | None = None) -> str:
        """The same condition for a database; `quoted` names a column otherwise than it is written."""
        found = _sql(self.node, quoted or {})
        if found is None:
            raise unreadable(self.text, "nested too deeply")
        return found


def read_expression(text: Any, known: Known) -> Expression:
    """A constraint over the names `known`. Raises InputError for what the grammar lacks, for unknown names, and for
    what does not compare."""
    if not isinstance(text, str) or not text.strip():
        raise unreadable(str(text), "it is empty")
    reader = ConstraintReader(text)
    node = reader.either()
    if reader.peek()[0] != "end":
        raise unreadable(text, left_over(reader))
    if deep(node) > MOST_NODES_DEEP:
        raise unreadable(text, f"more than {MOST_NODES_DEEP} operations one inside or after the other")
    check_kinds(text, node, condition=True)
    named = set(_names(node))
    for name in sorted(named - set(known)):
        raise unknown("name", name, known, f"where {text!r}")
    if not named:
        raise unreadable(text, "it names no column, so that it is the same for every row")
    return Expression(text, ConstraintMeaning(text, known).of(node))


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
        return _FUNCTIONS[node.value][0](*parts)
    compared = node.kind in COMPARISONS
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


def _sql(node: Node, quoted: Mapping[str, str]) -> str | None:
    """The text of a node for a database; None for one beyond MOST_SQL."""
    if node.kind == "number":
        return f"'{node.value!r}'::DOUBLE"
    if node.kind == "text":
        return "'" + node.value.replace("'", "''") + "'"
    if node.kind == "name":
        return '"' + quoted.get(node.value, node.value) + '"'
    parts = [_sql(part, quoted) for part in node.parts]
    said = [part for part in parts if part is not None]
    if len(said) < len(parts) or sum(map(len, said)) > MOST_SQL:
        return None
    if node.kind == "in":
        return f"({said[0]} IN ({', '.join(said[1:])}))"
    if node.kind == "not":
        return f"(NOT {said[0]})"
    if node.kind == "minus":
        return f"(-{said[0]})"
    if node.kind == "call":
        return _FUNCTIONS[node.value][1].format(*said)
    if node.kind in _IN_SQL:
        return _IN_SQL[node.kind].format(*said)
    sign = {"==": "=", "!=": "<>", "and": "AND", "or": "OR"}.get(node.kind, node.kind)
    return f"({said[0]} {sign} {said[1]})"
