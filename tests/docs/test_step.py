"""docs/step.md is what docs/step.py writes from this code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import sympy

from hwmodel.physics import kernels
from hwmodel.specs import StepTerms
from hwmodel.specs.kernels import MemoryConstants
from hwmodel.validation.board.accuracy_page import ROOT

SCRIPT = Path(__file__).parents[2] / "docs" / "step.py"


@pytest.fixture(scope="module")
def step() -> Any:
    spec = importlib.util.spec_from_file_location("step_page", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_current(step: Any) -> None:
    assert step.PAGE.read_text(encoding="utf-8") == step.page(), "run python docs/step.py"


def test_every_term_of_the_step_stands_on_it(step: Any) -> None:
    told = {term.name.split(" ")[0] for term in step.TERMS}
    assert {name for name in StepTerms.__struct_fields__ if name.endswith("_s")} <= told | {"total_s"}


def test_formulas_give_what_the_functions_give(step: Any) -> None:
    values = {"size_bytes": 1e9, "hbm_bytes_per_s": 2e12, "hbm_fraction": 0.8, "launch_s": 3e-6}
    line = step.formula(next(t for t in step.TERMS if t.name == "memory_bound_s").symbolic()).removeprefix("seconds = ")
    found = sympy.sympify(line).subs({sympy.Symbol(name): value for name, value in values.items()})
    c = MemoryConstants(hbm_bytes_per_s=2e12, hbm_fraction=0.8, launch_s=3e-6)
    assert float(found) == pytest.approx(kernels.memory_bound_s(1e9, c))


def test_the_accuracy_page_is_written_beside_it() -> None:
    assert (ROOT / "docs" / "accuracy.md").is_file()
    assert SCRIPT.parents[1] == ROOT
