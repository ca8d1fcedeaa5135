"""Small formulas of a step and of a pass on their own numbers, worked out in the comments."""

from __future__ import annotations

import msgspec
import pytest
from round_machine import BLOCK, GEMM, MACHINE, SHAPE, STACK

from hwmodel.catalog import load_catalog
from hwmodel.physics.formulas import logits_bytes, ring_exposed_s, tensor_exposed_s, traffic_exposed_s, transfers
from hwmodel.physics.layer import attention_s, traffic_s
from hwmodel.physics.schedule import micro_batches
from hwmodel.physics.serving import cache_transfer_s, decode_terms, mixed_terms, step_budget, weights_bytes
from hwmodel.physics.serving_formulas import paced_s
from hwmodel.physics.serving_products import products_s
from hwmodel.physics.serving_step import Pass, index_scores_s, pass_terms
from hwmodel.physics.stages import layers_per_stage
from hwmodel.physics.training import step
from hwmodel.specs import Layout, Workload
from hwmodel.specs.layout import ZB_H1
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad

BF16 = load_catalog().precision("bf16")
ENGINE = Engine(kernel_s=0.0, step_s=0.0, sequence_s=0.0, collective_s=0.0, imbalance=1.0, prefill_kernel_s=0.0)
change = msgspec.structs.replace


def test_traffic_behind_another_micro_batch() -> None:
    # 10 s beside 8 s of which half is free: 6 s show; beside 30 s a fifth that is never hidden, 2 s.
    assert traffic_exposed_s(10.0, 8.0, 0.5, 0.2) == 6.0
    assert traffic_exposed_s(10.0, 30.0, 0.5, 0.2) == 2.0


def test_transfers_that_a_step_waits_for() -> None:
    # Four micro-batches of two chunks, out and back, a quarter hidden: 12; and two stages to fill and drain: 4.
    assert transfers(4.0, 2.0, 3.0, 0.25) == 16.0
    # 10 s, twice as long on the network, three pairs, a quarter hidden.
    assert tensor_exposed_s(10.0, 2.0, 3.0, 0.25) == 45.0
    # A ring of 10 s under half of 8 s shows 6 s, under half of 100 s its first exchange, a twentieth.
    assert ring_exposed_s(10.0, 8.0, 0.5) == 6.0
    assert ring_exposed_s(10.0, 100.0, 0.5) == 0.5
    # Ten words on four ranks are three each.
    assert logits_bytes(100.0, 10.0, 4.0, 6.0) == 1800.0


def test_frozen_weights_have_no_gradients() -> None:
    # Below a half of them trained, all count as frozen: two products of each layer and of the head, else three.
    for trained, products in ((0.25, 2), (0.5, 3), (0.75, 3), (1.0, 3)):
        load = Workload(seq_len=1024.0, global_batch_seqs=4.0, trainable_fraction=trained)
        found = step(SHAPE, MACHINE, BF16, Layout(zero=0.0), load, STACK)
        assert found.gemm_s == pytest.approx(4 * 4 * products * 2 * 1024 * 12 * 1024**2 / 1e14, rel=1e-9)
        head = products * 2 * 1024 * 8000 * 1024 / 1e14 + 1024 * 8000 * 16 / 1e12
        assert found.logits_s == pytest.approx(4 * head, rel=1e-9)


def test_logits_of_a_pass_on_two_ranks() -> None:
    # Eight sequences and two prompts, 4,000 of the words each, at twice the kernels' time; memory is no limit.
    free = change(GEMM, hbm_bytes_per_s=1e18)
    machine, engine = change(MACHINE, gemm=free, gemm_high=free), change(ENGINE, level=2.0)
    both = Pass(sequences=8.0, context=100.0, prompts=2.0, new_tokens=16.0, seen=16.0)
    found = pass_terms(SHAPE, ServingFormats(), both, ServingLayout(tp=2.0), engine, machine)
    assert found.logits_s == pytest.approx(2 * 2 * 10 * 4000 * 1024 / 1e14, rel=1e-9)


def test_layers_at_a_pace_and_a_level() -> None:
    # Three stages for four layers take as long as six: 1.5; an engine 1.2 times its kernels.
    assert paced_s(10.0, 1.5, 1.2) == pytest.approx(18.0)


