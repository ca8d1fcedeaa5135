"""Saved answers read back: the record of each, and one line for what is none."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hwmodel.cli.main import cli
from hwmodel.errors import HwModelError, InputError
from hwmodel.solve.plan.answer import FormatPlan, Plan
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.saved import SavedEngine, SavedFleet, saved
from hwmodel.solve.serve.ask import serve
from hwmodel.solve.train import train
from hwmodel.solve.train_answer import TrainAnswer

LENGTHS = {"input": 1000, "output": 200}
MADE: dict[str, tuple[type, Any]] = {
    "plan": (Plan, lambda: plan(gpus="64xH100", tokens="100B")),
    "formats": (FormatPlan, lambda: plan(gpus="64xH100", tokens="100B", precision="bf16,fp8")),
    "no fleet": (Plan, lambda: plan(flops="1e22")),
    "train": (TrainAnswer, lambda: train(model="llama-3.1-8b", gpus="16xH100")),
    "fleet": (SavedFleet, lambda: serve(model="llama-3.1-8b", demand="5 req/s", parts="h100", **LENGTHS)),
    "engine": (SavedEngine, lambda: serve(model="llama-3.1-8b", concurrency=8, gpus="1xH100", **LENGTHS)),
}  # fmt: skip


@cache
def document(name: str) -> Any:
    return json.loads(json.dumps(MADE[name][1]().to_dict()))


@pytest.mark.parametrize("name", [name for name in MADE if name != "formats"])
def test_a_record_comes_back(name: str) -> None:
    found = saved(document(name), "x")
    assert type(found) is MADE[name][0]
    if isinstance(found, Plan):
        assert json.loads(json.dumps(found.to_dict())) == document(name)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where a document may be cut or hurt: every key, to a depth of three."""
    if len(path) == 3 or not isinstance(value, dict):
        return []
    return [(*path, key) for key in value] + [one for key in value for one in places(value[key], (*path, key))]


def hurt(answer: Any, path: tuple[Any, ...], value: Any = None, cut: bool = False) -> Any:
    other = copy.deepcopy(answer)
    *above, last = path
    place = other
    for key in above:
        place = place[key]
    if cut:
        del place[last]
    else:
        place[last] = value
    return other


def commands(file: Path, target: str) -> list[list[str]]:
    """The three that read a saved answer."""
    named = str(file)
    out = str(file.with_suffix(".out"))
    return [["explain", named, "accelerators"], ["diff", named, named], ["export", named, "--to", target, "--out", out]]


@pytest.mark.parametrize(("name", "step"), [("plan", 25), ("train", 10), ("fleet", 10)])
def test_a_hurt_answer_is_one_line_or_an_answer(name: str, step: int, tmp_path: Path) -> None:
    """Every so many places, cut, or with a value of another kind: never an internal error."""
    answer, target = document(name), "vllm" if name == "fleet" else "megatron"
    for i, path in enumerate(places(answer)[::step]):
        wrong = hurt(answer, path, [{"x": "y"}, 3, "x"][i % 3], cut=i % 4 == 0)
        file = tmp_path / f"{i}.json"
        file.write_text(json.dumps(wrong), encoding="utf-8")
        words = commands(file, target)[(i // 3) % 3]
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0 or isinstance(done.exception, HwModelError), (path, words[0], done.exception)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InputError, match=r"a\.json: object missing required field `request`; save the answer again"):
        saved(hurt(document("plan"), ("request",), cut=True), "a.json")
    with pytest.raises(InputError, match=r"a\.json: answer\.tokens: expected .* got `str`"):
        saved(hurt(document("plan"), ("answer", "tokens"), "many"), "a.json")
    with pytest.raises(InputError, match=r"a\.json: not a saved answer"):
        saved({"resolved": {}}, "a.json")
