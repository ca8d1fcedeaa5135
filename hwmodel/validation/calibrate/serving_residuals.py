"""Errors of serving runs, each model on each engine (of throughputs each source) left out of the fit."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.predict.service.intervals import THROUGHPUT
from hwmodel.specs.serving_calibration import ServingCalibration
from hwmodel.validation.board.folds import Fold, folds_left_out, folds_of
from hwmodel.validation.board.serving import Book, shipped_rows
from hwmodel.validation.fit.interval_fit import Residual
from hwmodel.validation.predicted.serving_predict import QUANTITIES, TIMES
from hwmodel.validation.rows.serving_rows import family
from hwmodel.validation.rows.tables import text

FOLDS = 5
SKIPPED = ("request", "prefill_mfu")  # a row each: neither a latency nor a throughput


def source_label(book: Book, place: int) -> str:
    """Model and engine of a latency grid, which is one source; the source of a throughput."""
    kind, row = book.rows[place]
    if kind == "throughput":
        return text(row, "source")
    setting = book.settings[place]
    assert setting is not None
    return f"{family(text(row, 'model'))} x {setting.engine}"


def _group_label(book: Book, place: int) -> str:
    """Its group, by part and mode; or model and source of a throughput."""
    kind, row = book.rows[place]
    if kind == "throughput":
        return f"{text(row, 'source')} | {family(text(row, 'model'))}"
    return book.held(place, "group")


def serving_residuals(say: Callable[[str], None]) -> list[Residual]:
    """Residuals of TPOT, TTFT and throughput: without their source, and without their group, the source known."""
    book = Book(shipped_rows())
    usable = book.usable()
    out: list[Residual] = []
    for known in (False, True):
        label = _group_label if known else source_label
        names = [label(book, int(place)) if use else "" for place, use in zip(book.questions.rows, usable)]
        lots = folds_of([name for name, use in zip(names, usable) if use], FOLDS if known else 0, 0)
        what = f"serving: {'groups' if known else 'model x engine'} left out,"
        for fold in folds_left_out(names, lots, usable, book.calibration, say, what):
            out += _residuals(book, fold, np.flatnonzero(fold.left & usable), known)
    return out


def _residuals(book: Book, fold: Fold[ServingCalibration], left: NDArray[np.intp], known: bool) -> list[Residual]:
    answers, out = book.questions.answer(fold.constants), []
    familiar = book.familiarities(fold.constants, book.covered(fold.use), left)
    rest = {source_label(book, int(place)) for place in np.unique(book.questions.rows[fold.use])}
    for i, of in zip(left, familiar, strict=True):
        place, asked = book.questions.keys[i]
        if known and source_label(book, place) not in rest:
            continue  # a source of one group is as new without it as before
        if asked.kind in SKIPPED or not (math.isfinite(answers[i]) and answers[i] > 0):
            continue
        error = math.log(book.measured[i] / answers[i])
        out.append(
            Residual(
                kind=QUANTITIES.get(asked.kind, THROUGHPUT), id=f"{text(book.rows[place][1], 'id')} {asked.metric}",
                source=source_label(book, place), log_error=error if asked.kind in TIMES else -error,
                familiarity=msgspec.structs.replace(of, known=float(known)),
            )
        )  # fmt: skip
    return out
