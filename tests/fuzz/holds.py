"""What must hold of every whole answer, whatever was asked."""

from __future__ import annotations

import json
import math
import shlex
from typing import Any

from click.testing import CliRunner

import hwmodel as hm
from hwmodel import units
from hwmodel.cli.main import cli
from hwmodel.errors import HwModelError
from hwmodel.report import words
from hwmodel.report.layout_command import layout_command

Asked = dict[str, Any]
GIVEN = 1e-6  # by which what is given may be overrun
DAY = 86400.0


def finite(data: Any, where: str = "") -> None:
    """Every figure is a finite number, and every band holds its value."""
    if isinstance(data, float):
        assert math.isfinite(data), f"{where} is {data}"
    elif isinstance(data, dict):
        if data.keys() >= {"value", "low", "high"} and isinstance(data["value"], (int, float)):
            # Ends are null where too few draws of the law reach the question.
            low, value, high = (
                data["value"] if end is None else end for end in (data["low"], data["value"], data["high"])
            )
            assert low * (1 - 1e-9 * math.copysign(1, low)) <= value + 1e-12, f"{where}: low {low} above {value}"
            assert value <= high * (1 + 1e-9 * math.copysign(1, high)) + 1e-12, f"{where}: {value} above high {high}"
        for key, item in data.items():
            finite(item, f"{where}.{key}")
    elif isinstance(data, list):
        for item in data:
            finite(item, where)


def number(value: Any) -> float:
    """The value of a band or of a plain number."""
    return float(value["value"] if isinstance(value, dict) else value)


def near(one: float, other: float, what: str, rel: float = 1e-6) -> None:
    """Two ways to one figure agree."""
    assert math.isclose(one, other, rel_tol=rel, abs_tol=1e-12), f"{what}: {one} against {other}"


def _readable(found: Any) -> dict[str, Any]:
    """The JSON document of an answer, which reads back as it stands."""
    text = found.to_json()
    data: dict[str, Any] = json.loads(text)
    finite(data)
    return data


def _within(asked: Asked, answer: dict[str, Any]) -> None:
    """What was given binds."""
    if answer["elapsed_days"] is not None and "time" in asked:
        assert number(answer["elapsed_days"]) * DAY <= units.parse_duration_s(asked["time"]) * (1 + GIVEN), "time"
    if answer["cost_usd"] is not None and "budget" in asked:
        assert number(answer["cost_usd"]) <= units.parse_usd(asked["budget"]) * (1 + GIVEN), "budget"
    if "flops" in asked:
        assert number(answer["train_flop"]) <= units.parse_flop(asked["flops"]) * (1 + GIVEN), "flops"
    if "tokens" in asked:
        near(number(answer["tokens"]), units.parse_count(asked["tokens"]), "tokens given")
    if "params" in asked:
        near(number(answer["params"]), units.parse_count(asked["params"]), "params given")


def _identities(data: dict[str, Any]) -> None:
    """Time x rate = tokens, hours = days x accelerators, the layout's product and what idles are the fleet."""
    answer, layout = data["answer"], data["layout"]
    if answer["accelerators"] is None:
        return
    near(number(answer["train_days"]) * DAY * number(answer["tokens_per_s"]), number(answer["tokens"]), "time x rate")
    near(number(answer["elapsed_days"]) * 24 * answer["accelerators"], number(answer["gpu_hours"]), "hours")
    used = layout["tp"] * layout["cp"] * layout["pp"] * layout["dp"]
    assert used + answer["idle_accelerators"] == answer["accelerators"], "layout product"
    if answer["idle_accelerators"]:
        assert any("idle" in line for line in data["warnings"]), "idle unsaid"
    terms = dict(data["step"])
    near(terms.pop("total_s"), sum(terms.values()), "terms of the step")
    quantiles = answer["quantiles"]
    for name in ("elapsed_days", "gpu_hours"):
        assert quantiles["p50"][name] <= quantiles["p80"][name] <= quantiles["p90"][name], "quantiles"
    if "--usd-per-hour" in dict(data["request"]["options"]):
        rate = float(dict(data["request"]["options"])["--usd-per-hour"])
        near(number(answer["cost_usd"]), number(answer["gpu_hours"]) * rate, "hours x price")


