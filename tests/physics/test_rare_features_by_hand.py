"""Hand-worked cases of features that few models and layouts have at once: sharded experts, interleaved dispatch, layers
of several kinds, older attention, grouped output projections, indexers, look-up tables where ends meet.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from round_machine import ATTENTION, BLOCK, GEMM, HELD, LAYER, MACHINE, NETWORK, NORMS, SHAPE, STACK

from hwmodel.catalog import load_catalog
from hwmodel.physics.formulas import kept_in_16_bits
from hwmodel.physics.kernels import backward_s
from hwmodel.physics.layer import LayerTimes, attention_s, expert_rows, kept_products, matrix_times
from hwmodel.physics.layer_communication import context_parallel, expert_parallel, tensor_parallel
from hwmodel.physics.matrix import Matrix
from hwmodel.physics.memory import _dropped, _Saved, late_bytes, memory_by_stage, peak_memory
from hwmodel.physics.micro_batch import _backward_s
from hwmodel.physics.recomputed import recomputed
from hwmodel.physics.serving import decode_terms, weights_bytes
from hwmodel.physics.serving_products import products_s
from hwmodel.physics.serving_step import Pass, pass_terms, peak_share, sum_s
from hwmodel.physics.shape import matrices
from hwmodel.physics.stages import layer_shard, layers_per_stage
from hwmodel.physics.training import step
from hwmodel.specs import Block, Layout, Shape, StepTerms, Workload
from hwmodel.specs.layout import DUALPIPE, DUALPIPE_V
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout

BF16 = load_catalog().precision("bf16")
EXPERTS = msgspec.structs.replace(BLOCK, n_experts=4.0, top_k=1.0)
ENGINE = Engine(kernel_s=0.0, step_s=0.0, sequence_s=0.0, collective_s=0.0, imbalance=1.0, prefill_kernel_s=0.0)
SOFT = 0.5 * (1.0 + 1.01**0.5)  # what shows of an exchange that nothing hides
SAVED = (2 * 2 + 2 * 2 + 2 * 3 + 2) * 1024 + (2 + 2) * 4096  # bytes a token that a dense layer keeps
D, WORDS = 1024, 8000 * 1024
change = msgspec.structs.replace


def of(*blocks: Block, **fields: float) -> Shape:
    """The model of round numbers with other layers."""
    return change(SHAPE, blocks=blocks, **fields)


def terms(
    layout: Layout, batch: float = 4.0, shape: Shape = SHAPE, machine: Any = MACHINE, **stack: float
) -> StepTerms:
    load = Workload(seq_len=1024.0, global_batch_seqs=batch)
    return step(shape, machine, BF16, layout, load, change(STACK, **stack))


def held(layout: Layout, shape: Shape = SHAPE, **stack: float) -> dict[str, Any]:
    """Memory of each stage."""
    given = {"in_flight": 1.0, "activation_overhead": 1.0, "workspace_layers": 0.25, "logits_bytes": 6.0}
    load = Workload(seq_len=1024.0, global_batch_seqs=8.0)
    return memory_by_stage(shape, BF16, layout, load, change(STACK, **{**given, **stack}))


# A layer of experts: attention, a router of four columns and norms; and four networks.
DENSE = 4 * D**2 + 4 * D + NORMS
FOUR = 4 * 2 * D * 4096


def test_sharded_experts_are_gathered_by_layer() -> None:
    # Two ranks hold half of everything: gathered twice in 2 bytes and reduced in 4, in each of four micro-batches.
    whole = 4 * (DENSE + FOUR) + 2 * WORDS
    found = terms(Layout(dp=2.0, zero=3.0), 8.0, of(EXPERTS)).dp_exposed_s
    assert found == pytest.approx(4 * SOFT * 8 * whole / 2 / 1e11, rel=1e-6)
    # Experts that lie on one rank each move no weights.
    found = terms(Layout(dp=2.0, ep=2.0, zero=3.0), 8.0, of(EXPERTS)).dp_exposed_s
    assert found == pytest.approx(4 * SOFT * 8 * (whole - 4 * FOUR) / 2 / 1e11, rel=1e-6)


def test_states_of_experts_are_shared_by_their_own_ranks() -> None:
    # Four ranks, experts over two: a quarter of the dense part, half of a half of the experts; 34 bytes moved, 12 held.
    layout = Layout(dp=4.0, ep=2.0, zero=1.0)
    owned = (4 * DENSE + 2 * WORDS) / 4 + 4 * FOUR / 4
    assert terms(layout, 16.0, of(EXPERTS)).optimizer_s == pytest.approx(34 * owned / 1e12, rel=1e-9)
    assert held(layout, of(EXPERTS))["first"].optimizer_bytes == pytest.approx(12 * owned, rel=1e-9)
    # Without sharding: all of the dense part, half of the experts.
    owned = 4 * DENSE + 2 * WORDS + 4 * FOUR / 2
    assert terms(change(layout, zero=0.0), 16.0, of(EXPERTS)).optimizer_s == pytest.approx(34 * owned / 1e12, rel=1e-9)


def test_states_on_the_host_and_whole_weights_of_pipelines() -> None:
    assert held(Layout(zero=0.0, offload_optimizer=1.0))["first"].optimizer_bytes == 0.0
    # Stages of sharded pipelines keep weights of 2 and gradients of 4 bytes whole; one stage two layers in 2 bytes.
    half = 2 * (LAYER + NORMS) + WORDS
    none = {"parameter_buffer_bytes": 0.0}
    found = held(Layout(pp=2.0, dp=2.0, zero=3.0), **none)["first"]
    assert found.buffers_bytes == pytest.approx(6 * half, rel=1e-9)
    found = held(Layout(dp=2.0, zero=3.0), **none)["first"]
    assert found.buffers_bytes == pytest.approx(2 * 2 * (LAYER + NORMS), rel=1e-9)


def test_interleaved_stages_hide_dispatch_that_leaves_the_domain() -> None:
    # A quarter is never hidden. Eight expert ranks fill a domain; where two tensor ranks share each, sixteen leave it.
    given = {"dp_floor": 0.25}
    for etp, shown in ((2.0, 0.25), (1.0, 1.0)):
        layout = Layout(tp=2.0, etp=etp, ep=8.0, dp=8.0, pp=2.0, vpp=2.0, zero=0.0)
        shape = of(change(EXPERTS, n_experts=8.0))
        hidden, all_of_it = (terms(layout, 32.0, shape, ep_overlap=x, **given).ep_s for x in (1e6, 0.0))
        assert hidden == pytest.approx(shown * all_of_it, rel=1e-9)


def test_tokens_of_an_expert() -> None:
    # Two choices of each of 1,024 tokens on two expert ranks, of four experts: 2,048 x 2 / 4 for each of two on a rank;
    # half from each of two tensor ranks, and all of them where both share it.
    block = change(EXPERTS, top_k=2.0)
    assert expert_rows(block, 1024.0, Layout(tp=1.0, ep=2.0)) == (1024.0, 2.0)
    assert expert_rows(block, 1024.0, Layout(tp=2.0, ep=2.0)) == (512.0, 2.0)
    assert expert_rows(block, 1024.0, Layout(tp=2.0, etp=2.0, ep=2.0)) == (1024.0, 2.0)


def test_dispatch_of_experts_that_tensor_ranks_share() -> None:
    # A domain of 8 has four of eight expert ranks of two: 1 MiB of a token rank, half of it to the other domain over
    # 1e10, there and back.
    layout = Layout(tp=2.0, etp=2.0, ep=8.0)
    found = expert_parallel(SHAPE, EXPERTS, 1024.0, layout, BF16, MACHINE, STACK)
    assert found == pytest.approx(2 * 2**20 / 2 / 1e10, rel=1e-9)
    # Whole experts: all eight in the domain, 7/8 over 1e11.
    found = expert_parallel(SHAPE, EXPERTS, 1024.0, change(layout, etp=1.0), BF16, MACHINE, STACK)
    assert found == pytest.approx(2 * 2**20 * 7 / 8 / 1e11, rel=1e-9)


def test_tensor_ranks_beyond_a_domain_meet_a_crowd() -> None:
    # 16 ranks in two domains: 7/8 of 2 MiB over links (half of an eighth over the network is sooner), gathered and
    # scattered, twice a layer; (1 + 0.1 x 1 doubling) / 0.5 = 2.2 times as long. Sums move twice as much at once.
    stack = change(STACK, contention=0.1, network_fraction=0.5)
    for parallel in (1.0, 0.0):
        layout = Layout(tp=16.0, sequence_parallel=parallel)
        found = tensor_parallel(SHAPE, BLOCK, 1024.0, layout, BF16, MACHINE, stack)
        assert found == pytest.approx(2.2 * 2 * 2 * 2**21 * 7 / 8 / 1e11, rel=1e-9)


def test_contexts_go_round_a_ring() -> None:
    # Three steps of 1,024 tokens' keys and values, 8 x 256 elements of 2 bytes, halved by two tensor ranks.
    def ring(block: Block, **layout: float) -> float:
        return float(context_parallel(block, 1024.0, Layout(**layout), BF16, MACHINE, STACK, 0.0))

    assert ring(BLOCK, cp=4.0, tp=2.0) == pytest.approx(3 * 2**21 / 1e11, rel=1e-9)
    # Four tokens an entry; latents of 512 + 64, which every tensor rank needs whole.
    assert ring(change(BLOCK, kv_compression=4.0), cp=4.0) == pytest.approx(3 * 2**20 / 1e11, rel=1e-9)
    latent = change(BLOCK, kv_lora_rank=512.0, rope_dim=64.0)
    assert ring(latent, cp=4.0, tp=2.0) == pytest.approx(3 * 1024 * 576 * 2 / 1e11, rel=1e-9)
    # 16 ranks leave the domain.
    assert ring(BLOCK, cp=8.0, tp=2.0) == pytest.approx(7 * 2**21 / 1e10, rel=1e-9)


def test_layers_of_two_kinds_keep_their_mean() -> None:
    # Three layers of 4,096 and one of 2,048: 4 x 2,048 bytes less in a quarter of them. Computed again: the inputs, one
    # whole layer, and a quarter more to work in.
    shape = of(change(BLOCK, count=3.0), change(BLOCK, count=1.0, d_ff=2048.0))
    mean = SAVED - 2048
    assert held(Layout(zero=0.0), shape)["first"].activations_bytes == pytest.approx(1024 * 4.25 * mean, rel=1e-9)
    again = held(Layout(zero=0.0, recompute_layers=1.0), shape)["first"].activations_bytes
    assert again == pytest.approx(1024 * (4 * 2 * 1024 + 1.25 * mean), rel=1e-9)


def test_activations_on_their_way_to_the_host() -> None:
    # Two layers of four are on the accelerator; of a model of one layer, one.
    layout = Layout(zero=0.0, offload_activations=1.0)
    assert held(layout)["first"].activations_bytes == pytest.approx(1024 * 2.25 * SAVED, rel=1e-9)
    one = of(change(BLOCK, count=1.0))
    assert held(layout, one)["first"].activations_bytes == pytest.approx(1024 * 1.25 * SAVED, rel=1e-9)


def test_the_fullest_of_two_stages_counts() -> None:
    # Ten thousand bytes a logit fill the last one.
    load = Workload(seq_len=1024.0, global_batch_seqs=8.0)
    found = peak_memory(SHAPE, BF16, Layout(pp=2.0, zero=0.0), load, change(STACK, logits_bytes=1e4))
    assert found.logits_bytes == pytest.approx(1024 * 8000 * 1e4, rel=1e-9)


def test_ranks_of_a_context_hold_their_share_of_a_sequence() -> None:
    # Two sequences of 1,024 on four ranks: 512 tokens each. Logits of 8,000 in 6 bytes, whole inputs gathered in 2,
    # freed late in 3; two tensor ranks share the logits.
    load = Workload(seq_len=1024.0, global_batch_seqs=8.0)
    stack = change(STACK, logits_bytes=6.0, gathered_bytes=2.0, late_bytes=3.0, parameter_buffer_bytes=0.0)
    layout = Layout(cp=4.0, tp=2.0, micro_batch=2.0, zero=0.0)
    found = peak_memory(SHAPE, BF16, layout, load, stack)
    assert found.logits_bytes == pytest.approx(512 * 8000 * 6 / 2, rel=1e-12)
    assert found.buffers_bytes == pytest.approx(512 * 1024 * 2, rel=1e-12)
    assert late_bytes(SHAPE, layout, load, stack) == pytest.approx(512 * 1024 * 3, rel=1e-12)
    # What a layer keeps of a token does not depend on how many share the sequence.
    whole = peak_memory(SHAPE, BF16, change(layout, cp=1.0), load, stack)
    assert whole.activations_bytes == pytest.approx(4 * found.activations_bytes, rel=1e-12)


def test_look_up_tables_where_ends_meet() -> None:
    # A million parameters in 2 bytes. 1F1B: on the first stage. DualPipe: on both ends, which hold both. Folded: on the
    # first, which holds the head too.
    for schedule, ends in ((0.0, (2e6, 0.0)), (DUALPIPE, (2e6, 2e6)), (DUALPIPE_V, (2e6, 0.0))):
        layout = Layout(pp=2.0, zero=0.0, schedule=schedule)
        more, less = held(layout, of(BLOCK, lookup_params=1e6)), held(layout)
        found = tuple(more[name].weights_bytes - less[name].weights_bytes for name in ("first", "last"))
        assert found == pytest.approx(ends, abs=1e-3)
    # Two tensor ranks have half each.
    assert layer_shard(of(BLOCK, lookup_params=1e6), Layout(tp=2.0)).lookup == 5e5


def test_layers_of_a_balanced_head_on_four_ranks() -> None:
    # 10 and 0.65 over four: three on each of the first three, one on the last.
    shape = of(change(BLOCK, count=10.0))
    found = layers_per_stage(shape, Layout(pp=4.0), change(STACK, head_balanced=1.0))
    assert (found.first, found.middle, found.last) == (3.0, 3.0, 1.0)


def test_a_pipeline_fed_from_both_ends() -> None:
    # Half of the micro-batches have their logits on each end: products of 6 x 8,000 d and 16 bytes a logit.
    head = 6 * 1024 * WORDS / 1e14 + 1024 * 8000 * 16 / 1e12
    found = terms(Layout(pp=2.0, zero=0.0, schedule=DUALPIPE))
    assert found.logits_s == pytest.approx(4 * head / 2, rel=1e-9)
    # Four ranks of a layer and a quarter of the head each, where memory is no limit: (4 / 2 - 1) (F + B + B - 3 W) with
    # F + B = 3 g + 3.5 a + h / 4, B = 2 g + 2.5 a + h / 6 and W = g + h / 12: 2 g + 6 a + h / 6.
    free = {"hbm_bytes_per_s": 1e20}
    gemm = change(GEMM, **free)
    machine = change(
        MACHINE, gemm=gemm, gemm_high=gemm, memory=change(MACHINE.memory, **free), attention=change(ATTENTION, **free)
    )
    g, a, h = 2 * 1024 * LAYER / 1e14, 2 * 8 * (1024**2 / 2) * 256 / 1e14, 6 * 1024 * WORDS / 1e14
    found = terms(Layout(pp=4.0, zero=0.0, schedule=DUALPIPE), 8.0, machine=machine)
    assert found.pp_bubble_s == pytest.approx(2 * g + 6 * a + h / 6, rel=1e-6)


def test_attention_of_older_kernels() -> None:
    # Half the rate; the generations between by a factor of the stack; the backward pass by another. Eight heads are
    # three on each of three tensor ranks.
    machine = change(MACHINE, attention_flash2=change(ATTENTION, efficiency=0.5))
    load = Workload(seq_len=1024.0, global_batch_seqs=4.0)
    one = 2 * 3 * (1024**2 / 2) * 256 / 1e14
    for generation, factor in ((3.0, 1.0), (2.0, 2 * 1.5), (1.0, 2 * 1.5)):
        stack = change(STACK, attention_generation=generation, attention_old=1.5, attention_backward=1.25)
        found = attention_s(BLOCK, Layout(tp=3.0), load, machine, stack)
        assert found == pytest.approx((factor * one, 2.5 * 1.25 * factor * one), rel=1e-9)


def test_indexers_of_a_training_step() -> None:
    # Where bytes alone count: four queries and one key of 64 a token, 2 bytes; backward 2.5 times.
    machine = change(MACHINE, attention=change(ATTENTION, hbm_bytes_per_s=1e6))
    load = Workload(seq_len=1024.0, global_batch_seqs=4.0)
    block = change(BLOCK, index_heads=4.0, index_dim=64.0)
    more, less = (attention_s(b, Layout(), load, machine, STACK) for b in (block, BLOCK))
    assert more[0] - less[0] == pytest.approx(2 * 1024 * 5 * 64 / 1e6, rel=1e-9)
    assert more[1] - less[1] == pytest.approx(2.5 * 2 * 1024 * 5 * 64 / 1e6, rel=1e-9)


def test_a_linear_mixer_scans() -> None:
    # A million FLOP a token at a quarter of the rate, forward and twice that backward, in 4 x 4 layers.
    block = change(BLOCK, mixer_flop_per_token=1e6)
    more = terms(Layout(zero=0.0), shape=of(block)).attention_s - terms(Layout(zero=0.0)).attention_s
    assert more == pytest.approx(4 * 4 * 3 * 1024 * 1e6 / (0.25 * 1e14), rel=1e-9)


def test_ragged_edges_of_products() -> None:
    # Ten rows more a product. 100 tokens to 300 of 200: 110 x 300 x 200 forward; 110 x 200 x 300 and 210 x 300 x 100.
    ragged = change(GEMM, edge_m=10.0, hbm_bytes_per_s=1e18)
    machine = change(MACHINE, gemm=ragged, gemm_high=ragged)

    def of_kind(kind: str, tokens: float, layout: Layout, n: float, k: float) -> Any:
        return matrix_times(Matrix(kind, n, k), BLOCK, tokens, layout, machine, STACK, 1.0)

    found = of_kind("dense", 100.0, Layout(), 300.0, 200.0)
    assert found[0] == pytest.approx(2 * 110 * 300 * 200 / 1e14, rel=1e-9)
    assert found[1] == pytest.approx(2 * (110 * 200 * 300 + 210 * 300 * 100) / 1e14, rel=1e-9)
    # Each of two tensor ranks routes half of 1,024 tokens to four experts.
    found = of_kind("router", 1024.0, Layout(tp=2.0), 4.0, 1024.0)
    assert found[0] == pytest.approx(2 * 522 * 4 * 1024 / 1e14, rel=1e-9)
    assert found[1] == pytest.approx(2 * (522 * 1024 * 4 + 1034 * 4 * 512) / 1e14, rel=1e-9)


def test_output_projections_in_groups() -> None:
    # Four groups of two heads of 128, each to 64: 4 x 64 columns go to the width. Queries, keys and values as ever.
    block = Block(count=4.0, n_heads=8.0, n_kv_heads=8.0, head_dim=128.0, o_lora_rank=64.0, o_groups=4.0)
    found = [(x.kind, x.n, x.k, x.copies, x.passed) for x in matrices(SHAPE, block)]
    assert found == [("dense", 3072, 1024, 1, 1), ("groups", 64, 256, 4, 4), ("dense", 1024, 256, 1, 1)]
    # Serving casts what enters each: 3 bytes an element of 1,024, 4 x 256 and 256, a launch of 1 us each.
    plain, casting = GEMM, change(GEMM, cast_bytes=3.0, cast_launch_s=1e-6)
    more, less = (
        products_s(SHAPE, block, 100.0, ServingLayout(), ENGINE, MACHINE, c, ServingFormats())[0]
        for c in (casting, plain)
    )
    assert more - less == pytest.approx(100 * (1024 + 1024 + 256) * 3 / 1e12 + 3e-6, rel=1e-9)


def test_tokens_that_are_verified_together_read_a_cache_once() -> None:
    # Three of each sequence: 8 x 3 queries and results beside 1,000 keys and values of 8 heads.
    found = decode_terms(SHAPE, MACHINE, ServingFormats(), ServingLayout(), ENGINE, 8.0, 1000.0, 3.0).attention_s
    assert found == pytest.approx(4 * 8 * (1000 * 8 * 2 + 2 * 24) * 256 / 1e12, rel=1e-9)


def test_a_linear_mixer_of_a_pass() -> None:
    # A million FLOP a token at a quarter of the rate: 1,024 tokens of a prompt, in four layers.
    block = change(BLOCK, mixer_flop_per_token=1e6)
    prompt = Pass(0.0, 0.0, 1.0, 1024.0, 1024.0)
    more, less = (
        pass_terms(of(b), ServingFormats(), prompt, ServingLayout(), ENGINE, MACHINE).attention_s
        for b in (block, BLOCK)
    )
    assert more - less == pytest.approx(4 * 1024 * 1e6 / (0.25 * 1e14), rel=1e-9)


def test_experts_of_uneven_stages_exchange_at_the_pace_of_the_slowest() -> None:
    # Three stages for four layers: 1.5. 24 sequences, four on each of two ranks of a stage: two choices of 2 KiB each,
    # half sent, there and back. Halved by two tensor ranks, of which four are in the exchange: 3/4 sent.
    block = change(EXPERTS, top_k=2.0)

    def exchanged(layout: ServingLayout) -> float:
        return float(decode_terms(of(block), MACHINE, ServingFormats(), layout, ENGINE, 24.0, 1000.0).ep_s)

    assert exchanged(ServingLayout(dp=2.0, ep=2.0, pp=3.0)) == pytest.approx(1.5 * 4 * 2 * 8192 / 1e11, rel=1e-9)
    tensor = ServingLayout(tp=2.0, dp=2.0, ep=4.0, pp=3.0)
    assert exchanged(tensor) == pytest.approx(1.5 * 4 * 2 * 8192 * 0.75 / 1e11, rel=1e-9)


def test_sums_beyond_a_domain() -> None:
    # 16 ranks, 8 a domain: 7/8 twice over links; half of an eighth twice over the network is sooner.
    assert sum_s(1e6, 16.0, ENGINE, MACHINE) == pytest.approx(2 * 1e6 * 7 / 8 / 1e11, rel=1e-9)
    slow = change(MACHINE, network=change(NETWORK, nic_bytes_per_s=1e9))
    assert sum_s(1e6, 16.0, ENGINE, slow) == pytest.approx(1e6 / 8 / 1e9, rel=1e-9)


def test_an_engine_never_beats_the_peaks() -> None:
    # Rows up to half of 2 bytes x 1e14 / 1e12 = 100 read weights; more compute. Half of that in one byte.
    c = change(GEMM, hbm_fraction=0.5, efficiency=0.9)
    assert (peak_share(100.0, c), peak_share(101.0, c)) == (0.5, 0.9)
    assert (peak_share(50.0, change(c, b_bytes=1.0)), peak_share(51.0, change(c, b_bytes=1.0))) == (0.5, 0.9)


def test_weights_of_narrow_networks() -> None:
    # One byte for 8 d^2 of a layer's networks, two for 4 d^2 of attention, norms and vocabularies.
    formats = ServingFormats(weight_bytes=1.0, network_only=1.0)
    expected = 4 * (2 * 4 * D**2 + 8 * D**2 + 2 * NORMS) + 2 * 2 * WORDS
    assert weights_bytes(SHAPE, formats, ServingLayout()) == pytest.approx(expected, rel=1e-12)
    narrow = weights_bytes(SHAPE, ServingFormats(weight_bytes=1.0), ServingLayout())
    assert narrow == pytest.approx(2 * HELD - 4 * LAYER, rel=1e-12)


def times(**given: float) -> LayerTimes:
    return LayerTimes(**{**dict.fromkeys(LayerTimes.__struct_fields__, 0.0), **given})


def test_what_a_backward_pass_takes() -> None:
    # Products and attention at their level: 2 (1 + 2) + 4 + 8 + 16 + 32.
    one = times(gemm_b=1.0, attention_b=2.0, memory_b=4.0, cast_b=8.0, tp_b=16.0, ep_b=32.0)
    assert _backward_s(one, change(STACK, level=2.0)) == 66.0


def test_attention_goes_back_at_its_own_efficiency() -> None:
    # Five products for two, at 0.8 of the forward rate: 10 s become 10 x 2.5 / 0.8.
    assert backward_s(10.0, change(ATTENTION, backward_efficiency=0.8)) == pytest.approx(31.25, rel=1e-12)


def test_a_stack_sustains_products_both_ways() -> None:
    # At a factor of 1.5 both passes, and each module, take 1.5 times as long.
    one = Layout()
    plain = kept_products(SHAPE, BLOCK, 1024.0, one, MACHINE, BF16, change(STACK, sustained_high=1.0), 1.0)
    slow = kept_products(SHAPE, BLOCK, 1024.0, one, MACHINE, BF16, change(STACK, sustained_high=1.5), 1.0)
    assert slow[0] == pytest.approx(1.5 * plain[0], rel=1e-12)
    assert slow[1] == pytest.approx(1.5 * plain[1], rel=1e-12)
    assert slow[2] == pytest.approx({name: 1.5 * value for name, value in plain[2].items()}, rel=1e-12)


def test_an_activation_is_dropped_once_where_its_network_is_too() -> None:
    # Half of the networks (1,000 bytes) and, of the other half, half of the activations (100): 500 + 0.5 x 0.5 x 100.
    saved = _Saved(**{**dict.fromkeys(_Saved.__struct_fields__, 0.0), "activation": 100.0, "network": 1000.0})
    assert _dropped(saved, BLOCK, Layout(recompute_activation=0.5, recompute_mlp=0.5)) == pytest.approx(525.0)


def test_what_is_computed_again() -> None:
    one = times(gemm_f=1.0, attention_f=2.0, cast_f=4.0, memory_f=8.0, norms_f=16.0, activation_f=32.0, mlp_f=64.0)
    # All but products: half of transfers and launches with them.
    found = recomputed(Layout(recompute_products=1.0), one)
    assert (found.products_s, found.bytes_s, found.network, found.layers, found.attention) == (1, 0, 0.5, 0.5, 0)
    # A network: half of the casts and its activation, once although both ask for it. Nothing of experts.
    found = recomputed(Layout(recompute_mlp=1.0, recompute_activation=1.0), one)
    assert (found.products_s, found.bytes_s, found.network, found.layers, found.experts) == (64, 34, 0.5, 0.5, 0)
    # Norms; a quarter of the layers whole (1 + 2 and 4 + 8) and attention of the others.
    found = recomputed(Layout(recompute_norms=1.0, recompute_attention=1.0, recompute_layers=0.25), one)
    assert (found.products_s, found.bytes_s) == (0.25 * 3 + 0.75 * 2, 0.25 * 12 + 0.75 * 16)
    assert (found.attention, found.network, found.experts, found.layers) == (1.0, 0.25, 0.25, 0.25)


def test_layers_kept_in_16_bits() -> None:
    # A quarter: 0.75 x 1.5 x 8 and 0.25 x 2 x 12.
    assert kept_in_16_bits(8.0, 12.0, 0.25, 1.5, 2.0) == 15.0


def test_tensor_ranks_that_keep_whole_inputs() -> None:
    # Two inputs and two outputs of norms, 8 d bytes, stay whole; heads of 8 d and the network are halved.
    kept = 8 * 1024 + (8 * 1024 + 4 * 4096) / 2
    found = held(Layout(tp=2.0, zero=0.0, sequence_parallel=0.0))["first"].activations_bytes
    assert found == pytest.approx(1024 * 4.25 * kept, rel=1e-9)
