"""The planning questions, by law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel import laws
from hwmodel.catalog.laws import read_law
from hwmodel.catalog.places import catalog_root
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.specs.law import Active, NonEmbedding, Total

REFIT = read_law([catalog_root()], "besiroglu_2024")
ADDITIVE = [read_law([catalog_root()], n) for n in ("besiroglu_2024", "chinchilla_2022", "muennighoff_2023")]


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("besiroglu_2024", 76.6),
        ("besiroglu_2024/exact", 78.4),
        ("chinchilla_2022/approach1", 67.1),
        ("chinchilla_2022/approach2", 58.8),
        ("muennighoff_2023", 71.4),
    ],
)
def test_size_for_1_4_trillion_tokens(law, name, billions):
    assert laws.params_for_tokens(law(name), 1.4e12) / 1e9 == pytest.approx(billions, abs=0.05)


@pytest.mark.parametrize(
    ("name", "flop", "billions"),
    [
        ("besiroglu_2024", 5.76e23, 72.4),
        ("besiroglu_2024/exact", 5.76e23, 73.2),
        ("chinchilla_2022/approach1", 5.76e23, 67.8),
        ("chinchilla_2022/approach2", 5.76e23, 63.4),
        ("chinchilla_2022/approach3", 5.76e23, 40.4),
        ("muennighoff_2023", 5.76e23, 70.0),
        ("llama3_2024", 5.76e23, 55.9),
        ("deepseek_llm_2024", 5.76e23, 82.0),
        ("kaplan_2020", 5.76e23, 804.3),
        ("besiroglu_2024", 1e22, 9.06),
        ("chinchilla_2022/approach1", 1e22, 9.01),
        ("chinchilla_2022/approach2", 1e22, 8.70),
        ("chinchilla_2022/approach3", 1e22, 6.34),
        ("muennighoff_2023", 1e22, 9.22),
        ("llama3_2024", 1e22, 8.55),
        ("deepseek_llm_2024", 1e22, 9.79),
        ("kaplan_2020", 1e22, 41.7),
        ("besiroglu_2024", 3.8e25, 620),
        ("llama3_2024", 3.8e25, 389),
        ("deepseek_llm_2024", 3.8e25, 737),
    ],
)
def test_size_for_a_budget(law, name, flop, billions):
    assert laws.optimum_for_flop(law(name), flop).params / 1e9 == pytest.approx(billions, rel=0.0011)


def test_how_much_data_for_10b_and_how_large_for_a_trillion_tokens():
    assert laws.tokens_for_params(REFIT, 10e9) / 1e9 == pytest.approx(202, abs=0.5)
    assert laws.params_for_tokens(REFIT, 1e12) / 1e9 == pytest.approx(53.7, abs=0.05)
    assert laws.optimum_for_params(REFIT, 10e9).loss == pytest.approx(2.130, abs=5e-4)
    assert laws.optimum_for_params(REFIT, 100e9).loss == pytest.approx(1.957, abs=5e-4)


def test_a_loss_below_the_floor_is_infeasible_and_says_why(law):
    target = 0.9 * laws.loss(REFIT, 70e9, 1.4e12)
    with pytest.raises(InfeasibleError, match=r"1\.776 .* its floor is 1\.817"):
        laws.optimum_for_loss(REFIT, target)
    kaplan = law("kaplan_2020/L_ND")
    start = laws.loss(kaplan, 70e9, 1.4e12)
    assert start == pytest.approx(1.693, abs=5e-4)
    assert laws.params_for_loss_at_tokens(kaplan, 1.4e12, 0.9 * start) / 1e9 == pytest.approx(349, abs=0.5)
    with pytest.raises(InfeasibleError, match=r"any amount of data is 1\.679"):
        laws.tokens_for_loss(kaplan, 70e9, 0.9 * start)
    with pytest.raises(InfeasibleError, match="at any size"):
        laws.params_for_loss_at_tokens(REFIT, 1e9, 1.9)


def test_regret_band_is_the_same_share_at_every_budget():
    for flop in (1e20, 5.76e23, 1e27):
        best = laws.optimum_for_flop(REFIT, flop).params
        low, high = laws.regret_band(REFIT, flop)
        assert (low / best, high / best) == (pytest.approx(0.684, abs=5e-4), pytest.approx(1.461, abs=5e-4))
    assert laws.regret(REFIT, 65.2e9, 6 * 65.2e9 * 1.4e12) == pytest.approx(0.002, abs=5e-4)
    best = laws.optimum_for_flop(REFIT, 1e23).params
    off = [laws.regret(REFIT, k * best, 1e23) for k in (1.4, 2.0, 4.0)]
    assert off == [pytest.approx(0.04, abs=0.005), pytest.approx(0.16, abs=0.005), pytest.approx(0.48, abs=0.006)]


def test_draws_are_joint_and_bands_follow():
    drawn = laws.draws(REFIT, 4000, seed=1)
    logs = np.log(drawn.constants["A"])
    assert np.corrcoef(logs, drawn.constants["alpha"])[0, 1] > 0.99
    best = laws.optimum_for_flop(drawn, 5.76e23)
    low, high = laws.band(best.tokens / best.params)
    assert low == pytest.approx(10.7, abs=1.0)
    assert high == pytest.approx(31, abs=2.5)
    again = laws.draws(REFIT, 4000, seed=1)
    assert np.array_equal(again.constants["beta"], drawn.constants["beta"])
    # constants drawn one by one would give a useless band: the joint one is far narrower
    rng = np.random.default_rng(0)
    spread = np.exp(rng.normal(0, np.sqrt(REFIT.covariance[0][0]), 4000)).std()
    assert np.log(best.params).std() < spread


def test_a_law_without_a_loss_or_covariance_says_so(law):
    with pytest.raises(InputError, match="has no loss"):
        laws.loss(law("chinchilla_2022/approach1"), 7e10, 1.4e12)
    with pytest.raises(InputError, match="no published covariance"):
        laws.draws(law("chinchilla_2022/approach1"))
    with pytest.raises(InputError, match="not for allocation"):
        laws.optimum_for_flop(law("gadre_2024"), 1e22)
    with pytest.raises(InputError, match="listed but not evaluated"):
        laws.evaluate(law("gpt4_loss"), flop=1e24)
    with pytest.raises(InputError, match="needs the number of experts"):
        laws.optimum_for_flop(law("ludziejewski_2025"), 1e21)


def test_conventions_cannot_be_mixed(law):
    with pytest.raises(InputError, match="counts total parameters, not non_embedding"):
        laws.loss(REFIT, NonEmbedding(7e10), 1.4e12)
    with pytest.raises(InputError, match="cannot compare total with non_embedding"):
        _ = Total(1e9) / NonEmbedding(1e9)
    with pytest.raises(InputError, match="no published conversion"):
        laws.convert(Active(1e9), Total)
    kaplan = laws.optimum_for_flop(law("kaplan_2020"), 1e23).count
    assert isinstance(kaplan, NonEmbedding)
    assert laws.convert(kaplan, Total).value > kaplan.value


@settings(deadline=None, max_examples=30)
@given(st.floats(1e6, 1e13))
def test_conversion_of_counts_inverts(params):
    there = laws.total_from_non_embedding(params)
    assert laws.non_embedding_from_total(there) == pytest.approx(params, rel=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(ADDITIVE), st.floats(1e18, 1e28))
def test_optimum_inverts_and_is_least(spec, flop):
    best = laws.optimum_for_flop(spec, flop)
    assert 6 * best.params * best.tokens == pytest.approx(flop, rel=1e-9)
    assert laws.params_for_tokens(spec, best.tokens) == pytest.approx(best.params, rel=1e-9)
    assert laws.tokens_for_params(spec, best.params) == pytest.approx(best.tokens, rel=1e-9)
    again = laws.optimum_for_loss(spec, best.loss)
    assert again.flop == pytest.approx(flop, rel=1e-6)
    for factor in (0.9, 1.1):
        assert laws.loss(spec, best.params * factor, best.tokens / factor) > best.loss
    low, high = laws.regret_band(spec, flop)
    assert laws.regret(spec, low, flop) == pytest.approx(0.05, abs=1e-9)
    assert laws.regret(spec, high, flop) == pytest.approx(0.05, abs=1e-9)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(1e18, 1e27), min_size=1, max_size=5))
def test_arrays_equal_scalars(budgets):
    columns = laws.optimum_for_flop(REFIT, np.array(budgets))
    for i, flop in enumerate(budgets):
        one = laws.optimum_for_flop(REFIT, flop)
        assert columns.params[i] == pytest.approx(one.params, rel=1e-12)
        assert columns.loss[i] == pytest.approx(one.loss, rel=1e-12)


def test_chinchilla_on_kaplans_axes(law):
    spec = law("pearce_song_2024")
    small, large = (laws.optimum_for_flop(spec, c) for c in (1e15, 1e25))
    for best in (small, large):
        assert laws.evaluate(spec, params=best.params)["flop_non_embedding"] == pytest.approx(best.flop, rel=1e-9)
        assert best.params_convention == "non_embedding"
    # locally steep as Kaplan saw it, Chinchilla's exponent far above
    ratio = [laws.optimum_for_flop(spec, c * 1.1).params / laws.optimum_for_flop(spec, c).params for c in (1e15, 1e25)]
    slopes = [np.log(r) / np.log(1.1) for r in ratio]
    assert slopes[0] > 0.7
    assert slopes[1] == pytest.approx(0.513, abs=0.01)
    assert laws.optimum_for_flop(spec, np.array([1e15, 1e25])).params == pytest.approx([small.params, large.params])
