"""The validation board: predict every measured quantity of a file, hold groups out, score against the constant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.answers import Shown
from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import calibrations_dir, kernel_calibration
from hwmodel.catalog.stacks import interval_calibration, training_calibration
from hwmodel.errors import InputError
from hwmodel.predict.uncertainty import shipped_known
from hwmodel.specs.intervals import IntervalConstants
from hwmodel.specs.training_calibration import TrainingCalibration
from hwmodel.validation.board.folds import folds_left_out, folds_of
from hwmodel.validation.board.measured import level_shifts
from hwmodel.validation.fit.pair_residuals import SpeedResiduals, speed_residuals
from hwmodel.validation.fit.run_fit import Fit, fit_runs, measured_sequence_s
from hwmodel.validation.fit.run_parameters import with_values
from hwmodel.validation.predicted import targets
from hwmodel.validation.predicted.predict_training import Cluster, FittedRows, cluster_of, fitted_on, predictions
from hwmodel.validation.predicted.records import RowPrediction, without_given
from hwmodel.validation.predicted.score import (
    Constants,
    ConstantsOf,
    ErrorSummary,
    Overall,
    fit_constants,
    overall,
    scored,
)
from hwmodel.validation.predicted.training import PreparedRows, prepare
from hwmodel.validation.rows.machines import Resolver
from hwmodel.validation.rows.tables import Row, content, read_table, text
from hwmodel.validation.rows.training_rows import RUN

ROW_FIELDS = ("id", "source", "group", "metric", "measured", "predicted", "low", "high", "status", "reason", "scored")
HOLDS = ("source", "model", "part", "engine", "group")
Progress = Callable[[str], None]


class Board(Shown, msgspec.Struct, kw_only=True):
    """Predictions of a file's rows and their figures."""

    __repr__ = Shown.__repr__

    kind: str
    rows: list[RowPrediction]
    by_source: dict[str, dict[str, ErrorSummary]]
    overall: Overall
    held_out: str = ""

    def contents(self) -> object:
        """What is written as JSON: figures by source and metric, the overall ones, and the rows."""
        rows = [{name: getattr(row, name) for name in ROW_FIELDS} for row in self.rows]
        return {
            "kind": self.kind, "held_out": self.held_out or None, "by_source": self.by_source, "overall": self.overall,
            "rows": rows,
        }  # fmt: skip


def runs_file() -> Path:
    """The shipped published training runs."""
    return calibrations_dir().parent / "runs" / "training.csv"


def training_side(rows: list[Row]) -> list[Row]:
    """Rows that a fit may use: the shipped runs and those of the file.

    A row of the file stands for the shipped one of the same id, and for every shipped one that states the same run and
    the same results under another: what is held out of a fit is then held out whole, whatever it is called.
    """
    _, shipped = read_table(runs_file())
    own = {text(row, "id"): row for row in rows}
    same = {content(row, RUN) for row in rows}
    kept = [own.get(text(row, "id"), row) for row in shipped if text(row, "id") in own or content(row, RUN) not in same]
    ids = {text(row, "id") for row in kept}
    return kept + [row for row in rows if text(row, "id") not in ids]


def summaries_of(
    rows: Sequence[RowPrediction], constants: ConstantsOf
) -> tuple[dict[str, dict[str, ErrorSummary]], Overall]:
    """Figures by source (and metric) and over all, of scored rows."""
    counted = [row for row in rows if row.scored]
    nested: dict[str, dict[str, list[RowPrediction]]] = {}
    for row in counted:
        nested.setdefault(row.source, {}).setdefault(row.metric, []).append(row)
    by_source = {
        source: {metric: scored(items, constants) for metric, items in sorted(metrics.items())}
        for source, metrics in sorted(nested.items())
    }
    return by_source, overall(counted, constants)


def _value(row: Row, hold: str, prepared: PreparedRows, place: int) -> str:
    if hold == "group":
        return f"{text(row, 'source')} | {text(row, 'model')}"
    if hold == "part":
        return prepared.parts[place] or text(row, "accelerator")
    return text(row, {"engine": "framework"}.get(hold, hold))


