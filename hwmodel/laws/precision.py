"""What fewer bits cost in loss: Kumar et al. 2024 in three transports, Sun et al. 2025 for block-scaled floats.

Kumar's factor f(P) was fitted together with its own A and alpha. Carried into another law it can be read in three ways
that differ three to four times, so the answer is an interval, never one number. Sun's term is a separate scenario and
is not added to Kumar's (both count the training precision). All penalties are nats a token above bf16 at equal N, D.
"""

from __future__ import annotations

import msgspec

from hwmodel import ops
from hwmodel.laws.combine import require_sound
from hwmodel.laws.forms import Constants, Outputs, as_they_are, by_name, form_of
from hwmodel.ops import Num
from hwmodel.specs.law import LawSpec

BF16_BITS = 16.0
CHANNEL_LOG2_BLOCK = 13.1567  # Sun et al. 2025: channel-wise scales count as this log2 of a block size


class PrecisionPenalty(msgspec.Struct, frozen=True, kw_only=True):
    """Nats a token above bf16. `low` and `high` span the three transports; `sun` is None without float bits."""

    kumar_own: Num  # Kumar's law, all of its constants
    factor_in_base: Num  # N -> N f(P) inside the base law
    multiplier_on_base: Num  # the base's size term times f^(-alpha of Kumar)
    sun: Num | None
    outside_fit: bool = True  # Kumar and Sun were fitted below 2B parameters

    @property
    def low(self) -> Num:
        smallest: Num = ops.minimum(ops.minimum(self.kumar_own, self.factor_in_base), self.multiplier_on_base)
        return smallest

    @property
    def high(self) -> Num:
        largest: Num = ops.maximum(ops.maximum(self.kumar_own, self.factor_in_base), self.multiplier_on_base)
        return largest


def kumar_factor(c: Constants, weight_bits: Num, activation_bits: Num, kv_bits: Num) -> Num:
    """N_eff / N = prod of 1 - exp(-P/gamma + n) over weights, activations and KV cache (arXiv 2411.04330, eq. 4).

    The paper prints no sign for the offsets n; only + reproduces its P* = 7 bits and N_eff/N = 0.19 at 4 bits.
    """
    factor: Num = (
        kumar_weight_factor(c, weight_bits)
        * (1.0 - ops.exp(-activation_bits / c["gamma_a"] + c["n_a"]))
        * (1.0 - ops.exp(-kv_bits / c["gamma_kv"] + c["n_kv"]))
    )
    return factor


def kumar_weight_factor(c: Constants, weight_bits: Num) -> Num:
    """The weights' part of `kumar_factor`."""
    share: Num = 1.0 - ops.exp(-weight_bits / c["gamma_w"] + c["n_w"])
    return share


def at_bits(
    c: Constants, weight_bits: Num = BF16_BITS, activation_bits: Num = BF16_BITS, kv_bits: Num = BF16_BITS
) -> Constants:
    """Kumar's law at fixed bits as the constants of `laws.additive`: the factor moves into A."""
    share = kumar_factor(c, weight_bits, activation_bits, kv_bits)
    return {**c, "A": c["A"] * share ** -c["alpha"]}


def kumar_ptq(c: Constants, params: Num, tokens: Num, bits: Num) -> Num:
    """Nats lost by quantising the weights after training: C_T D^gD / N^gN exp(-P/gamma_post + b)."""
    lost: Num = c["C_T"] * tokens ** c["gD"] * params ** -c["gN"] * ops.exp(-bits / c["gamma_post"] + c["b_post"])
    return lost


def sun_term(c: Constants, params: Num, tokens: Num, exponent_bits: Num, mantissa_bits: Num, log2_block: Num) -> Num:
    """Nats of quantised training (arXiv 2501.02423, eq. 26): (D^b/N^a) log2(block) / (g (E+.5)^delta (M+.5)^nu)."""
    resolution = _sun_resolution(c, exponent_bits, mantissa_bits)
    return tokens ** c["beta"] * params ** -c["alpha"] * log2_block / resolution


def _sun_resolution(c: Constants, exponent_bits: Num, mantissa_bits: Num) -> Num:
    """g (E + .5)^delta (M + .5)^nu: how finely a float format resolves."""
    return c["g"] * (exponent_bits + 0.5) ** c["delta"] * (mantissa_bits + 0.5) ** c["nu"]


def _log2_block(block: float) -> float:
    """log2 of a block of scales, with Sun's value for channel-wise ones."""
    return CHANNEL_LOG2_BLOCK if block in (0.0, float("inf")) else float(ops.log(block) / ops.log(2.0))


def training_penalty(
    base: LawSpec,
    kumar: LawSpec,
    sun: LawSpec,
    params: Num,
    tokens: Num,
    *,
    exponent_bits: float,
    mantissa_bits: float,
    scale_block: float = 0.0,
    kv_bits: float | None = None,
) -> PrecisionPenalty:
    """Penalty of training in a float format of E exponent and M mantissa bits, above bf16, in every transport.

    `base` is an additive law (its size term carries the transports). `scale_block` elements share a scale (0 or
    infinite: per tensor, taken as Sun's channel-wise case). `kv_bits` None: attention stays at 16 bits (as in FP8
    recipes that keep attention in bf16); pass the format's bits to quantise the cache as well.
    """
    for law in (kumar, sun):
        require_sound(base, [law])
    bits = 1.0 + exponent_bits + mantissa_bits
    kv = BF16_BITS if kv_bits is None else kv_bits
    b, k, s = base.constants, kumar.constants, sun.constants
    f, f16 = kumar_factor(k, bits, bits, kv), kumar_factor(k, BF16_BITS, BF16_BITS, BF16_BITS)
    size_term = b["A"] * params ** -b["alpha"]
    log2_block = _log2_block(scale_block)
    return PrecisionPenalty(
        kumar_own=k["A"] * params ** -k["alpha"] * (f ** -k["alpha"] - f16 ** -k["alpha"]),
        factor_in_base=size_term * (f ** -b["alpha"] - f16 ** -b["alpha"]),
        multiplier_on_base=size_term * (f ** -k["alpha"] - f16 ** -k["alpha"]),
        sun=sun_term(s, params, tokens, exponent_bits, mantissa_bits, log2_block)
        - sun_term(s, params, tokens, 8.0, 7.0, log2_block),
    )


