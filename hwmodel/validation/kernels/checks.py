"""Checks beside the fits: engines and kernels that the constants were not fitted on, and a plain five-constant law."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwmodel.ops import Num
from hwmodel.validation.kernels import laws as laws
from hwmodel.validation.kernels import priors as priors
from hwmodel.validation.kernels import tables as tables
from hwmodel.validation.kernels.reports import Checks, LargeProducts, Scores
from hwmodel.validation.kernels.solver import Bounds, FittedKernel, columns_of, fit, score
from hwmodel.validation.kernels.tables import Columns, of_kind, take
from hwmodel.validation.kernels.task import Task, present

FIVE: Bounds = {
    "efficiency": (0.85, 0.2, 1.0),
    "launch_s": (3e-6, 1e-7, 3e-5),
    "depth": (128.0, 1.0, 2000.0),
    "fill": (0.3, 0.01, 2.0),
    "hbm_fraction": (0.85, 0.2, 1.0),
    "cast_launch_s": (4e-6, 1e-7, 2e-5),
    "cast_bytes": (4.0, 1.0, 20.0),
}


def five_constants(rows: Columns, v: laws.Values) -> Num:
    """The plain law: whole 128 x 128 tiles, a share of a wave wasted, or the bytes (a comparator, never shipped)."""
    m, n, k = rows["m"], rows["n"], rows["k"]
    c = laws.gemm_constants(rows, {"efficiency": v["efficiency"], "hbm_fraction": 1.0, "launch_s": 0.0})
    tiles = np.ceil(m / 128.0) * np.ceil(n / 128.0) + v["fill"] * rows["units"]
    compute = tiles * (k + v["depth"]) * (2.0 * 128.0 * 128.0) / (rows["peak"] * v["efficiency"])
    moved = (m * c.a_bytes + n * c.b_bytes) * k + m * n * 2.0
    cast = np.where(
        rows.words["format"] == "bf16", 0.0, v["cast_launch_s"] + m * k * v["cast_bytes"] / rows["bandwidth"]
    )
    return v["launch_s"] + np.maximum(compute, moved / (rows["bandwidth"] * v["hbm_fraction"])) + cast


def large_products(task: Task) -> dict[str, LargeProducts]:
    """Held-out products of 512 rows and more: the shipped law, and the plain one fitted on such rows alone."""
    out = {}
    for family, number_format in present(task):
        fitted = task.fits[family, number_format]
        test = task.some(task.test, family, number_format, 8000)
        test = take(test, test["m"] >= 512)
        train = task.some(task.train, family, number_format, 8000)
        train = take(train, train["m"] >= 512)
        ours = score(test, task.law(test, columns_of(test, fitted)))
        plain: Scores = {}
        for name in np.unique(train.words["part"]):
            own = fit(take(train, train.words["part"] == name), five_constants, FIVE)
            one = take(test, test.words["part"] == name)
            plain |= score(one, five_constants(one, own.of(str(name))))
        out[f"{family} {number_format}"] = LargeProducts(shipped=ours, five_constants=plain)
    return out


def other_engine(directory: Path, task: Task) -> dict[str, Scores]:
    """Products in 8 and 4 bits of the engine that the fit did not read: kernels kept, only its cast fitted."""
    rows = laws.physical_gemm(laws.with_specs(tables.gemm_rows(directory)))
    out: dict[str, Scores] = {}
    for family, number_format in present(task):
        read = priors.GEMM_ENGINES[number_format]
        mask = of_kind(rows, family, number_format) & ~np.isin(rows.words["engine"], read)
        if not mask.any():
            continue
        some = tables.sample(take(rows, mask), 20000, 5)
        kept = task.fits[family, number_format]
        given = {k: v for k, v in columns_of(some, kept).items() if k not in priors.CAST}
        cast = fit(some, task.law, dict(priors.CAST), given)
        predicted = task.law(some, given | columns_of(some, cast))
        out[f"{family} {number_format}"] = score(some, predicted, ("part", "engine"))
    return out


def latent_prefill(directory: Path, attention: dict[tuple[str, str], FittedKernel]) -> dict[str, Scores]:
    """Prompts of latent attention (keys 192 wide, values 128) by the constants of plain attention."""
    rows = tables.mla_rows(directory, decode=False)
    rows = laws.with_specs(rows, "bf16")
    size = np.ones(len(rows))
    rows.numbers |= {"g": rows["h"], "d": 192.0 * size, "dv": 128.0 * size, "w": np.inf * size}
    rows = laws.physical_prefill(take(rows, rows.words["kv"] != "fp8"))
    out: dict[str, Scores] = {}
    for family in np.unique(rows.words["family"]):
        mine = take(rows, (rows.words["family"] == family) & (rows["t"] > 1e-4))
        values = columns_of(mine, attention[str(family), "bf16"])
        out[str(family)] = score(mine, laws.prefill(mine, values), ("part", "kernel"))
    return out


def checks(directory: Path, done: dict[str, Task]) -> Checks:
    """All checks on the fitted tasks."""
    return Checks(
        large_products=large_products(done["gemm"]),
        other_engine=other_engine(directory, done["gemm"]),
        latent_prefill=latent_prefill(directory, done["attention"].fits),
    )
