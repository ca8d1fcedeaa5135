"""What must hold of every whole answer, whatever was asked."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

from checks import DAY, GIVEN, Asked, near, number, readable
from commands import run, same_answer, same_refusal

import hwmodel as hm
from hwmodel import units
from hwmodel.errors import HwModelError, InfeasibleError
from hwmodel.report import words
from hwmodel.report.commands import layout_command


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
    options = dict(data["request"]["options"])
    if "--usd-per-hour" in options:
        near(
            number(answer["cost_usd"]), number(answer["gpu_hours"]) * float(options["--usd-per-hour"]), "hours x price"
        )


def _in_the_report(answer: dict[str, Any], text: str) -> None:
    shows: tuple[tuple[str, Callable[[Any], str]], ...] = (
        ("params", words.count), ("tokens", words.count), ("elapsed_days", words.days), ("cost_usd", words.usd),
        ("loss_nats", words.loss),
    )  # fmt: skip
    for name, show in shows:
        value = answer[name]
        assert value is None or show(number(value)) in text, f"{name} is not in the report"


def _by_itself(found: Any, data: dict[str, Any]) -> None:
    """The layout that is shown, run by the command that is shown, gives the step (a scalar against the columns)."""
    command = layout_command(found)
    if command is None:
        return
    done = run(*shlex.split(command)[1:], "--format", "json", "--quiet")
    assert done.code in (0, 3), f"{command}: {done.err[:200]}"
    near(number(json.loads(done.out)["step_s"]), data["step"]["total_s"], f"scalar and column: {command}")


def _more_is_not_worse(asked: Asked, data: dict[str, Any], draw: float) -> None:
    """A larger fleet is not slower, more tokens take longer, a wider limit gives no higher loss."""
    answer = data["answer"]
    fixed = "params" in asked or "model" in asked
    if answer["accelerators"] and "tokens" in asked and fixed and not {"time", "budget", "mfu"} & asked.keys():
        more = f"{answer['accelerators'] + 1 + int(draw * 1000)}x{data['resolved']['accelerator']}"
        larger = hm.plan(**{**asked, "gpus": more, "system": data["resolved"]["system"]}).to_dict()["answer"]
        assert number(larger["elapsed_days"]) <= number(answer["elapsed_days"]) * (1 + 1e-3), f"{more} is slower"
        longer = hm.plan(**{**asked, "tokens": str(2 * number(answer["tokens"]))}).to_dict()["answer"]
        if "gpus" in asked and asked["gpus"][0].isdigit():
            assert number(longer["elapsed_days"]) >= number(answer["elapsed_days"]), "more tokens take less time"
    wide = (
        {"time": 2.0, "budget": 2.0, "flops": 2.0} if answer["loss_nats"] is not None and "tokens" not in asked else {}
    )
    named = sorted(wide.keys() & asked.keys())
    if len(named) == 1 and "loss" not in asked:
        parse = {"time": units.parse_duration_s, "budget": units.parse_usd, "flops": units.parse_flop}[named[0]]
        unit = {"time": "s", "budget": "", "flops": ""}[named[0]]
        wider = hm.plan(**{**asked, named[0]: f"{2 * parse(asked[named[0]]):.17g}{unit}"}).to_dict()["answer"]
        assert number(wider["loss_nats"]) <= number(answer["loss_nats"]) * (1 + 1e-3), f"twice the {named[0]}: worse"


def _beside(asked: Asked, found: Any, data: dict[str, Any], draw: float) -> None:
    """Dearer looks, of a share of the answers: Markdown, command line, the layout alone, more of what was given."""
    if draw < 0.08:
        _in_the_report(data["answer"], found.to_markdown())
    elif draw < 0.14:
        same_answer("plan", asked, data)
    elif draw < 0.22:
        _by_itself(found, data)
    elif draw < 0.30:
        try:
            _more_is_not_worse(asked, data, draw)
        except InfeasibleError as error:
            raise AssertionError(f"more of it has no answer: {error}") from error


def plan(asked: Asked, draw: float) -> None:
    """A plan is finite, within what was given, and at one with itself."""
    found = hm.plan(**asked)
    data = readable(found)
    _within(asked, data["answer"])
    _identities(data)
    band = data["regret_band"]
    if band and "params" in data["solved"] and "inference_tokens" not in asked and "tokens" not in asked:
        size = number(data["answer"]["params"])
        inside = band["params_low"] * (1 - 1e-3) <= size <= band["params_high"] * (1 + 1e-3)
        assert inside, "outside its own band"
    _beside(asked, found, data, draw)


def compare(asked: Asked, draw: float) -> None:
    """Every row has a known status and figures that hold; a row is the plan of its own value."""
    found = hm.compare(**asked)
    data = readable(found)
    for row in data.get("precisions") or []:
        assert row["status"] in ("ok", "lacking", "unfit"), row["status"]
        assert row["status"] == "ok" or row["reason"], "no reason"
    if "answer" in data:
        _identities(data)
    if draw < 0.1:
        assert len(found.to_markdown()) > 100
    elif draw < 0.2:
        same_answer("compare", asked, data)
    elif draw < 0.3 and "answer" in data:
        first = str(asked.get("precision") or "bf16").split(",")[0]
        alone = hm.plan(**{**asked, "precision": first}).to_dict()
        row = next(row for row in data["precisions"] if row["precision"] == data["resolved"]["precision"])
        near(number(row["train_days"]), number(alone["answer"]["train_days"]), "a row and its plan", 1e-6)


def _train_more(asked: Asked, data: dict[str, Any]) -> None:
    """Longer sequences of a stated batch take longer."""
    if "global_batch" in asked and not {"model"} & asked.keys():
        longer = hm.train(**{**asked, "seq_len": str(2 * data["request"]["seq_len"])}).to_dict()
        assert number(longer["step_s"]) >= number(data["step_s"]), "twice the sequence takes less time"


def train(asked: Asked, draw: float) -> None:
    """The layout's product is the fleet, the terms add up to the step, time x rate = the batch."""
    found = hm.train(**asked)
    data = readable(found)
    layout = data["layout"]
    near(layout["tp"] * layout["cp"] * layout["pp"] * layout["dp"], data["accelerators"], "layout product")
    near(sum(data["step"].values()), number(data["step_s"]), "terms of the step")
    tokens = layout["global_batch_seqs"] * data["request"]["seq_len"]
    near(number(data["step_s"]) * number(data["tokens_per_s"]), tokens, "time x rate")
    rate = number(data["tokens_per_s_per_accelerator"])
    near(rate * (data["accelerators"] + data["idle_accelerators"]), number(data["tokens_per_s"]), "rate of a fleet")
    for stage in data["memory"].values():
        near(sum(v for k, v in stage.items() if k != "total_bytes"), stage["total_bytes"], "parts of the memory")
    if draw < 0.1:
        assert f"**{rate:,.0f} tokens/s an accelerator**" in found.to_markdown(), "the rate is not in the report"
    elif draw < 0.2:
        same_answer("train", asked, data)
    elif draw < 0.3:
        _train_more(asked, data)