def _beside(asked: Asked, found: Any, data: dict[str, Any], draw: float) -> None:
    """Dearer looks, of a share of the answers: Markdown, command line, the layout alone, a larger fleet."""
    answer = data["answer"]
    if draw < 0.15:
        text = found.to_markdown()
        for name, show in (("params", words.count), ("tokens", words.count), ("elapsed_days", words.days)):
            value = answer[name]
            assert value is None or show(number(value)) in text, f"{name} is not in the report"
    elif draw < 0.25:
        typed = [word for k, v in asked.items() for word in (f"--{k.replace('_', '-')}", str(v))]
        ran = CliRunner().invoke(cli, ["plan", *typed, "--format", "json", "--quiet"])
        assert ran.exit_code == 0, f"command line: {ran.exit_code} {ran.output[:200]}"
        assert json.loads(ran.stdout)["answer"] == answer, "the command line answers otherwise than Python"
    elif draw < 0.35:
        command = layout_command(found)
        if command is not None:
            ran = CliRunner().invoke(cli, [*shlex.split(command)[1:], "--format", "json", "--quiet"])
            assert ran.exit_code in (0, 3), f"{command}: {ran.output[:200]}"
            near(number(json.loads(ran.stdout)["step_s"]), data["step"]["total_s"], f"scalar and column: {command}")
    elif draw < 0.45 and answer["accelerators"] and asked.get("tokens") and ("params" in asked or "model" in asked):
        more = f"{answer['accelerators'] + 1 + int(draw * 1000)}x{data['resolved']['accelerator']}"
        if not {"flops", "time", "budget", "loss", "mfu"} & asked.keys():
            larger = hm.plan(**{**asked, "gpus": more, "system": data["resolved"]["system"]}).to_dict()["answer"]
            assert number(larger["elapsed_days"]) <= number(answer["elapsed_days"]) * (1 + 1e-3), f"{more} is slower"


def plan(asked: Asked, draw: float) -> None:
    """A plan is finite, within what was given, and at one with itself."""
    found = hm.plan(**asked)
    data = _readable(found)
    _within(asked, data["answer"])
    _identities(data)
    band = data["regret_band"]
    if band and "params" in data["solved"] and "inference_tokens" not in asked and "tokens" not in asked:
        size = number(data["answer"]["params"])
        held = any("holds no larger model" in line for line in data["warnings"])
        inside = band["params_low"] * (1 - 1e-3) <= size <= band["params_high"] * (1 + 1e-3)
        assert held or inside, "outside its own band"
    _beside(asked, found, data, draw)


def compare(asked: Asked, draw: float) -> None:
    """Every row has a known status and figures that hold."""
    found = hm.compare(**asked)
    data = _readable(found)
    for row in data.get("precisions") or []:
        assert row["status"] in ("ok", "lacking", "unfit"), row["status"]
        assert row["status"] == "ok" or row["reason"], "no reason"
    if "answer" in data:
        _identities(data)
    if draw < 0.2:
        assert len(found.to_markdown()) > 100


def train(asked: Asked, draw: float) -> None:
    """The layout's product is the fleet, the terms add up to the step, time x rate = the batch."""
    found = hm.train(**asked)
    data = _readable(found)
    layout = data["layout"]
    near(layout["tp"] * layout["cp"] * layout["pp"] * layout["dp"], data["accelerators"], "layout product")
    near(sum(data["step"].values()), number(data["step_s"]), "terms of the step")
    tokens = layout["global_batch_seqs"] * data["request"]["seq_len"]
    near(number(data["step_s"]) * number(data["tokens_per_s"]), tokens, "time x rate")
    if draw < 0.2:
        assert len(found.to_markdown()) > 100


def serve(asked: Asked, draw: float) -> None:
    """Latencies and prices are finite and ordered; a fleet that is chosen holds its limits."""
    found = hm.serve(**asked)
    data = _readable(found)
    if "concurrency" in asked:
        for name in ("ttft_s", "tpot_s"):
            assert number(data["answer"][name]) >= 0.0, name
    if draw < 0.2:
        assert len(found.to_markdown()) > 50


HOLDS = {"plan": plan, "compare": compare, "train": train, "serve": serve}
__all__ = ["HOLDS", "HwModelError"]
