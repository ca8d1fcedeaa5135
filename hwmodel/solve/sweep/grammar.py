"""Constraints of a sweep as they are written: arithmetic, comparisons and words over names, by a grammar of their own.

    either := both ('or' both)*        both := negated ('and' negated)*       negated := 'not' negated | compared
    compared := sum (('<' | '<=' | '>' | '>=' | '==' | '!=') sum)* | sum 'in' '[' sum (',' sum)* ']'
    sum := product (('+' | '-') product)*      product := power (('*' | '/' | '%') power)*
    power := atom ('**' power)?
    atom := number | number time | 'text' | name | function '(' sum, ... ')' | '(' either ')' | '-' power

Numbers take the suffixes of counts (`70B`, `1.4T`), `$` before and `%` of shares; a time is a number with its unit
(`45d`, `40 ms`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

from hwmodel.errors import InputError, unknown
from hwmodel.units import parse_duration_s

_TOKEN = re.compile(
    r"\s*(?:(?P<number>\$?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?P<suffix>[kKMBGTPEZ](?![\w.])|%(?=\s*(?:$|[)\]<>=!,]|and\b|or\b)))?)"
    r"|(?P<text>'[^']*'|\"[^\"]*\")|(?P<name>[A-Za-z_]\w*)|(?P<sign>\*\*|<=|>=|==|!=|[-+*/%<>()\[\],]))"
)
_SUFFIX = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21, "%": 0.01}
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
WORDS = ("and", "or", "not")
CONDITIONS = (*COMPARISONS, *WORDS, "in")
MOST_LETTERS, MOST_DEPTH, MOST_NODES_DEEP = 2000, 60, 150
OF_TIME = ("us", "ms", "s", "min", "h", "d", "w", "day", "days", "month", "months", "y", "year", "years")


FUNCTIONS = {"log": 1, "log10": 1, "sqrt": 1, "exp": 1, "abs": 1, "min": 2, "max": 2}  # with their arguments


class Node(msgspec.Struct, frozen=True):
    """One operation of an expression and its operands; a leaf has the `kind` number, time (in seconds), text or
    name and its `value`."""

    kind: str
    value: Any = None
    parts: tuple[Node, ...] = ()


class ConstraintReader:
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
            raise unreadable(self.text, f"{value!r} expected, not {self.peek()[1] or 'the end'!r}")

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
            raise unreadable(self.text, "nested too deeply")
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
        while sign := self.take(*COMPARISONS):
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
            raise unreadable(self.text, f"a name or a number expected, not {value or 'the end'!r}")
        self.place += 1
        if kind == "number" and (unit := self.take(*OF_TIME)):
            return Node("time", parse_duration_s(f"{value:.17g}{unit}") if value else 0.0)
        return self.call(value) if kind == "name" and self.take("(") else Node(kind, value)

    def call(self, name: str) -> Node:
        """A function and its arguments. InputError for an unknown one, or another count than it takes."""
        if name not in FUNCTIONS:
            raise unknown("function", name, FUNCTIONS, f"where {self.text!r}")
        arguments = [self.within(self.sum)]
        while self.take(","):
            arguments.append(self.within(self.sum))
        self.need(")")
        if len(arguments) != FUNCTIONS[name]:
            raise unreadable(self.text, f"{name} takes {FUNCTIONS[name]}, not {len(arguments)}")
        return Node("call", name, tuple(arguments))


def unreadable(text: str, why: str) -> InputError:
    shown = text if len(text) <= 120 else text[:117] + "..."
    return InputError(f"cannot read where {shown!r}: {why}; write it like tokens / params >= 20 and cost_usd < 5M")


def _words(text: str) -> list[tuple[str, Any]]:
    if len(text) > MOST_LETTERS:
        raise unreadable(text, f"longer than {MOST_LETTERS} letters")
    words: list[tuple[str, Any]] = []
    place = 0
    while place < len(text.rstrip()):
        found = _TOKEN.match(text, place)
        if found is None:
            raise unreadable(text, f"{text[place:].strip()[:20]!r} is no part of an expression")
        place = found.end()
        if found["number"]:
            digits = found["number"].removeprefix("$").removesuffix(found["suffix"] or "").replace("_", "")
            number = float(digits) * _SUFFIX.get(found["suffix"] or "", 1.0)
            if not math.isfinite(number):
                raise unreadable(text, f"{digits[:20]} is too large")
            words.append(("number", number))
        elif found["text"]:
            words.append(("text", found["text"][1:-1]))
        else:
            words.append(("name", found["name"]) if found["name"] else ("sign", found["sign"]))
    return words


def left_over(reader: ConstraintReader) -> str:
    """What stands behind the end of an expression; of a unit that is none of time what to write instead."""
    word, before = reader.peek()[1], reader.words[reader.place - 1][0]
    if before == "number" and reader.peek()[0] == "name" and word not in CONDITIONS:
        return f"{word!r} is left over: behind a number stand % or a unit of time alone, like 40% or 45d"
    return f"{word!r} is left over"


def deep(node: Node) -> int:
    """How many nodes stand one inside the other."""
    levels, nodes = 0, [node]
    while nodes:
        levels, nodes = levels + 1, [part for one in nodes for part in one.parts]
    return levels


def check_kinds(text: str, node: Node, *, condition: bool) -> None:
    """Conditions stand where conditions belong, and values where values do."""
    if condition and node.kind not in CONDITIONS:
        raise unreadable(text, "it is a value, not a condition")
    if not condition and node.kind in CONDITIONS:
        raise unreadable(text, "a condition stands where a value belongs")
    for part in node.parts:
        check_kinds(text, part, condition=node.kind in WORDS)
