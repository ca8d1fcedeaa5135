"""The report of a sweep's folder: what stands in it, as Markdown with its figures beside and as one page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import hwmodel as hm
from hwmodel.cli.main import cli
from hwmodel.report.sweep import cell
from hwmodel.solve.sweep.show import Rows

SPACE: dict[str, Any] = {
    "base": {"precision": "bf16", "tokens": "200B"},
    "axes": {"gpus": ["64xH100", "128xH100", "64xV100"], "params": "1B..40B log 6"},
    "where": ["params < 30B"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("section") / "it's here"
    hm.sweep(SPACE, place)
    return place


def shown(folder: Path, *words: str) -> Result:
    found = CliRunner().invoke(cli, ["sweep", "show", str(folder), *words], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found


def test_a_report_of_all_that_is_kept(folder: Path, tmp_path: Path) -> None:
    shown(folder, "--out", str(tmp_path / "r.md"))
    text = (tmp_path / "r.md").read_text()
    rows = Rows(folder)
    cheapest = rows.best(1, "cost_usd").rows[0]
    assert text.startswith("# Sweep of 18 points: 6 params x 3 gpus\n")
    assert f"- Cheapest: **{cell('cost_usd', cheapest['cost_usd'])}** at params 1B" in text
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    front = rows.front(["cost_usd", "loss_nats"])
    assert titles == ["Question", "What was evaluated", "Cheapest", "Fastest", "Least loss",
                      f"Pareto front of cost_usd, loss_nats ({front.found} rows)", "Best cost_usd by gpus and params",
                      "What it rests on"]  # fmt: skip
    for said in ("| precision | bf16 |", "- params (6): 1B, ", "- gpus (3): 64xH100, 128xH100, 64xV100",
                 "Constraint of the sweep: `params < 30B`", "| points of the space | 18 |",
                 "| rows with an answer | 10 |",
                 "| left out by constraints on axes | 3 |", "| refused | 5 |",
                 "![loss_nats against cost_usd: the rows and their front](r-front.svg)", "(r-heat.svg)",
                 f"| code | {rows.folder.origin().versions['code']} |"):  # fmt: skip
        assert said in text, said
    for name in ("r-front.svg", "r-heat.svg"):
        assert (tmp_path / name).read_bytes().startswith(b"<?xml")


def test_the_page_holds_its_figures_and_is_the_same_at_every_time(folder: Path, tmp_path: Path) -> None:
    shown(folder, "--out", str(tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text()
    assert [one.name for one in tmp_path.iterdir()] == ["r.html"]
    assert page.count("data:image/svg+xml") == 2
    assert page.count("<table") == 8  # given, counts, three winners, front, heat, versions
    assert shown(folder, "--format", "html").stdout == page


@pytest.mark.parametrize(
    ("asked", "titles", "figures"),
    [
        (("--by", "mfu", "--top", "3"), ["Best by mfu"], 0),
        (("--pareto", "elapsed_days,loss_nats"), ["Pareto front of elapsed_days, loss_nats (2 rows)"], 1),
        (("--heat", "gpus,params,mfu"), ["Best mfu by gpus and params"], 1),
        (("--pareto", "elapsed_days,loss_nats", "--where", "params > 1T"),
         ["Pareto front of elapsed_days, loss_nats (0 rows)"], 0),
    ],
)  # fmt: skip
def test_a_page_of_what_is_asked_for(folder: Path, asked: tuple[str, ...], titles: list[str], figures: int) -> None:
    if "--where" not in asked and "--pareto" in asked:
        titles = [
            f"Pareto front of elapsed_days, loss_nats ({Rows(folder).front(['elapsed_days', 'loss_nats']).found} rows)"
        ]
    page = shown(folder, *asked, "--format", "html").stdout
    found = [part.split("</h2>")[0] for part in page.split("<h2>")[1:]]
    assert found == ["Question", "What was evaluated", *titles, "What it rests on"]
    assert page.count("data:image/svg+xml") == figures


def test_a_constraint_holds_for_rows_figures_and_counts(folder: Path, tmp_path: Path) -> None:
    shown(folder, "--where", "gpus == '64xH100'", "--out", str(tmp_path / "r.md"))
    text = (tmp_path / "r.md").read_text()
    assert "Only rows that meet `gpus == '64xH100'`." in text
    assert "| of those with an answer meet the constraint | 5 |" in text
    tables = text[text.index("## Cheapest") : text.index("## What it rests on")]
    assert "128xH100" not in tables
    points = Rows(folder).points(["cost_usd", "loss_nats"], "gpus == '64xH100'")
    assert len(points["cost_usd"]) == 5


def test_named_rows_as_markdown_and_json_are_the_rows_alone(folder: Path, tmp_path: Path) -> None:
    shown(folder, "--top", "2", "--out", str(tmp_path / "r.md"))
    assert (tmp_path / "r.md").read_text().startswith("| params |")
    assert len(json.loads(shown(folder, "--format", "json").stdout)["rows"]) == 10


def test_an_unfinished_sweep_says_what_is_missing(tmp_path: Path) -> None:
    hm.sweep({**SPACE, "shard_points": 6}, tmp_path / "s", shard="1/3")
    shown(tmp_path / "s", "--out", str(tmp_path / "r.md"))
    assert "2 of 3 shards are not run yet or damaged: their rows are missing." in (tmp_path / "r.md").read_text()
    shutil.rmtree(tmp_path / "s")


def test_rows_of_one_point_are_told_apart_by_their_layouts(tmp_path: Path) -> None:
    """Three layouts of one point differ in nothing else; a mixture has no loss, so that no front stands."""
    space = {
        "base": {"model": "mixtral-8x7b", "tokens": "100B"}, "axes": {"gpus": ["64xH100"]}, "layouts": 3,
        "keep": {"top": {"cost_usd": 3}},
    }  # fmt: skip
    told = hm.sweep(space, tmp_path / "three").to_markdown()
    assert "| gpus | tp | cp | pp | ep | dp | zero | micro_batch | recompute | cost_usd |" in told
    assert "none has all of cost_usd, loss_nats, so that there is no front" in told
    assert "| gpus | tp | cp | pp |" in shown(tmp_path / "three", "--top", "3").output
    best = hm.sweep({**space, "layouts": "best"}, tmp_path / "best").to_markdown()
    assert "| gpus | cost_usd |" in best


def test_rows_without_an_answer_say_why(tmp_path: Path) -> None:
    space = {"base": {"tokens": "100B", "gpus": "8xH100"}, "axes": {"params": ["1B"], "precision": ["bf16", "mxfp8"]}}
    told = hm.sweep(space, tmp_path / "some").to_markdown()
    assert "1 have none (refused)" in told
    assert "--where \"status != 'ok'\"" in told
    rows = shown(tmp_path / "some", "--where", "status != 'ok'").output
    assert "| params | precision | status | binding | reason |" in rows
    assert "cannot compute in mxfp8" in rows
    empty = shown(tmp_path / "some", "--where", "cost_usd > 1T")
    assert "0 rows: none that is asked for has cost_usd" in empty.stderr
