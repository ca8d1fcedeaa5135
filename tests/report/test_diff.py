"""Two saved answers: what changed, by how much, and whether within their intervals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

import hwmodel as hm
from hwmodel.cli.main import cli
from hwmodel.errors import InputError
from hwmodel.report.diff import Differences, diff_csv, diff_markdown, diff_text, differences, plan_of
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.band import Band


@pytest.fixture(scope="module")
def plan() -> Plan:
    return hm.plan(flops="1e22")


def priced(plan: Plan, value: float, low: float, high: float, **answer: float | None) -> Plan:
    """The plan with this cost and these other figures."""
    return replace(plan, answer=replace(plan.answer, cost_usd=Band(value, low, high), **answer))


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        ((11.0, 9.0, 13.0), "within"),  # each value inside the other's interval
        ((13.0, 11.0, 15.0), "overlap"),  # 13 lies beyond 12, but 11 to 12 is common
        ((30.0, 25.0, 40.0), "apart"),
    ],
)
def test_whether_a_change_exceeds_the_doubt(plan: Plan, other: tuple[float, float, float], verdict: str) -> None:
    (row,) = differences(priced(plan, 10.0, 8.0, 12.0), priced(plan, *other)).answer
    assert row.name == "cost_usd"
    assert row.change == pytest.approx(other[0] / 10.0 - 1.0)
    assert row.verdict == verdict


def test_what_is_the_same_is_not_said(plan: Plan) -> None:
    found = differences(priced(plan, 10.0, 8.0, 12.0), priced(plan, 10.0, 8.0, 12.0))
    assert found == Differences(question=[], resolved=[], answer=[])
    assert "Nothing differs." in diff_markdown(found, ("a.json", "b.json"))


def test_what_was_asked_and_read_otherwise(plan: Plan) -> None:
    other = replace(
        plan,
        request=replace(plan.request, options=[["--flops", "1e23"], ["--catalog", "a"], ["--catalog", "b"]]),
        resolved=replace(plan.resolved, law="kaplan_2020/L_ND"),
    )
    found = differences(plan, other)
    assert [(row.name, row.first, row.second) for row in found.question] == [
        ("--flops", "1e22", "1e23"), ("--catalog", None, "a, b"),
    ]  # fmt: skip
    assert [(row.name, row.second) for row in found.resolved] == [("law", "kaplan_2020/L_ND")]
    assert not found.answer


def test_exact_figures_and_missing_ones(plan: Plan) -> None:
    found = differences(
        priced(plan, 1, 1, 1, accelerators=8, goodput=None), priced(plan, 1, 1, 1, accelerators=16, goodput=0.9)
    )
    rows = {row.name: row for row in found.answer}
    assert rows["accelerators"].verdict == "exact"
    assert rows["accelerators"].change == 1.0
    assert rows["goodput"].verdict is None
    assert rows["goodput"].change is None


def test_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="two answers"):
        plan_of(hm.train(model="llama-3.1-8b", gpus="8xH100").answer)


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


def test_the_same_differences_for_a_terminal(plan: Plan) -> None:
    found = differences(priced(plan, 10.0, 8.0, 12.0), priced(plan, 30.0, 25.0, 40.0))
    said = diff_text(found, ("a.json", "b.json"), 60)
    assert "rent" in said
    assert "+200 %" in said
    assert "|" not in said
    assert max(map(len, said.splitlines())) <= 60
    assert "Nothing differs." in diff_text(differences(plan, plan), ("a", "b"))


def test_rows_of_what_differs(plan: Plan) -> None:
    rows = diff_csv(differences(priced(plan, 10.0, 8.0, 12.0), priced(plan, 30.0, 25.0, 40.0))).splitlines()
    assert rows[0] == "part,name,first,first_low,first_high,second,second_low,second_high,change,verdict"
    assert rows[1:] == ["answer,cost_usd,10.0,8.0,12.0,30.0,25.0,40.0,2.0,apart"]
