"""The examples run: the notebook cell by cell, the tour as a program."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last expression, as a notebook shows it."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    mpl.use("Agg")
    notebook = json.loads((EXAMPLES / "plan.ipynb").read_text(encoding="utf-8"))
    assert not any(cell.get("outputs") for cell in notebook["cells"])
    names: dict[str, Any] = {}
    shown = [run_cell("".join(cell["source"]), names) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert shown[0]._repr_html_().startswith("<iframe")
    assert set(shown[1].columns) >= {"value", "low", "high"}
    assert len(names["formats"].precisions) == 2
    assert names["level"].answer.train_days.high / names["level"].answer.train_days.low < (
        names["plan"].answer.train_days.high / names["plan"].answer.train_days.low
    )


def test_the_tour_runs() -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "tour.py")], capture_output=True, text=True, cwd=EXAMPLES.parent, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "<Plan: " in done.stdout
    assert "infeasible (memory)" in done.stdout
