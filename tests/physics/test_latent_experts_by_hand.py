"""Routed experts in a narrower space (LatentMoE), worked out by hand: the model of round numbers with four experts of
4,096 that two of a token's choices read at 256 wide instead of 1,024.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from round_machine import BLOCK, GEMM, MACHINE, NORMS, SHAPE, STACK, VOCABULARY

from hwmodel.catalog import load_catalog
from hwmodel.physics.layer import casts_s, held_part, matrix_times, traffic_s
from hwmodel.physics.layer_communication import expert_parallel, tensor_parallel
from hwmodel.physics.memory import peak_memory
from hwmodel.physics.serving_launches import kernels_per_layer, scalings_per_layer
from hwmodel.physics.serving_memory import weights_bytes
from hwmodel.physics.serving_products import held_part as served_part
from hwmodel.physics.serving_products import network_products_s
from hwmodel.physics.serving_step import elementwise_bytes, exchange_s
from hwmodel.physics.shape import forward_flop_per_token, matrices, network_matrices, parameters
from hwmodel.physics.stages import layer_shard
from hwmodel.specs import Layout, Workload
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout
from hwmodel.specs.shape import Block, Shape

change = msgspec.structs.replace
BF16 = load_catalog().precision("bf16")
LATENT = change(BLOCK, n_experts=4.0, top_k=2.0, expert_latent_dim=256.0)
WIDE = change(LATENT, expert_latent_dim=0.0)
ENGINE = Engine(
    kernel_s=0.0, step_s=0.0, sequence_s=0.0, collective_s=0.0, imbalance=1.0, prefill_kernel_s=0.0,
    step_tokens=4096.0, prefills_apart=1.0,
)  # fmt: skip
ATTENTION = 4 * 1024**2
ROUTER = 4 * 1024
EXPERT = 2 * 256 * 4096  # one in, one out
AROUND = 2 * 1024 * 256  # into the narrower space and out of it


def of(block: Block) -> Shape:
    """The model of round numbers with other layers."""
    return change(SHAPE, blocks=(block,))


def test_parameters_and_flop() -> None:
    # A layer holds attention, router, the two products around the experts and four experts; a token passes two.
    found = parameters(of(LATENT))
    held = ATTENTION + ROUTER + AROUND
    assert found.total == 4 * (held + 4 * EXPERT + NORMS) + 2 * VOCABULARY + 1024
    assert found.active == 4 * (held + 2 * EXPERT + NORMS) + 2 * VOCABULARY + 1024
    assert found.experts == 4 * 4 * EXPERT
    # Two FLOPs a parameter of a product, and 4 x 8 x 128 x 512 of the mean context of 1,024 tokens.
    passed = 4 * (held + 2 * EXPERT) + VOCABULARY
    assert forward_flop_per_token(of(LATENT), 1024.0) == 2 * passed + 4 * 4 * 8 * 128 * 512


def test_biases() -> None:
    # Each expert 4,096 in and 256 out, the router 4, the products around them 256 in and 1,024 out; attention of
    # 3 x 1,024 and 1,024.
    plain, biased = parameters(of(LATENT)), parameters(change(of(LATENT), bias=1.0))
    around = 4 + 256 + 1024 + 4 * 1024
    assert biased.total - plain.total == 4 * (4 * (4096 + 256) + around)
    assert biased.active - plain.active == 4 * (2 * (4096 + 256) + around)


def test_products_on_a_rank() -> None:
    # Each of two tensor ranks narrows and widens half of 1,024 tokens with the whole matrix: 2 x 512 x 1,024 x 256
    # FLOP, forward once and backward twice, in the recipe's format; memory is no limit. Its experts read 256.
    layout, fast = Layout(tp=2.0, ep=2.0), change(MACHINE, gemm=change(GEMM, hbm_bytes_per_s=1e18))
    fast = change(fast, gemm_high=change(fast.gemm, peak_flop_per_s=5e13))
    found = network_matrices(of(LATENT), LATENT, held_part(LATENT, layout))
    sides = [(m.kind, m.n, m.k) for m in found]
    assert sides == [
        ("router", 4.0, 1024.0), ("experts", 4096.0, 256.0), ("experts", 256.0, 4096.0),
        ("latent", 256.0, 1024.0), ("latent", 1024.0, 256.0),
    ]  # fmt: skip
    routing = matrix_times(found[0], LATENT, 1024.0, layout, fast, STACK, 1.0)[0]
    assert routing == pytest.approx(2 * 512 * 4 * 1024 / 5e13, rel=1e-9)
    for matrix in found[3:]:
        forward, backward = matrix_times(matrix, LATENT, 1024.0, layout, fast, STACK, 1.0)
        assert forward == pytest.approx(2 * 512 * 1024 * 256 / 1e14, rel=1e-9)
        assert backward == pytest.approx(2 * forward, rel=1e-9)
    assert [m.kind for m in network_matrices(of(WIDE), WIDE, held_part(WIDE, layout))] == [
        "router",
        "experts",
        "experts",
    ]


def test_dispatch_and_combine() -> None:
    # Two expert ranks in a domain: a token's two choices fall on 2 x (1 - 1/4) = 1.5 of them, half of what is sent
    # leaves; 1,024 tokens of 256 in 2 bytes over 1e11, there and back.
    found = expert_parallel(of(LATENT), LATENT, 1024.0, Layout(ep=2.0), BF16, MACHINE, STACK)
    assert found == pytest.approx(2 * 1024 * 256 * 2 * 1.5 / 2 / 1e11, rel=1e-9)
    wide = expert_parallel(of(WIDE), WIDE, 1024.0, Layout(ep=2.0), BF16, MACHINE, STACK)
    assert found == pytest.approx(wide / 4, rel=1e-12)


def test_ranks_that_share_an_expert_gather_narrow_tokens() -> None:
    # Two tensor ranks hold attention's 2 MiB, and an expert's two copies of a quarter of them: 1 + 2 / 4 gathers and
    # scatters of 2 MiB, half of it over 1e11.
    layout = Layout(tp=2.0, etp=2.0, ep=2.0)
    found = tensor_parallel(of(LATENT), LATENT, 1024.0, layout, BF16, MACHINE, STACK)
    assert found == pytest.approx(1.5 * 2 * 2**21 / 2 / 1e11, rel=1e-9)
    # With a latency of 1 us a message the narrow ones are as many as the wide ones.
    slow = change(MACHINE, network=change(MACHINE.network, link_latency_s=1e-6))
    late = tensor_parallel(of(LATENT), LATENT, 1024.0, layout, BF16, slow, STACK) - found
    wide = [tensor_parallel(of(WIDE), WIDE, 1024.0, layout, BF16, m, STACK) for m in (slow, MACHINE)]
    assert late == pytest.approx(wide[0] - wide[1], rel=1e-6)


def test_what_a_rank_holds() -> None:
    # Half of attention and router, the products around the experts whole, half of the experts.
    shard = layer_shard(of(LATENT), Layout(tp=2.0, ep=2.0))
    assert (shard.dense, shard.experts) == ((ATTENTION + ROUTER) / 2 + AROUND, 4 * EXPERT / 2)


def test_what_a_layer_saves() -> None:
    # Of each choice 256 instead of 1,024 in 2 bytes, and what enters the product that widens it: 2 x 2 x 768 - 2 x 256
    # fewer a token, kept by four layers and once as the work of one (a quarter of it as workspace).
    load = Workload(seq_len=1024.0, global_batch_seqs=1.0)
    wide, narrow = (
        peak_memory(of(block), BF16, Layout(zero=0.0), load, STACK).activations_bytes for block in (WIDE, LATENT)
    )
    assert wide - narrow == pytest.approx(1024 * (4 + STACK.workspace_layers) * (2 * 2 * 768 - 2 * 256), rel=1e-9)


def test_traffic_and_casts() -> None:
    # Permuting 2 x 3 vectors of 768 fewer elements, in 2 bytes over 1e12.
    wide, narrow = (traffic_s(of(b), b, 1024.0, Layout(), BF16, MACHINE, STACK)[0] for b in (WIDE, LATENT))
    assert wide - narrow == pytest.approx(1024 * 2 * 2 * 3 * 768 / 1e12, rel=1e-9)
    # Casts of 3 bytes: the experts' inputs of 2 x 256, those of the products around them of 1,024 + 256; backward the
    # same of what they give. Weights: attention, four experts and the two around.
    casting = change(MACHINE, gemm=change(GEMM, cast_bytes=3.0))
    found = casts_s(of(LATENT), LATENT, 1024.0, Layout(), BF16, casting, STACK)
    routed, network = 2 * 256 + 1024 + 256, 2 * 4096
    assert found[0] == pytest.approx(1024 * (1024 + routed + 1024 + network) * 3 / 1e12, rel=1e-9)
    assert found[1] == pytest.approx(1024 * (1024 + routed + 3 * 1024 + network) * 3 / 1e12, rel=1e-9)
    assert found[2] == pytest.approx((ATTENTION + 4 * EXPERT + AROUND) * 3 / 1e12, rel=1e-9)


def test_weights_that_are_served() -> None:
    # Two tensor ranks in one byte: half of attention and router, the products around the experts whole, half of the
    # experts; norms and vocabularies in two.
    formats = ServingFormats(weight_bytes=1.0, high_bytes=2.0)
    dense = 4 * (ATTENTION + ROUTER + 2 * NORMS) + 2 * 2 * VOCABULARY
    found = weights_bytes(of(LATENT), formats, ServingLayout(tp=2.0))
    assert found == pytest.approx(dense / 2 + 4 * AROUND + 4 * 4 * EXPERT / 2, rel=1e-12)
    # Padded to multiples of 384 and 512: experts read 384 instead of 256.
    padded = weights_bytes(of(LATENT), change(formats, padded_hidden=384.0, padded_inner=512.0), ServingLayout(tp=2.0))
    assert padded - found == pytest.approx(4 * 4 * EXPERT / 2 / 2, rel=1e-9)


def test_products_and_reads_of_a_pass() -> None:
    # 1,024 tokens on each of two tensor ranks: the whole products around the experts, 2 x 1,024 x AROUND FLOP, beside
    # the router; experts 2,048 copies of half an expert, 2 x 2,048 x EXPERT / 2. Memory is no limit.
    layout, fast = ServingLayout(tp=2.0), change(MACHINE, gemm=change(GEMM, hbm_bytes_per_s=1e18))
    fast = change(fast, gemm_high=fast.gemm)
    assert served_part(LATENT, layout).d_ff == 2048.0
    at = (of(LATENT), LATENT, 1024.0, layout, ENGINE, fast, fast.gemm, ServingFormats())
    dense, experts = network_products_s(*at)
    assert sum(dense) == pytest.approx(2 * 1024 * (AROUND + ROUTER) / 1e14, rel=1e-9)
    assert experts == pytest.approx(2 * 2048 * EXPERT / 2 / 1e14, rel=1e-9)
    # Padded to multiples of 384, experts read half as much more.
    padded = network_products_s(*at[:-1], ServingFormats(padded_hidden=384.0, padded_inner=512.0))[1]
    assert padded == pytest.approx(1.5 * experts, rel=1e-9)
    # A pass of one token at 1e12 bytes/s reads the matrices around the experts, two bytes an element, and two experts.
    slow = change(MACHINE, gemm=change(GEMM, peak_flop_per_s=1e20), gemm_high=change(GEMM, peak_flop_per_s=1e20))
    alone, few = network_products_s(of(LATENT), LATENT, 1.0, ServingLayout(), ENGINE, slow, slow.gemm, ServingFormats())
    assert alone[1] + alone[2] == pytest.approx(2 * (AROUND + 2 * (1024 + 256)) / 1e12, rel=1e-9)
    assert few == pytest.approx(2 * (2 * EXPERT + 2 * 2 * (4096 + 256)) / 1e12, rel=1e-9)


def test_exchange_and_traffic_of_a_pass() -> None:
    # Two attention ranks: 8 tokens each sent to two expert ranks at 256 wide, one byte there and two back, half leaves.
    layout = ServingLayout(dp=2.0, ep=2.0)
    found = exchange_s(of(LATENT), LATENT, 8.0, layout, 1.0, MACHINE)
    wide = exchange_s(of(WIDE), WIDE, 8.0, layout, 1.0, MACHINE)
    assert found == pytest.approx(wide / 4, rel=1e-12)
    assert found == pytest.approx(8 * 2 * 256 * 3 / 2 / 1e11, rel=1e-9)
    moved = [elementwise_bytes(of(b), b, 8.0, ServingLayout()) for b in (WIDE, LATENT)]
    assert moved[0] - moved[1] == 2 * 8 * 2 * 3 * 768


def test_launches() -> None:
    # Two products more, and the scaling of what enters each.
    assert kernels_per_layer(LATENT) == kernels_per_layer(WIDE) + 2 == 4 + 9 + 2
    assert scalings_per_layer(LATENT) == scalings_per_layer(WIDE) + 2


def test_columns_of_layers_with_and_without() -> None:
    """A column of both kinds of layers gives each what it gives alone."""
    both = change(LATENT, expert_latent_dim=np.array([256.0, 0.0]))
    layout = Layout(tp=2.0, etp=2.0, ep=2.0)

    def each(block: Block) -> list[np.ndarray]:
        """What depends on the width of the experts."""
        shape, load = of(block), Workload(seq_len=1024.0, global_batch_seqs=1.0)
        total, shard = parameters(change(shape, bias=1.0)), layer_shard(shape, layout)
        return [np.asarray(x) for x in (
            total.total, total.active, shard.dense, shard.experts,
            expert_parallel(shape, block, 64.0, layout, BF16, MACHINE, STACK),
            tensor_parallel(shape, block, 64.0, layout, BF16, MACHINE, STACK),
            traffic_s(shape, block, 64.0, layout, BF16, MACHINE, STACK)[0],
            peak_memory(shape, BF16, layout, load, STACK).activations_bytes,
            weights_bytes(shape, ServingFormats(), ServingLayout(tp=2.0)),
            sum(m.passed_params for m in matrices(shape, block)), kernels_per_layer(block),
        )]  # fmt: skip

    for column, latent, wide in zip(each(both), each(LATENT), each(WIDE)):
        assert column == pytest.approx(np.array([float(latent), float(wide)]), rel=1e-12)
        assert float(latent) != float(wide)


def test_public_models() -> None:
    # Widths of the models' own config.json; totals and active parameters as their cards name them.
    catalog = load_catalog()
    for name, latent, total, active in (
        ("nemotron-3-super-120b-a12b", 1024.0, 120e9, 12e9),
        ("nemotron-3-ultra-550b-a55b", 2048.0, 550e9, 55e9),
        ("kimi-k3", 3584.0, 2.8e12, 104e9),
    ):
        shape = catalog.model(name)
        assert {b.expert_latent_dim for b in shape.blocks if b.n_experts > 0} == {latent}
        found = parameters(shape)
        assert found.total == pytest.approx(total, rel=0.01)
        assert found.active == pytest.approx(active, rel=0.07)
