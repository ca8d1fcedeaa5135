"""Perturbed machines and questions move the answer smoothly and the right way."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import numpy as np
import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.physics import shape as shapes
from hwmodel.physics.machine import machine
from hwmodel.physics.training import step
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import resolve
from hwmodel.solve.run.result import value_of
from hwmodel.specs import Layout, Part, System, Workload
from hwmodel.specs.kernels import KernelCalibration

ROOT = Path(__file__).resolve().parents[2]

CATALOG = load_catalog()
LAYOUT = Layout(tp=8.0, pp=4.0, dp=32.0, micro_batch=1.0)
LOAD = Workload(seq_len=4096.0, global_batch_seqs=1024.0)


def step_s(part: Part, system: System, layout: Layout = LAYOUT, load: Workload = LOAD, params: float = 70e9,
           precision: str = "bf16") -> float:  # fmt: skip
    setting = resolve(parse_request(gpus="1024xH100", tokens="1T"))
    recipe = CATALOG.precision(precision)
    where = machine(part, system, recipe, kernel_calibration())
    return float(step(shapes.shape_for_params(params), where, recipe, layout, load, setting.stack).total_s)


@pytest.fixture
def hardware() -> tuple[Part, System]:
    part = CATALOG.part("H100")
    return part, CATALOG.default_system(part)


def test_slower_network_slows_the_step(hardware: tuple[Part, System]) -> None:
    part, system = hardware
    base = step_s(part, system)
    times = [
        step_s(part, msgspec.structs.replace(system, nic_uni_bytes_per_s=system.nic_uni_bytes_per_s / f))
        for f in (1, 2, 5, 10)
    ]
    assert times[0] == pytest.approx(base)
    assert all(a <= b for a, b in itertools.pairwise(times))
    assert times[-1] > 1.01 * base


def test_half_the_memory_bandwidth_slows_the_step(hardware: tuple[Part, System]) -> None:
    part, system = hardware
    slower = step_s(msgspec.structs.replace(part, hbm_bytes_per_s=part.hbm_bytes_per_s / 2), system)
    assert 1.01 < slower / step_s(part, system) < 1.6


def test_twice_the_peak_gives_clearly_less_than_twice_the_speed(hardware: tuple[Part, System]) -> None:
    part, system = hardware
    peaks = {name: 2 * peak if peak else peak for name, peak in part.peak_dense_flop_per_s.items()}
    faster = step_s(msgspec.structs.replace(part, peak_dense_flop_per_s=peaks), system)
    assert 1.2 < step_s(part, system) / faster < 1.9


def test_wider_model_takes_longer_smoothly(hardware: tuple[Part, System]) -> None:
    part, system = hardware
    shape = shapes.shape_for_params(70e9)
    setting = resolve(parse_request(gpus="1024xH100", tokens="1T"))
    recipe = CATALOG.precision("bf16")
    where = machine(part, system, recipe, kernel_calibration())

    def at(width: float) -> float:
        wider = msgspec.structs.replace(shape, d_model=width)
        return float(step(wider, where, recipe, LAYOUT, LOAD, setting.stack).total_s)

    assert 1.0 < at(8192 * 1.01) / at(8192) < 1.12


def test_time_falls_and_efficiency_falls_with_more_accelerators() -> None:
    plans = [hm.plan(gpus=f"{n}xH100", params="70B", tokens="1T", global_batch="1024") for n in (64, 512, 4096, 16384)]
    days = [value_of(p.answer.train_days) for p in plans]
    mfu = [value_of(p.answer.mfu) for p in plans]
    assert all(a > b for a, b in itertools.pairwise(days))
    assert mfu[-1] < mfu[1] * 0.9


def test_fp8_pays_more_at_70b_than_at_1b() -> None:
    def gain(params: str, gpus: str) -> float:
        rows = hm.compare(gpus=gpus, params=params, tokens="100B", precision="bf16,fp8").precisions
        return float(rows[1].speedup.value)

    assert gain("70B", "512xH100") > gain("1B", "64xH100") + 0.05


def test_scalar_equals_column(hardware: tuple[Part, System]) -> None:
    part, system = hardware
    setting = resolve(parse_request(gpus="1024xH100", tokens="1T"))
    recipe = CATALOG.precision("bf16")
    where = machine(part, system, recipe, kernel_calibration())
    shape = shapes.shape_for_params(13e9)
    tp, pp, micro = np.array([1.0, 2.0, 4.0, 8.0]), np.array([1.0, 2.0, 4.0, 8.0]), np.array([1.0, 1.0, 2.0, 4.0])
    dp = 256.0 / (tp * pp)
    column = step(shape, where, recipe, Layout(tp=tp, pp=pp, dp=dp, micro_batch=micro), LOAD, setting.stack)
    for i in range(4):
        one = Layout(tp=float(tp[i]), pp=float(pp[i]), dp=float(dp[i]), micro_batch=float(micro[i]))
        alone = step(shape, where, recipe, one, LOAD, setting.stack)
        for name in alone.__struct_fields__:
            expected = np.broadcast_to(np.asarray(getattr(column, name)), (4,))[i]
            assert float(getattr(alone, name)) == pytest.approx(float(expected), rel=1e-9, abs=1e-15)


def half_gemm_efficiency() -> KernelCalibration:
    """The shipped constants with matrix products at half their rate."""
    calibration = kernel_calibration()
    gemm = {
        key: {form: {**values, "efficiency": values.get("efficiency", 0.8) / 2} for form, values in formats.items()}
        for key, formats in calibration.gemm.items()
    }
    return msgspec.structs.replace(calibration, gemm=gemm)


def test_doubled_gemm_time_moves_every_user_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    from hwmodel.solve.question import setting as setting_module

    base = hm.plan(gpus="512xH100", loss_like="70B@1.4T", inference_tokens="20T", usd_per_hour="2")
    monkeypatch.setattr(setting_module, "kernel_calibration", half_gemm_efficiency)
    moved = hm.plan(gpus="512xH100", loss_like="70B@1.4T", inference_tokens="20T", usd_per_hour="2")
    assert moved.objectives.training_optimal.train_days.value > 1.4 * base.objectives.training_optimal.train_days.value
    assert moved.objectives.deployment_optimal.lifetime_cost > 1.2 * base.objectives.deployment_optimal.lifetime_cost


def test_doubled_gemm_time_moves_a_layout_and_the_validation_board(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from hwmodel.solve.question import setting as setting_module
    from hwmodel.solve.train import train
    from hwmodel.validation.board import board as board_module
    from hwmodel.validation.board.files import validate_file

    rows = (ROOT / "catalogs" / "runs" / "training.csv").read_text(encoding="utf-8").splitlines()
    few = tmp_path / "few.csv"
    few.write_text("\n".join([rows[0], *(row for row in rows if "Korthikanti" in row)]) + "\n", encoding="utf-8")

    def both() -> tuple[float, list[float]]:
        step = train(model="llama-3.1-8b", gpus="64xH100", global_batch="512", seq_len="8192").step_s
        board = validate_file(few)
        return step, [row.predicted for row in board.rows if row.metric == "step_time_s" and row.predicted]

    step, board = both()
    monkeypatch.setattr(setting_module, "kernel_calibration", half_gemm_efficiency)
    monkeypatch.setattr(board_module, "kernel_calibration", half_gemm_efficiency)
    step_slower, board_slower = both()
    assert step_slower > 1.3 * step
    assert len(board) == len(board_slower) == 8
    assert all(b > 1.4 * a for a, b in zip(board, board_slower, strict=True))
