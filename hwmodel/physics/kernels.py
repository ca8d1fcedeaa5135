"""Seconds of single kernels on one accelerator: matrix products, attention, what only moves bytes.

All take and return a float or an array (SI units). Laws and fits: docs/kernels.md.
"""

from __future__ import annotations

from hwmodel.ops import Num, ceil, maximum, minimum, where
from hwmodel.specs.kernels import AttentionConstants, GemmConstants, MemoryConstants

_TILE = 128.0  # rows and columns that `GemmConstants.fill` counts in, and columns of the tiles of `wave`
_BACKWARD_PRODUCTS = 5.0 / 2.0  # five products where the forward pass has two (arXiv 2307.08691 section 3.1)


def _is_plain(value: Num, usual: float) -> bool:
    """Whether a value is the usual one as a plain number, so that columns need no arithmetic for it."""
    return isinstance(value, (int, float)) and value == usual


def _launched(launch_s: Num, seconds: Num) -> Num:
    """Seconds of a kernel with its launch, which captured graphs do without."""
    return seconds if _is_plain(launch_s, 0.0) else launch_s + seconds


def product_s(area: Num, ragged_area: Num, k: Num, moved: Num, efficiency: Num, c: GemmConstants) -> Num:
    """Seconds of products whose results cover `area` elements, and `ragged_area` more for the ragged last wave."""
    wasted = c.fill * c.units * (_TILE * _TILE) / (1.0 + k / c.split_k)
    compute = (area + c.wave * ragged_area + wasted) * (k + c.depth) * (2.0 / (c.peak_flop_per_s * efficiency))
    compute = compute * (1.0 + c.throttle * compute / (compute + c.throttle_s))
    memory = moved * (1.0 / (c.hbm_bytes_per_s * c.hbm_fraction))
    latency = c.latency_s_per_k * minimum(k, c.latency_k)
    return latency + maximum(compute, memory) + c.overlap_loss * minimum(compute, memory)


def wave_area(tiles: Num, c: GemmConstants) -> Num:
    """Elements of the empty part of the last wave, once there is more than one wave of 128 x 256 tiles."""
    waves = tiles / c.units
    return where(waves > 1.5, ceil(waves) - waves, 0.0) * (c.units * 2.0 * _TILE * _TILE)


def gemm_s(m: Num, n: Num, k: Num, c: GemmConstants) -> Num:
    """Seconds of one product (m, k) @ (k, n): tiles over the chip or its bytes, whichever is slower, and latencies.

    A short run on a cool chip; for back-to-back products of a training step take `machine.sustained` constants.
    """
    return sized_gemm_s(*gemm_sizes(m, n, k, c), c)


def sized_gemm_s(area: Num, ragged_area: Num, k: Num, moved: Num, c: GemmConstants) -> Num:
    """Seconds of one product of which the sizes are known that its time goes by (see `gemm_sizes`)."""
    return _launched(c.launch_s, product_s(area, ragged_area, k, moved, c.efficiency, c))


def gemm_sizes(m: Num, n: Num, k: Num, c: GemmConstants) -> tuple[Num, Num, Num, Num]:
    """What the time of a product goes by: elements of the result with ragged edges, those of the empty part of the last
    wave, the depth, and the bytes of operands read and result written."""
    area = (m + c.edge_m) * (n + c.edge_n)
    ragged = wave_area(ceil(m * (1.0 / _TILE)) * ceil(n * (0.5 / _TILE)), c)
    moved = (m * c.a_bytes + n * c.b_bytes) * k + m * n * (c.out_bytes * c.store_cost)
    return area, ragged, k, moved


def grouped_gemm_s(rows_per_expert: Num, n: Num, k: Num, experts: Num, c: GemmConstants) -> Num:
    """Seconds of `experts` products of (rows_per_expert, k) @ (k, n) in one launch."""
    stored = rows_per_expert * n * (c.out_bytes * c.store_cost)
    moved = experts * ((rows_per_expert * c.a_bytes + n * c.b_bytes) * k + stored)
    return sized_group_s(rows_per_expert, n, k, experts, moved, c)


def sized_group_s(rows_per_expert: Num, n: Num, k: Num, experts: Num, moved: Num, c: GemmConstants) -> Num:
    """`grouped_gemm_s` of products of which the bytes are known that they move."""
    area = experts * (rows_per_expert + c.group_edge) * (n + c.edge_n)
    return _launched(c.group_launch_s, product_s(area, 0.0, k, moved, c.efficiency * c.group_efficiency, c))


