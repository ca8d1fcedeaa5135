"""Casts and layers kept in 16 bits: traffic by hand, and what each acts on."""

from __future__ import annotations

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.stacks import training_stack
from hwmodel.physics.layer import layer_times
from hwmodel.physics.machine import machine
from hwmodel.physics.memory import memory_by_stage
from hwmodel.specs import Layout, Workload

CATALOG = load_catalog()
SHAPE = CATALOG.model("llama-3-8b")
LAYOUT = Layout(dp=8.0, micro_batch=1.0, zero=3.0)
LOAD = Workload(seq_len=8192.0, global_batch_seqs=8.0)
STACK = training_stack("generic", "hopper")


def times(recipe, part="h100", layout=LAYOUT):
    found = CATALOG.part(part)
    where = machine(found, CATALOG.default_system(found), recipe, kernel_calibration())
    return layer_times(SHAPE, where, recipe, layout, LOAD, STACK), where


def test_sixteen_bits_cast_nothing():
    found, _ = times(CATALOG.precision("bf16"))
    assert found.cast_f == found.cast_b == 0.0


def test_traffic_of_a_layer_by_hand():
    """Inputs: two of the width, the heads' and the feed-forward's; gradients of the same products; weights once."""
    found, where = times(CATALOG.precision("fp8"))
    tokens, d, ff, heads, kv = 8192.0, 4096.0, 14336.0, 4096.0, 1024.0
    inputs, outputs = 2 * d + heads + ff, 2 * d + heads + 2 * kv + 2 * ff
    weights = d * (heads + 2 * kv) + heads * d + 3 * d * ff
    rate = where.gemm.hbm_bytes_per_s * where.gemm.hbm_fraction
    launches = 4.0 * where.gemm.cast_launch_s
    assert found.cast_f == pytest.approx(
        (tokens * inputs + weights) * where.gemm.cast_bytes / rate + launches, rel=1e-6
    )
    assert found.cast_b == pytest.approx(tokens * outputs * where.gemm.cast_bytes / rate + launches, rel=1e-6)


def test_weights_are_cast_once_a_step_where_they_stay():
    gathered, _ = times(CATALOG.precision("fp8"))
    kept = msgspec.structs.replace(LAYOUT, zero=1.0, dp=1.0)
    held, _ = times(CATALOG.precision("fp8"), layout=kept)  # eight micro-batches a step
    assert held.cast_f < gathered.cast_f
    assert held.cast_b == pytest.approx(gathered.cast_b)


def test_layers_kept_in_sixteen_bits_interpolate_time_and_bytes():
    low = CATALOG.precision("fp8")
    half = msgspec.structs.replace(low, bf16_layers=0.5)
    every = msgspec.structs.replace(low, bf16_layers=1.0)
    one, two, three = (times(recipe)[0] for recipe in (low, half, every))
    assert two.gemm_f == pytest.approx(0.5 * (one.gemm_f + three.gemm_f))
    assert three.cast_f == 0.0
    assert two.cast_f == pytest.approx(0.5 * one.cast_f)
    assert every.mean_activation_bytes == every.mean_weight_bytes == 2.0
    held = [memory_by_stage(SHAPE, r, LAYOUT, LOAD, STACK)["first"].activations_bytes for r in (low, half, every)]
    assert held[0] < held[1] < held[2]


def test_kinds_of_casts_follow_the_blocks_of_scales():
    kinds = {name: CATALOG.precision(name).cast_kind for name in
             ("bf16", "fp8", "fp8-delayed", "fp8-row", "fp8-block", "mxfp8", "nvfp4", "mxfp4")}  # fmt: skip
    assert kinds == {"bf16": "", "fp8": "tensor", "fp8-delayed": "delayed", "fp8-row": "row", "fp8-block": "block",
                     "mxfp8": "mx", "nvfp4": "four-bit", "mxfp4": "four-bit"}  # fmt: skip
    assert set(kinds.values()) - {""} <= set(kernel_calibration().casts)
