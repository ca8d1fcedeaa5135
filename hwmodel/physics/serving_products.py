"""Seconds of the matrix products of one layer in one pass of a serving engine: of attention, mixers and networks."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from hwmodel.ops import Num, ceil, exp, log, maximum, minimum, where
from hwmodel.physics import alike
from hwmodel.physics.alike import Once
from hwmodel.physics.columns import absent, anywhere, everywhere
from hwmodel.physics.kernels import cast_s, gemm_s, grouped_gemm_s
from hwmodel.physics.matrix import HeldPart
from hwmodel.physics.shape import expert_width, head_matrices, mixer_matrices, network_matrices
from hwmodel.specs.kernels import GemmConstants, Machine
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout
from hwmodel.specs.shape import Block, Shape


def choose_gemm(high: Num, c: GemmConstants, c_high: GemmConstants) -> GemmConstants:
    """Constants of the low format, or of the high one where `high` is 1."""
    if isinstance(high, (int, float)):
        return c_high if high > 0 else c
    fields = {f: where(high > 0, getattr(c_high, f), getattr(c, f)) for f in GemmConstants.__struct_fields__}
    return GemmConstants(**fields)


def _product_s(m: Num, n: Num, k: Num, c: GemmConstants) -> Num:
    return _cast_first(gemm_s(m, n, k, c), m, k, c)


def _cast_first(product_s: Num, rows: Num, k: Num, c: GemmConstants) -> Num:
    """Seconds of a product and of casting the `rows` of depth `k` that enter it, where its format needs that."""
    if absent(c.cast_bytes) and absent(c.cast_launch_s):
        return product_s
    return product_s + cast_s(rows * k, c)


def kv_heads_per_rank(block: Block, tp: Num) -> Num:
    """Key and value heads of one tensor-parallel rank; heads are copied once there are more ranks than heads."""
    return maximum(block.n_kv_heads / tp, minimum(block.n_kv_heads, 1.0))


def touched_experts(n_experts: Num, top_k: Num, tokens: Num, independence: Num = 1.0) -> Num:
    """Expected number of distinct experts that `tokens` tokens reach, at least those of one token.

    Routed evenly and independently it is E (1 - (1 - k/E)^tokens); tokens of related text share experts, so that they
    count as tokens ** independence."""
    n = maximum(n_experts, 1.0)
    stay = log(maximum(1.0 - top_k / n, 1e-9))
    return n * (1.0 - exp(stay * tokens**independence))


class Routed(NamedTuple):
    """How the tokens of a stage spread over its routed experts: `rows` for each of `experts` of the busiest rank,
    which receives `copies` copies of tokens."""

    rows: Num
    experts: Num
    copies: Num


def routed(block: Block, tokens: Num, layout: ServingLayout, engine: Engine) -> Routed | None:
    """The busiest rank's experts for `tokens` tokens of the whole stage; None where the layer has none."""
    if absent(block.n_experts):
        return None
    touched = maximum(touched_experts(block.n_experts, block.top_k, tokens, engine.independence), 1.0)
    skew = where(layout.ep > 1.0, engine.imbalance, 1.0)
    copies = tokens * block.top_k
    return Routed(copies / touched, maximum(touched / layout.ep * skew, 1.0), copies * skew / layout.ep)


def held_part(block: Block, layout: ServingLayout) -> HeldPart:
    """What one rank holds of a layer."""
    tp = layout.tp
    d_ff = block.d_ff / tp
    if not absent(block.n_experts):
        d_ff = where(block.n_experts > 0, block.d_ff / layout.moe_tp, d_ff)
    return HeldPart(block.n_heads / tp, kv_heads_per_rank(block, tp), d_ff, block.d_ff_shared / tp, tp)


# Parts of a layer that keep 16 bits where the feed-forward networks alone are quantised.
ATTENTION_MODULES = ("attention", "up_projections")


