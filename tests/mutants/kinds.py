"""Every fault that a source has room for, by kind: wrong texts of one place each, inside functions alone.

Texts for readers (f-strings, messages of errors), annotations and docstrings are left as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import NamedTuple

OPPOSITE = {"minimum": "maximum", "maximum": "minimum", "min": "max", "max": "min"}
FLIPPED = {
    ast.Lt: ">", ast.Gt: "<", ast.LtE: ">=", ast.GtE: "<=", ast.Eq: "!=", ast.NotEq: "==",
}  # fmt: skip
ALIKE = {*OPPOSITE, "hypot", "isinstance", "logaddexp", "where", "isclose", "gcd", "lcm", "zip", "print", "getattr"}
# Of the first two arguments, their sum or product is all that these take: swapped they answer the same.
ALIKE |= {"levelled", "passes_s", "paced_s", "accumulate_s", "optimizer_s", "activations_wait_s", "tensor_exposed_s"}
TEXTS = (ast.JoinedStr, ast.Raise, ast.Assert)


class Place(NamedTuple):
    """Where a fault fits: what kind it is, from which byte to which, and the wrong text."""

    kind: str
    start: int
    end: int
    wrong: str


class Source:
    """A module's text with the spans of its nodes."""

    def __init__(self, text: str) -> None:
        self.bytes = text.encode()
        self.starts = [0]
        for line in text.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line.encode()))

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Bytes from which and to which a node stands."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.expr) -> str:
        """A node's own text."""
        start, end = self.span(node)
        return self.bytes[start:end].decode()

    def instead(self, kind: str, node: ast.expr, wrong: str) -> Iterator[Place]:
        """A wrong text in the place of a node."""
        yield Place(kind, *self.span(node), wrong)

    def between(self, kind: str, left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[Place]:
        """A wrong operator between two nodes, where nothing but it (and brackets) stands between them."""
        start, end = self.span(left)[1], self.span(right)[0]
        middle = self.bytes[start:end].decode()
        if middle.count(old) == 1 and "#" not in middle:
            yield Place(kind, start, end, middle.replace(old, new))


def places(text: str) -> Iterator[Place]:
    """Every fault that a module's functions have room for."""
    source, tree = Source(text), ast.parse(text)
    switches = _switches(tree)
    for node in nodes(tree):
        for kind in KINDS.get(type(node), ()) if id(node) not in switches else ():
            yield from kind(source, node)


def _switches(tree: ast.AST) -> set[int]:
    """Zeros that something is compared with: whether it is there at all, for which any small number would do."""
    compared = [
        one for node in ast.walk(tree) if isinstance(node, ast.Compare) for one in (node.left, *node.comparators)
    ]
    return {id(one) for one in compared if isinstance(one, ast.Constant) and one.value == 0}


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """What stands in the bodies of functions, without texts, annotations and defaults."""
    found: dict[int, ast.AST] = {}
    for function in (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)):
        for statement in function.body:
            found |= {id(one): one for one in _walked(statement)}
    return iter(found.values())


def _walked(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, TEXTS):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list", "args" if isinstance(node, ast.FunctionDef) else ""):
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, ast.AST):
                    yield from _walked(one)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def opposite(source: Source, node: ast.Call) -> Iterator[Place]:
    """A minimum for a maximum."""
    name = _called(node)
    if name in OPPOSITE and (isinstance(node.func, ast.Name) or name.endswith("imum")):
        end = source.span(node.func)[1]
        yield Place("min/max", end - len(name), end, OPPOSITE[name])


def swapped(source: Source, node: ast.Call) -> Iterator[Place]:
    """The arms of a choice, or the first two arguments, swapped."""
    name = _called(node)
    at = 1 if name == "where" and len(node.args) == 3 else 0
    if (name in ALIKE and at == 0) or len(node.args) < at + 2:
        return
    one, two = node.args[at : at + 2]
    if isinstance(one, ast.Starred) or isinstance(two, ast.Starred) or source.text(one) == source.text(two):
        return
    (start, stop), (again, end) = source.span(one), source.span(two)
    middle = source.bytes[stop:again].decode()
    yield Place("arms" if at else "arguments", start, end, source.text(two) + middle + source.text(one))


def arithmetic(source: Source, node: ast.BinOp) -> Iterator[Place]:
    """Another sign, or a factor gone."""
    if isinstance(node.left, (ast.JoinedStr, ast.List)) or _is_text(node.left) or _is_text(node.right):
        return
    if isinstance(node.op, ast.Add):
        yield from source.between("sign", node.left, node.right, "+", "-")
    elif isinstance(node.op, ast.Sub):
        yield from source.between("sign", node.left, node.right, "-", "+")
    elif isinstance(node.op, ast.Mult):
        for kept in (node.right, node.left):
            yield from source.instead("factor", node, source.text(kept))
    elif isinstance(node.op, ast.Div):
        yield from source.instead("factor", node, source.text(node.left))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def constant(source: Source, node: ast.Constant) -> Iterator[Place]:
    """Another number: a whole one is off by one, another is doubled."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    wrong = value + 1 if isinstance(value, int) else 2.0 * value or 1.0
    yield from source.instead("constant", node, repr(wrong))


def compared(source: Source, node: ast.Compare) -> Iterator[Place]:
    """A comparison the other way round."""
    if len(node.ops) == 1 and type(node.ops[0]) in FLIPPED:
        signs = {ast.Lt: "<", ast.Gt: ">", ast.LtE: "<=", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
        kind = type(node.ops[0])
        yield from source.between("comparison", node.left, node.comparators[0], signs[kind], FLIPPED[kind])


def chosen(source: Source, node: ast.IfExp) -> Iterator[Place]:
    """The arms of a conditional expression swapped."""
    yield from source.instead("condition", node.test, f"not ({source.text(node.test)})")


def asked(source: Source, node: ast.If) -> Iterator[Place]:
    """The condition of a statement inverted."""
    yield from source.instead("condition", node.test, f"not ({source.text(node.test)})")


def joined(source: Source, node: ast.BoolOp) -> Iterator[Place]:
    """One condition of several gone."""
    if len(node.values) == 2:
        yield from source.instead("condition", node, source.text(node.values[0]))


KINDS: dict[type[ast.AST], tuple[Callable[..., Iterator[Place]], ...]] = {
    ast.Call: (opposite, swapped), ast.BinOp: (arithmetic,), ast.Constant: (constant,), ast.Compare: (compared,),
    ast.IfExp: (chosen,), ast.If: (asked,), ast.BoolOp: (joined,),
}  # fmt: skip
