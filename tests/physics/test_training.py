"""The step's terms: sums, columns against numbers, and how they move."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.stacks import training_stack
from hwmodel.physics.collectives import all_gather_s
from hwmodel.physics.machine import machine
from hwmodel.physics.shape import shape_for_params
from hwmodel.physics.stages import layer_shard, layers_per_stage
from hwmodel.physics.training import step
from hwmodel.specs import Layout, Shape, StepTerms, Workload
from hwmodel.specs.kernels import Machine

CATALOG = load_catalog()
BF16 = CATALOG.precision("bf16")
STACK = training_stack("generic", "hopper")


def where(part: str, recipe: str = "bf16") -> Machine:
    chip = CATALOG.part(part)
    return machine(chip, CATALOG.default_system(chip), CATALOG.precision(recipe), kernel_calibration())


H100 = where("H100")
LLAMA = CATALOG.model("llama-3.1-70b")
LOAD = Workload(seq_len=4096.0, global_batch_seqs=1024.0)


def seconds(layout: Layout, shape: Shape = LLAMA, m: Machine = H100, load: Workload = LOAD) -> float:
    return float(step(shape, m, BF16, layout, load, STACK).total_s)


def test_terms_are_disjoint_and_sum_to_the_step() -> None:
    terms = step(LLAMA, H100, BF16, Layout(tp=8.0, pp=4.0, dp=32.0), LOAD, STACK)
    values = [getattr(terms, name) for name in StepTerms.__struct_fields__]
    assert all(value >= 0.0 for value in values)
    assert terms.total_s == pytest.approx(sum(values))


def test_columns_equal_numbers_for_every_layout() -> None:
    rng = np.random.default_rng(0)
    n = 3000
    pick = {
        "tp": [1.0, 2, 4, 8], "cp": [1.0, 2], "pp": [1.0, 2, 4, 8], "vpp": [1.0, 2], "dp": [1.0, 4, 32],
        "zero": [0.0, 1, 2, 3], "micro_batch": [1.0, 2, 4], "recompute_layers": [0.0, 0.5, 1],
        "recompute_norms": [0.0, 1], "recompute_mlp": [0.0, 1],
        "offload_activations": [0.0, 1], "offload_optimizer": [0.0, 1],
        "sequence_parallel": [0.0, 1], "schedule": [0.0, 1, 2, 3, 4],
    }  # fmt: skip
    columns = {name: rng.choice(values, n) for name, values in pick.items()}
    together = step(LLAMA, H100, BF16, Layout(**columns), LOAD, STACK)
    total = np.broadcast_to(together.total_s, (n,))
    for i in range(0, n, 271):
        one = Layout(**{name: float(values[i]) for name, values in columns.items()})
        assert seconds(one) == pytest.approx(float(total[i]), rel=1e-12)


def test_experts_run_as_columns_too() -> None:
    shape = CATALOG.model("mixtral-8x7b")
    ep = np.array([1.0, 2.0, 4.0, 8.0] * 100)
    together = step(shape, H100, BF16, Layout(dp=8.0, ep=ep), LOAD, STACK).total_s
    for i in range(4):
        assert seconds(Layout(dp=8.0, ep=float(ep[i])), shape) == pytest.approx(float(together[i]), rel=1e-12)


def test_more_virtual_stages_shrink_the_bubble_and_cost_transfers() -> None:
    one = step(LLAMA, H100, BF16, Layout(tp=8.0, pp=8.0, dp=16.0, vpp=1.0), LOAD, STACK)
    five = step(LLAMA, H100, BF16, Layout(tp=8.0, pp=8.0, dp=16.0, vpp=5.0), LOAD, STACK)
    assert five.pp_bubble_s == pytest.approx(one.pp_bubble_s / 5.0)
    assert five.pp_transfer_s > one.pp_transfer_s


def test_full_recomputation_costs_about_a_third() -> None:
    none = seconds(Layout(tp=8.0, pp=4.0, dp=32.0, recompute_layers=0.0))
    full = seconds(Layout(tp=8.0, pp=4.0, dp=32.0, recompute_layers=1.0))
    half = seconds(Layout(tp=8.0, pp=4.0, dp=32.0, recompute_layers=0.5))
    assert 1.2 < full / none < 1.4
    assert none < half < full


def test_uneven_stages_take_from_the_ends() -> None:
    shape = CATALOG.model("llama-3.1-405b")
    stages = layers_per_stage(shape, Layout(pp=16.0), STACK)
    assert (stages.first, stages.middle, stages.last) == (7.0, 8.0, 7.0)


def test_adapters_cost_less_than_full_tuning() -> None:
    layout = Layout(tp=4.0, dp=2.0)
    tuned = seconds(layout, load=Workload(seq_len=4096.0, global_batch_seqs=16.0, trainable_fraction=0.01))
    whole = seconds(layout, load=Workload(seq_len=4096.0, global_batch_seqs=16.0))
    assert 0.55 < tuned / whole < 0.8


def test_twice_the_peak_gives_clearly_less_than_twice_the_speed() -> None:
    faster = msgspec.structs.replace(
        H100,
        gemm=msgspec.structs.replace(H100.gemm, peak_flop_per_s=2 * H100.gemm.peak_flop_per_s),
        gemm_high=msgspec.structs.replace(H100.gemm_high, peak_flop_per_s=2 * H100.gemm_high.peak_flop_per_s),
        attention=msgspec.structs.replace(H100.attention, peak_flop_per_s=2 * H100.attention.peak_flop_per_s),
    )
    layout = Layout(tp=8.0, pp=4.0, dp=32.0)
    gain = seconds(layout) / seconds(layout, m=faster)
    assert 1.2 < gain < 1.85


def test_fp8_gains_less_at_one_billion_than_at_seventy() -> None:
    def gain(params: float) -> float:
        shape, layout = shape_for_params(params), Layout(tp=8.0, dp=8.0)
        fp8 = CATALOG.precision("fp8")
        load = Workload(seq_len=4096.0, global_batch_seqs=64.0)
        slow = float(step(shape, H100, BF16, layout, load, STACK).total_s)
        return slow / float(step(shape, where("H100", "fp8"), fp8, layout, load, STACK).total_s)

    assert gain(1e9) < gain(70e9) - 0.1


def test_gemm_time_doubled_moves_the_step() -> None:
    slow = msgspec.structs.replace(H100, gemm=msgspec.structs.replace(H100.gemm, efficiency=H100.gemm.efficiency / 2))
    layout = Layout(tp=8.0, pp=4.0, dp=32.0)
    assert 1.4 < seconds(layout, m=slow) / seconds(layout) < 2.0


@pytest.mark.parametrize("part", ["A100", "H100", "B200", "MI300X", "TPUv4", "TPUv5p", "gaudi2", "trn2", "V100"])
def test_every_family_has_a_sane_utilisation(part: str) -> None:
    chip = CATALOG.part(part)
    recipe = CATALOG.precision("bf16" if chip.peak_dense_flop_per_s.get("bf16") else "fp16")
    m = machine(chip, CATALOG.default_system(chip), recipe, kernel_calibration())
    stack = training_stack("generic", chip.family)
    shape = CATALOG.model("llama-2-7b")
    load = Workload(seq_len=4096.0, global_batch_seqs=64.0)
    terms = step(shape, m, recipe, Layout(dp=8.0, zero=3.0, recompute_layers=1.0), load, stack)
    mfu = 6 * 6.74e9 * 4096 * 64 / (float(terms.total_s) * 8 * float(m.gemm.peak_flop_per_s))
    assert 0.1 < mfu < 0.75


def test_sharded_weights_are_gathered_layer_by_layer() -> None:
    """Nothing hidden: three passes a micro-batch of every layer's own message and of both vocabulary matrices."""
    bare = msgspec.structs.replace(STACK, fsdp_overlap=0.0, dp_floor=1.0, jitter=0.0)
    layout, load = Layout(dp=64.0, zero=3.0), Workload(seq_len=4096.0, global_batch_seqs=128.0)
    terms = step(LLAMA, H100, BF16, layout, load, bare)
    shard = layer_shard(LLAMA, layout)
    outside = 2.0 * shard.vocabulary + shard.lookup

    def pass_s(width: float) -> float:
        """One gather of the model, an element `width` bytes."""
        layer = all_gather_s((shard.dense + shard.vectors) * width, 64.0, 8.0, H100.network)
        return 80.0 * float(layer) + float(all_gather_s(outside * width, 64.0, 8.0, H100.network))

    gradient = float(STACK.gradient_comm_bytes) or float(BF16.gradient_comm_bytes)
    once = 2.0 * pass_s(float(BF16.weight_comm_bytes)) + pass_s(gradient)
    assert float(terms.dp_exposed_s) == pytest.approx(2.0 * once)