def _serving_identities(data: dict[str, Any]) -> None:
    """A request's time from its first and later tokens, clients = rate x time, dollars from hours and tokens."""
    one, asked = data["answer"], data["request"]
    tokens, prompt = asked["output_tokens"], asked["prompt_tokens"]
    later = max(tokens - 1.0, 0.0)
    near(number(one["ttft_s"]) + later * number(one["tpot_s"]), number(one["request_s"]), "time of a request")
    near(number(one["requests_per_s"]) * number(one["request_s"]), one["clients"], "clients", 1e-3)
    near(number(one["requests_per_s"]) * tokens, number(one["output_tokens_per_s"]), "output rate")
    near(number(one["requests_per_s"]) * (tokens + prompt), number(one["total_tokens_per_s"]), "total rate")
    if one["usd_per_hour"] is not None:
        near(
            number(one["usd_per_accelerator_hour"]) * one["accelerators"],
            number(one["usd_per_hour"]),
            "dollars an hour",
        )
        hourly = number(one["total_tokens_per_s"]) * 3600.0
        near(
            number(one["usd_per_hour"]) / hourly * 1e6,
            number(one["usd_per_million_tokens"]),
            "dollars a million tokens",
        )


def _fleet(asked: Asked, data: dict[str, Any]) -> None:
    """A fleet carries its demand within its limits, and the cheapest one is the answer."""
    one = data["answer"]
    for name in ("ttft", "tpot"):
        if name in asked:
            assert number(one[f"{name}_tail_s"]) <= units.parse_duration_s(asked[name]) * (1 + GIVEN), (
                f"{name} is overrun"
            )
    rate = float(asked["demand"].split()[0]) * float(asked.get("peak_to_mean", 1))
    working = one["replicas"] - one["spare_replicas"]
    assert working * number(one["requests_per_s_per_replica"]) * (1 + GIVEN) >= rate, (
        "the fleet does not carry the demand"
    )
    prefill = one["prefill"]["accelerators"] if one["prefill"] else 0
    near(one["replicas"] * one["accelerators_per_replica"] + prefill, one["accelerators"], "accelerators")
    assert number(one["load"]) <= 1 + GIVEN, "load"
    dollars = [number(row["usd_per_hour"]) for row in data["alternatives"] if row["usd_per_hour"] is not None]
    own = None if one["usd_per_hour"] is None else number(one["usd_per_hour"])
    assert own is None or all(own <= other * (1 + GIVEN) for other in dollars), "dearer"


def _serve_more(asked: Asked, data: dict[str, Any]) -> None:
    """More clients wait no less, a longer prompt comes no sooner."""
    if "concurrency" not in asked:
        return
    one = data["answer"]
    busier = hm.serve(**{**asked, "concurrency": str(2 * int(asked["concurrency"]))}).to_dict()["answer"]
    assert number(busier["request_s"]) >= number(one["request_s"]) * (1 - 1e-3), "more clients wait less"
    longer = hm.serve(**{**asked, "input": str(2 * data["request"]["prompt_tokens"])}).to_dict()["answer"]
    assert number(longer["ttft_s"]) >= number(one["ttft_s"]) * (1 - 1e-3), "a longer prompt comes sooner"


def serve(asked: Asked, draw: float) -> None:
    """Latencies and prices are finite and ordered; a fleet that is chosen holds its limits."""
    found = hm.serve(**asked)
    data = readable(found)
    if "concurrency" in asked:
        _serving_identities(data)
    else:
        _fleet(asked, data)
    if draw < 0.1:
        text = found.to_markdown()
        assert words.duration(number(data["answer"]["tpot_s"])) in text, "TPOT is not in the report"
    elif draw < 0.2:
        same_answer("serve", asked, data)
    elif draw < 0.3:
        _serve_more(asked, data)


def _typed_too(verb: str, hold: Callable[[Asked, float], None]) -> Callable[[Asked, float], None]:
    """A share of the refusals are typed as well."""

    def both(asked: Asked, draw: float) -> None:
        try:
            hold(asked, draw)
        except HwModelError as error:
            if draw < 0.1:
                same_refusal(verb, asked, error)
            raise

    return both


HOLDS = {name: _typed_too(name, hold) for name, hold in
         (("plan", plan), ("compare", compare), ("train", train), ("serve", serve))}  # fmt: skip
