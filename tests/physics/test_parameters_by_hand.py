"""Parameters and operations of layers that have more than plain ones, worked out in the comments."""

from __future__ import annotations

import msgspec
import pytest
from round_machine import ATTENTION, BLOCK, GEMM, SHAPE

from hwmodel.physics import shape as shapes
from hwmodel.physics.kernels import attention_decode_s, grouped_gemm_s
from hwmodel.specs import Block, Shape

change = msgspec.structs.replace


def of(block: Block, **fields: float) -> Shape:
    """The model of round numbers with other layers."""
    return change(SHAPE, blocks=(block,), **fields)


def test_vectors_of_a_layer() -> None:
    # Two norms with biases: 2 x 2 x 1,024. Biases of queries, keys and values 3 x 1,024, of the output 1,024, of the
    # network 4,096 + 1,024.
    shape = of(BLOCK, bias=1.0, norm_bias=1.0)
    assert shapes.vector_params(shape, BLOCK) == 4096 + 3072 + 1024 + 5120
    # A layer that borrows keys and values has no biases for them; norms of queries and keys are two of 128.
    borrows = change(BLOCK, borrows_kv=1.0)
    assert shapes.vector_params(of(borrows, bias=1.0), borrows) == 2048 + 1024 + 1024 + 5120
    assert shapes.vector_params(of(BLOCK, qk_norm=1.0), BLOCK) == 2048 + 2 * 128
    # Two heads of keys of 128 have values of 64; one vector for both, or one projection, has a bias once.
    for fields, value in (({}, 64), ({"shared_kv": 1.0}, 0), ({"v_from_k": 1.0}, 0), ({"shared_kv": 0.5}, 32)):
        few = change(BLOCK, n_kv_heads=2.0, v_head_dim=64.0, **fields)
        assert shapes.vector_params(of(few, bias=1.0), few) == 2048 + 1024 + 2 * (128 + value) + 1024 + 5120
    # Latents have norms of their own: 512 of keys and values, 1,536 of queries. A gated network has three biases.
    latent = change(BLOCK, kv_lora_rank=512.0, q_lora_rank=1536.0)
    assert shapes.vector_params(of(latent), latent) == 2048 + 512 + 1536
    gated = change(BLOCK, gated=1.0)
    assert shapes.vector_params(of(gated, bias=1.0), gated) == 2048 + 4096 + 2 * 4096 + 1024


def test_vectors_of_a_layer_that_lacks_a_half() -> None:
    # A network alone: one norm of 1,024, its biases 4,096 + 1,024, none of attention.
    network = change(BLOCK, n_heads=0.0, n_kv_heads=0.0)
    assert shapes.vector_params(of(network, bias=1.0), network) == 1024 + 5120
    # Attention alone: one norm, biases of queries, keys, values and the output.
    attention = change(BLOCK, d_ff=0.0)
    assert shapes.vector_params(of(attention, bias=1.0), attention) == 1024 + 4 * 1024
    # A mixer in the place of attention has the norm and no bias; nothing at all has nothing.
    mixer = change(network, mixer_params=10.0)
    assert shapes.vector_params(of(mixer, bias=1.0), mixer) == 2048 + 5120
    nothing = change(network, d_ff=0.0)
    assert shapes.vector_params(of(nothing, bias=1.0), nothing) == 0.0


def test_products_of_keys_and_values_that_are_one() -> None:
    # Eight queries of 128 and two heads of keys of 128 with values of 64, from 1,024 wide.
    for fields, keys_and_values in (
        ({}, 2 * (128 + 64)), ({"shared_kv": 1.0}, 2 * 128), ({"v_from_k": 1.0}, 2 * 128),
        ({"shared_kv": 0.5}, 2 * (128 + 32)), ({"borrows_kv": 1.0}, 0),
        ({"shared_kv": 1.0, "v_from_k": 1.0}, 2 * 128),
    ):  # fmt: skip
        block = change(BLOCK, n_kv_heads=2.0, v_head_dim=64.0, **fields)
        fused, output = shapes.attention_matrices(of(block), block, shapes.whole(block))
        assert (fused.n, fused.k) == (8 * 128 + keys_and_values, 1024)
        assert (output.n, output.k) == (1024, 8 * 64)


def test_parameters_of_experts_with_biases() -> None:
    # A layer: 4 d^2 of attention, a router of 4 d, four experts of 2 x 1,024 x 4,096 with biases of 4,096 + 1,024.
    # Norms 2 x 1,024, biases of attention 4 x 1,024, of the router 4. Outside: a norm, two vocabularies of 8,000 x d.
    block = change(BLOCK, n_experts=4.0, top_k=1.0)
    found = shapes.parameters(of(block, bias=1.0))
    expert = 2 * 1024 * 4096 + 5120
    dense = 4 * 1024**2 + 4 * 1024 + 2048 + 4096 + 4
    outside = 1024 + 2 * 8000 * 1024
    assert found.total == 4 * (dense + 4 * expert) + outside
    assert found.active == 4 * (dense + expert) + outside
    assert found.embedding == 2 * 8000 * 1024
    assert found.experts == 4 * 4 * 2 * 1024 * 4096
    # A token multiplies with attention, router, one expert and the head.
    assert found.matmul_active == 4 * (4 * 1024**2 + 4 * 1024 + 2 * 1024 * 4096) + 8000 * 1024