class Trainer:
    """Rows of a file made ready beside the training side, and fits of it with parts held out."""

    def __init__(
        self,
        rows: list[Row],
        measured: list[Row] | None = None,
        *,
        fitting: bool,
        pool_only: bool = False,
        catalogs: Sequence[Path] = (),
    ) -> None:
        self.base = training_calibration()
        self.widths: IntervalConstants | None = interval_calibration().get("training")
        resolver = Resolver(load_catalog(catalogs), kernel_calibration())
        self.resolver = resolver
        self.rows = training_side(rows) if fitting and not pool_only else list(rows)
        index = {text(row, "id"): place for place, row in enumerate(self.rows)}
        self.prepared = prepare(self.rows, resolver, self.base)
        self.file = np.array([index[text(row, "id")] for row in rows], dtype=np.intp)
        self.pool = np.full(len(self.rows), fitting)
        scored = np.array([case is not None and case.scored for case in self.prepared.cases])
        self.usable = self.pool & scored & np.isfinite(measured_sequence_s(self.prepared))
        self._fits: dict[tuple[bytes, frozenset[str]], tuple[Fit, TrainingCalibration]] = {}
        self.measured = prepare(measured, resolver, self.base) if measured else None

    def fit(self, use: NDArray[np.bool_], pairs: SpeedResiduals | None = None) -> tuple[Fit, TrainingCalibration]:
        """Constants fitted on the rows in `use` and on pairs of speed, from the defaults; the same is fitted once."""
        pairs = pairs or speed_residuals()
        key = (use.tobytes(), pairs.left_out)
        if key not in self._fits:
            found = fit_runs(self.prepared, self.base, use, pairs=pairs)
            self._fits[key] = (found, with_values(self.base, found.values))
        return self._fits[key]

    def calibration(self, use: NDArray[np.bool_]) -> TrainingCalibration:
        """The constants of a fit of the rows in `use`."""
        return self.fit(use)[1]

    def predict(
        self, calibration: TrainingCalibration, known: FittedRows, places: NDArray[np.intp]
    ) -> list[RowPrediction]:
        """Predictions of rows `places`, levels moved by the measured rows if there are any."""
        shifts = None
        if self.measured is not None:
            shifts = level_shifts(self.prepared, self.measured, calibration)
        return predictions(self.prepared, calibration, known, self.widths, shifts, places)


def training_board(
    rows: list[Row],
    hold: str = "",
    folds: int = 0,
    seed: int = 0,
    measured: list[Row] | None = None,
    progress: Progress | None = None,
    trainer: Trainer | None = None,
    given: frozenset[str] = frozenset(),
) -> Board:
    """Predictions and figures of training rows: with the shipped constants, or with values of `hold` left out.

    `trainer`, made of the same rows for fitting, keeps its fits from one board to the next. `given`: ids of rows that
    stand among the measured ones too and are not scored.
    """
    if hold and hold not in HOLDS:
        raise InputError(f"--leave-out {hold} is none of {', '.join(HOLDS)}")
    trainer = trainer or Trainer(rows, measured, fitting=bool(hold))
    if not hold:
        return _shipped(trainer, given)
    values = [_value(trainer.rows[i], hold, trainer.prepared, int(i)) for i in range(len(trainer.rows))]
    lots = folds_of([values[i] for i in trainer.file], folds, seed)
    out: list[RowPrediction] = []
    constants: dict[str, Constants] = {}
    for fold in folds_left_out(values, lots, trainer.usable, trainer.calibration, progress or (lambda _: None)):
        targets.apply(trainer.prepared, targets.learn(trainer.prepared, fold.use))
        places = trainer.file[fold.left[trainer.file]]
        found = trainer.predict(fold.constants, fitted_on(trainer.prepared, fold.use), places)
        fitted = _training_constants(trainer, fold.use)
        constants |= {row.id: fitted for row in found}
        out += found
    out = without_given(out, given)
    by_source, every = summaries_of(out, lambda row: constants.get(row.id))
    return Board(kind="training", rows=_in_order(out, rows), by_source=by_source, overall=every, held_out=hold)


def _shipped(trainer: Trainer, given: frozenset[str]) -> Board:
    targets.apply(trainer.prepared, targets.from_records(trainer.base.targets))
    known = FittedRows(known=shipped_known(trainer.base), clusters=_shipped_clusters(trainer))
    found = without_given(trainer.predict(trainer.base, known, trainer.file), given)
    # Beside shipped constants stands the constant fitted on the very rows: the strongest form of the baseline.
    constants = fit_constants([row for row in found if row.scored])
    by_source, every = summaries_of(found, lambda _: constants)
    return Board(kind="training", rows=found, by_source=by_source, overall=every)


def _shipped_clusters(trainer: Trainer) -> frozenset[Cluster]:
    """The clusters whose runs the shipped constants were fitted on."""
    ids = trainer.base.fitted_rows
    fitted = [row for row in read_table(runs_file())[1] if text(row, "id") in ids]
    parts = {name: trainer.resolver.part(name).id for name in {text(row, "accelerator") for row in fitted}}
    found = (cluster_of(parts[text(row, "accelerator")], row) for row in fitted)
    return frozenset(cluster for cluster in found if cluster is not None)


def _training_constants(trainer: Trainer, use: NDArray[np.bool_]) -> Constants:
    known = FittedRows(known=shipped_known(trainer.base))
    rows = predictions(trainer.prepared, trainer.base, known, trainer.widths, None, np.flatnonzero(use))
    return fit_constants(rows)


def _in_order(found: list[RowPrediction], rows: list[Row]) -> list[RowPrediction]:
    order = {text(row, "id"): place for place, row in enumerate(rows)}
    return sorted(found, key=lambda row: (order.get(row.id, len(order)), not row.headline, row.metric))
