"""Whether predictions choose layouts well: speed of our pick, rank correlation, and failed layouts told by memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import calibrations_dir, kernel_calibration
from hwmodel.catalog.stacks import training_calibration
from hwmodel.validation.predicted.records import RowPrediction
from hwmodel.validation.predicted.training import predicted, prepare, stacks_of
from hwmodel.validation.rows.machines import Resolver
from hwmodel.validation.rows.tables import Row, read_table

LEAST = 8  # layouts that a comparison needs
SLOW = 2.0  # predicted over measured rate beyond which a run is in a slow mode that no setting tells


def failed_file() -> Path:
    """The shipped configurations of the nanotron grid that gave no result (out of memory, crash or timeout)."""
    return calibrations_dir().parent / "runs" / "training_failed.csv"


def rank_correlation(a: Sequence[float], b: Sequence[float]) -> float:
    """Spearman's rank correlation (ties by their order)."""
    one, other = np.argsort(np.argsort(a)), np.argsort(np.argsort(b))
    return float(np.corrcoef(one, other)[0, 1])


class LayoutChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Over (model, fleet) pairs of a grid: measured speed of the layout predicted fastest over the best measured, and
    rank correlation, the latter also without runs in a slow mode."""

    pairs: float
    median_speed_of_pick: float
    quartile_speed_of_pick: float
    median_rank_correlation: float
    median_rank_correlation_clean: float


class FailedLayouts(msgspec.Struct, frozen=True, kw_only=True):
    """Layouts that gave no result and layouts that ran: how many, how well predicted memory tells them apart, and the
    shares predicted over the memory."""

    failed: float
    successful: float
    auc: float
    failed_predicted_over: float
    successful_predicted_over: float


def layout_choice(rows: Sequence[RowPrediction], fleets: dict[str, float]) -> LayoutChoice:
    """How well predictions choose among the measured layouts of each (model, fleet)."""
    grid: dict[tuple[str, str, float], list[RowPrediction]] = {}
    for row in rows:
        if row.metric == "tokens_per_s_per_accel" and row.predicted is not None:
            grid.setdefault((row.source, row.model, fleets[row.id]), []).append(row)
    picks, ranks, clean = [], [], []
    for items in grid.values():
        if len(items) < LEAST:
            continue
        best = max(items, key=lambda row: row.predicted or 0.0)
        picks.append(best.measured / max(row.measured for row in items))
        ranks.append(rank_correlation([r.predicted or 0.0 for r in items], [r.measured for r in items]))
        usual = [r for r in items if (r.predicted or 0.0) < SLOW * r.measured]
        clean.append(rank_correlation([r.predicted or 0.0 for r in usual], [r.measured for r in usual]))
    return LayoutChoice(
        pairs=float(len(picks)),
        median_speed_of_pick=float(np.median(picks)),
        quartile_speed_of_pick=float(np.percentile(picks, 25)),
        median_rank_correlation=float(np.median(ranks)),
        median_rank_correlation_clean=float(np.median(clean)),
    )


def fill(rows: list[Row]) -> NDArray[np.float64]:
    """Predicted peak over usable memory of each row (nan where refused)."""
    calibration = training_calibration()
    prepared = prepare(rows, Resolver(load_catalog(), kernel_calibration()), calibration)
    found = predicted(prepared, stacks_of(prepared, calibration))
    return np.array([np.nan if one is None else one.peak_bytes / float(one.run.machine.hbm_bytes) for one in found])


def area_under_curve(failed: NDArray[np.float64], fine: NDArray[np.float64]) -> float:
    """Probability that a failed layout is predicted fuller than one that ran."""
    failed, fine = failed[np.isfinite(failed)], fine[np.isfinite(fine)]
    both = np.concatenate([failed, fine])
    ranks = np.empty(len(both))
    ranks[np.argsort(both, kind="stable")] = np.arange(1, len(both) + 1)
    return float((ranks[: len(failed)].sum() - len(failed) * (len(failed) + 1) / 2) / (len(failed) * len(fine)))


def failed_layouts(rows: list[Row]) -> FailedLayouts:
    """How well predicted memory tells the failed layouts from the successful ones of the same sources in `rows`."""
    _, failed = read_table(failed_file())
    sources = {row["source"] for row in failed}
    fine = [row for row in rows if row["source"] in sources]
    a, b = fill(failed), fill(fine)
    return FailedLayouts(
        failed=float(np.isfinite(a).sum()),
        successful=float(np.isfinite(b).sum()),
        auc=area_under_curve(a, b),
        failed_predicted_over=float(np.nanmean(a > 1.0)),
        successful_predicted_over=float(np.nanmean(b > 1.0)),
    )