def test_a_prompt_s_cache_moves_over_the_network() -> None:
    # 1,000 tokens of 4 layers, 2 x 8 x 128 elements of 2 bytes, half over the NIC of each of two ranks; and a state of
    # 4 x 1e6 elements of 4 bytes.
    moved = 1000 * 4 * 2 * 8 * 128 * 2
    assert cache_transfer_s(SHAPE, MACHINE, 2.0, 1000.0, 2.0) == pytest.approx(moved / 2 / 1e10, rel=1e-9)
    state = change(SHAPE, blocks=(change(BLOCK, mixer_state_elements=1e6),))
    assert cache_transfer_s(state, MACHINE, 2.0, 1000.0, 2.0) == pytest.approx((moved + 1.6e7) / 2 / 1e10, rel=1e-9)


def test_context_ranks_share_attention_and_tensor_ranks_norms() -> None:
    # Half of a sequence's pairs on each of two ranks: 8 heads, two products of 128, half of 1,024^2 pairs.
    load = Workload(seq_len=1024.0, global_batch_seqs=4.0)
    forward, backward = attention_s(BLOCK, Layout(cp=2.0), load, MACHINE, STACK)
    assert forward == pytest.approx(2 * 8 * (1024**2 / 2) * 256 / 1e14 / 2, rel=1e-9)
    assert backward == pytest.approx(2.5 * forward, rel=1e-9)
    # Norms, activation and rotary embedding are halved between sequence-parallel ranks; without, norms stay whole.
    elements = 10 * 1024, 2 * 4096 + 2 * 16 * 128
    for parallel, norms in ((1.0, 0.5), (0.0, 1.0)):
        layout = Layout(tp=2.0, sequence_parallel=parallel)
        found = traffic_s(SHAPE, BLOCK, 1024.0, layout, BF16, MACHINE, STACK)[0]
        assert found == pytest.approx(1024 * 2 * (norms * elements[0] + elements[1] / 2) / 1e12, rel=1e-9)


def test_scores_of_an_indexer() -> None:
    # 8 sequences of 1,000 entries: one key of 64 in 2 bytes each, and 4 queries of 64.
    block = change(BLOCK, index_heads=4.0, index_dim=64.0)
    decoding = Pass(8.0, 1000.0, 0.0, 0.0, 0.0)
    found = index_scores_s(block, decoding, 2.0, MACHINE)
    assert found == pytest.approx(8 * (1000 * 2 + 2 * 4) * 64 / 1e12, rel=1e-9)
    assert index_scores_s(BLOCK, decoding, 2.0, MACHINE) == 0.0


def test_weights_of_padded_experts() -> None:
    # The model's 1,024 to 1,152, an expert's 4,096 / 2 to twice 1,536 = 3,072 (all 4,096 of it would be padded by an
    # eighth alone): 1.125 x 1.5 = 1.6875 times the experts' bytes.
    block = change(BLOCK, n_experts=4.0, top_k=2.0)
    shape, layout = change(SHAPE, blocks=(block,)), ServingLayout(tp=2.0)
    plain = weights_bytes(shape, ServingFormats(), layout)
    padded = weights_bytes(shape, ServingFormats(padded_hidden=384.0, padded_inner=1536.0), layout)
    routed = 4 * 4 * 2 * 1024 * 4096 * 2 / 2
    assert padded - plain == pytest.approx(routed * (1.6875 - 1), rel=1e-9)


def test_attention_alone_keeps_16_bits() -> None:
    # 1,024 tokens through 4 d^2 of attention at 5e13 FLOP/s and 8 d^2 of the network at 1e14; memory is no limit.
    low = change(GEMM, hbm_bytes_per_s=1e18)
    machine = change(MACHINE, gemm=low, gemm_high=change(low, peak_flop_per_s=5e13))
    at = (SHAPE, BLOCK, 1024.0, ServingLayout(), ENGINE, machine, low)
    square = 2 * 1024 * 1024**2
    apart = products_s(*at, ServingFormats(network_only=1.0))[0]
    assert apart == pytest.approx(square * (4 / 5e13 + 8 / 1e14), rel=1e-9)
    assert products_s(*at, ServingFormats())[0] == pytest.approx(square * 12 / 1e14, rel=1e-9)


