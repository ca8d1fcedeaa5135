"""Seconds of single kernels on one accelerator: matrix products, attention, what only moves bytes.

All take and return a float or an array (SI units). Laws and fits: docs/kernels.md.
"""

from __future__ import annotations

from hwmodel.ops import Num, ceil, maximum, minimum
from hwmodel.specs.kernels import AttentionConstants, GemmConstants, MemoryConstants


def gemm_s(m: Num, n: Num, k: Num, c: GemmConstants) -> Num:
    """Seconds of one product (m, k) @ (k, n) in a burst: tiles over the chip, or its bytes, whichever is slower."""
    tiles = ceil(m / c.tile_m) * ceil(n / c.tile_n)
    per_tile_flop = (2.0 * c.tile_m * c.tile_n) / (c.peak_flop_per_s * c.efficiency)
    compute = (tiles + c.fill * c.units) * (k + c.depth) * per_tile_flop
    moved = (m * c.a_bytes + n * c.b_bytes) * k + m * n * c.out_bytes
    return c.launch_s + maximum(compute, moved / (c.hbm_bytes_per_s * c.hbm_fraction))


def grouped_gemm_s(rows_per_expert: Num, n: Num, k: Num, experts: Num, c: GemmConstants) -> Num:
    """Seconds of `experts` products of (rows_per_expert, k) @ (k, n) in one launch."""
    tiles = ceil(rows_per_expert / c.tile_m) * ceil(n / c.tile_n) * experts
    per_tile_flop = (2.0 * c.tile_m * c.tile_n) / (c.peak_flop_per_s * c.efficiency)
    compute = (tiles + c.fill * c.units) * (k + c.depth) * per_tile_flop
    moved = experts * ((rows_per_expert * c.a_bytes + n * c.b_bytes) * k + rows_per_expert * n * c.out_bytes)
    return c.launch_s + maximum(compute, moved / (c.hbm_bytes_per_s * c.hbm_fraction))


def cast_s(elements: Num, c: GemmConstants) -> Num:
    """Seconds to cast and scale `elements` into the format of `c`; zero where the format needs no cast."""
    return c.cast_launch_s + elements * c.cast_bytes / (c.hbm_bytes_per_s * c.hbm_fraction)


def _pairs(q_len: Num, kv_len: Num, window_tokens: Num) -> Num:
    """Query-key pairs of a causal mask aligned at the end, each query seeing at most `window_tokens` keys."""
    w = minimum(window_tokens, kv_len)
    ramp = maximum(minimum(q_len, w - (kv_len - q_len)), 0.0)  # queries that see fewer keys than the window
    return q_len * w - 0.5 * ramp * maximum(2.0 * w - 2.0 * (kv_len - q_len) - ramp, 0.0)


def attention_forward_s(
    batch: Num,
    q_len: Num,
    kv_len: Num,
    n_heads: Num,
    n_kv_heads: Num,
    head_dim: Num,
    v_head_dim: Num,
    window_tokens: Num,
    c: AttentionConstants,
) -> Num:
    """Seconds of fused causal attention over `batch` sequences: `q_len` new tokens that see `kv_len` in all."""
    flop = 2.0 * batch * n_heads * _pairs(q_len + c.ramp_tokens, kv_len + c.ramp_tokens, window_tokens)
    flop = flop * (head_dim + v_head_dim)
    width = head_dim / (head_dim + c.head_dim_half)
    compute = flop / (c.peak_flop_per_s * c.efficiency * width)
    moved = 2.0 * batch * (q_len * n_heads + kv_len * n_kv_heads) * (head_dim + v_head_dim)
    return c.launch_s + maximum(compute, moved / (c.hbm_bytes_per_s * c.hbm_fraction))


def attention_backward_s(
    batch: Num,
    q_len: Num,
    kv_len: Num,
    n_heads: Num,
    n_kv_heads: Num,
    head_dim: Num,
    v_head_dim: Num,
    window_tokens: Num,
    c: AttentionConstants,
) -> Num:
    """Seconds of the backward pass of fused attention: five products instead of two, at a lower rate."""
    forward = attention_forward_s(batch, q_len, kv_len, n_heads, n_kv_heads, head_dim, v_head_dim, window_tokens, c)
    return forward * (2.5 / c.backward_efficiency)


def unfused_attention_s(
    batch: Num,
    q_len: Num,
    kv_len: Num,
    n_heads: Num,
    head_dim: Num,
    v_head_dim: Num,
    passes: Num,
    gemm: GemmConstants,
    memory: MemoryConstants,
) -> Num:
    """Seconds of attention as two batched products over the full square, plus `passes` elements moved per score."""
    scores = batch * n_heads * q_len * kv_len
    products = grouped_gemm_s(q_len, kv_len, head_dim, batch * n_heads, gemm) + grouped_gemm_s(
        q_len, v_head_dim, kv_len, batch * n_heads, gemm
    )
    return products + memory_bound_s(scores * passes * 2.0, memory)


def attention_decode_s(
    batch: Num,
    context: Num,
    n_heads: Num,
    n_kv_heads: Num,
    head_dim: Num,
    v_head_dim: Num,
    kv_bytes: Num,
    c: AttentionConstants,
) -> Num:
    """Seconds of one new token a sequence over a cache of `context` tokens, `kv_bytes` an element."""
    moved = batch * context * n_kv_heads * (head_dim + v_head_dim) * kv_bytes
    flop = 2.0 * batch * context * n_heads * (head_dim + v_head_dim)
    compute = flop / (c.peak_flop_per_s * c.efficiency * 0.5)
    return c.decode_launch_s + maximum(moved / (c.hbm_bytes_per_s * c.decode_hbm_fraction), compute)


def mla_decode_s(
    batch: Num,
    context: Num,
    n_heads: Num,
    kv_lora_rank: Num,
    rope_dim: Num,
    kv_bytes: Num,
    c: AttentionConstants,
) -> Num:
    """Seconds of one new token a sequence of latent attention in its absorbed form: every head reads the latent."""
    moved = batch * context * (kv_lora_rank + rope_dim) * kv_bytes
    flop = 2.0 * batch * context * n_heads * (2.0 * kv_lora_rank + rope_dim)
    compute = flop / (c.peak_flop_per_s * c.mla_efficiency)
    return c.decode_launch_s + maximum(moved / (c.hbm_bytes_per_s * c.mla_hbm_fraction), compute)


def memory_bound_s(size_bytes: Num, c: MemoryConstants) -> Num:
    """Seconds of one kernel that moves `size_bytes` to and from memory."""
    return c.launch_s + size_bytes / (c.hbm_bytes_per_s * c.hbm_fraction)
