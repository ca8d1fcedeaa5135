"""One new token of latent attention in its absorbed form, worked out by hand."""

from __future__ import annotations

import pytest
from round_machine import ATTENTION

from hwmodel.catalog import load_catalog
from hwmodel.physics.kernels import mla_decode_s
from hwmodel.physics.matrix import HeldPart
from hwmodel.physics.shape import matrices

# Round constants: 1e12 B/s at a share of one, 1e12 FLOP/s at a share of one, no launch, no latency, no smallest block.
ROUND = {
    "hbm_bytes_per_s": 1e12, "peak_flop_per_s": 1e12, "mla_decode_launch_s": 0.0, "mla_decode_efficiency": 1.0,
    "mla_decode_hbm_fraction": 1.0, "mla_decode_min_tokens": 0.0, "mla_decode_latency_s_per_token": 0.0,
}  # fmt: skip


def test_every_head_multiplies_scores_with_the_latent_twice() -> None:
    # Two sequences of 1,000 entries, 64 heads, latents of 512 and 64 rotated: scores take 512 + 64 multiply-adds an
    # entry and head, values the 512 of the latent once more: 2 x 2 x 1,000 x 64 x (512 + 64 + 512) = 278,528,000 FLOP,
    # 278.528 us. The bytes, 2 x (1,000 x 2 + 2 x 64) x 576 = 2,451,456, take 2.45 us.
    c = _with(ROUND)
    assert mla_decode_s(2.0, 1000.0, 64.0, 512.0, 64.0, 2.0, c) == pytest.approx(278.528e-6)


def test_a_few_heads_wait_for_the_latents() -> None:
    # One sequence, one head, latents of 8 bits: (1,000 x 1 + 2 x 1) x 576 B = 577,152 B at 1e10 B/s, 57.7152 us; the
    # products, 2 x 1,000 x 1 x 1,088 FLOP, take 2.2 us. With 1 us to launch and 1 ns a token up to 400: 1.4 us more.
    slow = {"hbm_bytes_per_s": 1e10, "mla_decode_launch_s": 1e-6, "mla_decode_latency_s_per_token": 1e-9,
            "mla_decode_latency_tokens": 400.0}  # fmt: skip
    c = _with({**ROUND, **slow})
    assert mla_decode_s(1.0, 1000.0, 1.0, 512.0, 64.0, 1.0, c) == pytest.approx(59.1152e-6)


def test_the_products_of_latent_attention_of_deepseek_v3() -> None:
    # arXiv 2412.19437 section 4.2: width 7,168, 128 heads of 128 + 64 rotated, values of 128, latents of 512 (keys and
    # values) and 1,536 (queries). Down: 7,168 x (1,536 + 512 + 64) = 15,138,816. Queries up: 1,536 x 128 x 192 =
    # 37,748,736. Keys without their rotated part and values up: 512 x 128 x (192 - 64 + 128) = 16,777,216. Out:
    # 128 x 128 x 7,168 = 117,440,512.
    shape = load_catalog().model("deepseek-v3")
    block = shape.blocks[0]
    part = HeldPart(block.n_heads, block.n_kv_heads, block.d_ff, block.d_ff_shared, 1.0)
    attention = matrices(shape, block, part)[:4]
    assert [float(m.n * m.k * m.copies) for m in attention] == [15138816.0, 37748736.0, 16777216.0, 117440512.0]


def _with(changes: dict[str, float]):
    """The round machine's attention with other constants."""
    return type(ATTENTION)(**{n: changes.get(n, getattr(ATTENTION, n)) for n in ATTENTION.__struct_fields__})
