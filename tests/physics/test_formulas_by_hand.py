"""Small formulas of a step and of a pass on their own numbers, worked out in the comments."""

from __future__ import annotations

import msgspec
import pytest
from round_machine import BLOCK, MACHINE, SHAPE, STACK

from hwmodel.catalog import load_catalog
from hwmodel.physics.formulas import traffic_exposed_s
from hwmodel.physics.layer import attention_s, traffic_s
from hwmodel.physics.serving import cache_transfer_s, weights_bytes
from hwmodel.physics.serving_formulas import paced_s
from hwmodel.physics.serving_step import Pass, index_scores_s
from hwmodel.specs import Layout, Workload
from hwmodel.specs.serving import ServingFormats, ServingLayout

BF16 = load_catalog().precision("bf16")
change = msgspec.structs.replace


def test_traffic_behind_another_micro_batch() -> None:
    # 10 s beside 8 s of which half is free: 6 s show; beside 30 s a fifth that is never hidden, 2 s.
    assert traffic_exposed_s(10.0, 8.0, 0.5, 0.2) == 6.0
    assert traffic_exposed_s(10.0, 30.0, 0.5, 0.2) == 2.0


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
    # The model's 1,024 to 1,152, an expert's 4,096 / 2 to three times 768 = 2,304: 1.265625 times the experts' bytes.
    block = change(BLOCK, n_experts=4.0, top_k=2.0)
    shape, layout = change(SHAPE, blocks=(block,)), ServingLayout(tp=2.0)
    plain = weights_bytes(shape, ServingFormats(), layout)
    padded = weights_bytes(shape, ServingFormats(padded_hidden=384.0, padded_inner=768.0), layout)
    routed = 4 * 4 * 2 * 1024 * 4096 * 2 / 2
    assert padded - plain == pytest.approx(routed * (1152 / 1024 * 2304 / 2048 - 1), rel=1e-9)
