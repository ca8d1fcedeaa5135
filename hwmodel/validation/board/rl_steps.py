"""Measured steps of reinforcement learning: seconds of the step and of its phases, as a plan file's stage has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hwmodel.catalog.calibrations import calibrations_dir, rl_calibration
from hwmodel.errors import HwModelError
from hwmodel.physics.machine import format_peak
from hwmodel.physics.shape import parameters
from hwmodel.predict.rl import RlPhases, phases, step_terms
from hwmodel.specs.rl import RlConstants
from hwmodel.validation.board.records import PREDICTED, REFUSED, RowPrediction
from hwmodel.validation.fit.rl_fit import Corpus, counts, fit, step_errors, with_widths
from hwmodel.validation.rows.machines import Resolver
from hwmodel.validation.rows.rl_rows import RlRow, seconds, sync_bytes, try_row
from hwmodel.validation.rows.tables import CellError, Row, read_table, text

STEP = "seconds_per_step"
# Phases that a row prints, beside those of one pool: rows of two pools print what one waits for the other.
ONE_POOL = {"rollout_s": "rollout_s", "logprob_s": "logprob_s", "update_s": "update_s"}
SYNC = "weight_sync_s"
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
    sources = [text(row, "source") for row in corpus.rows]
    out = {}
    for value in sorted({_held(row, hold) for row in rows}):
        c = fit(corpus, [one != value for one in values]).constants
        # In-sample errors of the rest: too narrow where few sources are left, so never below the shipped widths.
        errors = [e for e in step_errors(corpus, values, dict.fromkeys(values, c)) if values[e[0]] != value]
        out[value] = _no_narrower(with_widths(c, corpus, sources, errors), rl_calibration())
    return out


def _no_narrower(c: RlConstants, shipped: RlConstants) -> RlConstants:
    return msgspec.structs.replace(
        c, log_half_width=max(c.log_half_width, shipped.log_half_width),
        open_log_half_width=max(c.open_log_half_width, shipped.open_log_half_width),
    )  # fmt: skip


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
    found: RlPhases | None = None
    if read is not None:
        try:
            found = phases(read.setting)
        except HwModelError as error:
            reason = str(error)
    return [_row(row, name, value, read, found, c, resolver, reason) for name, value in asked]


def _predicted(name: str, row: Row, found: RlPhases | None, c: RlConstants, resolver: Resolver) -> float | None:
    if name == SYNC:
        try:
            return sync_bytes(row, resolver) / c.sync_bytes_per_s
        except (CellError, HwModelError):
            return None
    if found is None:
        return None
    terms = step_terms(found, c)
    return terms.total_s if name == STEP else float(getattr(terms, ONE_POOL[name]))


def _row(
    row: Row, name: str, value: float, read: RlRow | None, found: RlPhases | None, c: RlConstants, resolver: Resolver,
    reason: str,
) -> RowPrediction:  # fmt: skip
    predicted = _predicted(name, row, found, c, resolver)
    width = c.log_half_width if read is not None and read.length_stated else c.open_log_half_width
    open_setting = predicted is None and "blank" in reason
    scored = counts(row) and not open_setting
    said = reason if predicted is None else ("" if counts(row) else NOT_PRINTED)
    return RowPrediction(
        id=text(row, "id"), source=text(row, "source"), group=publisher(row), model=text(row, "model"),
        part=read.part.id if read is not None else text(row, "part"), engine=text(row, "framework"), metric=name,
        measured=value, predicted=predicted, low=None if predicted is None else predicted * math.exp(-width),
        high=None if predicted is None else predicted * math.exp(width),
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
