"""Whole published training runs: accelerator-hours and days as `plan` answers them for the size, tokens and fleet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from hwmodel.errors import HwModelError
from hwmodel.physics.machine import format_peak
from hwmodel.physics.shape import flop_per_token
from hwmodel.solve.plan import Prepared, Solved, prepare, setting_of
from hwmodel.solve.result import Band
from hwmodel.units import SECONDS_PER_DAY
from hwmodel.validation.machines import Resolver, recipe_name
from hwmodel.validation.records import PREDICTED, REFUSED, RowPrediction
from hwmodel.validation.tables import CellError, Row, measured, positive, text
from hwmodel.validation.training_rows import shape_of

METRICS = ("gpu_hours", "days")
DENSE_SHARE = 0.9  # active over total parameters above which a run counts as dense
NO_FLEET = "n_gpus is blank, so days cannot be told from accelerator-hours"


def usual_fleet(params: float) -> int:
    """Where the fleet is not stated, one that a run of the size usually has: a power of two near 2 a 100M."""
    return int(2.0 ** round(math.log2(min(max(params / 5e7, 8.0), 16384.0))))


def question_of(row: Row, resolver: Resolver) -> dict[str, Any]:
    """The options of `plan` that describe the run. Raises CellError for what is blank, InputError for unknown names."""
    params, tokens = positive(row, "params_total"), positive(row, "tokens")
    if params is None or tokens is None:
        raise CellError("params_total or tokens is blank")
    if not text(row, "gpu"):
        raise CellError("gpu is blank")
    part = resolver.part(text(row, "gpu"))
    fleet = positive(row, "n_gpus")
    question: dict[str, Any] = {
        "gpus": f"{round(fleet) if fleet else usual_fleet(params)}x{part.id}",
        "tokens": tokens,
    }
    if text(row, "precision"):
        question["precision"] = resolver.recipe(text(row, "precision"), part).id
    elif recipe_name("", part) != "bf16":
        question["precision"] = recipe_name("", part)
    active = positive(row, "params_active") or params
    if active < DENSE_SHARE * params:
        stated = {"params_total": repr(params), "params_active": repr(active), "ffn_kind": "swiglu"}
        shape, _ = shape_of(stated)
        return question | {"shape": msgspec.structs.replace(shape, name="the mixture")}
    return question | {"params": params}


def _solved(row: Row, resolver: Resolver, catalogs: Sequence[Path]) -> Solved:
    """The run as `plan` solves it. Raises HwModelError for what cannot be read or does not fit."""
    setting = setting_of(**question_of(row, resolver), catalogs=tuple(str(folder) for folder in catalogs))
    found: Prepared = prepare(setting)
    if found.solved is None:
        raise CellError("no accelerators")
    return found.solved


def predict_rows(rows: list[Row], resolver: Resolver, catalogs: Sequence[Path] = ()) -> list[RowPrediction]:
    """Accelerator-hours and days of each run, with the intervals that `plan` prints."""
    out: list[RowPrediction] = []
    for row in rows:
        try:
            solved, reason = _solved(row, resolver, catalogs), ""
        except (CellError, HwModelError) as error:
            solved, reason = None, str(error)
        out += _predictions(row, solved, reason)
    return _headlines(out)


def _predictions(row: Row, solved: Solved | None, reason: str) -> list[RowPrediction]:
    found = []
    for metric in METRICS:
        value = measured(row, metric)
        if value is None:
            continue
        if metric == "days" and positive(row, "n_gpus") is None:
            found.append(_row(row, metric, value, None, NO_FLEET))
        else:
            found.append(_row(row, metric, value, solved, reason))
    return found


def _answered(solved: Solved, metric: str) -> Band:
    value = solved.answer.gpu_hours if metric == "gpu_hours" else solved.answer.elapsed_days
    assert isinstance(value, Band)
    return value


def _baseline_unit(solved: Solved, metric: str) -> float:
    """Hours or days at a utilisation of one (causal convention, dense peak of the format)."""
    setting = solved.fleet.setting
    peak = format_peak(setting.part, setting.precision.gemm_format, setting.precision.fallback_formats)
    flop = float(flop_per_token(solved.at.shape, float(setting.request.seq_len), "causal"))
    hours = solved.sized.d * flop / peak / 3600.0
    return hours if metric == "gpu_hours" else hours * 3600.0 / (SECONDS_PER_DAY * solved.fleet.accelerators)


def _row(row: Row, metric: str, value: float, solved: Solved | None, reason: str) -> RowPrediction:
    band = None if solved is None else _answered(solved, metric)
    part = text(row, "gpu") if solved is None else solved.fleet.setting.part.id
    return RowPrediction(
        id=text(row, "id"), source=text(row, "source"), group=text(row, "source"), model=text(row, "model"), part=part,
        engine="", metric=metric, measured=value,
        predicted=None if band is None else band.value,
        low=None if band is None else band.low,
        high=None if band is None else band.high,
        status=REFUSED if band is None else PREDICTED, reason=reason if band is None else "",
        baseline_key=f"{part}|whole", baseline_unit=None if solved is None else _baseline_unit(solved, metric),
        headline=metric == METRICS[0], scored=text(row, "kind") in ("", "pretrain"),
    )  # fmt: skip


def _headlines(rows: list[RowPrediction]) -> list[RowPrediction]:
    """One headline a run: accelerator-hours where they are printed, else days."""
    with_hours = {row.id for row in rows if row.metric == "gpu_hours"}
    return [
        msgspec.structs.replace(row, headline=row.metric == "gpu_hours" or row.id not in with_hours) for row in rows
    ]