def best_bits(c: Constants, low: float = 3.0, high: float = 16.0) -> float:
    """P* where f(P)/P is largest, all tensors at P bits: the optimum when cost is linear in bits and N is free.

    Independent of A, B, alpha, beta and of compute (about 7 bits for the published constants).
    """
    while high - low > 1e-9:
        a, b = low + (high - low) / 3.0, high - (high - low) / 3.0
        low, high = (a, high) if kumar_factor(c, a, a, a) / a < kumar_factor(c, b, b, b) / b else (low, b)
    return 0.5 * (low + high)


def _kumar(
    c: Constants,
    params: Num,
    tokens: Num,
    weight_bits: Num = BF16_BITS,
    activation_bits: Num = BF16_BITS,
    kv_bits: Num = BF16_BITS,
    post_bits: Num | None = None,
) -> Outputs:
    """Loss at these bits under Kumar's own constants; with `post_bits` the upper bound of quantising afterwards too."""
    share = kumar_factor(c, weight_bits, activation_bits, kv_bits)
    loss = c["E"] + c["A"] * (params * share) ** -c["alpha"] + c["B"] * tokens ** -c["beta"]
    if post_bits is None:
        return {"loss_nats": loss, "effective_params_share": share}
    after = kumar_ptq(c, params, tokens, post_bits)
    return {"loss_nats": loss + after, "effective_params_share": share, "post_training_nats": after}


def sun_critical_tokens(c: Constants, params: Num, exponent_bits: Num, mantissa_bits: Num, log2_block: Num) -> Num:
    """Tokens beyond which more data raise the loss at this format (Sun et al. 2025, D_crit)."""
    resolution = _sun_resolution(c, exponent_bits, mantissa_bits)
    if isinstance(log2_block, float) and log2_block == 0.0:
        return float("inf")
    return (c["d"] * resolution * params ** c["alpha"] / log2_block) ** (1.0 / (2.0 * c["beta"]))


def sun_best_mantissa(c: Constants, bits: Num) -> Num:
    """Mantissa bits that lose least at a total of P = E + M + 1 bits: nu P / (delta + nu) - 0.5."""
    return c["nu"] * bits / (c["delta"] + c["nu"]) - 0.5


def _sun(
    c: Constants, params: Num, tokens: Num, exponent_bits: Num, mantissa_bits: Num, scale_block: Num = 128.0
) -> Outputs:
    """Loss under Sun's own base, the term of the format, and the tokens beyond which more data hurt.

    `scale_block` 0: one scale a channel. A block of one has a scale for each element: no term, and no such tokens.
    """
    log2_block = (
        _log2_block(scale_block) if isinstance(scale_block, (int, float)) else ops.log(scale_block) / ops.log(2.0)
    )
    term = sun_term(c, params, tokens, exponent_bits, mantissa_bits, log2_block)
    base = c["n"] * params ** -c["alpha"] + c["d"] * tokens ** -c["beta"] + c["epsilon"]
    critical = sun_critical_tokens(c, params, exponent_bits, mantissa_bits, log2_block)
    return {"loss_nats": base + term, "penalty_nats": term, "critical_tokens": critical}


def qat(c: Constants, params: Num, tokens: Num, scale_block: Num) -> Outputs:
    """Nats of 4-bit quantisation-aware training: k D^gD (log2 G)^gG / N^gN (Chen et al. 2025, arXiv 2505.14302)."""
    group = (ops.log(scale_block) / ops.log(2.0)) ** c["gG"]
    return {"penalty_nats": c["k"] * tokens ** c["gD"] * group * params ** -c["gN"]}


def ptq_power(c: Constants, params: Num, tokens: Num, post_bits: Num) -> Outputs:
    """Nats of quantising the weights after training: k D^gD / (N^gN P^gP) (Ouyang et al. 2024, arXiv 2411.17691)."""
    return {"penalty_nats": c["k"] * tokens ** c["gD"] * params ** -c["gN"] * post_bits ** -c["gP"]}


FORMS = by_name(
    form_of(
        "kumar",
        "effective parameters by bits of weights, activations and cache",
        _kumar,
        gives=("loss_nats", "effective_params_share", "post_training_nats"),
        terms=as_they_are,
        settings=("weight_bits", "activation_bits", "kv_bits"),
        at=at_bits,
        acts="training_bits",
    ),
    form_of(
        "sun",
        "a term for the exponent, mantissa and block of a float format",
        _sun,
        gives=("loss_nats", "penalty_nats", "critical_tokens"),
        acts="float_format",
    ),
    form_of(
        "qat",
        "4-bit quantisation-aware training by group size",
        qat,
        gives=("penalty_nats",),
        acts="quantised_training",
    ),
    form_of(
        "ptq_power", "quantisation after training by bits", ptq_power, gives=("penalty_nats",), acts="after_training"
    ),
)
