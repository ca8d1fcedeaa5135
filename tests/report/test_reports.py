"""The example budgets stand for this version, and a report says what its plan says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

import hwmodel as hm
from hwmodel.report import compare_markdown
from hwmodel.report.diff import VERDICTS
from hwmodel.report.plan import plan_markdown
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


def test_every_example_is_kept() -> None:
    module, kept = maker(), {path.stem for path in REPORTS.glob("*.md")}
    assert kept == set(module.EVERY)


@pytest.mark.parametrize("path", sorted(REPORTS.glob("*.md")), ids=lambda path: path.stem)
def test_page_one_is_one_page_and_the_whole_is_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.split()) <= 2000
    if path.stem in maker().EXAMPLES:
        assert len(text.split("\n## ")[0].split()) <= 350
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert len(re.findall(r"!\[", text.split("\n## ")[0])) <= 1
    for name in pictures:
        assert (REPORTS / name).is_file()


@pytest.mark.parametrize("path", sorted(REPORTS.glob("*.md")), ids=lambda path: path.stem)
def test_nothing_is_said_twice_and_no_heading_stands_over_nothing(path: Path) -> None:
    blocks = [block for block in path.read_text(encoding="utf-8").split("\n\n") if len(block.split()) > 4]
    assert len(blocks) == len(set(blocks))
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    for line, after in zip(lines, [*lines[1:], "# end"]):
        assert not (line.startswith("#") and after.startswith("## ")), line


def read(name: str) -> str:
    return (REPORTS / f"{name}.md").read_text(encoding="utf-8")


def test_what_two_leads_ask_is_answered() -> None:
    """A deadline with its certainty, fleets with a price each, a budget that P80 breaks, a diff, one in Chinese."""
    dated = read("512xH100-2T-deadline-45d")
    assert "the deadline 2027-02-15 (45 days from 2027-01-01) is kept with 90 %" in dated
    assert "90 % certainty takes 45 days" in dated
    fleets = read("fleets-1024xA100-512xH100-256xB200")
    assert fleets.count("| $") or fleets.count("$") >= 3
    assert "| 1024xA100 against 512xH100 |" in fleets
    broken = read("512xH100-40B-budget-1.5M")
    assert "the budget of $1.5M is kept with" in broken
    assert "To be 80 % sure of the budget of $1.5M: " in broken
    changed = read("diff-512xH100-256xB200")
    assert "| rent |" in changed
    rows = [line for line in changed.split("## What changed")[1].splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 8
    for line in rows:
        assert line.split("|")[-2].strip() in (*VERDICTS.values(), "-"), line
    english, chinese = read("1024xA100-1.4T"), read("1024xA100-1.4T-zh")
    assert "训练" in chinese
    figures = re.compile(r"\$\d[\d.]*[kMB]?")
    assert sorted(figures.findall(chinese)) == sorted(figures.findall(english))


def test_quantising_what_one_has_is_a_table_of_losses_and_savings() -> None:
    text = read("quantising-llama-3.1-70b-h200")
    rows = [line for line in text.splitlines() if line.startswith("|") and " to " in line and "%" in line]
    assert len(rows) >= 5
    assert "| bf16 | 0 | 100%" in text
    for name in ("formats-8B-128xB200", "formats-70B-1024xB200", "formats-405B-4096xGB200", "formats-mixtral-256xB200"):
        shown = read(name)
        for recipe in ("bf16", "fp8", "mxfp8", "nvfp4"):
            assert f"| {recipe} |" in shown
        assert "Which beats which" in shown


def test_report_shows_what_was_given_and_what_was_solved() -> None:
    text = plan_markdown(hm.plan(gpus="1024xA100", tokens="1.4T"))
    assert "| tokens | 1.4T | given |" in text
    assert "| parameters | the size for which these tokens are compute-optimal (besiroglu_2024) | solved |" in text
    assert "Assumed: sequence length 4096; precision bf16" in text
    for heading in ("How long and how much, and what moves it?", "How to pay?", "On how many accelerators?",
                    "In which layout?", "What do the laws say of the size?", "How large, given its use?",
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
