"""Experts in training: traffic, overlap, products; power-limited kin; versions of a stack."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.stacks import build_stack, stack_id, training_calibration, training_stack
from hwmodel.physics.layer import expert_constants, layer_times
from hwmodel.physics.layer_communication import _distinct
from hwmodel.physics.machine import machine, power_share
from hwmodel.physics.training import step
from hwmodel.specs import Layout, Shape, Stack, StepTerms, Workload

CATALOG = load_catalog()
V3 = CATALOG.model("deepseek-v3")
H800 = CATALOG.part("H800")
FP8 = CATALOG.precision("fp8")
MACHINE = machine(H800, CATALOG.default_system(H800), FP8, kernel_calibration())
STACK = training_stack("generic", "hopper")
WIDE = Layout(pp=16.0, ep=64.0, dp=128.0)
LOAD = Workload(seq_len=4096.0, global_batch_seqs=15360.0)


def terms(layout: Layout = WIDE, stack: Stack = STACK, shape: Shape = V3) -> StepTerms:
    return step(shape, MACHINE, FP8, layout, LOAD, stack)


def without_limit(shape: Shape) -> Shape:
    blocks = tuple(msgspec.structs.replace(block, top_groups=float("inf")) for block in shape.blocks)
    return msgspec.structs.replace(shape, blocks=blocks)


def test_a_router_limited_to_four_nodes_sends_less() -> None:
    ratio = terms().ep_s / terms(shape=without_limit(V3)).ep_s
    # Distinct domains among 8 random picks: 4 (1 - (3/4)^8) = 3.6 of 8 (1 - (7/8)^8) = 5.3.
    assert ratio == pytest.approx(3.6 / 5.25, abs=0.03)


def test_interleaved_stages_hide_expert_traffic_that_leaves_the_domain() -> None:
    plain, interleaved = terms(), terms(msgspec.structs.replace(WIDE, vpp=2.0))
    assert interleaved.ep_s < 0.5 * plain.ep_s
    none = msgspec.structs.replace(STACK, ep_overlap=0.0)
    assert terms(msgspec.structs.replace(WIDE, vpp=2.0), none).ep_s == pytest.approx(float(plain.ep_s))


def test_expert_traffic_inside_a_domain_is_exposed() -> None:
    near = Layout(pp=16.0, vpp=2.0, ep=8.0, dp=128.0)
    assert terms(near).ep_s == pytest.approx(float(terms(msgspec.structs.replace(near, vpp=1.0)).ep_s))


def test_products_of_experts_take_the_efficiency_of_training() -> None:
    assert expert_constants(MACHINE.gemm, msgspec.structs.replace(STACK, grouped=0.0)) is MACHINE.gemm
    assert expert_constants(MACHINE.gemm, STACK).group_efficiency == STACK.grouped
    slow, fast = (msgspec.structs.replace(STACK, grouped=value) for value in (0.4, 0.8))
    times = [layer_times(V3, MACHINE, FP8, WIDE, LOAD, stack).gemm_f for stack in (slow, fast)]
    assert 1.1 < times[0] / times[1] < 2.0


@pytest.mark.parametrize(("part", "low", "high"), [("A100 PCIe", 0.85, 0.95), ("h100-sxm-96gb-hbm2e-500w", 0.85, 0.95)])
def test_a_part_with_less_power_than_its_kin_sustains_less(part: str, low: float, high: float) -> None:
    assert low < power_share(CATALOG.part(part), kernel_calibration()) < high


@pytest.mark.parametrize("part", ["A100", "H100", "H20", "V100", "TPUv5p"])
def test_measured_parts_and_those_without_kin_or_limit_keep_their_rate(part: str) -> None:
    assert power_share(CATALOG.part(part), kernel_calibration()) == 1.0


def test_a_version_of_a_stack_exists_only_where_its_kernels_do() -> None:
    known = training_calibration()
    new = stack_id("Megatron-Bridge 26.08", 2026.0, known, "blackwell", "mxfp8")
    assert new == "megatron-bridge-graphs"
    for family, number_format in (("hopper", "fp8"), ("blackwell", "bf16"), ("", "")):
        assert stack_id("Megatron-Bridge 26.08", 2026.0, known, family, number_format) == "megatron-bridge"
    assert stack_id("Megatron-Bridge 26.04.01", 2026.0, known, "blackwell", "mxfp8") == "megatron-bridge"
    levels = [build_stack(name, "blackwell", 2026.0, known).level for name in (new, "megatron-bridge")]
    assert levels[0] == levels[1]


def test_jitter_grows_with_the_nodes_until_it_saturates() -> None:
    def jitter(dp: float) -> float:
        load = Workload(seq_len=4096.0, global_batch_seqs=8.0 * dp)
        found = step(CATALOG.model("llama-2-7b"), MACHINE, FP8, Layout(tp=8.0, dp=dp), load, STACK)
        return float(found.jitter_s / (found.total_s - found.jitter_s))

    small, large, huge = jitter(8.0), jitter(STACK.jitter_nodes), jitter(4.0 * STACK.jitter_nodes)
    assert small == pytest.approx(3.0 * STACK.jitter, rel=1e-6)
    assert large == pytest.approx(8.0 * STACK.jitter, rel=1e-6)
    assert huge == pytest.approx(large, rel=1e-6)


@pytest.mark.parametrize("level", [0.7, 1.0, 1.5])
def test_a_level_scales_dense_products_and_attention_and_nothing_else(level: float) -> None:
    # The host launches in no time here, and nothing hides under compute.
    quick = msgspec.structs.replace(STACK, host_op_s=0.0, step_s=0.0, jitter=0.0, ep_overlap=0.0, level=1.0)
    plain, moved = (terms(stack=msgspec.structs.replace(quick, level=one)) for one in (1.0, level))
    assert moved.attention_s == pytest.approx(level * float(plain.attention_s))
    for name in ("memory_bound_s", "cast_s", "ep_s", "optimizer_s", "pp_transfer_s"):
        assert getattr(moved, name) == pytest.approx(float(getattr(plain, name))), name
    times = layer_times(V3, MACHINE, FP8, WIDE, LOAD, quick)
    dense = layer_times(V3, MACHINE, FP8, WIDE, LOAD, msgspec.structs.replace(quick, level=level))
    # The experts' own times are divided by the level that the step multiplies with (the router among them is dense).
    assert level * float(dense.experts_f) == pytest.approx(float(times.experts_f), rel=5e-3)
    rest = (float(times.gemm_f) - float(times.experts_f), float(dense.gemm_f) - float(dense.experts_f))
    assert rest[0] == pytest.approx(rest[1])
    assert (moved.gemm_s - plain.gemm_s) * (level - 1.0) >= 0.0
    assert abs(moved.gemm_s / plain.gemm_s - 1.0) < abs(level - 1.0) or level == 1.0


def test_a_host_that_waits_for_each_kernel_shows_whole() -> None:
    """CUDA_LAUNCH_BLOCKING=1: the launches of every layer come on top of what the device does."""
    waits = msgspec.structs.replace(STACK, launch_blocking=1.0, host_op_s=2e-5, step_s=0.0, host_tensor=0.0)
    llama, layout, load = CATALOG.model("llama-2-7b"), Layout(dp=8.0), Workload(seq_len=4096.0, global_batch_seqs=32.0)
    found = step(llama, MACHINE, FP8, layout, load, waits)
    kernels = STACK.launches_layer * (1.0 + STACK.host_backward)
    assert found.host_s == pytest.approx(4.0 * 32.0 * kernels * 2e-5)
    assert (
        found.host_s
        > step(llama, MACHINE, FP8, layout, load, msgspec.structs.replace(waits, launch_blocking=0.0)).host_s
    )


def test_columns_repeat_the_activation_of_experts_as_one_layout_does() -> None:
    """Of many layouts only the times that some layout computes again are gathered, the experts' activation too."""
    ranks = np.tile([64.0, 128.0], 128)
    many = terms(Layout(tp=np.ones(256), pp=16.0, ep=64.0, dp=ranks, recompute_experts=np.ones(256)))
    one = [terms(Layout(pp=16.0, ep=64.0, dp=float(dp), recompute_experts=1.0)) for dp in ranks[:2]]
    for name in ("recompute_s", "total_s"):
        each = [getattr(terms_of, name) for terms_of in one]
        assert np.broadcast_to(getattr(many, name), 256)[:2] == pytest.approx(each, rel=1e-12)
    assert one[0].recompute_s > terms(Layout(pp=16.0, ep=64.0, dp=64.0)).recompute_s


def test_different_places_among_random_picks() -> None:
    # 4 (1 - (3/4)^8) = 3.5995; one place is one place, however often it is picked.
    assert float(_distinct(8.0, 4.0)) == pytest.approx(4 * (1 - 0.75**8), rel=1e-12)
    assert float(_distinct(1.0, 1.0)) == 1.0
    assert float(_distinct(8.0, 1.0)) == 1.0
