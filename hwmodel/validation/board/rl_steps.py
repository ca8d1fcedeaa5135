"""Measured steps of reinforcement learning: seconds of the step and of its phases, as a plan file's stage has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from hwmodel.catalog.calibrations import calibrations_dir, rl_calibration
from hwmodel.errors import HwModelError
from hwmodel.physics.intervals import around, ends
from hwmodel.physics.machine import format_peak
from hwmodel.physics.shape import parameters
from hwmodel.predict.rl import phases, rl_ends, rl_familiarity, step_terms
from hwmodel.specs.intervals import Ends
from hwmodel.specs.rl import RlConstants, RlTerms
from hwmodel.validation.fit.interval_fit import fit_intervals
from hwmodel.validation.fit.rl_fit import WIDTHS, Corpus, counts, fit, left_out, residuals
from hwmodel.validation.predicted.records import PREDICTED, REFUSED, RowPrediction
from hwmodel.validation.rows.machines import Resolver
from hwmodel.validation.rows.rl_rows import RlRow, seconds, sync_bytes, try_row
from hwmodel.validation.rows.tables import CellError, Row, read_table, text

STEP = "seconds_per_step"
# Phases that a row prints, beside those of one pool: rows of two pools print what one waits for the other.
ONE_POOL = {"rollout_s": "rollout_s", "logprob_s": "logprob_s", "update_s": "update_s"}
SYNC = "weight_sync_s"
# The share of a step (see `rl_familiarity`) that a time printed alone is.
PHASE = {SYNC: "moves", "rollout_s": "rollouts", "logprob_s": "updates", "update_s": "updates"}
FLOP_PER_PARAM = 10.0  # 6 of the update, 4 of two scoring passes; rollouts are not counted
NOT_PRINTED = "not scored: a user's report, or read second-hand"


def runs_file() -> Path:
    """The shipped steps."""
    return calibrations_dir().parent / "runs" / "rl_steps.csv"


def publisher(row: Row) -> str:
    """The repository that a row's locator names: what `--leave-out group` holds out, all versions and documents."""
    return text(row, "locator").split(" ")[0].split("#")[0] or text(row, "source")


def _held(row: Row, hold: str) -> str:
    if hold == "group":
        return publisher(row)
    return text(row, {"engine": "framework"}.get(hold, hold))


def _by_value(rows: Sequence[Row], resolver: Resolver, hold: str) -> dict[str, RlConstants]:
    """Constants for each value held out, fitted on these rows and the shipped ones, with widths of their own."""
    names = {content_key(row) for row in rows}
    shipped = [row | {"id": f"shipped-{i}"} for i, row in enumerate(read_table(runs_file())[1])]
    corpus = Corpus([*rows, *(row for row in shipped if content_key(row) not in names)], resolver)
    values = [_held(row, hold) for row in corpus.rows]
    by = left_out(corpus, values)
    errors, out = residuals(corpus, values, by), {}
    for value in sorted({_held(row, hold) for row in rows}):
        c = by.get(value) or fit(corpus, [one != value for one in values]).constants
        rest = [one for one in errors if one.source != value]
        out[value] = msgspec.structs.replace(c, widths=fit_intervals(rest, WIDTHS) if rest else WIDTHS)
    return out


def content_key(row: Row) -> tuple[str, ...]:
    """What makes two rows the same measurement, whatever their ids."""
    return tuple(
        text(row, name).lower() for name in ("model", "gpus", "part", "pools", STEP, SYNC, "rollout_s", "source")
    )


def predict_rows(rows: list[Row], resolver: Resolver, hold: str = "") -> list[RowPrediction]:
    """The step, its phases and its hand-over of weights, where a row prints them; with `hold` by constants without."""
    by = _by_value(rows, resolver, hold) if hold else {}
    out: list[RowPrediction] = []
    for row in rows:
        out += _predictions(row, resolver, by[_held(row, hold)] if hold else rl_calibration())
    return out


def _predictions(row: Row, resolver: Resolver, c: RlConstants) -> list[RowPrediction]:
    names = [STEP, SYNC] + ([] if "split" in text(row, "pools").lower() else list(ONE_POOL))
    asked = [(name, value) for name in names if (value := seconds(row, name)) is not None]
    if not asked:
        return []
    read, reason = try_row(row, resolver, c)
    found: RlTerms | None = None
    if read is not None:
        try:
            found = step_terms(phases(read.setting), c)
        except HwModelError as error:
            reason = str(error)
    return [_row(row, name, value, read, found, c, resolver, reason) for name, value in asked]


def _predicted(name: str, row: Row, found: RlTerms | None, c: RlConstants, resolver: Resolver) -> float | None:
    if name == SYNC:
        try:
            return sync_bytes(row, resolver) / c.sync_bytes_per_s
        except (CellError, HwModelError):
            return None
    if found is None:
        return None
    return found.total_s if name == STEP else float(getattr(found, ONE_POOL[name]))


def _ends(name: str, found: RlTerms | None, c: RlConstants, *, length_stated: bool) -> Ends:
    """Of a step; a phase that is printed alone is a step of that phase."""
    if name == STEP and found is not None:
        return rl_ends(found, c, length_stated=length_stated)
    return ends(rl_familiarity({PHASE[name]: 1.0}, length_stated=length_stated), c.widths)


def _row(
    row: Row, name: str, value: float, read: RlRow | None, found: RlTerms | None, c: RlConstants, resolver: Resolver,
    reason: str,
) -> RowPrediction:  # fmt: skip
    predicted = _predicted(name, row, found, c, resolver)
    low = high = None
    if predicted is not None:
        low, high = around(predicted, _ends(name, found, c, length_stated=read is not None and read.length_stated))
    open_setting = predicted is None and "blank" in reason
    scored = counts(row) and not open_setting
    said = reason if predicted is None else ("" if counts(row) else NOT_PRINTED)
    return RowPrediction(
        id=text(row, "id"), source=text(row, "source"), group=publisher(row), model=text(row, "model"),
        part=read.part.id if read is not None else text(row, "part"), engine=text(row, "framework"), metric=name,
        measured=value, predicted=predicted, low=low, high=high,
        status=REFUSED if predicted is None else PREDICTED, reason=said,
        baseline_key=f"{read.part.id if read is not None else ''}|rl",
        baseline_unit=_ideal_s(read) if read is not None and name == STEP else None,
        scored=scored, headline=name == STEP,
    )  # fmt: skip


def _ideal_s(read: RlRow) -> float:
    """Seconds of a step whose update and scoring passes ran at the dense peak, rollouts free."""
    s = read.setting
    precision = s.training.precision
    peak = format_peak(read.part, precision.gemm_format, precision.fallback_formats)
    tokens = s.count * (s.lengths.mean + float(s.rollouts.load.prompt_tokens))
    return FLOP_PER_PARAM * float(parameters(read.shape).active) * tokens / (s.accelerators * peak)
