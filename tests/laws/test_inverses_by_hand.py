"""What forms are solved for - a size, tokens, a budget, the share of the loss - on round constants, worked out in the
comments.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel.errors import InfeasibleError, InputError
from hwmodel.laws import additive, allocation, batch, data, experts, kaplan, optimum, precision
from hwmodel.laws.conventions import non_embedding_from_total, total_from_non_embedding

E = math.e
# 8 / N^0.5 + 54 / D^1.5 above 1.5: at N = 4 and D = 9 it is 4 + 2. Squared in the other.
PLAIN = {"E": 1.5, "A": 8.0, "alpha": 0.5, "B": 54.0, "beta": 1.5}
SQUARED = {**PLAIN, "outer": 2.0}


@pytest.mark.parametrize(("c", "power"), [(PLAIN, 1.0), (SQUARED, 2.0)])
def test_a_loss_and_what_reaches_it(c: dict[str, float], power: float) -> None:
    assert additive.loss(c, 4.0, 9.0) == pytest.approx(1.5 + 6.0**power)
    assert additive.floor(c) == 1.5
    assert additive.floor_at_params(c, 4.0) == pytest.approx(1.5 + 4.0**power)
    assert additive.floor_at_tokens(c, 9.0) == pytest.approx(1.5 + 2.0**power)
    # 6 - 4 = 2 is left: (54 / 2)^(2/3); 6 - 2 = 4: (8 / 4)^2.
    assert additive.tokens_for_loss(c, 4.0, 1.5 + 6.0**power) == pytest.approx(9.0)
    assert additive.size_for_loss(c, 9.0, 1.5 + 6.0**power) == pytest.approx(4.0)
    # A third of 6 is 2: (8 / 2)^2, and (54 / 4)^(2/3).
    assert additive.at_share(c, 1.5 + 6.0**power, 1 / 3) == pytest.approx((16.0, 13.5 ** (2 / 3)))
    # At the optimum beta / (alpha + beta) = 3/4 is the size's: of 16/3 that is 4.
    assert additive.params_for_loss(c, 1.5 + (16 / 3) ** power) == pytest.approx(4.0)


def test_the_optimal_split() -> None:
    # (0.5 x 8 / (1.5 x 54))^(1/2) = (4/81)^0.5 = 2/9.
    assert additive.scale(PLAIN) == pytest.approx(2 / 9)
    # 2/9 (96/6)^(3/4).
    assert additive.params_for_flop(PLAIN, 96.0) == pytest.approx(16 / 9)
    # 2/9 (18 x 2/9)^3 and back.
    assert additive.params_for_tokens(PLAIN, 18.0) == pytest.approx(128 / 9)
    assert additive.tokens_for_params(PLAIN, 128 / 9) == pytest.approx(18.0)
    # Four times the optimal size: (1.5 / 4^0.5 + 0.5 x 4^1.5) / 2 = (0.75 + 4) / 2, to the power -2 / 0.75.
    assert additive.loss_ratio(PLAIN, 4.0) == pytest.approx(2.375)
    assert additive.compute_ratio(PLAIN, 4.0) == pytest.approx(2.375 ** (-8 / 3))


def test_budgets_of_an_allocation() -> None:
    both = {"k_params": 3.0, "a_params": 0.5, "k_tokens": 5.0, "a_tokens": 0.25, "flop_unit": 4.0}
    # 4 (12/3)^2 and 4 (10/5)^4.
    assert allocation.flop_for_params(both, 12.0) == pytest.approx(64.0)
    assert allocation.flop_for_tokens(both, 10.0) == pytest.approx(64.0)
    # N = 4 (C/16)^0.25: at 256 it is 8, and D = 256 / 48 = 16/3. D alone the same way.
    size = {"k_params": 4.0, "a_params": 0.25, "flop_unit": 16.0}
    assert allocation.flop_for_tokens(size, 16 / 3) == pytest.approx(256.0)
    tokens = {"k_tokens": 4.0, "a_tokens": 0.25, "flop_unit": 16.0}
    assert allocation.flop_for_params(tokens, 16 / 3) == pytest.approx(256.0)


def test_tokens_that_are_worth_so_many() -> None:
    # Of 10 distinct ones with a decay of 2, three epochs are worth 10 + 20 (1 - 1/e); never 30.
    assert data.effective_tokens(30.0, 10.0, 2.0) == pytest.approx(10 + 20 * (1 - 1 / E))
    assert data.tokens_for_effective(10 + 20 * (1 - 1 / E), 10.0, 2.0) == pytest.approx(30.0)
    assert data.tokens_for_effective(30.0, 10.0, 2.0) == math.inf
    assert data.tokens_for_effective(7.0, 10.0, 2.0) == data.effective_tokens(7.0, 10.0, 2.0) == 7.0
    assert data.useful_params(PLAIN, 18.0) == pytest.approx(128 / 9)


def test_a_mixture_s_dense_equivalent() -> None:
    # Four experts count at one expert, ten at sixteen (1/4 - 1/20 = 1/5; 15 + 5 = 20). The size term is 8 / E^0.5 over
    # N^0.5, the tokens' 6 E^0.5 over D: at N = 25 and D = 9 a mixture has 8 / 10^0.5 / 5 + 6 x 10^0.5 / 9, of which
    # dense tokens take 12 / 9, and a dense size holds the rest with 4 / N^0.5.
    c = {
        "E_start": 4.0, "E_max": 20.0, "a": 8.0, "delta": -0.5, "alpha": -0.5, "gamma": 0.0, "b": 6.0, "omega": 0.5,
        "beta": -1.0, "zeta": 0.0, "c": 1.5,
    }  # fmt: skip
    rest = 1.6 / 10**0.5 + 2 / 3 * 10**0.5 - 4 / 3
    assert experts.dense_equivalent(c, 25.0, 9.0, 16.0) == pytest.approx((4 / rest) ** 2)
    assert experts.active_for_dense(c, (4 / rest) ** 2, 9.0, 16.0) == pytest.approx(25.0)
    # A dense model of 100 x 100 at one token: 0.04 + 12; ten experts' tokens alone lose 6 x 10^0.5.
    assert experts.active_for_dense(c, 1e4, 1.0, 16.0) == math.inf


def test_the_split_on_kaplan_s_axes() -> None:
    # Of the forms by hand: 8 parameters at 48 / 100 x 14^4 x 9 FLOPs.
    c = {"alpha": 1.0, "beta": 0.5, "gamma": 3.0, "A": 2.0, "B": 12.0}
    assert kaplan.params_for_flop(c, 48 / 100 * 38416 * 9) == pytest.approx(8.0, rel=1e-12)


def test_embeddings_of_a_family() -> None:
    # 8 + 3 x 2 = 14, 27 + 3 x 3 = 36, and back.
    assert total_from_non_embedding(8.0, 3.0) == pytest.approx(14.0)
    assert non_embedding_from_total(14.0, 3.0) == pytest.approx(8.0)
    assert non_embedding_from_total(36.0, 3.0) == pytest.approx(27.0)


# Weights, activations and cache leave a share 1 - exp(-bits / gamma + n) each.
KUMAR = {
    "gamma_w": 2.0, "n_w": 1.0, "gamma_a": 3.0, "n_a": 0.5, "gamma_kv": 4.0, "n_kv": 1.75, "E": 1.0, "A": 4.0,
    "alpha": 0.25, "B": 1.0, "beta": 1.0,
}  # fmt: skip
SUN = {"n": 8.0, "alpha": 0.5, "d": 27.0, "beta": 0.25, "epsilon": 1.5, "g": 2.0, "delta": 0.5, "nu": 0.5}


def share(weights: float, activations: float, cache: float) -> float:
    """What Kumar's law leaves of the parameters."""
    return (1 - E ** (1 - weights / 2)) * (1 - E ** (0.5 - activations / 3)) * (1 - E ** (1.75 - cache / 4))


