"""The lifetime objective and its special cases."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hwmodel import laws
from hwmodel.errors import InfeasibleError
from hwmodel.laws.lifetime import Option, budget_band, least_loss, lifetime_optimum, option_optimum


@pytest.mark.parametrize(("demand", "params", "tokens", "saved"), [(2e12, 50.6, 2.04, 6.4), (20e12, 29.3, 5.26, 40.3)])
def test_loss_of_70b_on_1_4t_with_inference(law, demand, params, tokens, saved):
    refit = law("besiroglu_2024")
    best = lifetime_optimum(refit, laws.loss(refit, 70e9, 1.4e12), demand)
    assert best.params / 1e9 == pytest.approx(params, abs=0.05)
    assert best.tokens / 1e12 == pytest.approx(tokens, abs=0.005)
    assert 100 * best.saved_fraction == pytest.approx(saved, abs=0.05)
    assert laws.loss(refit, best.params, best.tokens) == pytest.approx(best.loss, rel=1e-12)


def test_without_demand_it_is_the_training_optimum(law):
    refit = law("besiroglu_2024")
    best = lifetime_optimum(refit, 1.97, 0.0)
    assert best.params == pytest.approx(laws.optimum_for_loss(refit, 1.97).params, rel=1e-6)


def test_the_first_order_condition_of_sardana(law):
    spec = law("sardana_2024")
    c = spec.constants
    best = lifetime_optimum(spec, 1.947, 2e12)
    left = (c["alpha"] * c["A"] * best.params ** -c["alpha"]) / (c["beta"] * c["B"] * best.tokens ** -c["beta"])
    assert left == pytest.approx(1 + 2e12 / (3 * best.tokens), rel=1e-6)


def test_posterior_of_the_saving_is_drawn_jointly(law):
    drawn = laws.draws(law("besiroglu_2024"), 4000, seed=0)
    loss = laws.optimum_for_params(drawn, 13e9).loss
    best = lifetime_optimum(drawn, loss, 2e12)
    low, high = laws.band(best.saved_fraction)
    assert low == pytest.approx(0.23, abs=0.01)  # 29 % (23 to 34) with the refit
    assert high == pytest.approx(0.34, abs=0.012)
    one = lifetime_optimum(
        law("besiroglu_2024"), float(laws.optimum_for_params(law("besiroglu_2024"), 13e9).loss), 2e12
    )
    assert one.saved_fraction == pytest.approx(0.29, abs=0.005)
    assert np.all(np.isfinite(best.params))


def test_costs_may_be_any_callables_even_with_steps(law):
    refit = law("besiroglu_2024")

    def stepped(params):
        return 2 * params * np.where(params > 40e9, 3.0, 1.0)  # beyond one server, serving triples

    best = lifetime_optimum(refit, 1.9734, 2e12, serve_cost=stepped)
    assert best.params == pytest.approx(40e9, rel=0.06)
    assert best.params <= 40e9


def test_a_loss_below_the_floor_is_refused(law):
    with pytest.raises(InfeasibleError, match="floor"):
        lifetime_optimum(law("besiroglu_2024"), 1.7, 1e12)


def test_devries_overhead_is_the_cost_of_a_smaller_model(law):
    spec = law("sardana_2024")
    best = laws.optimum_for_flop(spec, 1e23)
    for factor in (0.75, 0.5, 0.3, 0.25):
        tokens = laws.tokens_for_loss(spec, factor * best.params, best.loss)
        overhead = 6 * factor * best.params * tokens / 1e23 - 1
        got = laws.evaluate(law("devries_2023"), size_factor=factor)["overhead"]
        assert got == pytest.approx(overhead, rel=1e-9)
    shares = [laws.evaluate(law("devries_2023"), size_factor=k)["overhead"] for k in (0.75, 0.5, 0.3, 0.25)]
    assert shares == [pytest.approx(x, abs=5e-4) for x in (0.028, 0.208, 1.056, 1.889)]


def test_few_distinct_tokens_repeat_as_in_muennighoff(law):
    spec = law("muennighoff_2023")
    few = Option(law=spec, unique_tokens=25e9, repeats=spec)
    best = option_optimum(few, 2.2256440889984477, 0.0)  # the loss of their 6.34B on 242B tokens, 25B of them distinct
    published = 6 * 6.34e9 * 242e9
    assert best.train_cost == pytest.approx(published, rel=0.005)
    assert best.train_cost <= published
    assert 8 < best.epochs < 10
    loss, params, tokens = least_loss(few, published)
    assert 2.2255 < loss <= 2.22565
    assert params < 8.67e9  # data-limited: smaller and longer than the single-epoch optimum
    again = laws.evaluate(spec, params=params, tokens=tokens, unique_tokens=25e9)["loss_nats"]
    assert again == pytest.approx(loss, rel=1e-9)
    with pytest.raises(InfeasibleError, match="however often they repeat"):
        option_optimum(Option(law=spec, unique_tokens=1e9, repeats=spec), 2.1, 0.0)


def test_limits_bind_and_are_named(law):
    refit = law("besiroglu_2024")
    small = Option(law=refit, limits={"memory": lambda n, d: n <= 30e9})
    best = option_optimum(small, 1.9734, 2e12)
    assert best.params == pytest.approx(30e9, rel=1e-3)
    assert best.total_cost > lifetime_optimum(refit, 1.9734, 2e12).total_cost
    with pytest.raises(InfeasibleError, match="meets memory") as caught:
        option_optimum(Option(law=refit, limits={"memory": lambda n, d: n <= 1e9}), 1.9734, 2e12)
    assert caught.value.binding == "memory"


def test_a_recipe_with_a_penalty_pays_in_size_and_tokens(law):
    refit = law("besiroglu_2024")
    plain = option_optimum(Option(law=refit), 1.9734, 2e12)
    fewer = Option(law=refit, label="fp8", penalty=lambda n, d: 0.005 + 0 * n)
    worse = option_optimum(fewer, 1.9734, 2e12)
    assert worse.total_cost > plain.total_cost
    assert laws.loss(refit, worse.params, worse.tokens) + 0.005 == pytest.approx(1.9734, abs=1e-9)


def test_joint_experts_under_a_memory_limit_follow_their_table(law):
    """Table 2 of arXiv 2502.05172: best number of experts by budget and memory (16k tokens of cache, bf16)."""
    spec, vocab, cache = law("ludziejewski_2025"), 50257, 16384
    table = {1e21: (16, 32, 32), 1e22: (4, 16, 32), 1e23: (1, 8, 32), 1e24: (1, 1, 16)}  # at 24, 80, 640 GB

    # width 64 x layers (assumed: the paper does not print its shapes); active parameters 13 L d^2 + 2 d V
    layers = np.geomspace(0.1, 2000, 4000)
    width = 64 * layers
    active = 13 * layers * width**2 + 2 * width * vocab

    def limit(experts, most):
        held = 2 * (2 * width * vocab + (4 + 9 * experts) * layers * width**2 + 2 * cache * layers * width)
        return {"memory": lambda n, d: np.interp(np.log(n), np.log(active), held) <= most}

    steps = []
    for flop, row in table.items():
        for most, printed in zip((24e9, 80e9, 640e9), row):
            options = {
                e: Option(law=laws.specialise(spec, experts=e), limits=limit(e, most)) for e in (1, 2, 4, 8, 16, 32)
            }
            losses = {e: least_loss(o, flop, points=1201)[0] for e, o in options.items()}
            steps.append(abs(np.log2(min(losses, key=losses.get) / printed)))
    assert max(steps) <= 1.0  # never off by more than one doubling
    assert sum(s == 0 for s in steps) >= 9


@pytest.mark.parametrize("waste", [0.05, 0.2])
def test_sizes_that_waste_a_share_of_a_budget_by_hand(law, waste):
    # 1.5 + 400 / N^0.5 + 400 / D^0.5: the optimum is N = D = (C/6)^0.5 = 1e10; of x^2 times that size the reducible
    # loss is (x + 1/x) / 2 of its own, and a budget of 1 - w has (1 - w)^(-1/4) of it.
    constants = {"E": 1.5, "A": 400.0, "alpha": 0.5, "B": 400.0, "beta": 0.5}
    spec = msgspec.structs.replace(law("besiroglu_2024"), constants=constants)
    half = (1.0 - waste) ** -0.25
    x = half + (half * half - 1.0) ** 0.5
    low, high = budget_band(Option(law=spec), 6e20, waste)
    assert (low, high) == pytest.approx((1e10 / x**2, 1e10 * x**2), rel=1e-6)
    assert budget_band(Option(law=spec), 6e20)[1] == pytest.approx(budget_band(Option(law=spec), 6e20, 0.05)[1])
