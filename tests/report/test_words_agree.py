"""What page one says stands in the tables under the same name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hwmodel as hm
from hwmodel.report import budget_markdown, compare_markdown
from hwmodel.solve.stages.solver import budget

REPORTS = Path(__file__).resolve().parents[2] / "reports"


def test_the_days_of_the_first_sentence_stand_in_the_table() -> None:
    """It names billed days; the table had the productive ones alone."""
    lines = hm.compare(gpus="64xH100,64xA100", params="3B", tokens="100B").to_markdown().splitlines()
    said = re.search(r"ends soonest \(([^)]*) billed\)", lines[2])
    assert said is not None
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    at = table[0].index("elapsed time billed")
    assert said[1] in [row[at] for row in table[2:4]]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_the_note_of_formats_explains_are_columns(language: str) -> None:
    """The chance was called P(wins) there and otherwise in the table."""
    found = hm.compare(gpus="64xH100", params="3B", tokens="100B", precision="bf16,fp8")
    paragraphs = compare_markdown(found, "", language).split("\n\n")
    header = next(part for part in paragraphs if part.startswith("|")).splitlines()[0].lower()
    note = next(part for part in paragraphs if "0.1 %" in part and part.count("**") == 4 and part[0] not in "|-#")
    for term in re.findall(r"\*\*([^*]+)\*\*", note):
        assert f"| {term.lower()} |" in header, term


def test_money_for_hours_that_no_stage_uses_is_said_beside_the_sum() -> None:
    """Nine tenths of this budget are committed hours that stay idle; $22.7M for 663,570 hours would be $34 each."""
    found = budget(REPORTS / "commit-1024xH100.yaml")
    (idle,) = [line.cost_usd for line in found.stages if line.stage.startswith("committed and not used")]
    assert idle is not None
    first = budget_markdown(found).split("\n\n")[1]
    said = re.search(r"in all\. Of it \$([\d.]+)M pays for committed hours that no stage uses\.", first)
    assert said is not None
    assert float(said[1]) == pytest.approx(idle.value / 1e6, rel=5e-3)
