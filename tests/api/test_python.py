"""The Python face: names, typed options that are those of the command line, answers that show themselves."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas
import pytest

import hwmodel as hm
from hwmodel.api import options
from hwmodel.cli.main import main

FLEET = {"gpus": "64xH100", "params": "8B", "tokens": "100B"}
STAGES = {"gpus": "64xH100", "stages": [{"stage": "pre-training", "params": "8B", "tokens": "100B"}]}
NAMES = {
    "Answer", "CatalogError", "HwModelError", "InfeasibleError", "InputError", "__version__", "catalog", "compare",
    "fit", "law", "load_catalog", "plan", "prices", "serve", "train", "validate",
}  # fmt: skip


def test_exported_names_are_pinned() -> None:
    assert set(hm.__all__) >= NAMES
    assert dir(hm) == sorted(hm.__all__)
    for name in hm.__all__:
        assert getattr(hm, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'plam'"):
        hm.plam  # noqa: B018


OF_FILES = {"fmt", "out", "quiet", "figures", "source", "export", "lang", "file", "own"}  # what only a command line has


def _names(command: click.Command) -> set[str]:
    return {param.name or "" for param in command.params} - OF_FILES


@pytest.mark.parametrize(
    ("verb", "typed", "other"),
    [
        ("plan", options.PlanOptions, {}),
        ("compare", options.CompareOptions, {}),
        ("train", options.TrainOptions, {"plain": "sequence_parallel"}),
        ("serve", options.ServeOptions, {"model": "input"}),
    ],
)
def test_options_are_those_of_the_command_line(verb: str, typed: Any, other: dict[str, str]) -> None:
    from importlib import import_module

    command = import_module(f"hwmodel.cli.{verb}").command
    asked = {other.get(name, name) for name in _names(command)}
    known = set(getattr(typed, "__origin__", typed).__annotations__)
    assert asked <= known
    assert known - asked <= {"shape", "measured"}


def test_answers_show_themselves() -> None:
    plan = hm.plan(**FLEET)
    assert len(repr(plan)) < 200
    assert repr(plan).startswith("<Plan: A model of 8B parameters on 100B tokens, 64 x h100-sxm5-80gb")
    assert json.loads(plan.to_json()) == json.loads(json.dumps(plan.to_dict()))
    assert plan.to_markdown().startswith("# ")
    assert len(plan.to_text().splitlines()) <= 24
    assert plan.to_csv().startswith("quantity,value,low,high")
    page = plan.to_html()
    assert page.startswith("<!DOCTYPE html>")
    assert "data:image/svg" in page or "<svg" in page
    assert 'src="http' not in page
    assert plan._repr_html_().startswith('<iframe srcdoc="&lt;!DOCTYPE html&gt;')


@pytest.mark.parametrize(
    ("ask", "tables"),
    [
        (lambda: hm.plan(**FLEET, inference_tokens="1T"), ["layouts", "sizes", "fleets", "laws", "demand", "money"]),
        (lambda: hm.compare(**FLEET, precision=["bf16", "fp8"]), ["precisions", "answer"]),
        (lambda: hm.compare(gpus=["64xH100", "64xA100"], params="8B", tokens="100B"), ["rows"]),
        (lambda: hm.train(model="mixtral-8x7b", gpus="64xH100"), ["step", "memory", "near"]),
        (lambda: hm.serve("llama-3.1-8b", concurrency=8, gpus="1xH100"), ["rows", "step"]),
        (lambda: hm.serve("llama-3.1-8b", demand="5 req/s", parts=["h100", "l40s"]), ["rows"]),
        (lambda: hm.law.optimum("besiroglu_2024", flops="1e23"), ["rows"]),
        (lambda: hm.validate("whole"), ["rows", "sources"]),
        (lambda: hm.budget(STAGES), ["lines", "cash_flow"]),
    ],
)  # fmt: skip
def test_every_answer_gives_frames(ask: Any, tables: list[str]) -> None:
    found = ask()
    for table in (None, *tables):
        frame = found.to_frame(table)
        assert isinstance(frame, pandas.DataFrame)
        assert len(frame) > 0
        assert not any(isinstance(cell, dict) for cell in frame.iloc[0])
    for text in (repr(found), found.to_markdown(), found.to_text(), found.to_csv(), found.to_json(), found.to_html()):
        assert text
    with pytest.raises(hm.InputError, match="unknown table 'tabel'"):
        found.to_frame("tabel")


def test_frames_hold_the_numbers_of_the_document() -> None:
    found = hm.plan(**FLEET)
    rows = found.to_frame().set_index("quantity")
    assert rows.loc["train_days", "value"] == found.answer.train_days.value
    assert rows.loc["train_days", "high"] == found.answer.train_days.high
    step = found.to_frame("step").set_index("term")["value"]
    assert step["total_s"] == pytest.approx(step.drop("total_s").sum())


@pytest.mark.parametrize("asked", [np.float64(1e11), np.int64(10**11), pandas.Series([1e11])[0], "100B", 1e11, 10**11])
def test_scalars_of_numpy_and_pandas_are_numbers(asked: Any) -> None:
    assert hm.plan(**{**FLEET, "tokens": asked}).to_dict()["answer"] == hm.plan(**FLEET).to_dict()["answer"]


def test_a_rank_is_read_like_any_other_count() -> None:
    asked = {"model": "llama-3.1-8b", "gpus": "8xH100", "task": "lora"}
    assert hm.train(**asked, rank="16").to_dict() == hm.train(**asked, rank=np.int64(16)).to_dict()
    with pytest.raises(hm.InputError, match="--rank"):
        hm.train(**asked, rank="high")


def test_lists_are_what_commas_are() -> None:
    one = hm.compare(gpus=["64xH100", "64xA100"], params="8B", tokens=["100B", "200B"])
    two = hm.compare(gpus="64xH100,64xA100", params="8B", tokens="100B,200B")
    assert one.to_dict()["rows"] == two.to_dict()["rows"]
    assert len(one.plans) == 4
    with pytest.raises(hm.InputError, match="empty list"):
        hm.compare(gpus=[], tokens="1T")


def test_python_and_command_line_agree(capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", "--gpus", "64xH100", "--params", "8B", "--tokens", "100B", "--format", "json", "--quiet"])
    printed = json.loads(capsys.readouterr().out)
    asked = json.loads(hm.plan(**FLEET).to_json())
    printed["request"].pop("options")
    asked["request"].pop("options")
    assert printed == asked
    main(["law", "optimum", "besiroglu_2024", "--flops", "1e23", "--format", "json"])
    assert json.loads(capsys.readouterr().out) == json.loads(hm.law.optimum("besiroglu_2024", flops=1e23).to_json())
    main(["prices", "list", "--part", "h100", "--format", "json"])
    assert json.loads(capsys.readouterr().out) == json.loads(hm.prices.list("h100").to_json())


def test_a_frame_of_runs_is_fitted_and_validated(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = np.exp(rng.uniform(np.log(1e8), np.log(1e10), 60))
    d = n * np.exp(rng.uniform(np.log(5), np.log(100), 60))
    runs = pandas.DataFrame({"params": n, "tokens": d, "loss": 1.8 + 480 / n**0.35 + 2000 / d**0.37})
    path = tmp_path / "runs.csv"
    runs.to_csv(path, index=False)
    found, of_file = hm.fit(runs, bootstraps=50), hm.fit(path, bootstraps=50)
    assert found.to_dict() == of_file.to_dict()
    assert len(found.to_frame()) > 3
    with pytest.raises(hm.InputError, match="the frame"):
        hm.fit(runs.drop(columns="loss"))
    no_runs: Any = 3
    with pytest.raises(hm.InputError, match="CSV file or a pandas frame, not a int"):
        hm.fit(no_runs)


def test_a_catalog_gives_frames_of_its_records() -> None:
    parts = hm.load_catalog().to_frame("accelerators")
    assert parts.set_index("id").loc["h100-sxm5-80gb", "memory_gb"] == pytest.approx(85.9, rel=0.01)
    with pytest.raises(hm.InputError, match="unknown kind of record"):
        hm.load_catalog().to_frame("accelerator")


def test_importing_costs_nothing() -> None:
    import subprocess
    import sys

    code = "import sys, hwmodel; print(sorted(m for m in sys.modules if m in ('numpy', 'pandas', 'click', 'msgspec')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_signatures_are_documented() -> None:
    for verb in (hm.plan, hm.compare, hm.train, hm.serve, hm.fit, hm.validate, hm.law.optimum, hm.prices.list):
        assert inspect.getdoc(verb)


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda: hm.serve(None, demand="5 req/s"), "model is the name of one"),
        (lambda: hm.serve(5, demand="5 req/s"), "model is the name of one"),
        (lambda: hm.sweep([1, 2]), "a space is the path of its file or a mapping"),
        (lambda: hm.budget([1]), "a budget is the path of its file or a mapping"),
        (lambda: hm.explain(5, "train_days"), "answer is what a verb gave"),
        (lambda: hm.plan(**FLEET, own="yes"), "own is True or False"),
        (lambda: hm.budget(**FLEET, own=1), "own is True or False"),
        (lambda: hm.plan(gpus="512xH100+", budget="5M"), "a pool is missing"),
    ],
)
def test_what_is_of_another_kind_is_refused_in_one_line(ask: Any, line: str) -> None:
    with pytest.raises(hm.InputError, match=line) as refused:
        ask()
    assert "\n" not in str(refused.value)