def test_flop_of_attention_that_selects() -> None:
    # 100 of at most 1,024 entries: a query sees 100 (1 - 50 / 1,024) on the mean; 8 heads, two products of 128. The
    # indexer of 4 heads of 64 scores all of them, 512 on the mean. Three a token of a mixer beside.
    block = change(BLOCK, select_tokens=100.0, index_heads=4.0, index_dim=64.0, mixer_flop_per_token=3.0)
    core = 2 * 100 * (1 - 50 / 1024) * 8 * 256
    index = 2 * 512 * 4 * 64
    assert shapes.attention_flop_per_token(of(block), 1024.0) == pytest.approx(4 * (core + index + 3), rel=1e-12)
    # Without a mask every token sees all 1,024.
    assert shapes.attention_flop_per_token(SHAPE, 1024.0, 0.0) == pytest.approx(4 * 2 * 1024 * 8 * 256, rel=1e-12)


def test_flop_per_token() -> None:
    # Two a parameter of 4 x 12 d^2 and of the head, and attention over 512 tokens on the mean.
    products, core = 4 * 12 * 1024**2 + 8000 * 1024, 4 * 2 * 512 * 8 * 256
    assert shapes.forward_flop_per_token(SHAPE, 1024.0) == pytest.approx(2 * products + core, rel=1e-12)


def test_smooth_shapes_by_hand() -> None:
    # 1e9: width 2 x 1,000, 15.625 heads of 128, 8 of keys, 32,768 words, half tied: log_4 2. A layer is
    # 2 x 4e6 (1 + 8 / 15.625) + 9.75 x 4e6 = 51.096e6; the rest after 1.5 x 32,768 x 2,000 is 17.647 of them.
    found = shapes.smooth_shapes(1e9)
    assert (found.d_model, found.vocab, found.tied) == (pytest.approx(2000.0), 32768.0, pytest.approx(0.5))
    block = found.blocks[0]
    assert (block.n_heads, block.n_kv_heads) == (pytest.approx(15.625), 8.0)
    assert block.count == pytest.approx((1e9 - 1.5 * 32768 * 2000) / 51.096e6, rel=1e-9)
    assert block.d_ff == pytest.approx(6500.0)
    # 16e9: 32,768 x 16^0.4 = 99,334 words, untied.
    large = shapes.smooth_shapes(16e9)
    assert large.vocab == pytest.approx(32768 * 16**0.4, rel=1e-9)
    assert large.tied == 0.0


def test_built_shapes_tie_small_vocabularies() -> None:
    assert [float(shapes.shapes_for(n).tied) for n in (5e8, 2e9)] == [1.0, 0.0]
    assert [float(shapes.shapes_for(n).vocab) for n in (2e9, 7e9, 7e10)] == [32768.0, 65536.0, 131072.0]


def test_decoding_with_one_vector_as_key_and_value() -> None:
    # 2 sequences of 1,000 entries, 4 heads of 128 in 2 bytes: once instead of twice; 8 queries and results of 256.
    moved = 2 * (1000 * 4 * 2 * 128 + 2 * 8 * 256)
    found = attention_decode_s(2.0, 1000.0, 8.0, 4.0, 128.0, 128.0, 2.0, ATTENTION, 1.0)
    assert found == pytest.approx(moved / 1e12, rel=1e-12)


def test_decoding_over_few_entries_waits_for_latencies() -> None:
    # 100 entries cost as 256, and 1 us to launch, 1 ns a token up to 50.
    slow = change(ATTENTION, decode_min_tokens=256.0, decode_launch_s=1e-6, decode_latency_s_per_token=1e-9,
                  decode_latency_tokens=50.0)  # fmt: skip
    found = attention_decode_s(2.0, 100.0, 8.0, 8.0, 128.0, 128.0, 2.0, slow)
    assert found == pytest.approx(1e-6 + 5e-8 + 2 * (256 * 8 * 2 + 2 * 8) * 256 / 1e12, rel=1e-12)
    # 4,096 queries share 4 heads: the products, 2 x 2 x 1,000 x 4,096 x 256, take longer than the bytes.
    many = attention_decode_s(2.0, 1000.0, 4096.0, 4.0, 128.0, 128.0, 2.0, ATTENTION)
    assert many == pytest.approx(2 * 2 * 1000 * 4096 * 256 / 1e14, rel=1e-12)


def test_grouped_products() -> None:
    # Three of 5 + 2 rows of 100 + 10 columns, 40 deep, at half the rate, and a launch; bytes count little.
    fast = change(GEMM, group_edge=2.0, edge_n=10.0, group_efficiency=0.5, group_launch_s=1e-6, hbm_bytes_per_s=1e18)
    found = grouped_gemm_s(5.0, 100.0, 40.0, 3.0, fast)
    assert found == pytest.approx(1e-6 + 3 * 7 * 110 * 40 * 2 / 0.5e14, rel=1e-9)
    # Or their bytes: operands of 1 and 2, results of 4, where the rate is no limit.
    wide = change(GEMM, a_bytes=1.0, b_bytes=2.0, out_bytes=4.0, peak_flop_per_s=1e20)
    moved = 3 * ((5 * 1 + 100 * 2) * 40 + 5 * 100 * 4)
    assert grouped_gemm_s(5.0, 100.0, 40.0, 3.0, wide) == pytest.approx(moved / 1e12, rel=1e-6)
