"""`plan --moe`: mixtures of experts against a dense model over a whole life."""

from __future__ import annotations

import math

import numpy as np
import pytest

import hwmodel as hm
from hwmodel import laws
from hwmodel.catalog import load_catalog
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.laws.experts import active_for_dense, dense_equivalent, joint_moe
from hwmodel.physics.shape import parameters, shape_for_params, smooth_shapes, with_experts
from hwmodel.report import plan_card
from hwmodel.report.plan import plan_markdown
from hwmodel.solve.life.mixture_loss import mixture_line
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import resolve
from hwmodel.solve.run.result import value_of

ASK = {"gpus": "512xH100", "loss_like": "70B@1.4T"}


def test_dense_equivalents_invert() -> None:
    c = load_catalog().law("ludziejewski_2025").constants
    dense = np.geomspace(1e9, 1e11, 9)
    for experts in (1.0, 4.0, 32.0):
        active = active_for_dense(c, dense, 1e12, experts)
        assert np.allclose(dense_equivalent(c, active, 1e12, experts), dense, rtol=1e-9)
        assert np.allclose(
            joint_moe(c, active, 1e12, experts)["loss_nats"], joint_moe(c, dense, 1e12, 1.0)["loss_nats"]
        )
    # Few tokens over many experts reach no loss of a dense model that saw them all.
    assert active_for_dense(c, 1e13, 1e7, 32.0) == float("inf")


def test_experts_share_a_shape() -> None:
    base = shape_for_params(7e9)
    assert with_experts(base, 1.0) is base
    mixture = with_experts(base, 8.0)
    dense, terms = parameters(base), parameters(mixture)
    assert terms.active == pytest.approx(dense.active, rel=1e-3)  # the router comes on top
    assert terms.total > 5.0 * dense.total
    sizes = np.geomspace(1e9, 1e12, 13)
    assert np.allclose(parameters(smooth_shapes(sizes)).total, sizes, rtol=1e-3)


def test_mixtures_beside_dense() -> None:
    found = hm.plan(**ASK, inference_tokens="20T", moe="4,32")
    m = found.mixtures
    dense, four, most = m.rows
    assert (dense.experts, four.experts, most.experts) == (1.0, 4.0, 32.0)
    # Experts and dense are compared at the trend of their sizes, the plan is its own bill.
    assert dense.lifetime_cost == pytest.approx(found.saving.lifetime_cost, rel=0.03)
    for row in m.rows:
        assert row.lifetime_cost == pytest.approx(row.train_cost + row.serve_cost)
        assert row.saving == pytest.approx(1.0 - row.lifetime_cost / dense.lifetime_cost)
    # More experts: fewer active parameters for the same loss, more of them in memory.
    assert dense.params_active > four.params_active > most.params_active
    assert dense.params < four.params < most.params
    assert m.winner_experts == min(m.rows, key=lambda row: row.lifetime_cost).experts
    # The loss is that of the plan, by way of the dense equivalent.
    catalog = load_catalog()
    equal = dense_equivalent(catalog.law(m.law).constants, most.params_active, most.tokens, 32.0)
    loss = laws.loss(catalog.law("besiroglu_2024"), equal, most.tokens)
    assert loss == pytest.approx(laws.loss(catalog.law("besiroglu_2024"), 7e10, 1.4e12), rel=1e-6)
    if m.winner_experts > 1:
        assert m.saving.low <= m.saving.value <= m.saving.high
        assert m.answer.accelerators == 512
    assert "decades beyond its runs" in plan_markdown(found)
    assert "cheapest for its life" in plan_card(found)
    assert "experts win" in plan_card(found) or "dense model wins" in plan_card(found)