def test_a_rank_has_one_sequence_at_least() -> None:
    # One over four ranks and two stages is one on each: 2 KiB from the first stage to the second.
    layout = ServingLayout(dp=4.0, pp=2.0)
    for batch, sequences in ((1.0, 1), (8.0, 1), (32.0, 4)):
        found = decode_terms(SHAPE, MACHINE, ServingFormats(), layout, ENGINE, batch, 1000.0)
        assert found.pp_s == pytest.approx(sequences * 2048 / 1e11, rel=1e-9)
    # Beside two prompts of 1,000 tokens, 400 of them cached.
    load = ServingLoad(prompt_tokens=1000.0, output_tokens=100.0, cached_tokens=400.0)
    for batch, sequences in ((1.0, 1), (32.0, 4)):
        found = mixed_terms(SHAPE, MACHINE, ServingFormats(), layout, ENGINE, batch, load, 2.0)
        assert found.pp_s == pytest.approx((sequences + 2 * 600) * 2048 / 1e11, rel=1e-9)


def test_a_step_that_takes_a_whole_prompt() -> None:
    # 10,000 tokens and 2,012 beside them, where launches go so far; else 8,192, or as far as they go.
    engine = change(ENGINE, step_tokens=8192.0, whole_prompt_tokens=16384.0)
    assert step_budget(engine, 10_000.0) == 12_012.0
    assert step_budget(engine, 1000.0) == 8192.0
    assert step_budget(engine, 20_000.0) == 16_384.0
    assert step_budget(ENGINE, 10_000.0) == 8192.0


def test_a_pipeline_has_one_micro_batch_at_least() -> None:
    # Two sequences over four ranks are one each; sixteen, two at a time, two.
    assert micro_batches(Layout(dp=4.0), Workload(seq_len=1024.0, global_batch_seqs=2.0)) == 1.0
    assert micro_batches(Layout(dp=4.0, micro_batch=2.0), Workload(seq_len=1024.0, global_batch_seqs=16.0)) == 2.0


def test_what_gradients_of_weights_fill_at_a_level() -> None:
    # Two stages of zero bubble, F + B - 2 W. A layer's forward products g = 2 x 1,024 x 12 d^2, its attention a; each
    # rank has two layers, 3 g + 3.5 a, and half of the head h; W is g of each of its layers and h / 3 of its half:
    # 2 (3 g + 3.5 a) + h / 2 - 2 (2 g + h / 6) = 2 g + 7 a + h / 6. All of it 1.5 times as long at that level. Memory
    # is no limit.
    free = {"hbm_bytes_per_s": 1e20}
    machine = change(
        MACHINE, gemm=change(GEMM, **free), gemm_high=change(GEMM, **free), memory=change(MACHINE.memory, **free),
        attention=change(MACHINE.attention, **free),
    )  # fmt: skip
    g, a = 2 * 1024 * 12 * 1024**2 / 1e14, 2 * 8 * (1024**2 / 2) * 256 / 1e14
    h = 6 * 1024 * 8000 * 1024 / 1e14
    layout = Layout(pp=2.0, zero=0.0, schedule=ZB_H1)
    load = Workload(seq_len=1024.0, global_batch_seqs=4.0)
    for level in (1.0, 1.5):
        found = step(SHAPE, machine, BF16, layout, load, change(STACK, level=level))
        assert found.pp_bubble_s == pytest.approx(level * (2 * g + 7 * a + h / 6), rel=1e-6)


def test_a_middle_stage_is_the_slowest_where_it_has_more_layers() -> None:
    # Ten layers on four ranks: three in the middle, two at the ends; the head weighs 8,000 / (6 x 2 x 1,024) = 0.65
    # layers: 2.65 are less than three, and a step of two micro-batches has no head on its slowest stage.
    shape = change(SHAPE, blocks=(change(BLOCK, count=10.0),))
    stages = layers_per_stage(shape, Layout(pp=4.0), STACK)
    assert (stages.first, stages.middle, stages.last) == (2.0, 3.0, 2.0)
    load = Workload(seq_len=1024.0, global_batch_seqs=2.0)
    found = step(shape, MACHINE, BF16, Layout(pp=4.0, zero=0.0), load, STACK)
    assert found.logits_s == 0.0
    assert found.gemm_s == pytest.approx(2 * 3 * 6 * 1024 * 12 * 1024**2 / 1e14, rel=1e-9)
    # Twice the words weigh more than a layer: the last stage, with its two, sets the pace.
    found = step(change(shape, vocab=16_000.0), MACHINE, BF16, Layout(pp=4.0, zero=0.0), load, STACK)
    assert found.logits_s > 0.0
    assert found.gemm_s == pytest.approx(2 * 2 * 6 * 1024 * 12 * 1024**2 / 1e14, rel=1e-9)
