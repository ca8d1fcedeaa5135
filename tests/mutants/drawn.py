"""Faults drawn from the physics by a seed: a minimum for a maximum, another sign, a factor gone."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from pathlib import Path

from tests.mutants.planted import Fault

TRAINING, SERVING, MONEY = "physics", "physics serving", "economics"  # whose tests must notice
FILES = {
    "physics/training.py": TRAINING, "physics/memory.py": TRAINING, "physics/layer.py": TRAINING,
    "physics/layer_communication.py": TRAINING, "physics/micro_batch.py": TRAINING,
    "physics/data_parallel.py": TRAINING, "physics/formulas.py": TRAINING, "physics/schedule.py": TRAINING,
    "physics/kernels.py": TRAINING, "physics/collectives.py": TRAINING, "physics/shape.py": TRAINING,
    "physics/serving_step.py": SERVING, "physics/serving_memory.py": SERVING, "physics/serving_queue.py": SERVING,
    "economics/goodput.py": MONEY, "economics/energy.py": MONEY, "economics/ownership.py": MONEY,
    "economics/renting.py": MONEY,
}  # fmt: skip
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


def _as_lines(source: str, start: int, end: int, wrong: str) -> tuple[str, str]:
    """The whole lines that hold a place, as they stand and with the wrong text."""
    text = source.encode()
    line = text.rfind(b"\n", 0, start) + 1
    stop = text.find(b"\n", end)
    return text[line:stop].decode(), (text[line:start] + wrong.encode() + text[end:stop]).decode()


def drawn(package: Path, seed: int, count: int) -> list[Fault]:
    """`count` faults in lines of the physics and the economics, the same for the same seed and sources."""
    found = []
    for file, tests in FILES.items():
        source = (package / file).read_text(encoding="utf-8")
        pairs = {_as_lines(source, *place) for place in places(source)}
        found += [Fault(file, *pair, tests) for pair in sorted(pairs) if source.count(pair[0]) == 1]
    return random.Random(seed).sample(found, min(count, len(found)))