def test_a_penalty_in_each_transport(law: Any) -> None:
    base, kumar, sun = (
        msgspec.structs.replace(law(name), constants=constants)
        for name, constants in (("besiroglu_2024", PLAIN), ("kumar_2024", KUMAR), ("sun_2025", SUN))
    )
    found = precision.training_penalty(base, kumar, sun, 16.0, 81.0, exponent_bits=4.0, mantissa_bits=3.0)
    # Eight bits of weights and activations with a cache of 16, against 16 of all; N^0.5 = 4 and N^0.25 = 2.
    eight, full = share(8, 8, 16), share(16, 16, 16)
    assert found.kumar_own == pytest.approx(4 / 2 * (eight**-0.25 - full**-0.25))
    assert found.factor_in_base == pytest.approx(8 / 4 * (eight**-0.5 - full**-0.5))
    assert found.multiplier_on_base == pytest.approx(8 / 4 * (eight**-0.25 - full**-0.25))
    assert (found.low, found.high) == (found.kumar_own, found.factor_in_base)
    # 81^0.25 / 4 x 13.1567 over 2 (4.5 x 3.5)^0.5, less that of eight exponent bits and seven of the mantissa.
    each = 0.75 * 13.1567 / 2
    assert found.sun == pytest.approx(each / 15.75**0.5 - each / 63.75**0.5)
    cached = precision.training_penalty(
        base, kumar, sun, 16.0, 81.0, exponent_bits=4.0, mantissa_bits=3.0, scale_block=32.0, kv_bits=8.0
    )
    assert cached.factor_in_base == pytest.approx(8 / 4 * (share(8, 8, 8) ** -0.5 - full**-0.5))
    each = 0.75 * 5 / 2
    assert cached.sun == pytest.approx(each / 15.75**0.5 - each / 63.75**0.5)


