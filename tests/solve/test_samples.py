"""Answers against size: every figure of the tables against a grid of its own, and what cannot be traded refused."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.task_families import TASK_FAMILIES, WITHOUT_LAW
from hwmodel.solve.run.result import value_of

LAW = load_catalog().law("besiroglu_2024").constants
PROMPTS, DEMAND, ANSWERS = 0.75, 1e12, 16.0
ASKED = {"loss_like": "8B@2T", "inference_tokens": "1T", "samples": 16}
N = np.geomspace(1e8, 3e12, 60_001)


def loss(n: Any, d: Any) -> Any:
    return LAW["E"] + LAW["A"] / n ** LAW["alpha"] + LAW["B"] / d ** LAW["beta"]


def cheapest(target: float, samples: float) -> tuple[float, float]:
    """(cost, size) of the cheapest life in FLOPs: prompts read once, each answer written."""
    rest = target - LAW["E"] - LAW["A"] / N ** LAW["alpha"]
    d = np.where(rest > 0, (LAW["B"] / np.where(rest > 0, rest, 1.0)) ** (1.0 / LAW["beta"]), np.inf)
    cost = 6 * N * d + 2 * N * DEMAND * (PROMPTS + (1 - PROMPTS) * samples)
    return float(cost.min()), float(N[cost.argmin()])


@pytest.fixture(scope="module")
def in_flops() -> Any:
    return hm.plan(**ASKED)


@pytest.mark.parametrize("name", TASK_FAMILIES)
def test_rows_are_the_cheapest_lives_of_equal_coverage(in_flops: Any, name: str) -> None:
    family = next(one for one in in_flops.samples.families if one.task_family == name)
    c = load_catalog().law(family.law).constants
    n, d = value_of(in_flops.answer.params), value_of(in_flops.answer.tokens)
    assert [row.samples for row in family.rows] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    for row in family.rows:
        middle = (ANSWERS / row.samples) ** c["exponent"]
        ends = [(ANSWERS / row.samples) ** c[end] for end in ("exponent_low", "exponent_high")]
        ratios = [middle, *(min(max(end, min(1 / 32, middle)), max(32.0, middle)) for end in ends)]
        costs, sizes = zip(*(cheapest(float(loss(n * ratio, d)), row.samples) for ratio in ratios), strict=True)
        assert row.lifetime_cost.value == pytest.approx(costs[0], rel=1e-4)
        assert row.lifetime_cost.low == pytest.approx(min(costs), rel=1e-4)
        assert row.lifetime_cost.high == pytest.approx(max(costs), rel=1e-4)
        assert row.params.value == pytest.approx(sizes[0], rel=5e-3)
        assert row.loss_nats == pytest.approx(float(loss(n * middle, d)), rel=1e-9)
        one, _ = cheapest(float(loss(n * ANSWERS ** c["exponent"], d)), 1.0)
        assert row.saving.value == pytest.approx(1 - costs[0] / one, abs=2e-4)
        assert row.beyond_law == (row.samples > TASK_FAMILIES[name].most_samples)
    inside = [row for row in family.rows if not row.beyond_law]
    assert family.cheapest_samples == min(inside, key=lambda row: row.lifetime_cost.value).samples


def test_the_size_of_the_same_cost_and_the_chance_that_the_answers_win(in_flops: Any) -> None:
    found = in_flops.samples
    n, d = value_of(in_flops.answer.params), value_of(in_flops.answer.tokens)
    whole, _ = cheapest(float(loss(n, d)), ANSWERS)
    assert cheapest(float(loss(found.same_cost_params, d)), 1.0)[0] == pytest.approx(whole, rel=1e-3)
    for family in found.families:
        c = load_catalog().law(family.law).constants
        needed = math.log(found.same_cost_params / n) / math.log(ANSWERS)  # the exponent at which both are equal
        end = c["exponent_low"] if needed < c["exponent"] else c["exponent_high"]
        z = math.log(c["exponent"] / needed) / abs(math.log(c["exponent"] / end)) * 1.2815515655446004
        assert family.probability_answers_win == pytest.approx(NormalDist().cdf(z), abs=1e-4)
        assert family.worth_params.value == pytest.approx(n * ANSWERS ** c["exponent"], rel=1e-9)
        low, high = family.worth_params.low, family.worth_params.high
        verdict = (
            "answers" if low > found.same_cost_params else "size" if high < found.same_cost_params else "undecided"
        )
        assert family.verdict == verdict


def test_the_demand_counts_prompts_once() -> None:
    """1T tokens, three of four of them prompts, with 16 answers: 0.75T read and 4T written."""
    request = parse_request(**ASKED)
    assert request.inference_tokens == pytest.approx(4.75e12)
    assert request.one_answer_tokens == pytest.approx(1e12)
    assert request.one_answer_share == pytest.approx(0.75)
    again = request.with_samples(4.0)
    assert again.inference_tokens == pytest.approx(1.75e12)
    assert again.prompt_share == pytest.approx(0.75 / 1.75)


def test_answers_left_open_are_the_cheapest_of_the_coverage_of_one() -> None:
    asked = {"loss_like": "70B@1.4T", "inference_tokens": "1T"}
    one, found = hm.plan(**asked), hm.plan(**asked, samples="any", task_family="code")
    e = load_catalog().law("sampled_code").constants["exponent"]
    n, d = value_of(one.answer.params), value_of(one.answer.tokens)
    costs = {k: cheapest(float(loss(n * k**-e, d)), k)[0] for k in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)}
    best = min(costs, key=lambda k: costs[k])
    assert found.samples.chosen
    assert found.samples.samples == best
    assert found.saving.lifetime_cost == pytest.approx(costs[best], rel=1e-4)
    assert value_of(found.answer.loss_nats) == pytest.approx(float(loss(n * best**-e, d)), rel=1e-6)
    assert value_of(found.answer.loss_nats) > value_of(one.answer.loss_nats)  # worse a token, not for free
    assert f"{best:g} answers a prompt" in found.to_markdown()


@pytest.mark.parametrize(
    "asked",
    [
        {"inference_tokens": "1T", "loss_like": "70B@1.4T", "samples": "any", "task_family": "code"},
        {"inference_tokens": "5T", "loss_like": "30B@600B", "serving_precision": "w4a16"},
    ],
)
def test_the_law_s_doubt_is_about_the_run_that_is_trained(asked: dict[str, str]) -> None:
    """The loss held moves with the law's draws from what this run is trained to: neither from the loss of one answer,
    nor from that of the model as served."""
    found = hm.plan(gpus="512xH100", **asked)
    law = next(one for one in found.risk.drivers if one.driver == "law")
    assert law.days_low < value_of(found.answer.elapsed_days) < law.days_high < 1.5 * law.days_low


def test_in_dollars_answers_cost_more_than_their_flops() -> None:
    """Output tokens are dearer than their FLOPs: fewer answers are cheapest than in FLOPs."""
    asked = {**ASKED, "task_family": "code"}
    dollars = hm.plan(gpus="512xH100", **asked).samples
    assert dollars.unit == "USD"
    assert dollars.families[0].cheapest_samples < hm.plan(**asked).samples.families[0].cheapest_samples
    assert len(dollars.families) == 1


def test_one_answer_has_no_table() -> None:
    assert hm.plan(loss_like="8B@2T", inference_tokens="1T").samples is None


def test_eight_billion_with_sixteen_answers_beside_seventy_billion() -> None:
    text = hm.compare(
        params="8B,70B", samples="16,1", task_family="code", tokens="2T", inference_tokens="1T", gpus="512xH100"
    ).to_markdown()
    lines = [line for line in text.splitlines() if line.startswith(("| 8B | 16 |", "| 70B | 1 |"))]
    assert len(lines) == 2
    assert "69B (28.7B to 303B)" in lines[0]
    assert "worth one answer of" in text


@pytest.mark.parametrize("name", WITHOUT_LAW)
def test_a_family_without_a_law_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(InputError, match=r"no law by size.*nearest: (code|maths)"):
        hm.plan(**ASKED, task_family=name)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"task_family": "swe-bench"}, "SWE-bench Lite is published for one model alone"),
        ({"task_family": "cod"}, "nearest: code"),
        ({"samples": 0.5}, "1 or more"),
        ({"samples": "any"}, "add --task-family"),
        ({"samples": "any", "task_family": "code", "loss_like": None, "tokens": "2T"}, "leave the size"),
        ({"samples": None, "task_family": "code"}, "add --samples"),
        ({"inference_tokens": None}, "add --inference-tokens"),
    ],
)
def test_what_cannot_be_traded_is_refused(more: dict[str, Any], said: str) -> None:
    given = {key: value for key, value in {**ASKED, **more}.items() if value is not None}
    with pytest.raises(InputError, match=said):
        hm.plan(**given)


def test_aliases_name_their_family() -> None:
    assert parse_request(**ASKED, task_family="Math").task_family == "maths"
    assert parse_request(**ASKED, task_family="HumanEval").task_family == "code"
    assert parse_request(**ASKED, task_family="miniF2F").task_family == "proofs"
