"""Nats a token that a trained model loses by being served in fewer bits, with the spread of published recipes.

    nats = [weights(b_w) + activations(b_a)] f + cache(b_kv),  each c exp(-slope (b - b0)), 0 at 16 bits,
    times (D/N / 300)^g (N / 8e9)^s, (7e9 / N)^h below 7e9, and m for mixtures of experts.

The form is ours: bits of the three tensors add because their errors do (to first order); tokens a parameter and size
enter as in the post-training term of Kumar et al. 2024 (arXiv 2411.04330, D^0.51 / N^0.34, so g = 0.51 and s = 0.16,
which is the prior of the fit). Released models below 7B lose more than that: h. f is the price of scales that are
powers of two. Calibrated post-training methods (GPTQ, AWQ, SmoothQuant, k-quants); plain rounding of 4-bit weights
loses about twice as much.
"""

from __future__ import annotations

import math

from hwmodel import ops
from hwmodel.ops import Num
from hwmodel.specs.quantised import QuantisedConstants

REFERENCE_PARAMS = 8e9
REFERENCE_TOKENS_PER_PARAM = 300.0
SMALL_PARAMS = 7e9  # below it the rows are few and lose more than a power of the size through the larger ones
TOKENS_PER_PARAM_SPAN = (20.0, 10_000.0)  # of the models behind the rows: 15 to 20,000; held beyond
FULL_BITS = 15.0  # an element of so many bits or more is not quantised
LARGEST_MEASURED = 7.1e10  # parameters of the largest dense model with a loss; beyond it the size exponent is a guess
SIZE_EXPONENT_SD = 0.15  # spread of s between fits of these rows and the published -0.3 to +0.2
UNKNOWN_TOKENS_LOG_SD = 1.2  # of ln(D/N) among released models: 30 to 5,000 tokens a parameter
Z80 = 1.2815515655446004


def _part(bits: Num, nats: float, at: float, slope: float) -> Num:
    """One tensor's loss: nothing from FULL_BITS on."""
    return ops.where(bits < FULL_BITS, nats * ops.exp(-slope * (bits - at)), 0.0)


def quantised_nats(
    c: QuantisedConstants, weight_bits: Num, activation_bits: Num, cache_bits: Num, params: Num, tokens: Num, *,
    power_of_two: bool = False, mixture: bool = False, float8: bool = False,
) -> Num:  # fmt: skip
    """Middle of the loss [nats a token]; 16 bits throughout lose nothing."""
    eight = c.activation8_nats * (c.float8_factor if float8 else 1.0)
    products = _part(weight_bits, c.weight4_nats, 4.0, c.weight_slope)
    products = products + _part(activation_bits, eight, 8.0, c.activation_slope)
    scale = c.power_of_two_factor if power_of_two else 1.0
    kind = c.mixture_factor if mixture else 1.0
    summed = products * scale + _part(cache_bits, c.cache8_nats, 8.0, c.cache_slope)
    return summed * kind * _size(c, params, tokens)


def _size(c: QuantisedConstants, params: Num, tokens: Num) -> Num:
    low, high = TOKENS_PER_PARAM_SPAN
    ratio = ops.minimum(ops.maximum(tokens / params, low), high)
    scaled: Num = (ratio / REFERENCE_TOKENS_PER_PARAM) ** c.tokens_exponent * (
        params / REFERENCE_PARAMS
    ) ** c.size_exponent
    smaller: Num = ops.maximum(SMALL_PARAMS / params, 1.0) ** c.small_exponent
    return scaled * smaller


def log_half_width(c: QuantisedConstants, params: float, *, mixture: bool = False, tokens_known: bool = True) -> float:
    """Half-width of the 80 % interval of ln(nats), for a recipe and a source not seen."""
    beyond = max(math.log(params / LARGEST_MEASURED), 0.0) if not mixture else 0.0
    variance = c.log_sd**2 + (SIZE_EXPONENT_SD * beyond) ** 2
    variance += c.mixture_log_sd**2 if mixture else 0.0
    variance += 0.0 if tokens_known else (c.tokens_exponent * UNKNOWN_TOKENS_LOG_SD) ** 2
    return Z80 * math.sqrt(variance)


def retained_score(c: QuantisedConstants, nats: Num) -> Num:
    """Share of a benchmark's score that is kept: exp(-k nats); an average, whose hardest tasks lose several times
    more.
    """
    kept: Num = ops.exp(-c.score_lost_per_nat * nats)
    return kept