def test_bits_that_lose_least() -> None:
    # 3 x 8 / (1 + 3) - 1/2.
    assert precision.sun_best_mantissa({"nu": 3.0, "delta": 1.0}, 8.0) == pytest.approx(5.5)
    # Alike tensors (1 - e^(-P / gamma))^3 / P: its slope is nought where e^x = 1 + 3x with x = P / gamma, 1.9038.
    alike = {
        f"{part}_{tensor}": {"gamma": 4.0, "n": 0.0}[part] for part in ("gamma", "n") for tensor in ("w", "a", "kv")
    }
    best = precision.best_bits(alike)
    assert E ** (best / 4) == pytest.approx(1 + 3 * best / 4, rel=1e-6)
    # Kumar's law at bits as a law of size and data: the share to the power -alpha in A.
    assert precision.at_bits(KUMAR, 8.0, 8.0, 16.0)["A"] == pytest.approx(4 * share(8, 8, 16) ** -0.25)


def test_batches_and_what_they_cost() -> None:
    # A fifth more tokens at the critical batch than at a tiny one: at twice it 1.4 / 1.2, at none 1 / 1.2.
    assert batch.tokens_factor(200.0, 100.0) == pytest.approx(1.4 / 1.2)
    assert batch.tokens_factor(0.0, 100.0) == pytest.approx(1.0 / 1.2)
    # Ten tokens in batches of four: three steps.
    assert batch.steps_for_batch(4.0, 10.0) == 3.0


def test_tokens_that_reach_a_loss_or_none(law: Any) -> None:
    spec = msgspec.structs.replace(law("besiroglu_2024"), constants=PLAIN)
    assert optimum.additive_terms(spec) == PLAIN
    found = optimum.tokens_reaching(spec, 4.0, np.array([7.5, 5.5, 5.0]))
    assert found[0] == pytest.approx(9.0)
    assert list(found[1:]) == [math.inf, math.inf]
    with pytest.raises(InputError, match="raises its sum to a power"):
        optimum.additive_terms(msgspec.structs.replace(spec, constants=SQUARED))


def test_how_far_a_question_lies_from_the_runs(law: Any) -> None:
    spec = msgspec.structs.replace(
        law("besiroglu_2024"), fit_params=(1e8, 1e10), fit_tokens=(1e9, 1e11), fit_flop=(1e18, 1e22)
    )
    # Ten times the largest, a hundredth of the smallest; inside and at both edges nothing.
    assert optimum.signed_decades_outside(spec, params=1e11) == pytest.approx(1.0)
    assert optimum.signed_decades_outside(spec, params=1e6) == pytest.approx(-2.0)
    for params in (1e8, 2e8, 5e9, 1e10):
        assert optimum.signed_decades_outside(spec, params=params) == 0.0
    # Of several the farthest, whatever its sign.
    assert optimum.signed_decades_outside(spec, params=1e11, tokens=1e6, flop=1e24) == pytest.approx(-3.0)
    assert optimum.signed_decades_outside(spec, params=1e7, tokens=1e8, flop=1e25) == pytest.approx(3.0)
    assert optimum.decades_outside(spec, params=1e6, tokens=1e10) == pytest.approx(2.0)
    # What a law was not fitted on, or nobody gives, says nothing.
    assert optimum.signed_decades_outside(msgspec.structs.replace(spec, fit_params=None), params=1e20) == 0.0


