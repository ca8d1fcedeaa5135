"""Memory of a step: what sharding, recomputation and pipelines do to it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.stacks import training_stack
from hwmodel.physics.memory import late_bytes, layer_activations, memory_by_stage, peak_memory
from hwmodel.specs import Layout, MemoryTerms, Workload

CATALOG = load_catalog()
BF16 = CATALOG.precision("bf16")
STACK = training_stack()
LLAMA = CATALOG.model("llama-3.1-8b")
LOAD = Workload(seq_len=4096.0, global_batch_seqs=64.0)


def peak(**layout: float) -> MemoryTerms:
    return peak_memory(LLAMA, BF16, Layout(**layout), LOAD, STACK)


def test_states_of_one_replica_are_eighteen_bytes_a_parameter() -> None:
    terms = peak(zero=0.0)
    states = terms.weights_bytes + terms.gradients_bytes + terms.optimizer_bytes
    assert states == pytest.approx(18.0 * 8_030_261_248, rel=1e-6)


def test_zero_stages_shard_what_they_say() -> None:
    zero = [peak(dp=8.0, zero=z) for z in (0.0, 1.0, 2.0, 3.0)]
    assert zero[1].optimizer_bytes == pytest.approx(zero[0].optimizer_bytes / 8)
    assert zero[1].gradients_bytes == zero[0].gradients_bytes
    assert zero[2].gradients_bytes == pytest.approx(zero[0].gradients_bytes / 8)
    assert zero[2].weights_bytes == zero[0].weights_bytes
    assert zero[3].weights_bytes == pytest.approx(zero[0].weights_bytes / 8)


def test_recomputation_saves_and_is_monotone() -> None:
    some = {"recompute_norms": 1.0, "recompute_activation": 1.0}
    ways = ({}, some, {**some, "recompute_layers": 0.5}, {"recompute_layers": 1.0})
    kept = [float(peak(micro_batch=4.0, **way).activations_bytes) for way in ways]
    assert kept[0] > kept[1] > kept[2] > kept[3] > 0


def test_first_stage_holds_most_micro_batches() -> None:
    stages = memory_by_stage(LLAMA, BF16, Layout(pp=4.0), LOAD, STACK)
    assert stages["first"].activations_bytes > stages["middle"].activations_bytes > stages["last"].activations_bytes
    assert stages["last"].logits_bytes > 0 == stages["first"].logits_bytes
    fullest = peak_memory(LLAMA, BF16, Layout(pp=4.0), LOAD, STACK).total_bytes
    assert fullest == pytest.approx(max(float(s.total_bytes) for s in stages.values()))


def test_interleaving_costs_activations() -> None:
    plain, woven = peak(pp=4.0, vpp=1.0), peak(pp=4.0, vpp=4.0)
    # arXiv 2205.05198: 1 + (p - 1) / (p v) of the plain ones.
    ratio = float(woven.activations_bytes) / float(plain.activations_bytes)
    assert ratio == pytest.approx(1 + 3 / 16, rel=0.1)


def test_experts_are_sharded_by_expert_parallelism() -> None:
    shape = CATALOG.model("mixtral-8x7b")
    one = peak_memory(shape, BF16, Layout(dp=8.0, ep=1.0), LOAD, STACK)
    eight = peak_memory(shape, BF16, Layout(dp=8.0, ep=8.0), LOAD, STACK)
    dense = one.weights_bytes - 2.0 * 32 * 8 * 3 * 4096 * 14336
    assert eight.weights_bytes == pytest.approx(dense + 2.0 * 32 * 3 * 4096 * 14336)


def test_adapters_keep_no_states_of_frozen_weights() -> None:
    load = Workload(seq_len=4096.0, global_batch_seqs=8.0, trainable_fraction=0.01)
    terms = peak_memory(LLAMA, BF16, Layout(zero=0.0), load, STACK)
    assert terms.gradients_bytes + terms.optimizer_bytes < 0.02 * 16 * 8.03e9


def test_columns_equal_numbers() -> None:
    tp = np.array([1.0, 2.0, 4.0, 8.0])
    together = peak_memory(LLAMA, BF16, Layout(tp=tp, pp=np.array([1.0, 2.0, 1.0, 4.0])), LOAD, STACK).total_bytes
    for i, pp in enumerate((1.0, 2.0, 1.0, 4.0)):
        assert float(peak(tp=float(tp[i]), pp=pp).total_bytes) == pytest.approx(float(together[i]))


def test_an_operator_policy_keeps_every_second_product() -> None:
    """Half of what attention and activations read goes; what attention returns, and the residual stream, stay."""
    way = {"recompute_norms": 1.0, "recompute_activation": 1.0}
    whole = peak(**way).activations_bytes
    half = peak(**way, recompute_products=0.5).activations_bytes
    d, kv, width, layers = 4096.0, 1024.0, 14336.0, 32.0
    kept = 0.5 * 2.0 * (d + 2.0 * kv + 2.0 * width) * 4096.0
    # A layer's backward pass frees what its workspace holds; it still makes all of the layer at once.
    assert whole - half == pytest.approx(kept * (layers + STACK.workspace_layers - 1.0) * STACK.activation_overhead)


def test_a_routed_token_is_saved_once_at_each_of_its_experts() -> None:
    mixtral = CATALOG.model("mixtral-8x7b")
    block = mixtral.blocks[0]
    one = layer_activations(mixtral, Layout(), BF16, STACK, 4096.0)[0]
    fewer = msgspec.structs.replace(
        mixtral, blocks=tuple(msgspec.structs.replace(b, top_k=b.top_k - 1.0) for b in mixtral.blocks)
    )
    routed = 2.0 * mixtral.d_model + 6.0 * STACK.imbalance * block.d_ff
    assert one - layer_activations(fewer, Layout(), BF16, STACK, 4096.0)[0] == pytest.approx(routed)


def test_what_is_freed_late_is_no_need() -> None:
    nanotron = training_stack("nanotron", "hopper")
    alone = Layout(tp=4.0, micro_batch=2.0)
    late = late_bytes(LLAMA, alone, LOAD, nanotron)
    assert late == pytest.approx(nanotron.late_bytes * 2.0 * 4096.0 * 4096.0)
    assert late_bytes(LLAMA, Layout(tp=4.0, pp=2.0), LOAD, nanotron) == 0.0
    assert late_bytes(LLAMA, Layout(), LOAD, nanotron) == 0.0
    without = msgspec.structs.replace(nanotron, late_bytes=0.0)
    assert peak_memory(LLAMA, BF16, alone, LOAD, nanotron) == peak_memory(LLAMA, BF16, alone, LOAD, without)
