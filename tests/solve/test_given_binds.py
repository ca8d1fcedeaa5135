"""What is given binds: limits are used up and not overrun, an option that nothing would read is refused."""

from __future__ import annotations

from typing import Any

import pytest

import hwmodel as hm
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.physics.shape import parameters, shape_for_params
from hwmodel.solve.plan.compare_values import Comparison
from hwmodel.solve.run.result import value_of


@pytest.mark.parametrize(
    ("asked", "days", "usd"),
    [
        ({"gpus": "tpu7x:7", "time": "30d", "tokens": "1.4T"}, 30.0, None),
        ({"gpus": "16xH100", "budget": "$10k", "tokens": "1.4T"}, None, 1e4),
        ({"gpus": "16xH100", "budget": "$10k", "tokens": "1.4T", "confidence": "80%"}, None, 1e4),
        ({"gpus": "100xA100", "time": "10d", "tokens": "300B"}, 10.0, None),
        ({"gpus": "1000xMI300X", "budget": "$3M", "tokens": "15T", "confidence": "90%"}, None, 3e6),
        ({"gpus": "512xB200", "time": "20d", "budget": "$700k", "tokens": "2T"}, 20.0, 7e5),
    ],
)
def test_time_and_money_are_used_and_never_overrun(asked: Any, days: float | None, usd: float | None) -> None:
    found = hm.plan(**asked).answer
    shares = [
        value_of(value) / limit
        for value, limit in ((found.elapsed_days, days), (found.cost_usd, usd))
        if limit is not None
    ]
    assert max(shares) <= 1 + 1e-6
    assert max(shares) > 0.97  # the next larger shape is so much slower that it jumps over the limit


@pytest.mark.parametrize("params", ["1M", "2M", "5M", "12M"])
@pytest.mark.parametrize("verb", ["plan", "train"])
def test_a_size_that_no_shape_comes_near_is_not_timed(verb: str, params: str) -> None:
    tokens: dict[str, Any] = {"tokens": "1B"} if verb == "plan" else {}
    with pytest.raises(InfeasibleError, match="nearest that can be built"):
        getattr(hm, verb)(gpus="64xB200", params=params, **tokens)


@pytest.mark.parametrize("params", [2e7, 3.3e7, 8e7, 4e8, 6e9, 3e11])
def test_sizes_that_are_timed_are_built_within_a_tenth(params: float) -> None:
    assert float(parameters(shape_for_params(params)).total) == pytest.approx(params, rel=0.1)
    assert hm.plan(gpus="512xB200", params=params, tokens="1B").layout is not None


def test_a_law_alone_answers_for_small_sizes() -> None:
    assert hm.plan(params="5M", tokens="1B").answer.train_flop == pytest.approx(6 * 5e6 * 1e9)


@pytest.mark.parametrize("percentile", ["p99", "p95", "P90", "p99.9", "p10"])
def test_a_percentile_that_a_life_cannot_hold_is_refused(percentile: str) -> None:
    use = f"20 req/s, 1k in, 300 out, 1 year, {percentile} tpot 40ms"
    with pytest.raises(InputError, match="hwmodel serve"):
        hm.plan(gpus="64xH100", loss_like="8B@1T", serve=use)


@pytest.mark.parametrize(
    "limit",
    [{"p": 99}, {"peak_to_mean": 2}, {"spares": 2}, {"max_loss": 0.01},
     {"min_quality": "99%"}, {"acceptance": 0.9}],
)  # fmt: skip
def test_a_prediction_refuses_what_chooses_a_fleet(limit: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(limit)).replace("_", "-")):
        hm.serve("llama-3.1-8b", parts="h100", concurrency=8, **limit)


@pytest.mark.parametrize(("limit", "word"), [("ttft", "TTFT"), ("tpot", "TPOT")])
def test_a_prediction_says_whether_it_meets_a_latency(limit: str, word: str) -> None:
    one = {"model": "llama-3.1-70b", "parts": "h200", "tp": 8, "concurrency": 64, "precision": "fp8"}
    assert f"misses the {word} limit" in hm.serve(**{**one, limit: "1ms"}).to_markdown()
    assert "misses" not in hm.serve(**{**one, limit: "100s"}).to_markdown()


@pytest.mark.parametrize(
    ("fleets", "counts"),
    [
        ("8xdgx-h100,64xH100", [64, 64]),
        ("4xp4d.24xlarge,2xGB200-NVL72,v5p-128", [32, 144, 64]),
        ("2xp5.48xlarge,2xdgx-b200", [16, 16]),
    ],
)
def test_fleets_are_compared_by_the_names_of_boxes(fleets: str, counts: list[int]) -> None:
    found = hm.compare(gpus=fleets, params="7B", tokens="100B")
    assert isinstance(found, Comparison)
    assert [plan.answer.accelerators for plan in found.plans] == counts


def test_a_batch_that_was_not_given_is_not_called_given() -> None:
    found = hm.plan(gpus="16xH100", tokens="1.4T", params="300M")
    assert not any("batch given" in line for line in found.warnings)
    given = hm.plan(gpus="16xH100", tokens="1B", params="300M", global_batch="2048")
    assert any("batch given" in line for line in given.warnings)


def test_a_plan_reads_as_a_plan_also_where_the_part_has_few_bits() -> None:
    text = hm.plan(gpus="64xH100", params="7B", tokens="1T").to_markdown()
    assert text.startswith("# Training budget")
    both = hm.compare(gpus="64xH100", params="7B", tokens="1T", precision="bf16,fp8").to_markdown()
    assert both.startswith("# Formats")
