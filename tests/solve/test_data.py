"""The data of a run: repeats and their price against the law's own arithmetic, the stock of text, odd ratios."""

from __future__ import annotations

import math

import pytest

import hwmodel as hm
from hwmodel.catalog.topics import text_stock
from hwmodel.report.plan import plan_markdown

FLEET = {"gpus": "512xH100", "time": "60d"}


def test_repeats_are_priced() -> None:
    found = hm.plan(**FLEET, unique_tokens="200B")
    data, answer = found.data, found.answer
    tokens = answer.tokens.value
    assert data.epochs == pytest.approx(tokens / 200e9)
    # Muennighoff et al. 2023, eq. 5: U + U R* (1 - exp(-R / R*)), R* = 15.387756 epochs
    star = found.to_dict() and hm.load_catalog().law("muennighoff_2023").constants["RD_star"]
    repeats = data.epochs - 1.0
    assert data.effective_tokens == pytest.approx(200e9 * (1.0 + star * (1.0 - math.exp(-repeats / star))))
    fresh = hm.law.optimum("besiroglu_2024", loss=answer.loss_nats.value, draws=0)
    flop = 6.0 * fresh["params"] * fresh["tokens"]
    assert data.fresh_flop == pytest.approx(flop, rel=1e-6)
    assert data.extra_compute_share == pytest.approx(answer.train_flop / flop - 1.0, rel=1e-6)
    assert 0.0 < data.extra_usd < answer.cost_usd.value
    assert "distinct tokens are seen" in plan_markdown(found)


def test_fresh_data_has_no_price() -> None:
    assert hm.plan(**FLEET).data is None


def test_more_text_than_there_is() -> None:
    stock = text_stock()
    assert (stock.low, stock.value, stock.high) == (1e14, 3e14, 1e15)  # arXiv 2211.04325, abstract
    below = hm.plan(params="1T", tokens="90T").warnings
    doubtful = hm.plan(params="10T", tokens="200T").warnings
    beyond = hm.plan(params="10T", tokens="400T").warnings
    held = hm.plan(params="10T", tokens="400T", unique_tokens="20T").warnings
    assert not any("public text" in line for line in (*below, *held))
    assert any("may be more than the public text that exists: about 300T (100T to 1e15" in line for line in doubtful)
    assert any("400T distinct tokens are more than the public text" in line for line in beyond)


@pytest.mark.parametrize(("tokens", "said"), [("990B", False), ("1.1T", True), ("36T", True)])
def test_tokens_that_no_law_knows(tokens: str, said: bool) -> None:
    found = hm.plan(params="1B", tokens=tokens).warnings
    assert any("tokens a parameter: no law was fitted so far" in line for line in found) is said


LIFE = {"gpus": "512xH100", "inference_tokens": "5T", "lifetime_budget": "$5M"}


def test_a_lifetime_budget_within_a_time() -> None:
    free = hm.plan(**LIFE).answer
    loose = hm.plan(**LIFE, time="200d").answer
    assert loose.loss_nats.value == pytest.approx(free.loss_nats.value, rel=1e-9)
    tight = hm.plan(**LIFE, time="30d").answer
    assert tight.elapsed_days.value <= 30.0 * (1 + 1e-6)
    assert tight.elapsed_days.value == pytest.approx(30.0, rel=0.003)
    assert tight.lifetime_cost <= 5e6
    assert tight.loss_nats.value > free.loss_nats.value
    both = hm.plan(**LIFE, time="30d").objectives
    for one in (both.training_optimal, both.deployment_optimal):
        assert one.elapsed_days.value <= 30.0 * (1 + 1e-6)


@pytest.mark.parametrize("time", ["20d", "45d"])
def test_no_other_size_does_better_within_both_limits(time: str) -> None:
    """By hand: sizes of a grid trained for the whole time; none that keeps both limits has a lower loss."""
    best = hm.plan(**LIFE, time=time).answer
    for params in (2e10, 3e10, 4e10, 5e10, 6e10, 8e10, 1.2e11):
        one = hm.plan(gpus="512xH100", inference_tokens="5T", params=params, time=time).answer
        if one.lifetime_cost is not None and one.lifetime_cost <= 5e6:
            assert one.loss_nats.value >= best.loss_nats.value - 1e-3  # buildable shapes differ in speed


def test_a_lifetime_budget_and_the_money_of_training() -> None:
    found = hm.plan(**LIFE, budget="$300k").answer
    assert found.cost_usd.value <= 300e3 * (1 + 1e-6)
    assert found.lifetime_cost <= 5e6
    with pytest.raises(hm.InfeasibleError):
        hm.plan(**{**LIFE, "lifetime_budget": "$1"}, time="30d")
