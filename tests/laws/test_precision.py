"""Penalties of fewer bits: table of three transports and Sun's term."""

from __future__ import annotations

import pytest

from hwmodel import laws
from hwmodel.errors import InputError
from hwmodel.laws.batch import critical_batch_outside, critical_batch_tokens
from hwmodel.laws.precision import training_penalty


@pytest.mark.parametrize(
    ("params", "tokens", "own", "inside", "sun"),
    [(7e9, 1e12, 0.0053, 0.0119, 0.0009), (70e9, 1.4e12, 0.0017, 0.0054, 0.0006), (8e9, 15e12, 0.0050, 0.0114, 0.0036)],
)
def test_eight_bits(format_penalty, params, tokens, own, inside, sun):
    got = format_penalty(params, tokens, 4, 3)
    assert got.kumar_own == pytest.approx(own, abs=5e-5)
    assert got.factor_in_base == pytest.approx(inside, abs=5e-5)
    assert got.sun == pytest.approx(sun, abs=1e-4)  # the table rounds the term itself, not its excess over bf16
    assert got.low == got.kumar_own
    assert got.high == got.multiplier_on_base


@pytest.mark.parametrize(
    ("params", "tokens", "own", "inside", "sun", "qat"),
    [
        (7e9, 1e12, 0.071, 0.141, 0.073, 0.031),
        (70e9, 1.4e12, 0.023, 0.063, 0.050, 0.019),
        (8e9, 15e12, 0.066, 0.135, 0.286, 0.036),
    ],
)
def test_four_bits(law, format_penalty, params, tokens, own, inside, sun, qat):
    got = format_penalty(params, tokens, 2, 1)
    assert got.kumar_own == pytest.approx(own, abs=1e-3)
    assert got.factor_in_base == pytest.approx(inside, abs=1e-3)
    assert got.sun == pytest.approx(sun, abs=1e-3)
    trained = laws.evaluate(law("chen_qat_2025"), params=params, tokens=tokens, scale_block=32)
    assert trained["penalty_nats"] == pytest.approx(qat, abs=6e-4)


def test_a_law_without_a_size_term_takes_no_penalty(law):
    with pytest.raises(InputError, match="no loss with a floor, a size and a data term"):
        training_penalty(
            law("kaplan_2020/L_ND"), law("kumar_2024"), law("sun_2025"), 7e9, 1e12, exponent_bits=4, mantissa_bits=3
        )


def test_critical_batch_reads_the_same_by_size_and_by_data_at_20_tokens_a_parameter(law):
    spec = law("cbs_zhang_2024")
    assert critical_batch_tokens(spec, 70e9) == pytest.approx(critical_batch_tokens(spec, 70e9, 1.4e12))
    assert critical_batch_tokens(spec, 151e6) / 512 == pytest.approx(985, abs=0.5)
    assert critical_batch_outside(spec, 70e9)
    assert not critical_batch_outside(spec, 3e8)
