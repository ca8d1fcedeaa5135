"""Fits the serving constants on the shipped runs and writes them with what they were fitted on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog.calibrations import calibrations_dir
from hwmodel.predict.service import CLOSED
from hwmodel.specs.serving_calibration import FittedConstant, ServingCalibration
from hwmodel.validation.board.folds import folds_left_out, folds_of
from hwmodel.validation.board.serving import Book, shipped_rows
from hwmodel.validation.fit.document import write_document
from hwmodel.validation.fit.serving_fit import PARAMETERS, calibration_of, error_by, fit, fitted_alone
from hwmodel.version import __version__

Say = Callable[[str], None]
HEADER = "# Written by `hwmodel calibrate --serving`; facts about engines, not about parts.\n"


def left_out_errors(book: Book, hold: str, say: Say) -> NDArray[np.float64]:
    """Log errors of every answer, each value of `hold` predicted by a fit without it."""
    values = [book.held(int(place), hold) for place in book.questions.rows]
    errors = np.full(len(values), np.nan)
    for fold in folds_left_out(
        values, folds_of(values, 0, 0), book.usable(), book.calibration, say, f"{hold} left out,"
    ):
        answers = book.questions.answer(fold.constants)
        errors[fold.left] = np.log(answers[fold.left] / book.measured[fold.left])
    return errors


def figures(book: Book, errors: NDArray[np.float64]) -> dict[str, float]:
    """Median errors of the classes that the docs quote."""
    kind = np.array([asked.kind for _, asked in book.questions.keys])
    cases = [book.cases[int(place)] for place in book.questions.rows]
    closed = np.array([c.setting.regime == CLOSED and c.setting.scored for c in cases])
    thr = np.array([book.rows[int(place)][0] == "throughput" for place in book.questions.rows])
    amd = np.array([c.part.family == "cdna" for c in cases])
    good = np.isfinite(errors)
    groups = {
        "aggregated_tpot": closed & ~thr & (kind == "tpot"),
        "aggregated_ttft": closed & ~thr & (kind == "ttft"),
        "throughput": thr & ~amd,
        "throughput_cdna": thr & amd,
    }
    return {name: round(error_by(errors[mask & good].tolist()), 4) for name, mask in groups.items()}


def serving_document(say: Say, left_out: bool = True) -> ServingCalibration:
    """The content of serving.yaml: constants, priors and accuracy, with `left_out` that of models left out too."""
    book = Book(shipped_rows())
    usable = book.usable()
    values = fit(book.questions, book.measured, usable)
    inside = np.log(book.questions.answer(calibration_of(values)) / book.measured)
    outside = left_out_errors(book, "model", say) if left_out else inside
    scored = [c for c in book.cases.values() if c.setting.scored]
    known = {
        "engines": sorted({c.setting.engine for c in scored} - {"generic"}),
        "families": sorted({c.part.family for c in scored}),
    }
    record = calibration_of(np.array([float(f"{v:.5g}") for v in values]), known)
    accuracy = {"in_sample": figures(book, inside)}
    if left_out:
        accuracy["model_left_out"] = figures(book, outside)
    parameters = [
        FittedConstant(
            name=p.name,
            value=float(f"{v:.5g}"),
            prior=p.prior,
            prior_width_log=p.width,
            low=p.low,
            high=p.high,
            meaning=p.meaning,
        )
        for p, v in zip(PARAMETERS, values, strict=True)
    ]
    fitted_on = f"{int(usable.sum())} quantities of {len(scored)} runs (catalogs/runs/serving.csv, throughput.csv)"
    return msgspec.structs.replace(
        record, parameters=parameters, accuracy=accuracy, fitted_on=fitted_on, code_version=__version__
    )


def write(path: Path | None = None, say: Say | None = None, intervals: bool = True) -> dict[str, dict[str, float]]:
    """Fit and write serving.yaml, and with `intervals` the widths of serving; gives the accuracy."""
    from hwmodel.validation.calibrate.interval_calibrate import calibrate_intervals

    said = say or (lambda _: None)
    document = serving_document(said, left_out=intervals)
    target = path or calibrations_dir() / "serving.yaml"
    write_document(target, HEADER, fitted_alone(document), digits=5, width=110)
    if intervals:
        calibrate_intervals(target.parent, said, ("serving",))
    return document.accuracy
