"""Hand-worked cases of layouts with ranks of several kinds at once, and of what recomputation repeats. Figures are
worked out in the comments; the machine and the model are those of round numbers.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from round_machine import BLOCK, HELD, LAYER, MACHINE, NETWORK, NORMS, SHAPE, STACK

from hwmodel.catalog import load_catalog
from hwmodel.physics.collectives import all_reduce_fast_s, all_reduce_s, all_to_all_s
from hwmodel.physics.memory import memory_by_stage, peak_memory
from hwmodel.physics.micro_batch import widen_s
from hwmodel.physics.serving import first_pass_s
from hwmodel.physics.serving_memory import kv_bytes_per_token, pool_ends, state_bytes_per_sequence
from hwmodel.physics.serving_step import exchange_s
from hwmodel.physics.training import step
from hwmodel.specs import Block, Layout, Shape, StepTerms, Workload
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingMemory

BF16 = load_catalog().precision("bf16")
PLAIN = Layout(zero=0.0)
EXPERTS = msgspec.structs.replace(BLOCK, n_experts=4.0, top_k=2.0)
change = msgspec.structs.replace
GEMM_F = 2 * 1024 * LAYER / 1e14  # forward products of a layer
MEMORY_F = (10 * 1024 + 2 * 4096 + 2 * 16 * 128) * 1024 * 2 / 1e12
SOFT = 0.5 * (1.0 + 1.01**0.5)  # what shows of an exchange that nothing hides


def of(block: Block, **fields: float) -> Shape:
    """The model of round numbers with other layers."""
    return change(SHAPE, blocks=(block,), **fields)


def terms(layout: Layout = PLAIN, batch: float = 4.0, shape: Shape = SHAPE, precision: Any = BF16,
          **stack: float) -> StepTerms:  # fmt: skip
    load = Workload(seq_len=1024.0, global_batch_seqs=batch)
    return step(shape, MACHINE, precision, layout, load, change(STACK, **stack))


def test_frozen_weights_hold_neither_gradients_nor_spare_copies() -> None:
    # Half of the weights is trained: half of gradients of 4, of states of 12 and of a spare half byte.
    load = Workload(seq_len=1024.0, global_batch_seqs=4.0, trainable_fraction=0.5)
    stack = change(STACK, parameter_buffer_bytes=0.5)
    found = peak_memory(SHAPE, BF16, PLAIN, load, stack)
    held = (found.weights_bytes, found.gradients_bytes, found.optimizer_bytes, found.buffers_bytes)
    assert held == tuple(pytest.approx(x * HELD, rel=1e-12) for x in (2, 2, 6, 0.25))


def test_tensor_ranks_slow_the_host() -> None:
    # A fifth more a rank: 16 x 2.5 launches of 1.2 ms a layer instead of 1 ms; four layers, four micro-batches.
    given = {"host_op_s": 1e-3, "launches_layer": 16.0, "launches_tensor": 0.0, "host_backward": 1.5}
    layout = Layout(tp=2.0, zero=0.0)
    more = terms(layout, **given, host_tensor=0.2).host_s - terms(layout, **given).host_s
    assert more == pytest.approx(4 * 4 * 40 * 0.2e-3, rel=1e-9)


def test_a_pipeline_waits_for_the_host_of_the_other_stage() -> None:
    # 40 ms a layer on the host, whatever the device does; four layers and the head of 0.63 ms, half on each stage.
    head = 3 * 2 * 1024 * 8000 * 1024 / 1e14 + 1024 * 8000 * 16 / 1e12
    found = terms(Layout(pp=2.0, zero=0.0), host_op_s=1e-3, launches_layer=16.0, host_backward=1.5)
    assert found.pp_bubble_s == pytest.approx((4 * 0.04 + head) / 2, rel=1e-9)


def test_narrow_weights_are_widened_for_each_pass() -> None:
    # 3 bytes a weight, forward and backward; once more where the layer is computed again.
    wide = change(BF16, widen_bytes=3.0)
    for layout, times in ((PLAIN, 2), (Layout(zero=0.0, recompute_layers=1.0), 3)):
        found = terms(layout, precision=wide).cast_s
        assert found == pytest.approx(4 * 4 * times * 3 * (LAYER + NORMS) / 1e12, rel=1e-9)


def test_recipes_that_widen_no_weights_launch_nothing_beside_one_that_does() -> None:
    # A billion weights of 3 bytes at 1 TB/s and a launch of 1 ms, forward and backward; of no bytes not even a launch.
    machine: Any = SimpleNamespace(memory=change(MACHINE.memory, launch_s=1e-3))
    shard: Any = SimpleNamespace(layer=1e9)
    again: Any = SimpleNamespace(layers=0.0)
    found = widen_s(shard, change(BF16, widen_bytes=np.array([0.0, 3.0])), machine, again)
    assert found == pytest.approx([0.0, 2 * (3e-3 + 1e-3)])


def test_weights_of_networks_computed_again_are_widened_again() -> None:
    # Half of a layer's: 2.5 times 3 bytes a weight; and half of its forward launches again: 16 x (1 + 1.5 + 0.5).
    layout = Layout(zero=0.0, recompute_mlp=1.0)
    found = terms(layout, precision=change(BF16, widen_bytes=3.0)).cast_s
    assert found == pytest.approx(4 * 4 * 2.5 * 3 * (LAYER + NORMS) / 1e12, rel=1e-9)
    given = {"launches_layer": 16.0, "host_backward": 1.5}
    more = terms(layout, host_op_s=2e-3, **given).host_s - terms(layout, host_op_s=1e-3, **given).host_s
    assert more == pytest.approx(4 * 4 * 16 * 3 * 1e-3, rel=1e-9)


def test_ranks_that_share_an_expert_gather_its_tokens() -> None:
    # Two pairs of a gather and a scatter of half of 2 MiB a pass in a dense layer; experts that each rank holds whole
    # leave attention's, those that two ranks share have it once, or once a choice where tokens were dispatched.
    pair = 2 * (2 * 1024 * 1024 / 2) / 1e11
    shape = of(EXPERTS)
    for layout, pairs in (
        (Layout(tp=2.0, etp=1.0, zero=0.0), 1),
        (Layout(tp=2.0, etp=2.0, zero=0.0), 2),
        (Layout(tp=2.0, etp=2.0, ep=2.0, dp=2.0, zero=0.0), 3),
    ):
        assert terms(layout, 4.0 * layout.dp, shape).tp_s == pytest.approx(4 * 4 * 2 * pairs * pair, rel=1e-9)


def test_stages_beyond_a_domain_pass_over_the_network() -> None:
    # 16 ranks in domains of 8: a quarter of 2 MiB each, four and three to fill, both ways, at 1e10.
    found = terms(Layout(tp=4.0, pp=4.0, zero=0.0))
    assert found.pp_transfer_s == pytest.approx((2 * 4 + 2 * 3) * 2 * 1024 * 1024 / 4 / 1e10, rel=1e-9)


def test_context_ranks_share_optimizer_states() -> None:
    # Two replicas of two ranks each: a quarter of 34 bytes a parameter.
    found = terms(Layout(dp=2.0, cp=2.0, zero=1.0), batch=8.0)
    assert found.optimizer_s == pytest.approx(HELD / 4 * 34 / 1e12, rel=1e-9)


def test_look_up_tables_are_exchanged() -> None:
    # A million parameters more, 4 bytes, reduced and gathered between two ranks.
    layout = Layout(dp=2.0, zero=0.0)
    found = terms(layout, 8.0, of(BLOCK, lookup_params=1e6)).dp_exposed_s
    assert found == pytest.approx(SOFT * 2 * 4 * (HELD + 1e6) / 2 / 1e11, rel=1e-9)


def test_modules_computed_again() -> None:
    # The network's two products, two thirds of a layer's, and its activation of 2 x 4,096; of half of the layers
    # whole and of the others by module: half of each.
    mlp = GEMM_F * 2 / 3 + 2 * 4096 * 1024 * 2 / 1e12
    assert terms(Layout(zero=0.0, recompute_mlp=1.0)).recompute_s == pytest.approx(4 * 4 * mlp, rel=1e-9)
    attention = 2 * 8 * (1024**2 / 2) * 256 / 1e14
    both = terms(Layout(zero=0.0, recompute_mlp=1.0, recompute_layers=0.5)).recompute_s
    assert both == pytest.approx(4 * 4 * 0.5 * (GEMM_F + attention + MEMORY_F + mlp), rel=1e-9)
    # Norms read and write twice: 4 d elements.
    norms = terms(Layout(zero=0.0, recompute_norms=1.0)).recompute_s
    assert norms == pytest.approx(4 * 4 * 4 * 1024 * 1024 * 2 / 1e12, rel=1e-9)
    # A network computed again repeats half of the forward transfers: 2 x 2 + 2 x 2 / 2 half buffers a layer.
    layout = Layout(tp=2.0, zero=0.0, recompute_mlp=1.0)
    assert terms(layout).tp_s == pytest.approx(4 * 4 * (8 + 2) * (2 * 1024 * 1024 / 2) / 1e11, rel=1e-9)


def test_latencies_between_domains() -> None:
    # 16 ranks in two domains of 8, 1 us a pass over the network and 0.5 us a doubling: an all-to-all has one pass, a
    # sum two. 1.6 MB: 15/16 of it ... 8 / 16 leave the domain at 1e10; half of an eighth, twice, in a sum.
    net = change(NETWORK, nic_latency_s=1e-6, nic_rank_latency_s=0.5e-6)
    assert all_to_all_s(1.6e6, 16.0, 8.0, net) == pytest.approx(1.5e-6 + 1.6e6 / 2 / 1e10, rel=1e-9)
    assert all_reduce_s(1.6e6, 16.0, 8.0, net) == pytest.approx(
        3e-6 + max(2 * 1.6e6 * 7 / 8 / 1e11, 2e5 / 1e10), rel=1e-9
    )


def test_fast_sums_inside_a_domain() -> None:
    # Four ranks: 1 us and 0.1 us for each other one, and 2 x 3/4 of 1 MB at half of 1e11, where the library waits 9 us.
    net = change(NETWORK, fast_efficiency=0.5, fast_latency_s=1e-6, fast_rank_latency_s=1e-7, link_latency_s=1e-3)
    assert all_reduce_fast_s(1e6, 4.0, net) == pytest.approx(1.3e-6 + 1.5e6 / 0.5e11, rel=1e-9)


def test_tokens_reach_experts_the_cheaper_way() -> None:
    # Two attention ranks of 4 tokens, two choices each on two ranks: copies of 2 x 4 x 2 KiB, half sent, there and
    # back; or a gather of all 8 tokens, half of 16 KiB, twice: the same. One choice: half of that.
    layout = ServingLayout(dp=2.0, ep=2.0)
    assert exchange_s(SHAPE, EXPERTS, 4.0, layout, 2.0, MACHINE) == pytest.approx(2 * 8192 / 1e11, rel=1e-9)
    one = change(EXPERTS, top_k=1.0)
    assert exchange_s(SHAPE, one, 4.0, layout, 2.0, MACHINE) == pytest.approx(2 * 4096 / 1e11, rel=1e-9)
    # Eight choices of four ranks: a gather of 16 tokens, 3/4 of 32 KiB, twice, where copies to four ranks of 4 tokens
    # would be as much; in one byte there and two back.
    many, four = change(EXPERTS, n_experts=8.0, top_k=8.0), ServingLayout(dp=4.0, ep=4.0)
    expected = 0.75 * (16384 + 32768) / 1e11
    assert exchange_s(SHAPE, many, 4.0, four, 1.0, MACHINE) == pytest.approx(expected, rel=1e-9)


def test_caches_of_several_kinds() -> None:
    # Keys and values of 8 heads of 128, two bytes, four layers; latents of 512 + 64 on every rank, an index key of 128.
    assert kv_bytes_per_token(SHAPE) == 4 * 2 * 8 * 128 * 2
    assert kv_bytes_per_token(SHAPE, 1.0, 2.0) == 4 * 2 * 4 * 128
    latent = change(BLOCK, kv_lora_rank=512.0, rope_dim=64.0, index_heads=4.0, index_dim=128.0)
    assert kv_bytes_per_token(of(latent), 2.0, 8.0) == 4 * (512 + 64 + 128) * 2
    # A layer that borrows another's has none; more ranks than heads keep one head each.
    assert kv_bytes_per_token(of(change(BLOCK, borrows_kv=1.0))) == 0.0
    assert kv_bytes_per_token(SHAPE, 2.0, 16.0) == 4 * 2 * 128 * 2
    # States: four layers of a million elements in 4 bytes, half on each of two ranks.
    assert state_bytes_per_sequence(of(change(BLOCK, mixer_state_elements=1e6)), 2.0) == 8e6


def test_ends_of_what_is_left_for_the_cache() -> None:
    # Weights of 40 GB to 2 %, 6.5 % of 80 GB: 0.8 and 5.2 GB; a reserve of 4 GB that may be 8 or 2.
    held = ServingMemory(weights_bytes=4e10, reserve_bytes=4e9, kv_pool_bytes=2e10, kv_bytes_per_token=1.0,
                         state_bytes_per_sequence=0.0)  # fmt: skip
    low, high = pool_ends(held, 8e10)
    assert low == pytest.approx(2e10 - (0.8**2 + 5.2**2 + 4**2) ** 0.5 * 1e9, rel=1e-12)
    assert high == pytest.approx(2e10 + (0.8**2 + 5.2**2 + 2**2) ** 0.5 * 1e9, rel=1e-12)
    # Never more than the weights leave.
    full = change(held, kv_pool_bytes=3.9e10)
    assert pool_ends(full, 8e10)[1] == 4e10


def test_a_first_pass_hides_half_of_the_shorter() -> None:
    # 5 + 4 x 7 launches of 1 ms for each of two chunks of 4,096 tokens: 66 ms, beside 20 or 100 ms of passes.
    engine = Engine(step_tokens=4096.0, prefill_kernel_s=1e-3, norms_apart=0.0, attention_apart=0.0)
    at = (SHAPE, ServingFormats(), ServingLayout(tp=2.0), engine)
    assert first_pass_s(*at, 0.02, 8192.0) == pytest.approx(0.066 + 0.01, rel=1e-9)
    assert first_pass_s(*at, 0.1, 8192.0) == pytest.approx(0.1 + 0.033, rel=1e-9)


def test_look_up_tables_lie_on_the_first_stage() -> None:
    # A million parameters in 2 bytes beside two layers and a vocabulary matrix, and no more on the last stage.
    load = Workload(seq_len=1024.0, global_batch_seqs=4.0)
    shape, layout = of(BLOCK, lookup_params=1e6), Layout(pp=2.0, zero=0.0)
    first, last = (memory_by_stage(shape, BF16, layout, load, STACK)[name] for name in ("first", "last"))
    half = 2 * (LAYER + NORMS) + 8000 * 1024
    assert first.weights_bytes == pytest.approx(2 * (half + 1e6), rel=1e-12)
    assert last.weights_bytes == pytest.approx(2 * half, rel=1e-12)
    # One stage holds everything.
    alone = memory_by_stage(shape, BF16, PLAIN, load, STACK)["last"]
    assert alone.weights_bytes == pytest.approx(2 * (HELD + 1e6), rel=1e-12)
