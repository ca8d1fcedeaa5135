"""The example budgets stand for this version, and a report says what its plan says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

import hwmodel as hm
from hwmodel.report import compare_markdown, plan_markdown
from hwmodel.report.tables import table

REPORTS = Path(__file__).resolve().parents[2] / "reports"


def maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_reports", REPORTS / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(path.stem for path in REPORTS.glob("*.md")))
def test_example_budgets_are_those_of_this_version(name: str) -> None:
    assert maker().differences(name) == []


def test_every_example_is_kept_and_short() -> None:
    module, kept = maker(), {path.stem for path in REPORTS.glob("*.md")}
    assert kept == {*module.EXAMPLES, *module.COMPARISONS, *module.BUDGETS}
    for name in module.COMPARISONS:
        assert len((REPORTS / f"{name}.md").read_text(encoding="utf-8").split()) <= 2000


def test_report_shows_what_was_given_and_what_was_solved() -> None:
    text = plan_markdown(hm.plan(gpus="1024xA100", tokens="1.4T"))
    assert "| tokens | 1.4T | given |" in text
    assert "| parameters | the size for which these tokens are compute-optimal (besiroglu_2024) | solved |" in text
    assert "| sequence length | 4096 | default |" in text
    for heading in ("Where time and memory go", "Size and tokens", "Alternatives", "What would change the answer",
                    "Assumptions and sources"):  # fmt: skip
        assert f"## {heading}" in text
    assert "None" not in text
    assert "nan" not in text.lower().replace("finance", "")


def test_comparison_names_a_winner() -> None:
    text = compare_markdown(hm.compare(gpus="512xH100", tokens="2T"))
    assert "fp8" in text.splitlines()[2]
    assert "hwmodel compare" in text


def test_table_escapes_bars() -> None:
    assert table(["a"], [["x|y"]]).splitlines()[-1] == "| x\\|y |"
