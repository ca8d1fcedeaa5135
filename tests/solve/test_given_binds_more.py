"""Cousins of the cases of limits and crashes, drawn from a seed: what is given binds or is refused in one line."""

from __future__ import annotations

import random
from typing import Any

import pytest

import hwmodel as hm
from hwmodel import units
from hwmodel.catalog import load_catalog
from hwmodel.errors import HwModelError, InputError
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.result import value_of

PARTS = [part.id for part in load_catalog().parts()]
LAWS = ["besiroglu_2024", "chinchilla_2022/approach3", "kaplan_2020/L_ND"]
EXTREMES = ["1e-308", "1e308", "5e-324", "1e300", "0.1", "1"]


def drawn(seed: int) -> dict[str, Any]:
    """A part, one limit of time or money, a size or tokens or neither, at a confidence."""
    draw = random.Random(f"limits {seed}")
    count = int(2 ** draw.uniform(0, 13))
    asked: dict[str, Any] = {"gpus": f"{count}x{draw.choice(PARTS)}", "usd_per_hour": f"{draw.uniform(0.5, 9):.2f}"}
    asked |= draw.choice(
        [{"time": f"{10 ** draw.uniform(4, 7.5):.6g}s"}, {"budget": f"${10 ** draw.uniform(2, 8):.6g}"}]
    )
    asked |= draw.choice(
        [{}, {"params": f"{10 ** draw.uniform(7.5, 11):.4g}"}, {"tokens": f"{10 ** draw.uniform(9, 13):.4g}"}]
    )
    if draw.random() < 0.5:
        asked["confidence"] = draw.choice(["60%", "80%", "90%", "97%"])
    if draw.random() < 0.3:
        asked["law"] = draw.choice(LAWS)
    return asked


def answered(asked: dict[str, Any]) -> Plan | None:
    """The plan; None where the question is refused, in one line."""
    said = ""
    try:
        return hm.plan(**asked)
    except HwModelError as refused:
        said = str(refused)
    assert said
    assert "\n" not in said
    return None


@pytest.mark.parametrize("seed", range(24))
def test_a_drawn_limit_is_not_overrun(seed: int) -> None:
    asked = drawn(seed)
    found = answered(asked)
    if found is None:
        return
    answer = found.answer
    if "time" in asked:
        assert value_of(answer.elapsed_days) * 86400.0 <= units.parse_duration_s(asked["time"]) * (1 + 1e-6), asked
    else:
        assert value_of(answer.cost_usd) <= units.parse_usd(asked["budget"]) * (1 + 1e-6), asked


@pytest.mark.parametrize("seed", range(24))
def test_an_extreme_number_answers_or_refuses(seed: int) -> None:
    """One quantity of a plain question at the ends of a float."""
    draw = random.Random(f"extreme {seed}")
    asked: dict[str, Any] = {"gpus": f"{draw.choice([1, 8, 129])}x{draw.choice(PARTS)}", "params": "1B", "tokens": "1B"}
    name = draw.choice(["params", "tokens", "flops", "time", "budget", "loss", "unique_tokens", "usd_per_hour",
                        "nic_gbit_s", "pue", "confidence", "mfu", "global_batch", "seq_len",
                        "inference_tokens"])  # fmt: skip
    if name in ("flops", "time", "budget", "loss"):
        asked.pop(draw.choice(["params", "tokens"]))
    number = draw.choice(EXTREMES)
    asked[name] = {"time": f"{number}d", "budget": f"${number}"}.get(name, number)
    found = answered(asked)
    assert found is None or 0 < value_of(found.answer.tokens) < float("inf")


@pytest.mark.parametrize("confidence", ["60%", "80%", "90%"])
@pytest.mark.parametrize("law", ["besiroglu_2024", "kaplan_2020/L_ND"])
@pytest.mark.parametrize(("gpus", "usd"), [("2xGB200-NVL72", 1e9), ("1xmi325x-256gb", 100.0), ("16384xB200", 3e10)])
def test_money_is_used_up_at_any_confidence(gpus: str, usd: float, law: str, confidence: str) -> None:
    """The spread of a run goes by its FLOPs, so that its tokens are closed in on: extreme budgets, both ways."""
    found = hm.plan(gpus=gpus, budget=f"${usd:.0f}", law=law, confidence=confidence).answer
    assert value_of(found.cost_usd) == pytest.approx(usd, rel=1e-6)


@pytest.mark.parametrize("law", ["kaplan_2020/L_ND"])
@pytest.mark.parametrize("asked", [{"tokens": "1T"}, {"loss": "2.2"}, {"time": "30d"}], ids=str)
def test_repeats_under_a_law_without_terms_are_refused(law: str, asked: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"--unique-tokens.*besiroglu_2024"):
        hm.plan(gpus="32xH100", params="7B", unique_tokens="100B", law=law, **asked)


def test_a_law_that_allots_otherwise_than_its_loss_shows_no_band() -> None:
    found = hm.plan(gpus="64xH100", flops="7.22e22", law="kaplan_2020/L_ND")
    assert found.regret_band is None
    assert any("no band of sizes" in line for line in found.warnings)


def test_a_request_of_one_token_ends_with_it() -> None:
    one = hm.serve("llama-3.1-8b", parts="h100", concurrency=8, output="1").to_dict()["answer"]
    assert one["request_s"] == one["ttft_s"]


@pytest.mark.parametrize("asked", [{"gpus": "v100-sxm3-32gb", "params": "7B", "budget": "$6.645e+08"},
                                   {"gpus": "1000xB200", "params": "7B", "tokens": "10B"}], ids=str)  # fmt: skip
def test_the_next_best_layout_is_not_the_one_chosen(asked: dict[str, str]) -> None:
    found = hm.plan(**asked)
    assert found.layout is not None
    for row in found.to_dict()["alternatives"]["layouts"]:
        assert row["slower_fraction"]["value"] >= 0.0
        assert any(row["layout"][name] != getattr(found.layout, name) for name in ("tp", "cp", "pp", "ep", "zero"))


@pytest.mark.parametrize("gpus", ["2xtpu-v6e", "8xH100"])
def test_a_format_that_falls_back_is_reported_as_it_is_answered(gpus: str) -> None:
    found = answered({"gpus": gpus, "precision": "mxfp8", "params": "1B", "tokens": "10B"})
    assert found is None or found.to_markdown().startswith("# Training budget")
