"""What fewer bits cost in loss: Kumar et al. 2024 in three transports, Sun et al. 2025 for block-scaled floats.

Kumar's factor f(P) was fitted together with its own A and alpha. Carried into another law it can be read in three ways
that differ three to four times, so the answer is an interval, never one number. Sun's term is a separate scenario and
is not added to Kumar's (both count the training precision). All penalties are nats a token above bf16 at equal N, D.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from hwmodel import ops
from hwmodel.errors import InputError
from hwmodel.ops import Num
from hwmodel.specs.law import LawSpec

Constants = Mapping[str, Any]
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
        (1.0 - ops.exp(-weight_bits / c["gamma_w"] + c["n_w"]))
        * (1.0 - ops.exp(-activation_bits / c["gamma_a"] + c["n_a"]))
        * (1.0 - ops.exp(-kv_bits / c["gamma_kv"] + c["n_kv"]))
    )
    return factor


def kumar_ptq(c: Constants, params: Num, tokens: Num, bits: Num) -> Num:
    """Nats lost by quantising the weights after training: C_T D^gD / N^gN exp(-P/gamma_post + b)."""
    lost: Num = c["C_T"] * tokens ** c["gD"] * params ** -c["gN"] * ops.exp(-bits / c["gamma_post"] + c["b_post"])
    return lost


def sun_term(c: Constants, params: Num, tokens: Num, exponent_bits: Num, mantissa_bits: Num, log2_block: Num) -> Num:
    """Nats of quantised training (arXiv 2501.02423, eq. 26): (D^b/N^a) log2(block) / (g (E+.5)^delta (M+.5)^nu)."""
    resolution = c["g"] * (exponent_bits + 0.5) ** c["delta"] * (mantissa_bits + 0.5) ** c["nu"]
    return tokens ** c["beta"] * params ** -c["alpha"] * log2_block / resolution


def _log2_block(block: float) -> float:
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
    if base.form != "additive" or "outer" in base.constants:
        raise InputError(f"law {base.id} has no separate size term, so a precision penalty cannot be carried into it")
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
