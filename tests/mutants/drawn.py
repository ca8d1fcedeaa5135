"""Faults drawn from the physics by a seed: a minimum for a maximum, another sign, a factor gone."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from pathlib import Path

from tests.mutants.planted import Fault

FILES = ("physics/training.py", "physics/memory.py", "physics/layer.py", "physics/kernels.py", "physics/collectives.py",
         "economics/goodput.py", "economics/energy.py", "economics/ownership.py", "economics/renting.py")  # fmt: skip
SWAPPED = {"minimum": "maximum", "maximum": "minimum"}


def places(source: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, wrong text) of every fault that the source has room for, inside functions alone."""
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    text = source.encode()

    def span(node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset

    for function in (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SWAPPED:
                start, end = span(node.func)
                yield start, end, SWAPPED[node.func.id]
            elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
                (_, left), (right, _) = span(node.left), span(node.right)
                sign = text[left:right].decode()
                swapped = sign.replace("+", "-") if "+" in sign else sign.replace("-", "+")
                if sign.strip() in ("+", "-"):
                    yield left, right, swapped
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
                start, end = span(node)
                kept = span(node.right)
                yield start, end, text[kept[0] : kept[1]].decode()


def drawn(package: Path, seed: int, count: int) -> list[Fault]:
    """`count` faults in lines of the physics and the economics, the same for the same seed and sources."""
    rng = random.Random(seed)
    found = []
    for file in FILES:
        source = (package / file).read_text(encoding="utf-8")
        for start, end, wrong in places(source):
            found.append((file, source, start, end, wrong))
    chosen = rng.sample(found, min(count, len(found)))
    faults = []
    for file, source, start, end, wrong in chosen:
        text = source.encode()
        line = text.rfind(b"\n", 0, start) + 1
        stop = text.find(b"\n", end)
        right = text[line:stop].decode()
        changed = (text[line:start] + wrong.encode() + text[end:stop]).decode()
        faults.append(Fault(file, right, changed, file.split("/")[0]))
    return faults