def test_without_a_fleet_flops_decide() -> None:
    m = hm.plan(loss_like="70B@1.4T", inference_tokens="20T", moe=True).mixtures
    costs = [row.lifetime_cost for row in m.rows]
    assert costs == sorted(costs, reverse=True)  # FLOPs count active parameters alone
    assert m.answer is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"moe": "8"}, "add the demand"),
        ({"moe": "64", "inference_tokens": "1T"}, "2 to 32"),
        ({"moe": "some", "inference_tokens": "1T"}, "2 to 32"),
        ({"moe": "8", "inference_tokens": "1T", "unique_tokens": "100B"}, "repeated data"),
    ],
)
def test_what_is_not_sourced_is_refused(given: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        hm.plan(loss_like="70B@1.4T", **given)


def test_sizes_that_miss_the_latency_have_no_cost() -> None:
    found = hm.plan(**ASK, serve="200 req/s, 1k in, 300 out, 2 years, tpot 8ms")
    assert found.saving.value is None
    assert found.saving.training_optimal_lifetime_cost is None
    assert "cannot be served" in plan_markdown(found)
    with pytest.raises(InfeasibleError, match="longer TPOT"):
        hm.plan(**ASK, serve="200 req/s, 1k in, 300 out, 2 years, tpot 1ms")


def test_the_optimum_falls_smoothly_with_demand() -> None:
    """No size is sticky: neither rungs of the training ladder nor steps of rounded shapes hold the optimum fast."""
    curve = hm.plan(**ASK, inference_tokens="2T").curves.demand
    sizes = np.array([row.params for row in curve])
    assert (np.diff(sizes) < 0).all()
    assert (np.abs(np.diff(np.log(sizes))) < 0.35).all()


def test_four_bit_serving_pays_a_measured_loss() -> None:
    """Bits of weights, activations and cache are charged: W4A4 costs more than W4A16, and training regains it."""
    ask = {"gpus": "1024xB200", "loss_like": "8B@15T", "inference_tokens": "100T"}
    found = hm.plan(**ask)
    rows = {row.serving_precision: row for row in found.serving_formats}
    four, weights = rows["nvfp4"].fixed, rows["w4a16"].fixed
    assert four.loss_nats.value > weights.loss_nats.value > rows["w8a16"].fixed.loss_nats.value > 0.0
    assert four.loss_nats.low < four.loss_nats.value < four.loss_nats.high
    assert four.saving_share > weights.saving_share
    assert rows["bf16"].fixed.loss_nats.high == 0.0
    assert rows["nvfp4"].params > rows["bf16"].params  # more parameters or tokens train the loss away


def test_cost_grows_with_size_beyond_the_ladder() -> None:
    curve = hm.plan(gpus="1024xB200", loss_like="8B@15T", inference_tokens="100T").curves.lifetime
    large = [row.lifetime_cost for row in curve if row.params > 1e11]
    assert len(large) > 3
    assert large == sorted(large)
    assert large[-1] > 2.0 * large[0]


def test_serving_formats_side_by_side() -> None:
    found = hm.plan(**ASK, inference_tokens="20T")
    rows = {row.serving_precision: row for row in found.serving_formats}
    assert next(iter(rows)) == "bf16"
    assert rows["bf16"].lifetime_cost == pytest.approx(found.saving.lifetime_cost, rel=0.03)  # its trend, its bill
    assert rows["bf16"].loss_paid_nats == 0.0 < rows["fp8"].loss_paid_nats < rows["w4a16"].loss_paid_nats
    asked = hm.plan(**ASK, inference_tokens="20T", serving_precision="fp8").saving.lifetime_cost
    assert rows["fp8"].lifetime_cost == pytest.approx(asked, rel=0.03)
    assert "served in" in plan_markdown(found)
    assert "nvfp4" not in rows  # Hopper lacks it
    assert hm.plan(loss_like="70B@1.4T", inference_tokens="20T").serving_formats == []


def test_a_lifetime_budget_buys_the_least_loss() -> None:
    """The dual of the cheapest life: the money of a loss buys that loss back, and more money buys less loss."""
    like = hm.plan(**ASK, inference_tokens="20T")
    usd = like.saving.lifetime_cost
    found = hm.plan(gpus="512xH100", inference_tokens="20T", lifetime_budget=usd)
    assert value_of(found.answer.loss_nats) == pytest.approx(value_of(like.answer.loss_nats), abs=0.002)
    assert value_of(found.answer.params) == pytest.approx(value_of(like.answer.params), rel=0.1)
    assert found.saving.lifetime_cost == pytest.approx(usd, rel=0.05)
    assert "loss" not in found.request.given
    more = hm.plan(gpus="512xH100", inference_tokens="20T", lifetime_budget=4 * usd)
    assert value_of(more.answer.loss_nats) < value_of(found.answer.loss_nats)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"lifetime_budget": "$5M"}, InputError, "add --inference-tokens"),
        ({"lifetime_budget": "$5M", "inference_tokens": "1T", "tokens": "1T"}, InputError, "drop --tokens"),
        ({"lifetime_budget": "$5M", "inference_tokens": "1T", "objective": "kwh"}, InputError, "counts dollars"),
        ({"lifetime_budget": "$5M", "inference_tokens": "1T", "gpus": "H100"}, InputError, "with a count"),
        ({"lifetime_budget": "$5", "inference_tokens": "20T"}, InfeasibleError, "does not pay"),
    ],
)
def test_lifetime_budgets_that_cannot_be(given: dict, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        hm.plan(**{"gpus": "512xH100", **given})


def test_a_mixture_outside_the_law_of_experts_says_what_of_it_is() -> None:
    shared = "a shared one stands beside them"
    for model, words in (("mixtral-8x7b", ["2 are active"]), ("llama-4-scout", [shared]),
                         ("deepseek-v3", ["8 are active", shared, "3 of 61 layers have none"])):  # fmt: skip
        (line,) = [w for w in hm.plan(model=model, tokens="1T").warnings if w.startswith("no loss is given")]
        for word in words:
            assert word in line
        assert "ludziejewski_2025" in line
    assert not any("no loss is given" in w for w in hm.plan(params="8B", tokens="1T").warnings)


def test_a_mixture_of_the_laws_own_kind_has_the_loss_of_its_dense_equivalent() -> None:
    """One active expert of eight in every layer, by the two laws typed again: L_base(N_eq, D)."""
    shape = with_experts(shape_for_params(3e9), 8.0)
    line = mixture_line(resolve(parse_request(params="3B", tokens="1T")), shape, 1e12)
    c = load_catalog().law("ludziejewski_2025").constants

    def terms(experts: float) -> tuple[float, float, float, float]:
        start = 1.0 / c["E_start"] - 1.0 / c["E_max"]
        e = 1.0 / (1.0 / (experts - 1.0 + 1.0 / start) + 1.0 / c["E_max"])
        log_e = math.log(e)
        return (c["a"] * e ** c["delta"], c["alpha"] + c["gamma"] * log_e, c["b"] * e ** c["omega"],
                c["beta"] + c["zeta"] * log_e)  # fmt: skip

    active = float(parameters(shape).active)
    a, alpha, b, beta = terms(8.0)
    target = a * active**alpha + b * 1e12**beta
    a1, alpha1, b1, beta1 = terms(1.0)
    dense = ((target - b1 * 1e12**beta1) / a1) ** (1.0 / alpha1)
    loss = 1.81686 + 482.00572 * dense**-0.34781303 + 2085.43420 * 1e12**-0.36585412
    assert f"a loss of {loss:.3f} nats" in line
    assert dense > active
