"""From measured runs to calibration files: the fit, what it covered, and intervals from rows left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from hwmodel.specs.intervals import FitConstants
from hwmodel.validation.board.board import Trainer
from hwmodel.validation.board.searched import calibrate_optimism
from hwmodel.validation.calibrate.calibration_files import Figures, training_document, write_training
from hwmodel.validation.calibrate.interval_calibrate import calibrate_intervals
from hwmodel.validation.calibrate.training_residuals import labels_of
from hwmodel.validation.fit.interval_document import KindScores
from hwmodel.validation.fit.memory_fit import calibrate_memory
from hwmodel.validation.fit.run_fit import measured_sequence_s
from hwmodel.validation.predicted import targets
from hwmodel.validation.predicted.predict_training import fitted_on
from hwmodel.validation.predicted.training import Column, predicted, sequence_s, stacks_of
from hwmodel.validation.rows.tables import Row

Progress = Callable[[str], None]


class Calibrated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Figures of a refit of training: errors in sample, the probability that a layout fits, the optimism of a search,
    and how the intervals of each kind hold where they were refitted too."""

    median_ape_by_source: dict[str, float]
    mean_of_source_medians: float
    fits: FitConstants
    optimism: float
    intervals: dict[str, KindScores] | None = None


def calibrate_runs(rows: list[Row], out: Path, say: Progress, intervals: bool = True) -> Calibrated:
    """Fit the training constants on `rows`, write training.yaml and intervals.yaml to `out`; returns the figures."""
    trainer = Trainer(rows, fitting=True, pool_only=True)
    say(f"fit on {int(trainer.usable.sum())} rows")
    fit, calibration = trainer.fit(trainer.usable)
    known = fitted_on(trainer.prepared, trainer.usable)
    cases = trainer.prepared.cases
    counted = Counter(case.source for case, used in zip(cases, trainer.usable) if case is not None and used)
    sources = dict(sorted(counted.items()))
    every = np.array([case is not None for case in cases])
    seconds = sequence_s(predicted(trainer.prepared, stacks_of(trainer.prepared, calibration)))
    apes = np.abs(measured_sequence_s(trainer.prepared) / seconds - 1.0)
    labels = np.array(labels_of(trainer, False))
    medians = {s: round(float(np.median(apes[trainer.usable & (labels == s)])), 4) for s in sources}
    mean = round(float(np.mean(list(medians.values()))), 4)
    figures = Figures(median_ape_by_source=medians, mean_of_source_medians=mean)
    document = training_document(fit, known.known, targets.learn(trainer.prepared, every), figures, sources)
    out.mkdir(parents=True, exist_ok=True)
    write_training(document, out / "training.yaml")
    return Calibrated(
        median_ape_by_source=medians, mean_of_source_medians=mean, fits=calibrate_memory(rows, out),
        optimism=calibrate_optimism(rows, calibration, out),
        intervals=calibrate_intervals(out, say, ("training",), rows) if intervals else None,
    )  # fmt: skip


class ClusterLevel(msgspec.Struct, frozen=True, kw_only=True):
    """The level of a cluster: factor on predicted seconds, median errors before and after, rows refused and why."""

    runs: int
    refused: dict[str, str]
    seconds_factor: float
    median_ape_before: float | None
    median_ape_after: float | None


def cluster_level(rows: list[Row], say: Progress) -> ClusterLevel:
    """The level of a user's own cluster from its runs: factor on predicted seconds, and errors before and after.

    `after` predicts every run with the level that the other runs give.
    """
    from hwmodel.validation.board.measured import BETWEEN, WITHIN

    trainer = Trainer(rows, fitting=False)
    say(f"{len(rows)} runs of your own")
    seconds = sequence_s(predicted(trainer.prepared, stacks_of(trainer.prepared, trainer.base)))
    errors = np.log(measured_sequence_s(trainer.prepared) / seconds)
    usable = np.flatnonzero(np.isfinite(errors))
    e = errors[usable]

    def level(values: Column) -> float:
        return float(np.median(values) * BETWEEN**2 / (BETWEEN**2 + WITHIN**2 / len(values))) if len(values) else 0.0

    after = [abs(math.expm1(-(e[i] - level(np.delete(e, i))))) for i in range(len(e))]
    refused = {trainer.rows[i]["id"]: trainer.prepared.reasons[i] for i in range(len(errors)) if i not in usable}
    return ClusterLevel(
        runs=len(usable),
        refused=refused,
        seconds_factor=math.exp(level(e)),
        median_ape_before=float(np.median(np.abs(np.expm1(-e)))) if len(e) else None,
        median_ape_after=float(np.median(after)) if len(e) > 1 else None,
    )
