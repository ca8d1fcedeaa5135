"""Numbers of the formulas: each says what it is, and those that nobody confirmed stand in docs/model.md, no others.

A comment proves no number; it lets a reader check one, and a number without a word cannot be checked at all.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("physics", "economics")  # whose numbers enter seconds, bytes, joules and dollars
FIELDS = ("kernels.py", "stack.py", "serving.py")  # records whose defaults do


class Constant:
    """An assignment of numbers: its names, and the words beside, above or below it."""

    def __init__(self, lines: list[str], found: ast.stmt, names: list[str], below: ast.stmt | None) -> None:
        self.names = names
        beside = [line.split("#", 1)[1] for line in lines[found.lineno - 1 : found.end_lineno] if "#" in line]
        top = found.lineno - 2
        while top >= 0 and lines[top].lstrip().startswith("#"):
            top -= 1
        self.above = top + 1 < found.lineno - 1
        self.own = " ".join([line.lstrip(" #") for line in lines[top + 1 : found.lineno - 1]] + beside)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            self.own += str(below.value.value)
        self.follows = bool(lines[found.lineno - 2].strip())


def _names(target: ast.expr) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]


def _is_number(value: ast.expr | None) -> bool:
    """Whether a value is built of numbers alone (no calls, no texts)."""
    if value is None:
        return False
    nodes = [node for node in ast.walk(value) if isinstance(node, (ast.Constant, ast.Call, ast.Lambda))]
    numbers = [
        n for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, (int, float)) and n.value is not True
    ]
    return bool(numbers) and not any(isinstance(n, (ast.Call, ast.Lambda)) for n in nodes)


def constants(text: str, body: list[ast.stmt] | None = None) -> Iterator[Constant]:
    """Assignments of numbers in a module, or in the body given (of a record)."""
    lines = text.splitlines()
    body = ast.parse(text).body if body is None else body
    for at, found in enumerate(body):
        if isinstance(found, ast.Assign):
            names = [name for target in found.targets for name in _names(target)]
        elif isinstance(found, ast.AnnAssign | ast.AugAssign):
            names = _names(found.target)
        else:
            continue
        if _is_number(found.value):
            yield Constant(lines, found, names, body[at + 1] if at + 1 < len(body) else None)


def silent(text: str) -> list[str]:
    """Names of a module's constants that nothing is said of; lines below a comment share it up to the next gap."""
    found, shared = [], False
    for constant in constants(text):
        shared = constant.above or (constant.follows and shared)
        if not (constant.own or shared):
            found += constant.names
    return found


def unconfirmed() -> set[str]:
    """Names of the constants and defaults whose words say that nobody confirmed them."""
    names = {
        name
        for path in (ROOT / "hwmodel").rglob("*.py")
        for constant in constants(path.read_text(encoding="utf-8"))
        if "unconfirmed" in constant.own
        for name in constant.names
    }
    for file in FIELDS:
        text = (ROOT / "hwmodel" / "specs" / file).read_text(encoding="utf-8")
        for record in (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)):
            names |= {n for c in constants(text, record.body) if "unconfirmed" in c.own for n in c.names}
    return names


def test_the_words_of_a_constant_are_found() -> None:
    text = "# Why.\nA = 1.0\nB = 2.0\n\nC = 3.0\nD = 4.0  # unconfirmed\nE = f(2)\nG = 'x'\nH = (1, 2)\n\nI = 5\n"
    assert silent(text) == ["C", "H", "I"]
    assert [c.names for c in constants(text) if "unconfirmed" in c.own] == [["D"]]


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_constant_of_the_formulas_says_what_it_is(folder: str) -> None:
    for path in sorted((ROOT / "hwmodel" / folder).rglob("*.py")):
        assert not silent(path.read_text(encoding="utf-8")), path.relative_to(ROOT)


def test_what_nobody_confirmed_stands_in_the_table() -> None:
    page = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    table = page.split("## Constants that nobody confirmed")[1].split("\n## ")[0]
    told = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert told == unconfirmed()
