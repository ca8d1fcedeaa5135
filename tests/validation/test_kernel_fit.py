"""The fit of kernel constants: it finds what made the data, refuses what is missing, and its page shows its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwmodel.errors import InputError
from hwmodel.validation.kernels import laws as laws
from hwmodel.validation.kernels import priors as priors
from hwmodel.validation.kernels.docs import tables
from hwmodel.validation.kernels.fit import calibrate_kernels
from hwmodel.validation.kernels.sample import read_sample
from hwmodel.validation.kernels.solver import FittedKernel, columns_of, fit, score
from hwmodel.validation.kernels.tables import Columns, concatenate, held_out, take

ROOT = Path(__file__).parents[2]
TRUTH = FittedKernel(
    shared={
        "launch_s": 3e-6, "overlap_loss": 0.15, "latency_s_per_k": 6e-10, "latency_k": 3000.0, "depth": 180.0,
        "fill": 0.25, "split_k": 2500.0, "edge_m": 30.0, "edge_n": 15.0, "wave": 0.1, "store_cost": 1.3,
        "resident_bytes": 5e6,
    },
    parts={
        "h100-sxm5-80gb": {"efficiency": 0.9, "hbm_fraction": 0.85, "throttle": 0.25},
        "h200-sxm-141gb": {"efficiency": 0.8, "hbm_fraction": 0.75, "throttle": 0.1},
    },
    rows=0,
)  # fmt: skip


def made_up(count: int, noise: float) -> Columns:
    rng = np.random.default_rng(1)
    names = np.array(sorted(TRUTH.parts))[rng.integers(0, 2, count)]
    words = {"part": names, "format": np.full(count, "bf16"), "engine": np.full(count, "x")}
    shapes = {k: np.exp(rng.uniform(np.log(16), np.log(16384), count)).round() for k in "mnk"}
    rows = laws.with_specs(Columns(numbers=shapes, words=words))
    rows.numbers["t"] = laws.gemm(rows, columns_of(rows, TRUTH)) * np.exp(noise * rng.standard_normal(count))
    wild = rng.random(count) < 0.05
    rows.numbers["t"] = np.where(wild, 3.0 * rows["t"], rows["t"])  # a heuristic gone wrong must not bend the law
    return rows


def test_fit_finds_the_constants_that_made_the_rows() -> None:
    bounds = dict(priors.GEMM) | {"resident_bytes": (5e6, 1e5, 5e7)}
    rows = made_up(4000, 0.03)
    found = fit(rows, laws.gemm, bounds)
    for part, own in TRUTH.parts.items():
        assert found.parts[part]["efficiency"] == pytest.approx(own["efficiency"], rel=0.03)
        assert found.parts[part]["hbm_fraction"] == pytest.approx(own["hbm_fraction"], rel=0.03)
    assert found.shared["launch_s"] == pytest.approx(TRUTH.shared["launch_s"], rel=0.05)
    clean = score(rows, laws.gemm(rows, columns_of(rows, found)))
    assert all(entry.median_ape < 2.5 for entry in clean.values())
    again = fit(rows, laws.gemm, bounds)
    assert again == found


def test_a_part_without_a_fit_takes_the_mean_of_its_kin() -> None:
    kin = TRUTH.of("gh200-96gb")
    assert kin["efficiency"] == pytest.approx(np.sqrt(0.9 * 0.8))
    assert kin["launch_s"] == TRUTH.shared["launch_s"]


def test_held_out_splits_shapes_and_not_rows() -> None:
    rows = made_up(2000, 0.0)
    both = concatenate([rows, rows])
    mask = held_out(both, ("m", "n", "k"))
    assert np.array_equal(mask[:2000], mask[2000:])
    assert 0.4 < mask.mean() < 0.6
    assert len(take(both, mask)["t"]) == mask.sum()


def test_sample_is_physical() -> None:
    rows = laws.with_specs(read_sample(ROOT / "tests" / "data" / "kernels_sample.csv")["gemm"])
    assert len(laws.physical_gemm(rows)["t"]) == len(rows["t"])


def test_missing_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gemm\.parquet is missing"):
        calibrate_kernels(tmp_path, tmp_path / "out", lambda text: None)


def test_page_shows_the_shipped_errors() -> None:
    page = (ROOT / "docs" / "kernels.md").read_text(encoding="utf-8")
    assert tables() in page