def padded_sides(hidden: Num, n: Num, k: Num, formats: ServingFormats) -> tuple[Num, Num]:
    """Sides of an expert's product as loaders pad them: the width that it reads and its own on this rank."""
    if everywhere(formats.padded_hidden <= 1.0):
        return n, k
    wide, own = formats.padded_hidden, formats.padded_inner
    sides = [ceil(x / where(x == hidden, wide, own)) * where(x == hidden, wide, own) for x in (n, k)]
    return sides[0], sides[1]


def which_gemm(c: GemmConstants, machine: Machine) -> float | None:
    """Names the constants of a machine's low or high format; None for a mixture of both."""
    return 0.0 if c is machine.gemm else 1.0 if c is machine.gemm_high else None


def attention_products_s(
    shape: Shape, block: Block, m: Num, layout: ServingLayout, machine: Machine, c: GemmConstants, network_only: Num
) -> Num:
    """Seconds of one layer's products of attention on one rank for `m` tokens, those of mixers apart: in the format of
    `c`, or in 16 bits where the networks alone are quantised.

    Latent attention has the same products in its absorbed form: each head's slice of the key and value
    up-projections meets the query and the result instead of the cache.
    """
    total: Num = 0.0
    own = _attention_gemm(c, machine, network_only)
    for x in head_matrices(shape, block, held_part(block, layout)):
        if x.kind == "groups":
            grouped = grouped_gemm_s(m, x.n, x.k, x.copies, c)
            total = total + x.only(_cast_first(grouped, m * x.k, x.copies, c))
        else:
            total = total + x.only(_product_s(m, x.n, x.k, own))
    return total


def _attention_gemm(c: GemmConstants, machine: Machine, network_only: Num) -> GemmConstants:
    """Constants of the products of attention and mixers."""
    return choose_gemm(network_only, c, machine.gemm_high) if anywhere(network_only > 0) else c


def network_products_s(
    shape: Shape,
    block: Block,
    m: Num,
    layout: ServingLayout,
    engine: Engine,
    machine: Machine,
    c: GemmConstants,
    formats: ServingFormats,
) -> tuple[list[Num], Num]:
    """Seconds of one layer's networks on one rank for `m` tokens of an attention rank: of each product that all tokens
    pass, and of the routed experts."""
    dense: list[Num] = []
    experts: Num = 0.0
    spread = routed(block, m * layout.dp, layout, engine)
    for product in network_matrices(shape, block, held_part(block, layout)):
        if product.kind == "experts":
            assert spread is not None
            n, k = padded_sides(expert_width(shape, block), product.n, product.k, formats)
            grouped_s = grouped_gemm_s(spread.rows, n, k, spread.experts, machine.gemm)
            experts = experts + product.only(_cast_first(grouped_s, spread.copies, product.k, machine.gemm))
        elif product.kind == "router":
            dense.append(product.only(gemm_s(m, product.n, product.k, machine.gemm_high)))
        else:
            dense.append(product.only(_product_s(m, product.n, product.k, c)))
    return dense, experts


def products_s(
    shape: Shape,
    block: Block,
    m: Num,
    layout: ServingLayout,
    engine: Engine,
    machine: Machine,
    c: GemmConstants,
    formats: ServingFormats,
    once: Once | None = None,
) -> tuple[Num, Num]:
    """Seconds of one layer's products on one rank for `m` tokens of an attention rank: dense ones in the format of
    `c`, and routed experts; `once`: what other blocks of the pass share."""
    known, which, network_only = once or Once(), which_gemm(c, machine), formats.network_only
    attended = partial(attention_products_s, shape, block, m, layout, machine, c, network_only)
    dense = known.of(block, alike.HEAD_PRODUCTS, attended, which)
    for product in mixer_matrices(shape, block, layout.tp):
        dense = dense + product.only(_product_s(m, product.n, product.k, _attention_gemm(c, machine, network_only)))
    network = partial(network_products_s, shape, block, m, layout, engine, machine, c, formats)
    passed, experts = known.of(block, alike.NETWORK_PRODUCTS, network, which)
    for product_s in passed:
        dense = dense + product_s
    return dense, experts
