"""Whether the joint draws of `plan` hold on whole runs: hours and days between their 10th and 90th percentile, each
run's factor fitted without its source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from hwmodel.solve.budget.draws import uncertain_run
from hwmodel.solve.plan.solver import loss_model_of
from hwmodel.validation.board.whole_runs import left_out_runs, measured_hours
from hwmodel.validation.rows.machines import Resolver
from hwmodel.validation.rows.tables import Row, text

LOW, HIGH = 0.1, 0.9


class DrawCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """Share of whole runs whose billed hours lie inside the draws' 80 %: runs alike, and sources alike."""

    runs: int
    sources: int
    by_run: float
    by_source: float


def held_by_draws(rows: list[Row], resolver: Resolver, catalogs: Sequence[Path] = ()) -> DrawCoverage:
    """Coverage of the hours billed over the runs that print them."""
    inside: dict[str, list[bool]] = {}
    for run in left_out_runs(rows, resolver, catalogs):
        hours = measured_hours(run.row)
        if run.solved is None or hours is None:
            continue
        setting = run.solved.fleet.setting
        drawn = uncertain_run(setting, run.solved, loss_model_of(setting)).drawn(setting.request.seed).gpu_hours
        low, high = np.quantile(np.asarray(drawn), (LOW, HIGH))
        inside.setdefault(text(run.row, "source"), []).append(bool(low <= hours <= high))
    every = [one for of_source in inside.values() for one in of_source]
    return DrawCoverage(
        runs=len(every), sources=len(inside), by_run=float(np.mean(every)),
        by_source=float(np.mean([np.mean(of_source) for of_source in inside.values()])),
    )  # fmt: skip
