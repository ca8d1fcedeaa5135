"""Training software: fits shared between kin, drift with the release, variants by format."""

from __future__ import annotations

import math

import msgspec
import pytest

from hwmodel.catalog.stacks import (
    DRIFT_FROM,
    build_stack,
    released,
    stack_id,
    training_calibration,
    training_stack,
)
from hwmodel.specs.training_calibration import TrainingCalibration

FITTED = {
    "megatron-recipes": {"level": 0.9, "drift": -0.1},
    "nemo": {"level": 1.1},
    "eager": {"host_tensor": 0.5},
    "megatron-deepspeed": {"host_tensor_own": -0.2, "level": 0.95},
}


@pytest.fixture
def calibration() -> TrainingCalibration:
    return msgspec.structs.replace(training_calibration(), generic={}, families={}, fitted=FITTED)


@pytest.mark.parametrize(
    ("framework", "year"),
    [
        ("NVIDIA NeMo Framework Release 23.09", 2023 + 8.5 / 12),
        ("Megatron-Bridge 26.02.01", 2026 + 1.5 / 12),
        ("NVIDIA NEMO", None),
        ("torchtitan 0.23.13", None),  # no thirteenth month
        ("PyTorch 2.5", None),
    ],
)
def test_release_in_a_name(framework: str, year: float | None) -> None:
    found = released(framework)
    assert found == (None if year is None else pytest.approx(year))


def test_levels_of_kin_multiply_and_drift(calibration: TrainingCalibration) -> None:
    def level(year: float | None) -> float:
        return float(build_stack("nemo", "hopper", year, calibration).level)

    assert level(DRIFT_FROM) == pytest.approx(0.9 * 1.1)
    assert level(DRIFT_FROM - 1.0) == pytest.approx(0.9 * 1.1 * math.exp(0.1))
    first, last = next(e.releases for e in calibration.stacks if e.id == "nemo") or (0.0, 0.0)
    assert level(1999.0) == level(first)
    assert level(None) == level(last) == level(2050.0)


def test_deepspeed_without_megatron_runs_the_attention_of_its_year(calibration: TrainingCalibration) -> None:
    """The runs that Megatron-DeepSpeed was fitted on have none of today's kernels; models of others do."""
    for name in ("DeepSpeed", "HF Trainer + DeepSpeed", "DeepSpeed (HF)"):
        assert stack_id(name, 2024.0, calibration) == "deepspeed"
    for name in ("Megatron-DeepSpeed", "Megatron-LM / Megatron-DeepSpeed", "Megatron-DeepSpeed (BigScience)"):
        assert stack_id(name, 2024.0, calibration) == "megatron-deepspeed"
    assert stack_id("DeepSpeed ZeRO-3", 2024.0, calibration) == "fsdp"
    generation = [
        build_stack("deepspeed", "hopper", year, calibration).attention_generation for year in (2021, 2024, 2026)
    ]
    assert generation == [0.0, 2.0, 3.0]


def test_software_of_no_name_is_untuned_pytorch(calibration: TrainingCalibration) -> None:
    untuned = msgspec.structs.replace(calibration, fitted={"pytorch": {"level": 1.05}})
    levels = [float(build_stack("generic", "hopper", year, untuned).level) for year in (2021.0, 2022.0, 2023.0, None)]
    assert levels == [1.0, 1.0, pytest.approx(1.05), pytest.approx(1.05)]


def test_transfers_overlap_where_something_overlaps_them() -> None:
    """A script without --overlap-grad-reduce and --tp-comm-overlap hides nothing; torchtitan no tensor parallelism."""
    plain = training_stack("megatron-core-plain", "blackwell")
    assert plain.tp_overlap == plain.dp_overlap == plain.zero_overlap == 0.0
    assert plain.level == pytest.approx(training_stack("megatron-core", "blackwell").level)
    assert training_stack("torchtitan", "hopper").tp_overlap == 0.0 < training_stack("nemo", "hopper").tp_overlap


def test_eager_programs_share_what_tensor_ranks_wait(calibration: TrainingCalibration) -> None:
    assert build_stack("nanotron", "hopper", 2025.0, calibration).host_tensor == pytest.approx(0.5)
    assert build_stack("megatron-deepspeed", "ampere", 2022.0, calibration).host_tensor == pytest.approx(0.3)
    assert build_stack("fsdp", "ampere", 2024.0, calibration).host_tensor == 0.0


def test_a_stack_that_nobody_measured_has_no_fit(calibration: TrainingCalibration) -> None:
    unknown = build_stack("nemo", "hopper", 2024.0, calibration, level_known=False)
    assert unknown.level == 1.0


def test_a_format_chooses_the_variant_and_nothing_else() -> None:
    calibration = training_calibration()
    assert stack_id("torchtitan", 2025.0, calibration, "hopper", "fp8") == "torchtitan-compiled"
    assert training_stack("torchtitan", "hopper", None, "fp8").id == "torchtitan-compiled"
    assert training_stack("torchtitan", "hopper", None, "bf16").id == "torchtitan"
    assert training_stack("megatron-bridge", "blackwell", None, "mxfp8").id == "megatron-bridge"
    assert training_stack("", "tpu", None, "fp8").id == "jax"
    # The eager loss keeps two more fp32 copies of the logits.
    assert training_stack("torchtitan").logits_bytes > training_stack("torchtitan-compiled").logits_bytes