def cast_s(elements: Num, c: GemmConstants) -> Num:
    """Seconds to cast and scale `elements` into the format of `c`; zero where the format needs no cast."""
    if _is_plain(c.cast_bytes, 0.0):
        return c.cast_launch_s
    return _launched(c.cast_launch_s, elements * c.cast_bytes / (c.hbm_bytes_per_s * c.hbm_fraction))


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
    kv_compression: Num = 1.0,
    shared_kv: Num = 0.0,
) -> Num:
    """Seconds of fused causal attention over `batch` sequences: `q_len` new tokens that see `kv_len` in all.

    Lengths and window count tokens, of which `kv_compression` share one key and value (one vector: `shared_kv` 1).
    """
    keys = minimum(window_tokens, kv_len)
    ramp = minimum(maximum(keys - (kv_len - q_len), 0.0), q_len)  # queries that see fewer keys than the window
    pairs = q_len * keys - ramp * (keys - (kv_len - q_len) - 0.5 * ramp)
    entries = kv_len
    if not _is_plain(kv_compression, 1.0):
        pairs, keys, entries = pairs / kv_compression, keys / kv_compression, kv_len / kv_compression
    padded = where(keys < entries, c.window_pad_tokens * (q_len - ramp), 0.0)
    pairs = pairs + c.diagonal_tokens * q_len + padded + c.block_pairs
    work = batch * n_heads * pairs + c.fill * c.units * _TILE * keys
    compute = work * (head_dim + v_head_dim + 2.0 * c.head_dim_half) * (2.0 / (c.peak_flop_per_s * c.efficiency))
    compute = compute * (1.0 + c.throttle * compute / (compute + c.throttle_s))
    moved = 2.0 * batch * (q_len * n_heads + entries * n_kv_heads) * (head_dim + v_head_dim)
    if not _is_plain(shared_kv, 0.0):
        moved = moved - shared_kv * (2.0 * batch * entries * n_kv_heads * v_head_dim)
    memory = moved / (c.hbm_bytes_per_s * c.hbm_fraction)
    latency = c.launch_s + c.latency_s_per_token * keys
    return latency + maximum(compute, memory) + c.overlap_loss * minimum(compute, memory)


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
    kv_compression: Num = 1.0,
    shared_kv: Num = 0.0,
) -> Num:
    """Seconds of the backward pass of fused attention: five products instead of two, at a lower rate."""
    widths = (n_heads, n_kv_heads, head_dim, v_head_dim)
    forward = attention_forward_s(batch, q_len, kv_len, *widths, window_tokens, c, kv_compression, shared_kv)
    return backward_s(forward, c)


def backward_s(forward_s: Num, c: AttentionConstants) -> Num:
    """Seconds of attention's backward pass beside those of its forward one: five products for two."""
    return forward_s * (_BACKWARD_PRODUCTS / c.backward_efficiency)


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
    shared_kv: Num = 0.0,
) -> Num:
    """Seconds of one new token a sequence over a cache of `context` entries, `kv_bytes` an element.

    `shared_kv` 1: one vector of an entry is key and value, and is read once.
    """
    keys = maximum(context, c.decode_min_tokens)
    width = head_dim + v_head_dim
    moved = batch * (keys * n_kv_heads * kv_bytes + 2.0 * n_heads) * width
    if not _is_plain(shared_kv, 0.0):
        moved = moved - shared_kv * (batch * keys * n_kv_heads * kv_bytes * v_head_dim)
    compute = 2.0 * batch * keys * n_heads * width / (c.peak_flop_per_s * c.decode_efficiency)
    latency = c.decode_latency_s_per_token * minimum(context, c.decode_latency_tokens)
    return c.decode_launch_s + latency + maximum(moved / (c.hbm_bytes_per_s * c.decode_hbm_fraction), compute)


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
    keys = maximum(context, c.mla_decode_min_tokens)
    moved = batch * (keys * kv_bytes + 2.0 * n_heads) * (kv_lora_rank + rope_dim)
    flop = 2.0 * batch * keys * n_heads * (2.0 * kv_lora_rank + rope_dim)
    compute = flop / (c.peak_flop_per_s * c.mla_decode_efficiency)
    latency = c.mla_decode_latency_s_per_token * minimum(context, c.mla_decode_latency_tokens)
    memory = moved / (c.hbm_bytes_per_s * c.mla_decode_hbm_fraction)
    return c.mla_decode_launch_s + latency + maximum(memory, compute)


def scan_s(flop: Num, c: GemmConstants) -> Num:
    """Seconds of the recurrences and convolutions of linear mixers that compute `flop`."""
    return flop / (c.peak_flop_per_s * c.scan_efficiency)


def memory_bound_s(size_bytes: Num, c: MemoryConstants) -> Num:
    """Seconds of one kernel that moves `size_bytes` to and from memory."""
    return c.launch_s + size_bytes / (c.hbm_bytes_per_s * c.hbm_fraction)
