"""Errors of training runs and of their memory, each source (or each model of one) left out of the fit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwmodel.predict.training import TrainingPrediction
from hwmodel.predict.uncertainty import memory_familiarity, step_familiarity, step_shares
from hwmodel.validation.board.board import Progress, Trainer
from hwmodel.validation.board.folds import folds_left_out, folds_of
from hwmodel.validation.board.searched import LAYOUT, tuned
from hwmodel.validation.fit.interval_fit import Residual
from hwmodel.validation.fit.run_fit import measured_sequence_s
from hwmodel.validation.predicted.predict_training import FittedRows, fitted_on, memory_value, traits_of
from hwmodel.validation.predicted.training import PreparedRows, predicted, prepare, stacks_of
from hwmodel.validation.rows.tables import Row, text

FOLDS = 5
SEARCHED = " (layout searched)"


def labels_of(trainer: Trainer, groups: bool) -> list[str]:
    """What each row is left out with: its source, or its source and model."""
    out = []
    for case in trainer.prepared.cases:
        name = "" if case is None else case.source
        out.append(name if case is None or not groups else f"{case.source} | {case.model}")
    return out


def training_residuals(rows: list[Row], say: Progress) -> list[Residual]:
    """Residuals of steps and of memory: without their source; without their model, the source known; and without their
    source and with the layout blank, as `plan` answers."""
    trainer = Trainer(rows, fitting=True, pool_only=True)
    blank = _blanked(trainer, tuned(rows))
    out: list[Residual] = []
    for groups in (False, True):
        labels = labels_of(trainer, groups)
        lots = folds_of([label for label, usable in zip(labels, trainer.usable) if usable], FOLDS if groups else 0, 0)
        title = f"training: {'models' if groups else 'source'} left out,"
        for fold in folds_left_out(labels, lots, trainer.usable, trainer.calibration, say, title):
            known = fitted_on(trainer.prepared, fold.use)
            places = np.flatnonzero(fold.left & trainer.usable)
            found = predicted(trainer.prepared, stacks_of(trainer.prepared, fold.constants), places)
            steps = _steps(trainer.prepared, places, found, known)
            if groups:  # a source of one model is as new without it as before
                out += [residual for residual in steps if float(residual.familiarity.known) > 0]
                continue
            out += steps
            out += _memory(trainer.prepared, places, found)
            held_out = [i for i, row in enumerate(blank.rows) if text(row, "source") in fold.lot]
            blank_places = np.array(held_out, dtype=np.intp)
            found = predicted(blank, stacks_of(blank, fold.constants), blank_places)
            out += _steps(blank, blank_places, found, known, SEARCHED)
    return out


def _blanked(trainer: Trainer, rows: list[Row]) -> PreparedRows:
    """The rows that print what they ran, their layouts blank."""
    return prepare([row | dict.fromkeys(LAYOUT, "") for row in rows], trainer.resolver, trainer.base)


def _steps(
    prepared: PreparedRows, places: NDArray[np.intp], found: Sequence[TrainingPrediction | None], known: FittedRows,
    suffix: str = "",
) -> list[Residual]:  # fmt: skip
    target, out = measured_sequence_s(prepared), []
    for place, one in zip(places, found, strict=True):
        case = prepared.cases[place]
        if case is None or one is None or not math.isfinite(target[place]):
            continue
        traits = traits_of(prepared, int(place), known)
        error = math.log(target[place] / (one.step_s / one.run.global_batch_seqs))
        familiarity = step_familiarity(traits, known.known, step_shares(one.step))
        out.append(
            Residual(kind="training", id=case.id + suffix, source=case.source, log_error=error, familiarity=familiarity)
        )
    return out


def _memory(
    prepared: PreparedRows, places: NDArray[np.intp], found: Sequence[TrainingPrediction | None]
) -> list[Residual]:
    """Of memory four sources speak: each model of one stands for a source (no constant was fitted on their peaks)."""
    out = []
    for place, one in zip(places, found, strict=True):
        case = prepared.cases[place]
        if case is None or one is None or "peak_mem_gb" not in case.measured:
            continue
        error = math.log(case.measured["peak_mem_gb"] / memory_value(prepared, int(place), one))
        familiarity = memory_familiarity(one.layout, one.memory[one.fullest])
        source = f"{case.source} | {case.model}"
        out.append(Residual(kind="memory", id=case.id, source=source, log_error=error, familiarity=familiarity))
    return out