def test_losses_of_many_shares(law: Any) -> None:
    spec = msgspec.structs.replace(law("besiroglu_2024"), constants=PLAIN)
    # A third of 6 above the floor is 2: (8 / 2)^2 and (54 / 4)^(2/3).
    assert optimum.same_loss(spec, 7.5, 1 / 3) == pytest.approx((16.0, 13.5 ** (2 / 3)))
    # Sizes that waste a twentieth: both sides of the best, at 0.95 of its compute.
    low, high = optimum.regret_band(spec, 96.0)
    assert low < 16 / 9 < high
    for size in (low, high):
        factor = size / (16 / 9)
        ratio = ((1.5 * factor**-0.5 + 0.5 * factor**1.5) / 2) ** (-1 / 0.375)
        assert ratio == pytest.approx(0.95, rel=1e-9)
        assert optimum.regret(spec, size, 96.0) == pytest.approx(0.05, rel=1e-9)
    # Four times the best size: 2.375^(-8/3).
    assert optimum.regret(spec, 64 / 9, 96.0) == pytest.approx(1 - 2.375 ** (-8 / 3))


def test_optima_from_each_side(law: Any) -> None:
    # The split of 2/9: of 18 tokens 128/9 parameters and back; 6 N D FLOPs; of 96 FLOPs 16/9 and nine tokens.
    spec = msgspec.structs.replace(law("besiroglu_2024"), constants=PLAIN)
    value = 1.5 + 8 / (128 / 9) ** 0.5 + 54 / 18**1.5
    for found in (optimum.optimum_for_tokens(spec, 18.0), optimum.optimum_for_params(spec, 128 / 9)):
        assert (found.params, found.tokens, found.flop, found.loss) == pytest.approx((128 / 9, 18.0, 1536.0, value))
    found = optimum.optimum_for_flop(spec, 96.0)
    assert (found.params, found.tokens, found.flop, found.loss) == pytest.approx((16 / 9, 9.0, 96.0, 1.5 + 6.0 + 2.0))
    # 16/3 above the floor: 4 from the size, 4/3 from (54 x 3 / 4)^(2/3) tokens.
    found, tokens = optimum.optimum_for_loss(spec, 1.5 + 16 / 3), 40.5 ** (2 / 3)
    assert (found.params, found.tokens, found.flop) == pytest.approx((4.0, tokens, 24 * tokens))
    assert (optimum.params_for_tokens(spec, 18.0), optimum.tokens_for_params(spec, 128 / 9)) == pytest.approx(
        (128 / 9, 18.0)
    )


def test_losses_that_nothing_reaches(law: Any) -> None:
    # A floor of 1.5, of 5.5 at four parameters, of 3.5 on nine tokens: at a floor refused, above it solved.
    spec = msgspec.structs.replace(law("besiroglu_2024"), constants=PLAIN)
    floors = (optimum.loss_floor(spec), optimum.loss_floor(spec, 4.0), optimum.loss_floor(spec, tokens=9.0))
    assert floors == pytest.approx((1.5, 5.5, 3.5))
    assert optimum.tokens_for_loss(spec, 4.0, 7.5) == pytest.approx(9.0)
    assert optimum.params_for_loss_at_tokens(spec, 9.0, 7.5) == pytest.approx(4.0)
    for refused, remedy in (
        (lambda: optimum.tokens_for_loss(spec, 4.0, 5.5), "take a larger model or a higher loss"),
        (lambda: optimum.tokens_for_loss(spec, 4.0, 1.5), "ask for a higher loss"),
        (lambda: optimum.params_for_loss_at_tokens(spec, 9.0, 3.5), "take more tokens or a higher loss"),
        (lambda: optimum.params_for_loss_at_tokens(spec, 9.0, 1.5), "ask for a higher loss"),
        (lambda: optimum.optimum_for_loss(spec, 1.5), "ask for a higher loss"),
        (lambda: optimum.same_loss(spec, 1.5, 0.5), "ask for a higher loss"),
    ):
        with pytest.raises(InfeasibleError) as told:
            refused()
        assert (told.value.binding, told.value.remedy) == ("loss_floor", remedy)
