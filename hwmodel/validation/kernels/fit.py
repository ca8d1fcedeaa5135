"""Fits the kernel constants on measured kernel tables and writes catalogs/calibrations/kernels.yaml."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwmodel.validation.kernels import laws as laws
from hwmodel.validation.kernels import priors as priors
from hwmodel.validation.kernels import tables as tables
from hwmodel.validation.kernels.reports import Residuals, TaskScores
from hwmodel.validation.kernels.solver import Bounds
from hwmodel.validation.kernels.tables import Columns, of_kind, take
from hwmodel.validation.kernels.task import Task, present

Progress = Callable[[str], None]


def gemm_task(directory: Path) -> Task:
    """Products: rows [s] that physics allows, of the engines that each format is fitted on, and their laws."""
    rows = laws.physical_gemm(laws.with_specs(tables.gemm_rows(directory)))
    engines = np.zeros(len(rows), dtype=bool)
    for number_format, names in priors.GEMM_ENGINES.items():
        engines |= (rows.words["format"] == number_format) & np.isin(rows.words["engine"], names)
    bounds = dict(priors.GEMM) | {"resident_bytes": (5e6, 1e5, 5e7)}
    return Task("gemm", take(rows, engines), laws.gemm, bounds, ("m", "n", "k"))


def _by_kernel(rows: Columns, kernels: dict[str, tuple[str, ...]]) -> Columns:
    keep = np.zeros(len(rows), dtype=bool)
    for family, names in kernels.items():
        keep |= (rows.words["family"] == family) & np.isin(rows.words["kernel"], names)
    return take(rows, keep)


def prefill_task(directory: Path) -> Task:
    rows = _by_kernel(laws.with_specs(tables.prefill_rows(directory)), priors.ATTENTION_KERNELS)
    rows = laws.physical_prefill(take(rows, rows["d"] <= 256))
    return Task("attention", rows, laws.prefill, dict(priors.ATTENTION), ("b", "s", "h", "g", "d"))


def decode_task(directory: Path) -> Task:
    """Attention of one new token a sequence, caches by format: rows [s] and their laws."""
    rows = tables.decode_rows(directory)
    rows = laws.with_specs(rows, "bf16")
    keep = np.zeros(len(rows), dtype=bool)
    for key, names in priors.DECODE_KERNELS.items():
        family, number_format = key.split()
        keep |= of_kind(rows, family, number_format) & np.isin(rows.words["kernel"], names)
    rows = laws.physical_decode(take(rows, keep & (rows["d"] <= 256) & (rows["h"] / rows["g"] <= 32)))
    return Task("decode", rows, laws.decode, dict(priors.DECODE), ("b", "s", "h", "g", "d"))


def mla_task(directory: Path) -> Task:
    rows = tables.mla_rows(directory, decode=True)
    rows = _by_kernel(laws.with_specs(rows, "bf16"), priors.MLA_KERNELS)
    return Task("mla_decode", rows, laws.mla_decode, dict(priors.MLA_DECODE), ("b", "s", "h"))


def moe_task(directory: Path) -> Task:
    """Expert layers (grouped products, permutation, activation): rows [s] and their laws."""
    rows = tables.moe_rows(directory)
    rows = take(rows, np.isin(rows.words["format"], ["bf16", "fp8", "fp8_block", "nvfp4"]))
    rows = laws.with_specs(rows)
    keep = np.zeros(len(rows), dtype=bool)
    for (family, number_format), names in priors.MOE_KERNELS.items():
        mine = of_kind(rows, family, number_format) & np.isin(rows.words["kernel"], names)
        even = rows.words["spread"] == "balanced"
        keep |= mine & (even if (mine & even).any() else rows.words["spread"] == "power_law_1.01")
    rows = take(rows, keep)
    flop = 2.0 * rows["rows"] * rows["hidden"] * rows["width"] * (2.0 + rows["gated"])
    rows = take(rows, rows["t"] * rows["peak"] > flop)
    bounds = dict(priors.GROUPED) | {"permute_bytes": (6.0, 0.1, 60.0)}
    return Task("grouped", rows, laws.grouped, bounds, ("rows", "hidden", "width", "experts"))


def move_task(directory: Path) -> Task:
    rows = laws.with_specs(tables.move_rows(directory))
    rows = take(rows, rows["t"] * rows["bandwidth"] > rows["bytes"])
    return Task("memory", rows, laws.moves, dict(priors.MEMORY), ("m", "k"))


def weight_only_task(directory: Path) -> Task:
    """Products with weights widened on the way in: rows [s] of whole layers and their law."""
    rows = laws.with_specs(tables.weight_only_rows(directory))
    flop = 2.0 * rows["m"] * rows["n"] * rows["k"]
    rows = take(rows, (rows["t"] * rows["peak"] > flop) & (rows["n"] * rows["k"] >= 4e6))  # layers, not crumbs
    bounds: Bounds = {"weight_only_fraction": (0.85, 0.3, 1.0)}
    return Task("weight_only", rows, laws.weight_only, bounds, ("m", "n", "k"))


def run_all(directory: Path, step: Progress) -> tuple[dict[str, Task], dict[str, dict[str, TaskScores]]]:
    """All tasks fitted, with their held-out errors by task and `family format`."""
    makers = (gemm_task, prefill_task, decode_task, mla_task, moe_task, move_task, weight_only_task)
    done: dict[str, Task] = {}
    reports: dict[str, dict[str, TaskScores]] = {}
    for make in makers:
        task = make(directory)
        done[task.name], reports[task.name] = task, {}
        plain = task.bounds
        for family, number_format in present(task):
            cast = task.name == "gemm" and number_format != "bf16"
            task.bounds = plain | priors.CAST if cast else plain
            given = done["gemm"].fits[family, number_format] if task.name in ("grouped", "weight_only") else None
            reports[task.name][f"{family} {number_format}"] = task.run(family, number_format, given)
            step(f"{task.name} {family} {number_format}")
    return done, reports


STEPS = 48  # of all kernel tables together, as `step` is told of them


def calibrate_kernels(directory: Path, out: Path, step: Progress = lambda _: None) -> Residuals:
    """Fits all kernel and collective constants on the tables in `directory`, writes kernels.yaml,
    kernels_residuals.yaml and collectives.yaml to `out`; returns the held-out errors of kernels. Deterministic."""
    from hwmodel.validation.kernels.checks import checks
    from hwmodel.validation.kernels.collectives import calibrate_collectives
    from hwmodel.validation.kernels.write import write

    done, reports = run_all(Path(directory), step)
    residuals = Residuals(
        gemm=reports["gemm"], attention=reports["attention"], decode=reports["decode"],
        mla_decode=reports["mla_decode"], grouped=reports["grouped"], memory=reports["memory"],
        weight_only=reports["weight_only"], checks=checks(Path(directory), done),
    )  # fmt: skip
    step("checks")
    write(Path(out), done, residuals)
    calibrate_collectives(Path(directory), Path(out))
    step("collectives")
    return residuals
