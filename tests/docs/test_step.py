"""docs/step.md is what docs/step.py writes from this code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import sympy

from hwmodel.physics import kernels
from hwmodel.specs import MemoryTerms, StepTerms
from hwmodel.specs.kernels import MemoryConstants
from hwmodel.specs.serving import DecodeTerms, ServingMemory
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


@pytest.mark.parametrize(("part", "record"), [(0, StepTerms), (1, MemoryTerms), (2, DecodeTerms), (3, ServingMemory)])
def test_every_term_stands_on_it_and_no_other(step: Any, part: int, record: Any) -> None:
    _, _, terms, _ = step.PARTS[part]
    told = {term.name.split(" ")[0] for term in terms}
    assert told - {"sequences"} == set(record.__struct_fields__)
    assert all(term.what and term.source and callable(term.function) for term in terms)


def test_each_symbol_of_a_formula_is_explained_and_no_other(step: Any) -> None:
    used = {
        name for _, _, terms, _ in step.PARTS for term in terms if term.symbolic
        for name in step.names_in(term.symbolic())
    }  # fmt: skip
    assert used == set(step.SYMBOLS)
    assert {row[0] for row in step.symbols()} == used
    assert all(unit and meaning for _, unit, meaning in step.symbols())


def test_the_host_is_shown_as_it_is_counted(step: Any) -> None:
    """The longer of host and device: not the case in which each launch waits for its kernel."""
    shown = next(term for term in step.TERMS if term.name == "host_s").symbolic()
    known = {"device_s": 3.0, "host_s": 5.0, "host_mixed": 0.5}
    assert float(shown.subs({one: known[str(one)] for one in shown.free_symbols})) == pytest.approx(5 - 3 + 0.5 * 9 / 5)


def test_formulas_give_what_the_functions_give(step: Any) -> None:
    values = {"size_bytes": 1e9, "hbm_bytes_per_s": 2e12, "hbm_fraction": 0.8, "launch_s": 3e-6}
    line = step.formula(next(t for t in step.TERMS if t.name == "memory_bound_s").symbolic()).removeprefix("seconds = ")
    found = sympy.sympify(line).subs({sympy.Symbol(name): value for name, value in values.items()})
    c = MemoryConstants(hbm_bytes_per_s=2e12, hbm_fraction=0.8, launch_s=3e-6)
    assert float(found) == pytest.approx(kernels.memory_bound_s(1e9, c))


def test_the_accuracy_page_is_written_beside_it() -> None:
    assert (ROOT / "docs" / "accuracy.md").is_file()
    assert SCRIPT.parents[1] == ROOT
