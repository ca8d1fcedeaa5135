"""Whole published training runs: accelerator-hours and days from size, tokens and fleet, with failures on top."""

from __future__ import annotations

import math
from typing import Any

from hwmodel.catalog.stacks import interval_calibration, training_calibration
from hwmodel.errors import HwModelError
from hwmodel.physics.intervals import log_half_width
from hwmodel.specs.intervals import Familiarity
from hwmodel.validation.machines import Resolver
from hwmodel.validation.records import PREDICTED, REFUSED, RowPrediction
from hwmodel.validation.tables import CellError, Row, measured, positive, text
from hwmodel.validation.training import outcome, prepare, stacks_of

METRICS = ("gpu_hours", "days")
# Run-average over steady rate of published runs: 0.75 to 0.9; the share of bought hours that train.
USEFUL_SHARE = 0.83
SEQUENCE_WHOLE_RUN = (2048.0, 4096.0, 8192.0)
# Least half-width (natural log): 80 % of the published pre-training runs lie within it of their prediction.
WHOLE_RUN = 0.6


def _sequence(year: float | None) -> float:
    """Usual pre-training sequence of a year's runs (2,048 to 2022, 4,096 to 2024, 8,192 since)."""
    if year is None:
        return SEQUENCE_WHOLE_RUN[1]
    return SEQUENCE_WHOLE_RUN[0] if year <= 2022 else SEQUENCE_WHOLE_RUN[1] if year <= 2024 else SEQUENCE_WHOLE_RUN[2]


def _batch_tokens(params: float) -> float:
    """Usual batch of a size: 0.5M tokens at 0.3B parameters, 4M at 70B, 16M at 400B (published recipes)."""
    return min(16e6, max(0.5e6, 1.6e6 * (params / 7e9) ** 0.45))


def _fleet(row: Row, params: float) -> tuple[float, float | None]:
    stated = positive(row, "n_gpus")
    if stated is not None:
        return float(round(stated)), stated
    # Where the fleet is not stated, one that a run of the size usually has: power of two near 2 accelerators per 100M.
    usual = 2.0 ** round(math.log2(min(max(params / 5e7, 8.0), 16384.0)))
    return usual, None


def _as_training_row(row: Row) -> tuple[Row, float, float, float]:
    """The run as a training row whose blanks are searched; also tokens, fleet and active share."""
    params, tokens = positive(row, "params_total"), positive(row, "tokens")
    if params is None or tokens is None:
        raise CellError("params_total or tokens is blank")
    if not text(row, "gpu"):
        raise CellError("gpu is blank")
    active = positive(row, "params_active") or params
    year = positive(row, "year")
    fleet, _ = _fleet(row, params)
    seq = _sequence(year)
    batch = max(round(_batch_tokens(params) / seq), 1.0)
    # A data-parallel size that divides the batch keeps the search open; round the batch up to the fleet's powers.
    grain = 2.0 ** math.floor(math.log2(max(fleet / 8.0, 1.0)))
    batch = max(grain * math.ceil(batch / grain), 1.0)
    out = {
        "id": text(row, "id"), "source": text(row, "source"), "model": text(row, "model"), "year": f"{year or 2024:g}",
        "params_total": f"{params:.17g}", "params_active": f"{active:.17g}", "n_accel": f"{_even(fleet):g}",
        "accelerator": text(row, "gpu"), "seq_len": f"{seq:g}", "global_batch_seqs": f"{batch:g}", "ffn_kind": "swiglu",
        "architecture": "moe" if active < 0.9 * params else "dense", "framework": "", "precision": "",
    }  # fmt: skip
    return out, tokens, fleet, active / params


def _even(fleet: float) -> float:
    """The largest fleet of whole nodes below the stated one whose node count is a small power of two times 1, 3, 5."""
    nodes = max(fleet / 8.0, 0.125)
    choices = [k * 2.0**e for k in (1.0, 3.0, 5.0, 7.0) for e in range(-3, 16)]
    return 8.0 * max(n for n in choices if n <= nodes)


def predict_rows(rows: list[Row], resolver: Resolver) -> list[RowPrediction]:
    """Accelerator-hours and days of each run, with intervals."""
    calibration = training_calibration()
    widths = interval_calibration()
    ready: list[Row] = []
    facts: dict[int, tuple[float, float, int]] = {}
    reasons: dict[int, str] = {}
    for place, row in enumerate(rows):
        try:
            training, tokens, fleet, _ = _as_training_row(row)
            facts[place] = (tokens, fleet, len(ready))
            ready.append(training)
        except (CellError, HwModelError) as error:
            reasons[place] = str(error)
    prepared = prepare(ready, resolver, calibration)
    result = outcome(prepared, stacks_of(prepared, calibration))
    out: list[RowPrediction] = []
    for place, row in enumerate(rows):
        rate: float | None = None
        reason = reasons.get(place, "")
        if place in facts:
            tokens, fleet, spot = facts[place]
            case = prepared.cases[spot]
            seconds = float(result.sequence_s[spot])
            reason = prepared.reasons[spot] or ("" if math.isfinite(seconds) else "no layout fits")
            if case is not None and math.isfinite(seconds):
                rate = case.seq_len / (seconds * case.n_accel)
        half = max(WHOLE_RUN, float(log_half_width(Familiarity(source=1.0, stack=1.0, settings=1.0), widths)))
        for number, metric in enumerate(METRICS):
            value = measured(row, metric)
            if value is None:
                continue
            predicted = None
            if rate is not None:
                hours = facts[place][0] / rate / 3600.0 / USEFUL_SHARE
                predicted = hours if metric == "gpu_hours" else hours / facts[place][1] / 24.0
                if metric == "days" and positive(row, "n_gpus") is None:
                    predicted, reason = None, "n_gpus is blank, so days cannot be told from accelerator-hours"
            out.append(_row(row, metric, value, predicted, half, reason, number, prepared, facts.get(place)))
    return _headlines(out)


def _row(
    row: Row, metric: str, value: float, predicted: float | None, half: float, reason: str, number: int,
    prepared: Any, fact: tuple[float, float, int] | None,
) -> RowPrediction:  # fmt: skip
    spot = fact[2] if fact is not None else None
    part = prepared.parts[spot] if spot is not None and prepared.parts[spot] else text(row, "gpu")
    unit = None
    if fact is not None and spot is not None and prepared.cases[spot] is not None:
        from hwmodel.validation.training import model_flop_per_token

        rate = prepared.peak_flop[spot] / model_flop_per_token(prepared.cases[spot], "causal")
        hours = fact[0] / rate / 3600.0
        unit = hours if metric == "gpu_hours" else hours / fact[1] / 24.0
    return RowPrediction(
        id=text(row, "id"), source=text(row, "source"), group=text(row, "source"), model=text(row, "model"), part=part,
        engine="", metric=metric, measured=value, predicted=predicted,
        low=None if predicted is None else predicted * math.exp(-half),
        high=None if predicted is None else predicted * math.exp(half),
        status=PREDICTED if predicted is not None else REFUSED, reason="" if predicted is not None else reason,
        baseline_key=f"{part}|whole", baseline_unit=unit, headline=number == 0,
        scored=text(row, "kind") in ("", "pretrain"),
    )  # fmt: skip


def _headlines(rows: list[RowPrediction]) -> list[RowPrediction]:
    """One headline a run: accelerator-hours where they are printed, else days."""
    import msgspec

    with_hours = {row.id for row in rows if row.metric == "gpu_hours"}
    return [
        msgspec.structs.replace(row, headline=row.metric == "gpu_hours" or row.id not in with_hours) for row in rows
    ]
