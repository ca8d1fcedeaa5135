"""Hand-worked cases of what only some serving has: experts' weights and traffic, padding, scales, shared steps."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from round_machine import BLOCK, MACHINE, SHAPE

from hwmodel.physics.serving import bulk_prompt_s, decode_terms, prefill_s, weights_bytes
from hwmodel.physics.serving_launches import host_launches, kernels, kernels_per_layer, scalings_per_layer
from hwmodel.physics.serving_memory import pool_bytes
from hwmodel.physics.serving_products import padded_sides
from hwmodel.physics.serving_step import elementwise_bytes, norm_sum_s, sums_s
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad

ENGINE = Engine(
    kernel_s=0.0, step_s=0.0, sequence_s=0.0, collective_s=0.0, imbalance=1.0, prefill_kernel_s=0.0,
    step_tokens=4096.0, prefills_apart=1.0,
)  # fmt: skip
EXPERTS = msgspec.structs.replace(BLOCK, n_experts=4.0, top_k=2.0)
change = msgspec.structs.replace


def of(block: Any) -> Any:
    """The model of round numbers with other layers."""
    return change(SHAPE, blocks=(block,))


def test_weights_of_experts() -> None:
    # A layer in one byte: 4 d^2 of attention and a router of 4 d, on each of two tensor ranks a half, norms of 2 x 2 d
    # bytes and the vocabularies in two bytes too; four experts of 2 x 1,024 x 4,096 over the four accelerators.
    eight_bits = ServingFormats(weight_bytes=1.0, high_bytes=2.0)
    dense = 4 * (4 * 1024**2 + 4 * 1024 + 2 * 2 * 1024) + 2 * 2 * 8000 * 1024
    routed = 4 * 4 * 2 * 1024 * 4096
    layout = ServingLayout(tp=2.0, dp=2.0, ep=2.0)
    assert weights_bytes(of(EXPERTS), eight_bits, layout) == pytest.approx(dense / 2 + routed / 4, rel=1e-12)
    # Experts alone in one byte.
    alone = change(eight_bits, experts_only=1.0)
    wide = 4 * (2 * (4 * 1024**2 + 4 * 1024) + 2 * 2 * 1024) + 2 * 2 * 8000 * 1024
    assert weights_bytes(of(EXPERTS), alone, layout) == pytest.approx(wide / 2 + routed / 4, rel=1e-12)
    # Three experts on two ranks: a copy makes them four. A router of three columns; half of four layers on a stage.
    three = change(EXPERTS, n_experts=3.0)
    fewer = dense - 4 * 1024
    staged = change(layout, pp=2.0)
    assert weights_bytes(of(three), eight_bits, staged) == pytest.approx((fewer / 2 + routed / 4) / 2, rel=1e-12)


def test_traffic_of_experts() -> None:
    # 8 tokens: norms 16 d bytes each. 2 bytes of: 4 x 8 x 128 / 2 of heads, a gated shared network of 512 / 2 (three
    # times), and two choices of a gated expert of 4,096 (twice, cut in tp dp / ep = 3 parts) with 3 d around it, of
    # three attention ranks on two expert ranks.
    block = change(EXPERTS, gated=1.0, d_ff_shared=512.0)
    layout = ServingLayout(tp=2.0, dp=3.0, ep=2.0)
    routed = 2 * (4096 / 3 * 2 + 3 * 1024) / 2 * 3
    moved = 16 * 8 * 1024 + 2 * 8 * (4 * 8 * 128 / 2 + 3 * 256 + routed)
    assert elementwise_bytes(of(block), block, 8.0, layout) == pytest.approx(moved, rel=1e-12)


def test_sides_of_experts_are_padded() -> None:
    # The model's 1,024 to a multiple of 384: 1,152; the expert's 700 to one of 512: 1,024.
    padded = ServingFormats(padded_hidden=384.0, padded_inner=512.0)
    assert padded_sides(SHAPE.d_model, 700.0, 1024.0, padded) == (1024.0, 1152.0)
    assert padded_sides(SHAPE.d_model, 700.0, 1024.0, ServingFormats()) == (700.0, 1024.0)


def test_kernels_that_scale_inputs() -> None:
    # Attention's first and last product and the network's two; a latent query has one more, a shared network one.
    assert scalings_per_layer(BLOCK) == 4.0
    latent = change(EXPERTS, kv_lora_rank=512.0, d_ff_shared=512.0)
    assert scalings_per_layer(latent) == 2 + 1 + 2 + 1
    assert scalings_per_layer(change(BLOCK, d_ff_shared=512.0)) == 4.0


def test_kernels_of_a_layer() -> None:
    # Attention 4 and network 3; latents 5 more; experts 9 and a shared network 3; a linear mixer 10; an indexer 15.
    assert kernels_per_layer(BLOCK) == 7.0
    assert kernels_per_layer(change(EXPERTS, kv_lora_rank=512.0, d_ff_shared=512.0)) == 4 + 5 + 9 + 3
    assert kernels_per_layer(change(BLOCK, index_heads=4.0)) == 22.0
    assert kernels_per_layer(change(BLOCK, mixer_flop_per_token=1.0)) == 13.0
    assert kernels(of(EXPERTS)) == 5 + 4 * 13


def test_launches_of_a_prompt() -> None:
    # 5 and 4 layers of 13; the 9 of experts weigh 1.5 x 2 / 8 of that: 9 x 4 x 0.625 = 22.5 fewer.
    engine = change(ENGINE, expert_host=1.5, norms_apart=0.0, attention_apart=0.0, captured_tokens=512.0)
    assert host_launches(of(EXPERTS), ServingFormats(), engine, 2.0) == pytest.approx(57 - 22.5)
    # A prompt of captured length: three a layer.
    assert host_launches(of(EXPERTS), ServingFormats(), engine, 2.0, 512.0) == 12.0
    assert host_launches(SHAPE, ServingFormats(), engine, 2.0, 513.0) == 5 + 4 * 7


def bulk(prompt: float, layout: ServingLayout) -> tuple[float, float]:
    """Seconds that a prompt costs those behind it, and those of the prefill of a step."""
    load = ServingLoad(prompt_tokens=prompt, output_tokens=100.0)
    together = max(4096.0 / prompt, 1.0)
    at = (SHAPE, MACHINE, ServingFormats(), layout, ENGINE)
    return float(bulk_prompt_s(*at, 8.0, load)), float(prefill_s(*at, prompt, prompt, together))


def test_prompts_share_steps() -> None:
    # Four of 1,024 tokens in a step of 4,096; each of four attention ranks takes as many, and both stages work, but
    # ranks whose prompts come apart are busy one by one: sqrt(4) steps for one.
    one, step = bulk(1024.0, ServingLayout(dp=4.0, pp=2.0))
    assert one == pytest.approx(step * 2 / (4 * 4 * 2), rel=1e-12)
    # A prompt of two steps waits for one of them alone: 1 + (2 - 1) / 2.
    long, steps = bulk(8192.0, ServingLayout(dp=4.0))
    assert long == pytest.approx(steps * 1.5 / 4, rel=1e-12)


def test_hops_of_tensor_ranks() -> None:
    # Two micro-batches of four sequences, each of two tensor ranks hands half of 4 x 2 KiB over.
    found = decode_terms(SHAPE, MACHINE, ServingFormats(), ServingLayout(tp=2.0, pp=2.0), ENGINE, 8.0, 1000.0)
    assert found.pp_s == pytest.approx(4 * 2048 / 2 / 1e11, rel=1e-9)


def test_what_is_left_for_the_cache() -> None:
    # 80 % of what is free of 90 % of 80 GB beside weights of 30 GB and a reserve of 2: 0.8 x 40.
    engine = change(ENGINE, memory_fraction=0.9, free_fraction=0.8, reserve_bytes=2e9)
    assert pool_bytes(3e10, engine, 8e10) == pytest.approx(3.2e10, rel=1e-12)
    # Where that leaves next to nothing: 97 % less 1.5 GB, up to a twentieth.
    assert pool_bytes(7.5e10, engine, 8e10) == pytest.approx(0.97 * 8e10 - 7.5e10 - 1.5e9, rel=1e-12)
    assert pool_bytes(6.9e10, engine, 8e10) == pytest.approx(4e9, rel=1e-12)


def test_ranks_sum_variances_of_norms_over_all_heads() -> None:
    # Four ranks, 1,000 tokens, a query's and a key's variance in 4 bytes: 3/4 of 8,000 bytes out and back over 1e11.
    block = change(BLOCK, whole_qk_norm=1.0)
    assert norm_sum_s(block, 1000.0, 4.0, ENGINE, MACHINE) == pytest.approx(2 * 6000 / 1e11, rel=1e-9)
    assert norm_sum_s(BLOCK, 1000.0, 4.0, ENGINE, MACHINE) == 0.0
    # Beside two sums of 1 s each a layer; experts of attention-data ranks have one.
    for one, dp, sums in ((block, 1.0, 2), (change(EXPERTS, whole_qk_norm=1.0), 2.0, 1), (block, 2.0, 2)):
        found = sums_s(one, 1000.0, ServingLayout(tp=4.0, dp=dp), 1.0, ENGINE, MACHINE)
        assert found == pytest.approx(sums + 1.2e-7, rel=1e-12)
