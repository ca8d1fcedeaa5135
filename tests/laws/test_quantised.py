"""What quantising costs: the form by hand, published rows inside the band, and the directions that were measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwmodel.catalog.quantised import quantised_constants, quantised_rows
from hwmodel.laws.quantised import log_half_width, quantised_nats, retained_score
from hwmodel.specs.quantised import QuantisedConstants
from hwmodel.validation.fit.quantised_fit import (
    PARAMETERS,
    constants_of,
    errors_left_out,
    fit,
    predicted_log,
    spread,
    votes,
)

PLAIN = QuantisedConstants(
    weight4_nats=0.04, weight_slope=1.0, activation8_nats=0.01, activation_slope=0.5, float8_factor=0.5,
    cache8_nats=0.001, cache_slope=0.25, power_of_two_factor=3.0, mixture_factor=0.4, tokens_exponent=0.5,
    size_exponent=0.2, small_exponent=0.3, log_sd=0.5, mixture_log_sd=0.3, score_lost_per_nat=0.2, score_log_sd=1.0,
)  # fmt: skip
C = quantised_constants()


def test_the_form_by_hand():
    at = (8e9, 2.4e12)  # 300 tokens a parameter: every scale is one
    assert quantised_nats(PLAIN, 4.0, 16.0, 16.0, *at) == pytest.approx(0.04)
    assert quantised_nats(PLAIN, 5.0, 16.0, 16.0, *at) == pytest.approx(0.04 / math.e)
    assert quantised_nats(PLAIN, 4.0, 4.0, 8.0, *at) == pytest.approx(0.04 + 0.01 * math.exp(2.0) + 0.001)
    assert quantised_nats(PLAIN, 16.0, 8.0, 16.0, *at, float8=True) == pytest.approx(0.005)
    assert quantised_nats(PLAIN, 4.0, 8.0, 4.0, *at, power_of_two=True) == pytest.approx(
        3.0 * (0.04 + 0.01) + 0.001 * math.e
    )
    # four times the tokens a parameter: twice; 32 times the size at that ratio: 32^0.2 = 2
    assert quantised_nats(PLAIN, 4.0, 16.0, 16.0, 8e9, 9.6e12) == pytest.approx(0.08)
    assert quantised_nats(PLAIN, 4.0, 16.0, 16.0, 32 * 8e9, 32 * 2.4e12, mixture=True) == pytest.approx(0.032)


def test_sixteen_bits_lose_nothing():
    assert quantised_nats(C, 16.0, 16.0, 16.0, 7e10, 1.5e13) == 0.0


@given(
    st.floats(2.0, 8.5), st.floats(4.0, 16.0), st.floats(4.0, 16.0), st.floats(8.0, 12.0), st.floats(0.5, 4.0)
)  # fmt: skip
def test_fewer_bits_never_lose_less(weights, activations, cache, log_params, log_ratio):
    params = 10.0**log_params
    tokens = params * 10.0**log_ratio
    one = quantised_nats(C, weights, activations, cache, params, tokens)
    assert quantised_nats(C, weights - 0.5, activations, cache, params, tokens) > one
    assert quantised_nats(C, weights, activations, cache, params, 2.0 * tokens) >= one
    assert quantised_nats(C, weights, min(activations, 8.0), cache, params, tokens) >= one * (1 - 1e-12)


def test_scalars_and_arrays_agree():
    params, tokens = np.array([1e9, 8e9, 7e10]), np.array([2e12, 1.5e13, 1.5e13])
    found = quantised_nats(C, 4.5, 4.0, 8.0, params, tokens)
    assert found == pytest.approx([quantised_nats(C, 4.5, 4.0, 8.0, n, d) for n, d in zip(params, tokens, strict=True)])


PUBLISHED = [  # bits of weights, activations, cache; size, training; nats a token as read
    ("Llama-3-8B AWQ", 4.16, 16.0, 16.0, 8e9, 15e12, 0.063),
    ("Llama-2-7B AWQ", 4.16, 16.0, 16.0, 6.7e9, 2e12, 0.0235),
    ("Llama-2-70B AWQ", 4.16, 16.0, 16.0, 6.9e10, 2e12, 0.0267),
    ("Llama-3-70B FlatQuant on C4", 4.0, 4.0, 4.0, 7.06e10, 15e12, 0.0919),
    ("Llama-3-8B int8 weights", 8.0, 16.0, 16.0, 8e9, 15e12, 0.00072),
    ("Llama-3-8B SmoothQuant", 8.0, 8.0, 16.0, 8e9, 15e12, 0.0194),
    ("Llama-3-8B QoQ", 4.16, 8.0, 4.25, 8e9, 15e12, 0.0962),
    ("Llama-3.2-1B AWQ", 4.16, 16.0, 16.0, 1.24e9, 9e12, 0.1414),
    ("Phi-4-mini AWQ", 4.16, 16.0, 16.0, 3.84e9, 5e12, 0.1025),
    ("Qwen2.5-1.5B AWQ", 4.16, 16.0, 16.0, 1.54e9, 18e12, 0.13),
    ("Llama-3.1-8B NVFP4", 4.5, 4.0, 16.0, 8e9, 15e12, 0.126),
]


@pytest.mark.parametrize(("name", "w", "a", "k", "n", "d", "nats"), PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_published_losses_lie_inside_the_interval(name, w, a, k, n, d, nats):
    assert abs(math.log(nats / quantised_nats(C, w, a, k, n, d))) < log_half_width(C, n)


def test_directions_that_were_measured():
    """W4A4 above W4A16; MX scales above NVFP4; over-trained models above others; weights of 8 bits next to nothing."""
    new, old = (8e9, 15e12), (8e9, 2e12)
    w4a16 = quantised_nats(C, 4.16, 16.0, 16.0, *new)
    nvfp4 = quantised_nats(C, 4.5, 4.0, 16.0, *new)
    mxfp4 = quantised_nats(C, 4.25, 4.0, 16.0, *new, power_of_two=True)
    assert nvfp4 > 1.3 * w4a16
    assert 2.5 * nvfp4 < mxfp4 < 3.5 * nvfp4
    assert 1.5 < w4a16 / quantised_nats(C, 4.16, 16.0, 16.0, *old) < 4.0
    assert quantised_nats(C, 8.0, 16.0, 16.0, *new) < 0.1 * quantised_nats(C, 8.0, 8.0, 16.0, *new)
    giant = quantised_nats(C, 4.7, 16.0, 16.0, 6.71e11, 14.8e12, mixture=True)
    assert 0.004 < giant < 0.037


def test_small_models_lose_more_than_large_ones_trained_alike():
    """AMD Quark on Qwen1.5 (no votes: their training is not stated): 0.62B over 7.7B in the same bits."""
    small, large = ((n, 3e12) for n in (6.2e8, 7.72e9))
    for bits, measured in ((4.156, 0.0597 / 0.0224), (4.156, 0.102 / 0.0334), (8.0, 0.0507 / 0.0137)):
        acts = 16.0 if bits < 8.0 else 8.0
        found = quantised_nats(C, bits, acts, 16.0, *small) / quantised_nats(C, bits, acts, 16.0, *large)
        assert found == pytest.approx(measured, rel=0.4)


def test_sources_left_out_lie_inside_the_interval_in_four_of_five_rows():
    found = [vote for vote in votes(quantised_rows()) if not vote.row.mixture]
    errors = errors_left_out(found)
    inside = [sum(abs(e) < log_half_width(C, 8e9) for e in rows) / len(rows) for rows in errors.values()]
    assert len(errors) >= 12
    assert sum(inside) / len(inside) >= 0.75


def test_the_shipped_constants_are_those_of_the_fit():
    found = votes(quantised_rows())
    again = constants_of(fit(found))
    for p in PARAMETERS:
        assert getattr(again, p.name) == pytest.approx(getattr(C, p.name), rel=1e-3), p.name


def test_votes_leave_out_what_does_not_count():
    rows = quantised_rows()
    found = votes(rows)
    assert not any("rounded" in row.why_not_counted for row in rows for vote in found if vote.row is row)
    keys = [(v.source, v.row.model, v.row.weight_bits, v.row.activation_bits, v.row.cache_bits) for v in found]
    assert len(set(keys)) >= len(keys) - 2  # fp8 and mxfp8 of one model stand beside int8
    assert sum(row.why_not_counted == "a divergence is not a loss" for row in rows) == 46


def test_word_perplexities_are_divided_by_tokens_a_word():
    row = next(r for r in quantised_rows() if r.source.startswith("vLLM PTPC") and r.nats_per_token)
    assert row.nats_per_token == pytest.approx(math.log(9.5093 / 9.4281) / 1.12, rel=1e-4)


def test_unknown_training_and_larger_models_are_less_sure():
    assert log_half_width(C, 8e9, tokens_known=False) > log_half_width(C, 8e9)
    assert log_half_width(C, 4e11) > log_half_width(C, 7e10) == log_half_width(C, 1e9)


def test_benchmarks_keep_less_the_more_is_lost():
    assert retained_score(C, 0.0) == 1.0
    assert 0.96 < retained_score(C, 0.12) < 0.99  # NVFP4 at 8B: 97.8 % of the average


def test_the_spread_holds_four_fifths_with_sources_weighted_alike():
    errors = {"a": [0.1] * 100, "b": [0.2], "c": [0.3], "d": [0.4], "e": [2.0]}
    assert spread(errors) == pytest.approx(0.4 / 1.2815515655446004)


def test_a_prediction_is_finite_for_every_vote():
    for vote in votes(quantised_rows()):
        assert math.isfinite(predicted_log(C, vote.row))
