"""Every term of the answers' records has a case worked out by hand: a new term without one fails here.

A case is a test that reads the term and says its arithmetic in a comment or docstring (or, for closed forms, in the
expected value itself); this file only says where. The table in `docs/testing.md` is that of the records.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hwmodel.economics import ownership, renting
from hwmodel.economics.energy import EnergyTerms, PowerTerms
from hwmodel.economics.goodput import GoodputTerms
from hwmodel.economics.price import RentTerms
from hwmodel.laws.lifetime import Lifetime
from hwmodel.physics import collectives
from hwmodel.specs import StepTerms
from hwmodel.specs.rl import RlTerms
from hwmodel.specs.serving import DecodeTerms, ServiceTerms, ServingMemory
from hwmodel.specs.shape import ParameterTerms
from hwmodel.specs.training import MemoryTerms

TESTS = Path(__file__).parent
STEP, SERVED = "physics/test_terms_by_hand.py", "physics/test_serving_terms_by_hand.py"
LAYOUTS, PARAMETERS = "physics/test_layouts_by_hand.py", "physics/test_parameters_by_hand.py"
QUEUES, BILL, FAILURES = (
    "physics/test_queues_by_hand.py",
    "economics/test_bill_by_hand.py",
    "economics/test_failures.py",
)
MONEY, PHASES = "economics/test_money_by_hand.py", "predict/test_rl_by_hand.py"
# Terms of a record, and the file that works each out, where the test names it as a field.
RECORDS: tuple[tuple[type, dict[str, str]], ...] = (
    (StepTerms, {"": STEP, "search_s": "predict/test_optimism_by_hand.py"}),
    (MemoryTerms, {"": STEP}),
    (DecodeTerms, {"": SERVED}),
    (ServingMemory, {"": SERVED, "reserve_bytes": LAYOUTS, "state_bytes_per_sequence": LAYOUTS}),
    (ServiceTerms, {"": QUEUES}),
    (ParameterTerms, {"": PARAMETERS}),
    (GoodputTerms, {"": FAILURES, "restart_s": MONEY}),
    (EnergyTerms, {"": BILL}),
    (PowerTerms, {"": BILL}),
    (RentTerms, {"": BILL}),
    (renting.SpotTerms, {"": MONEY}),
    (renting.CommitmentTerms, {"": MONEY}),
    (ownership.Capex, {"": MONEY}),
    (Lifetime, {"": MONEY, "params": BILL, "tokens": BILL, "training_optimal_cost": BILL}),
    (RlTerms, {"": PHASES}),
)  # fmt: skip
TEXTS = {"flag", "option"}
CASES = [
    (record, name, files.get(name, files[""]))
    for record, files in RECORDS
    for name in record.__struct_fields__
    if name not in TEXTS
]


@cache
def by_name(file: str) -> dict[str, str]:
    """Texts of the tests of a file by name."""
    text = (TESTS / file).read_text(encoding="utf-8")
    found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.get_source_segment(text, node) or "" for node in found if node.name.startswith("test_")}


@pytest.mark.parametrize(("record", "name", "file"), CASES, ids=lambda one: getattr(one, "__name__", str(one)))
def test_each_term_has_a_case(record: Any, name: str, file: str) -> None:
    reads = [text for text in by_name(file).values() if f".{name}" in text or f"{name}=" in text or f'"{name}"' in text]
    assert reads, f"{record.__name__}.{name} has no case in tests/{file}: work one out there, or say here where it is"
    assert any("#" in text or '"""' in text or "approx" in text for text in reads)


def test_each_collective_has_a_case() -> None:
    files = ("physics/test_layouts_by_hand.py", "physics/test_links_by_hand.py", "physics/test_collectives_by_hand.py")
    text = "\n".join((TESTS / file).read_text(encoding="utf-8") for file in files)
    public = [
        name for name, one in inspect.getmembers(collectives, inspect.isfunction)
        if one.__module__ == collectives.__name__ and name.endswith("_s") and not name.startswith("_")
    ]  # fmt: skip
    assert [name for name in public if f"{name}(" not in text] == []
