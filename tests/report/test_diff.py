"""Two saved answers: what changed, by how much, and whether within their intervals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hwmodel.cli.main import cli
from hwmodel.errors import InputError
from hwmodel.report.diff import diff_markdown, diff_text, differences


def saved(value: float, low: float, high: float, **answer: object) -> dict[str, object]:
    return {
        "request": {"options": [["--gpus", "8xH100"]]},
        "resolved": {"accelerator": "h100"},
        "answer": {"train_flop": 1e20, "cost_usd": {"value": value, "low": low, "high": high}, **answer},
    }


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        ((11.0, 9.0, 13.0), "within"),  # each value inside the other's interval
        ((13.0, 11.0, 15.0), "overlap"),  # 13 lies beyond 12, but 11 to 12 is common
        ((30.0, 25.0, 40.0), "apart"),
    ],
)
def test_whether_a_change_exceeds_the_doubt(other: tuple[float, float, float], verdict: str) -> None:
    (row,) = differences(saved(10.0, 8.0, 12.0), saved(*other))["answer"]
    assert row["name"] == "cost_usd"
    assert row["change"] == pytest.approx(other[0] / 10.0 - 1.0)
    assert row["verdict"] == verdict


def test_what_is_the_same_is_not_said() -> None:
    found = differences(saved(10.0, 8.0, 12.0), saved(10.0, 8.0, 12.0))
    assert found == {"question": [], "resolved": [], "answer": []}
    assert "Nothing differs." in diff_markdown(found, ("a.json", "b.json"))


def test_exact_figures_and_missing_ones() -> None:
    found = differences(saved(1, 1, 1, accelerators=8, goodput=None), saved(1, 1, 1, accelerators=16, goodput=0.9))
    rows = {row["name"]: row for row in found["answer"]}
    assert rows["accelerators"]["verdict"] == "exact"
    assert rows["accelerators"]["change"] == 1.0
    assert rows["goodput"]["verdict"] is None
    assert rows["goodput"]["change"] is None


def test_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="two answers"):
        differences(saved(1, 1, 1), {"resolved": {}, "answer": {"replicas": 3}})


def test_two_plans_on_the_command_line(tmp_path: Path) -> None:
    runner = CliRunner()
    for name, gpus in (("a", "64xH100"), ("b", "128xH100")):
        words = [
            "plan",
            "--gpus",
            gpus,
            "--params",
            "8B",
            "--tokens",
            "200B",
            "--quiet",
            "--out",
            f"{tmp_path}/{name}.json",
        ]
        assert runner.invoke(cli, words).exit_code == 0
    files = [f"{tmp_path}/a.json", f"{tmp_path}/b.json"]
    said = runner.invoke(cli, ["diff", *files]).stdout
    assert "| --gpus | 64xH100 | 128xH100 |" in said
    found = json.loads(runner.invoke(cli, ["diff", *files, "--format", "json"]).stdout)
    rows = {row["name"]: row for row in found["answer"]}
    assert rows["accelerators"]["change"] == 1.0
    assert rows["train_days"]["change"] < -0.4
    assert "tokens" not in rows


def test_the_same_differences_for_a_terminal() -> None:
    found = differences(saved(10.0, 8.0, 12.0), saved(30.0, 25.0, 40.0))
    said = diff_text(found, ("a.json", "b.json"), 60)
    assert "rent" in said
    assert "+200 %" in said
    assert "|" not in said
    assert max(map(len, said.splitlines())) <= 60
    assert "Nothing differs." in diff_text({"question": [], "resolved": [], "answer": []}, ("a", "b"))
