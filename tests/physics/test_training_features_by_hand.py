"""Hand-worked cases of what only some trainings have: unfused attention, experts' casts and launches, activations on
the host, recomputed modules, balanced heads, gradients of another width. Figures are worked out in the comments.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from round_machine import BLOCK, GEMM, LAYER, MACHINE, NORMS, SHAPE, STACK

from hwmodel.catalog import load_catalog
from hwmodel.physics.intervals import around, ends
from hwmodel.physics.layer import casts_s, matrix_times, traffic_s
from hwmodel.physics.matrix import Matrix
from hwmodel.physics.memory import peak_bytes, peak_memory
from hwmodel.physics.schedule import in_flight
from hwmodel.physics.stages import data_ranks, layer_shard, layers_per_stage
from hwmodel.physics.training import step
from hwmodel.specs import Block, Layout, Shape, StepTerms, Workload
from hwmodel.specs.intervals import Ends, Familiarity, IntervalConstants

BF16 = load_catalog().precision("bf16")
PLAIN = Layout(zero=0.0)
EXPERTS = msgspec.structs.replace(BLOCK, n_experts=4.0, top_k=1.0)
# Bytes a token that a dense layer keeps: see `test_terms_by_hand`.
SAVED = (2 * 2 + 2 * 2 + 2 * 3 + 2) * 1024 + (2 + 2) * 4096
change = msgspec.structs.replace


def of(block: Block) -> Shape:
    """The model of round numbers with other layers."""
    return change(SHAPE, blocks=(block,))


def terms(layout: Layout = PLAIN, batch: float = 4.0, shape: Shape = SHAPE, machine: Any = MACHINE,
          **stack: float) -> StepTerms:  # fmt: skip
    load = Workload(seq_len=1024.0, global_batch_seqs=batch)
    return step(shape, machine, BF16, layout, load, change(STACK, **stack))


def memory(layout: Layout, shape: Shape = SHAPE, **stack: float) -> Any:
    given = {"in_flight": 1.0, "activation_overhead": 1.0, "workspace_layers": 0.25, "logits_bytes": 6.0}
    load = Workload(seq_len=1024.0, global_batch_seqs=8.0)
    return peak_memory(shape, BF16, layout, load, change(STACK, **{**given, **stack}))


def test_attention_that_writes_its_scores() -> None:
    # Two sequences of 8 heads: 16 full squares of 1,024^2, two products of 2 x 128 FLOP an entry, and each score moved
    # three times in 2 bytes. Backward four products, and 3 x 3.6 bytes a score (kept with its mask).
    square = 16 * 1024**2
    forward = 2 * square * 2 * 128 / 1e14 + square * 3 * 2 / 1e12
    backward = 4 * square * 2 * 128 / 1e14 + square * 3 * 3.6 / 1e12
    found = terms(Layout(zero=0.0, micro_batch=2.0), batch=8.0, attention_generation=0.0, score_passes=3.0)
    assert found.attention_s == pytest.approx(4 * 4 * (forward + backward), rel=1e-9)


def test_each_kernel_between_products_is_launched() -> None:
    # Eight in a layer's forward pass, two of them norms, a microsecond each.
    slow = change(MACHINE, memory=change(MACHINE.memory, launch_s=1e-6))
    late, soon = (traffic_s(SHAPE, BLOCK, 1024.0, PLAIN, BF16, one, STACK) for one in (slow, MACHINE))
    assert late[0] - soon[0] == pytest.approx(8e-6, rel=1e-9)
    assert late[1] - soon[1] == pytest.approx(2e-6, rel=1e-9)


def test_ranks_that_share_an_expert_permute_each_other_s_tokens() -> None:
    # Two choices: each token goes out twice and comes back once, read and written: 2 x 3 x 1,024 elements of 2 bytes,
    # for both of two ranks that share an expert, split between two tensor ranks; two networks of 4,096 are active
    # where a dense layer has one (2 x 4,096 / 2 more).
    block = change(EXPERTS, top_k=2.0)
    routed, dense = (
        traffic_s(of(one), one, 1024.0, Layout(tp=2.0, etp=2.0, zero=0.0), BF16, MACHINE, STACK)[0]
        for one in (block, BLOCK)
    )
    more = 2 * 3 * 1024 * 2 / 2 + 2 * 4096 / 2
    assert routed - dense == pytest.approx(1024 * 2 * more / 1e12, rel=1e-9)


def test_casts_of_experts() -> None:
    # Two tensor ranks, two of four experts a token, half of their casts fused away, a shared network of 512; a quarter
    # of the layers stays in 16 bits. 3 bytes an element; launches of 1 us, four a pass.
    block = change(EXPERTS, top_k=2.0, d_ff_shared=512.0)
    casting = change(MACHINE, gemm=change(GEMM, cast_bytes=3.0, cast_launch_s=1e-6))
    layout, stack = Layout(tp=2.0, etp=2.0, zero=0.0), change(STACK, expert_casts=0.5)
    found = casts_s(of(block), block, 1024.0, layout, change(BF16, bf16_layers=0.25), casting, stack)
    # Networks: half of 2 x 4,096 / 2 and 512 / 2 = 2,304; at their entry half of 2 x 1,024.
    inputs = 1024 + 1024 + 8 * 128 / 2 + 2304
    # Gradients: of d, of the experts' outputs, of 3 x 1,024 / 2 queries, keys and values, and of the networks.
    outputs = 1024 + 1024 + 3 * 1024 / 2 + 2304
    # Weights: 4 d^2 / 2 of attention, half of four experts of 2 x 1,024 x 4,096 / 2, a shared one of 2 x 1,024 x 256.
    weights = 2 * 1024**2 + 0.5 * 4 * 2 * 1024 * 2048 + 2 * 1024 * 256
    assert found[0] == pytest.approx(0.75 * (1024 * inputs * 3 / 1e12 + 4e-6), rel=1e-9)
    assert found[1] == pytest.approx(0.75 * (1024 * outputs * 3 / 1e12 + 4e-6), rel=1e-9)
    assert found[2] == pytest.approx(0.75 * weights * 3 / 1e12, rel=1e-9)


def test_products_of_experts_have_edges_of_their_own() -> None:
    # Four experts of 8 rows each: 8 + 2 rows of 4,096 + 64 columns, 1,024 deep; backward once with 1,024 + 64 columns
    # and 4,096 deep, once 1,024 + 2 rows of 4,096 + 64 columns and 8 deep. Memory is no limit.
    edged = change(MACHINE, gemm=change(GEMM, group_edge=2.0, edge_n=64.0, hbm_bytes_per_s=1e18))
    block = change(EXPERTS, d_ff=4096.0)
    matrix = Matrix("experts", 4096.0, 1024.0, 4.0, 1.0, 1.0, "experts")
    forward, backward = matrix_times(matrix, block, 32.0, PLAIN, edged, STACK, 1.0)
    assert forward == pytest.approx(4 * 10 * 4160 * 1024 * 2 / 1e14, rel=1e-9)
    assert backward == pytest.approx(4 * (10 * 1088 * 4096 + 1026 * 4160 * 8) * 2 / 1e14, rel=1e-9)


def test_launches_of_experts() -> None:
    # Two of four experts on a rank: 8 launches for routing and 3 for each, a millisecond each and 1.5 times as many
    # backward, in 4 layers of 4 micro-batches; the host is the slower by far.
    given = {"host_op_s": 1e-3, "launches_layer": 16.0, "host_backward": 1.5}
    layout, shape = Layout(dp=2.0, ep=2.0, zero=0.0), of(EXPERTS)
    more = terms(layout, 8.0, shape, **given, launches_moe=8.0, launches_expert=3.0)
    plain = terms(layout, 8.0, shape, **given, launches_moe=0.0, launches_expert=0.0)
    assert more.host_s - plain.host_s == pytest.approx(4 * 4 * (8 + 2 * 3) * 2.5e-3, rel=1e-9)


def test_gradients_of_the_stack_s_width() -> None:
    # Two bytes instead of four: half as much is read and written, 2 x 2 a parameter less, in 4 x 4 layers.
    less = terms().memory_bound_s - terms(gradient_bytes=2.0).memory_bound_s
    assert less == pytest.approx(4 * 4 * 2 * 2 * (LAYER + NORMS) / 1e12, rel=1e-9)


def test_activations_on_the_host() -> None:
    # Four layers of 1,024 tokens out and back over 1e10 bytes/s: 26.8 ms a micro-batch, less what it computes.
    found = terms(Layout(zero=0.0, offload_activations=1.0))
    names = ("gemm_s", "attention_s", "memory_bound_s", "logits_s")
    computes = sum(float(getattr(found, name)) for name in names)
    assert found.offload_s == pytest.approx(4 * 2 * 4 * 1024 * SAVED / 1e10 - computes, rel=1e-9)


def test_memory_of_tensor_ranks() -> None:
    # Everything that a layer keeps is halved; recomputed whole: half of the input, and one layer beside the quarter.
    assert memory(Layout(tp=2.0, zero=0.0)).activations_bytes == pytest.approx(1024 * SAVED / 2 * 4.25, rel=1e-9)
    again = memory(Layout(tp=2.0, zero=0.0, recompute_layers=1.0)).activations_bytes
    assert again == pytest.approx(1024 * (4 * 2 * 1024 + 1.25 * SAVED) / 2, rel=1e-9)


def test_memory_of_experts_computed_again() -> None:
    # A token's copy of 2 KiB enters its expert; it and both sides of the network of 4,096 are dropped: 18 KiB, needed
    # whole for one layer beside a quarter of what is kept. A dense network's share says nothing here.
    whole, network = SAVED + 2048, 4 * 4096 + 2048
    dropped = memory(Layout(zero=0.0, recompute_experts=1.0), of(EXPERTS)).activations_bytes
    assert dropped == pytest.approx(1024 * (4.25 * (whole - network) + network), rel=1e-9)
    kept = memory(Layout(zero=0.0, recompute_mlp=1.0), of(EXPERTS)).activations_bytes
    assert kept == pytest.approx(1024 * 4.25 * whole, rel=1e-9)
    dense = memory(Layout(zero=0.0, recompute_mlp=1.0)).activations_bytes
    assert dense == pytest.approx(1024 * (4.25 * (SAVED - 4 * 4096) + 4 * 4096), rel=1e-9)


def test_logits_of_trainers_that_shard_weights() -> None:
    # Ten bytes a logit where weights are sharded, six elsewhere.
    sharded = memory(Layout(dp=2.0, zero=3.0), logits_sharded_bytes=10.0)
    assert sharded.logits_bytes == pytest.approx(1024 * 8000 * 10, rel=1e-12)
    assert memory(Layout(dp=2.0, zero=1.0), logits_sharded_bytes=10.0).logits_bytes == 1024 * 8000 * 6


def test_a_balanced_head_moves_layers_off_its_stage() -> None:
    # The head weighs 8,000 x 1,024 / 12 d^2 = 0.65 layers: 4.65 over two stages, whole layers first, 3 and 1.
    found = layers_per_stage(SHAPE, Layout(pp=2.0), change(STACK, head_balanced=1.0))
    assert (found.first, found.last) == (3.0, 1.0)
    even = layers_per_stage(SHAPE, Layout(pp=2.0), STACK)
    assert (even.first, even.last) == (2.0, 2.0)


def test_chunks_alive_of_an_interleaved_pipeline() -> None:
    # Four ranks, two chunks each: the first starts 4 + 2 x 3 + 1 = 11 of half its layers, the last 4 + 1 = 5.
    layout = Layout(pp=4.0, vpp=2.0)
    assert in_flight("first", layout, 64.0, STACK) == 5.5
    assert in_flight("last", layout, 64.0, STACK) == 2.5
    # One chunk each: as many as there are stages behind, half as many more where a stack holds them longer, and never
    # more than there are.
    longer = change(STACK, in_flight=1.5)
    assert in_flight("first", Layout(pp=2.0), 64.0, longer) == 3.0
    assert in_flight("first", Layout(pp=1.0), 64.0, longer) == 1.0
    assert in_flight("first", Layout(pp=8.0), 4.0, longer) == 4.0


def test_ends_of_an_interval() -> None:
    # Half known, of which 60 % of each doubt is left: 1 - 0.5 x 0.4 = 0.8 of all but the row's. In units of 1.2816: the
    # row 0.1, the level 0.8 x 0.2, a distance of two at 0.3 each 0.8 x 0.6. A mechanism that may take twice or half as
    # long, a quarter of the step: ln 1.25 up and -ln 0.875 down. Scaled by 1.5 + 0.5 (1.1 - 1.5) = 1.3.
    z = 1.2815515655446004
    constants = IntervalConstants(
        row=0.1, level=0.2, shares={"network": math.log(2.0) / (0.8 * z)}, distances={"scale": 0.3}, known=0.6,
        scale=1.5, scale_known=1.1,
    )  # fmt: skip
    found = ends(Familiarity(shares={"network": 0.25}, distances={"scale": 2.0}, known=0.5), constants)
    plain = z * z * (0.1**2 + (0.8 * 0.2) ** 2 + (0.8 * 0.6) ** 2)
    assert found.up == pytest.approx(1.3 * math.sqrt(plain + math.log(1.25) ** 2), rel=1e-9)
    assert found.down == pytest.approx(1.3 * math.sqrt(plain + math.log(0.875) ** 2), rel=1e-9)


def test_memory_of_latents() -> None:
    # 300 + 200 + 64 latents a token, in two bytes before and after their norm, on each of 4.25 layers.
    latent = change(BLOCK, q_lora_rank=300.0, kv_lora_rank=200.0, rope_dim=64.0)
    more = memory(PLAIN, of(latent)).activations_bytes - memory(PLAIN).activations_bytes
    assert more == pytest.approx(1024 * 4.25 * 564 * 2 * 2, rel=1e-9)
    # Up-projections computed again: 8 x 128 queries and as many keys and values twice, 2 bytes each, are dropped.
    again = memory(Layout(zero=0.0, recompute_up_projections=1.0), of(latent)).activations_bytes
    kept, dropped = SAVED + 564 * 4, 3 * 1024 * 2
    assert again == pytest.approx(1024 * (4.25 * (kept - dropped) + dropped), rel=1e-9)


def test_a_layer_gathered_whole_has_its_experts_and_its_norms() -> None:
    # Two layers whole in 2 bytes beside the shards: 4 d^2 of attention, a router of 4 d, four experts of 2 d 4,096 on
    # each of one rank, two norms.
    block = msgspec.structs.replace(BLOCK, n_experts=4.0, top_k=1.0)
    shape = msgspec.structs.replace(SHAPE, blocks=(block,))
    layer = 4 * 1024**2 + 4 * 1024 + 4 * 2 * 1024 * 4096 + 2 * 1024
    shard = layer_shard(shape, Layout())
    assert shard.layer == pytest.approx(layer, rel=1e-12)
    load = Workload(seq_len=1024.0, global_batch_seqs=4.0)
    stack = msgspec.structs.replace(STACK, parameter_buffer_bytes=0.0, gathered_bytes=0.0)
    found = peak_memory(shape, BF16, Layout(dp=2.0, zero=3.0), load, stack)
    assert found.buffers_bytes == pytest.approx(2 * 2 * layer, rel=1e-12)


def test_the_fullest_of_several_stages() -> None:
    # Five layers of two stages: three and two, of which the first holds two micro-batches, the last the logits too.
    shape = change(SHAPE, blocks=(change(BLOCK, count=5.0),))
    load = Workload(seq_len=1024.0, global_batch_seqs=4.0)
    layout, columns = Layout(pp=2.0, zero=0.0), Layout(pp=np.array([1.0, 2.0]), zero=0.0)
    one = peak_bytes(shape, BF16, layout, load, STACK)
    assert one == pytest.approx(float(peak_memory(shape, BF16, layout, load, STACK).total_bytes), rel=1e-12)
    both = peak_bytes(shape, BF16, columns, load, STACK)
    assert both[1] == pytest.approx(float(one), rel=1e-12)
    alone = peak_memory(shape, BF16, Layout(zero=0.0), load, STACK).total_bytes
    assert both[0] == pytest.approx(float(alone), rel=1e-12)


def test_low_and_high_of_a_value() -> None:
    # ln 2 below and ln 3 above 6.
    low, high = around(6.0, Ends(math.log(2.0), math.log(3.0)))
    assert (low, high) == pytest.approx((3.0, 18.0))


def test_shared_experts_computed_again() -> None:
    # A token keeps 16 d of attention and norms, 4,096 of its expert and 512 of the shared one before and after the
    # activation in 2 bytes each, and itself for its expert. Recomputed, the 512 are kept no more; while a layer
    # computes they are there once, and a quarter of what is kept.
    block, own = change(EXPERTS, d_ff_shared=512.0), 512 * (2 + 2)
    kept = 16 * 1024 + 4096 * (2 + 2) + 2 * 1024
    for share, bytes_a_token in ((0.0, 4.25 * (kept + own)), (1.0, 4.25 * kept + own)):
        found = memory(Layout(zero=0.0, recompute_shared_experts=share), shape=of(block))
        assert found.activations_bytes == pytest.approx(1024 * bytes_a_token, rel=1e-12)


def test_ranks_that_hold_copies() -> None:
    # Six replicas of sequences split in two hold a dense shard twelve times; experts of three tensor ranks lie on
    # 12 x 3 accelerators of a stage, of which 4 ranks of 3 hold one copy. Never less than one of an expert.
    layout = Layout(tp=3.0, cp=2.0, dp=6.0, ep=4.0, etp=3.0)
    assert data_ranks(layout) == (12.0, 3.0)
    assert data_ranks(change(layout, etp=1.0)) == (12.0, 9.0)
    assert data_ranks(Layout(dp=2.0, ep=4.0)) == (2.0, 1.0)
