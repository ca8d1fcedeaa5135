"""Errors, coverage and interval scores of predictions, and the constant-utilisation baseline beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from hwmodel.validation.predicted.records import PREDICTED, RowPrediction

MISS = 0.2  # share of cases that an 80 % interval may miss
REFUSED_APE = 1.0  # a refused row counts as this far off


def is_time(metric: str) -> bool:
    """Whether a larger value of the metric means slower."""
    words = ("time", "_ms", "_s", "min", "hours", "days", "latency", "ttft", "tpot")
    return not metric.startswith(("tokens_per", "throughput")) and any(word in metric for word in words)


class ErrorSummary(msgspec.Struct, kw_only=True):
    """Figures of one source and metric. Errors are fractions; `median_signed` is of predicted over measured, less 1."""

    n: int
    predicted: int
    refused: int
    median_ape: float | None
    mape: float | None
    p90_ape: float | None
    median_signed: float | None
    coverage_80: float | None
    interval_score: float | None
    median_log_half_width: float | None
    baseline_median_ape: float | None
    baseline_interval_score: float | None = None


def interval_score(log_error: float, half: float) -> float:
    """Winkler score of a symmetric 80 % interval for a log error: its width, and 2/0.2 of what lies outside."""
    return 2.0 * half + (2.0 / MISS) * max(0.0, abs(log_error) - half)


def _percentile(values: Sequence[float], q: float) -> float | None:
    return float(np.percentile(values, q)) if len(values) else None


def summarise(
    rows: Sequence[RowPrediction], baseline: dict[str, float], baseline_half: float | None = None
) -> ErrorSummary:
    """Figures of rows of one source and metric; `baseline` maps row id to the constant's prediction, `baseline_half`
    is the half-width that covers 80 % of the constant's own residuals."""
    apes, signed, scores, inside, halves = [], [], [], [], []
    for row in rows:
        if row.predicted is None:
            apes.append(REFUSED_APE)
            continue
        apes.append(abs(row.predicted / row.measured - 1.0))
        signed.append(row.predicted / row.measured - 1.0)
        if row.low is not None and row.high is not None and row.low > 0:
            half = 0.5 * math.log(row.high / row.low)
            middle = 0.5 * math.log(row.high * row.low)
            halves.append(half)
            scores.append(interval_score(math.log(row.measured) - middle, half))
            inside.append(1.0 if row.low <= row.measured <= row.high else 0.0)
    constant = [abs(baseline[row.id] / row.measured - 1.0) for row in rows if row.id in baseline]
    return ErrorSummary(
        n=len(rows),
        predicted=len(signed),
        refused=len(rows) - len(signed),
        median_ape=_percentile(apes, 50),
        mape=float(np.mean(apes)) if apes else None,
        p90_ape=_percentile(apes, 90),
        median_signed=_percentile(signed, 50),
        coverage_80=float(np.mean(inside)) if inside else None,
        interval_score=float(np.mean(scores)) if scores else None,
        median_log_half_width=_percentile(halves, 50),
        baseline_median_ape=_percentile(constant, 50),
        baseline_interval_score=_constant_score(rows, baseline, baseline_half),
    )


def _constant_score(rows: Sequence[RowPrediction], baseline: dict[str, float], half: float | None) -> float | None:
    if half is None:
        return None
    scores = [interval_score(math.log(row.measured / baseline[row.id]), half) for row in rows if row.id in baseline]
    return float(np.mean(scores)) if scores else None


class Overall(msgspec.Struct, frozen=True, kw_only=True):
    """Figures over all sources, which weigh alike; headline quantities alone. Errors are fractions."""

    n_rows: int
    refused_rows: int
    refused_share: float | None
    mean_of_source_medians: float | None
    coverage_80: float | None
    interval_score: float | None
    median_log_half_width: float | None
    baseline_interval_score: float | None
    baseline_mean_of_source_medians: float | None


class Constants(msgspec.Struct, kw_only=True):
    """Utilisation by (part | format), by format, and over all, as medians of the training side."""

    by_key: dict[str, float]
    by_format: dict[str, float]
    overall: float | None
    half: float | None = None  # natural log; covers 80 % of the residuals, sources weighted alike

    def of(self, key: str) -> float | None:
        """The constant for a key, or the nearest wider one."""
        return self.by_key.get(key, self.by_format.get(key.rpartition("|")[2], self.overall))


ConstantsOf = Callable[[RowPrediction], Constants | None]  # what a row is compared with


def utilisation(row: RowPrediction) -> float | None:
    """Measured value as a fraction of what the row's baseline unit would be; None where it has none."""
    if not row.baseline_unit:
        return None
    return row.baseline_unit / row.measured if is_time(row.metric) else row.measured / row.baseline_unit


def fit_constants(rows: Sequence[RowPrediction]) -> Constants:
    """One utilisation for each baseline key from the measured values of `rows` (headline quantities)."""
    by_key: dict[str, list[float]] = {}
    by_format: dict[str, list[float]] = {}
    every: list[float] = []
    for row in rows:
        value = utilisation(row)
        if value is None or not row.headline:
            continue
        by_key.setdefault(row.baseline_key, []).append(value)
        by_format.setdefault(row.baseline_key.rpartition("|")[2], []).append(value)
        every.append(value)
    found = Constants(
        by_key={k: float(np.median(v)) for k, v in by_key.items()},
        by_format={k: float(np.median(v)) for k, v in by_format.items()},
        overall=float(np.median(every)) if every else None,
    )
    return msgspec.structs.replace(found, half=_residual_half(rows, found))


def _residual_half(rows: Sequence[RowPrediction], constants: Constants) -> float | None:
    """Width that covers 80 % of the constants' own residuals in the mean over sources."""
    errors: dict[str, list[float]] = {}
    for row in rows:
        value, level = utilisation(row), constants.of(row.baseline_key)
        if value is not None and level is not None and row.headline:
            errors.setdefault(row.source, []).append(abs(math.log(value / level)))
    if not errors:
        return None
    flat = np.array([e for items in errors.values() for e in items])
    weight = np.array([1.0 / len(items) for items in errors.values() for _ in items])
    order = np.argsort(flat)
    reached = np.cumsum(weight[order]) / weight.sum()
    return float(flat[order][min(int(np.searchsorted(reached, 1.0 - MISS)), len(flat) - 1)])


def constant_prediction(row: RowPrediction, constants: Constants) -> float | None:
    """What the constant utilisation says of a row, in its metric's unit."""
    level = constants.of(row.baseline_key)
    if level is None or not row.baseline_unit:
        return None
    return row.baseline_unit / level if is_time(row.metric) else row.baseline_unit * level


def scored(rows: Sequence[RowPrediction], constants: ConstantsOf) -> ErrorSummary:
    """Figures of rows beside those of the constant utilisation that `constants` gives for each."""
    fitted = {row.id: found for row in rows if (found := constants(row)) is not None}
    said = {row.id: constant_prediction(row, fitted[row.id]) for row in rows if row.id in fitted}
    halves = [found.half for found in fitted.values() if found.half is not None]
    return summarise(
        rows, {name: value for name, value in said.items() if value is not None}, halves[0] if halves else None
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that there are; None without one."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def overall(rows: Sequence[RowPrediction], constants: ConstantsOf) -> Overall:
    """Means over sources of their headline medians and coverages, and counts of rows."""
    by_source: dict[str, list[RowPrediction]] = {}
    for row in rows:
        if row.headline:
            by_source.setdefault(row.source, []).append(row)
    heads = [scored(items, constants) for items in by_source.values()]
    halves = [head.median_log_half_width for head in heads if head.median_log_half_width is not None]
    refused = len({row.id for row in rows if row.status != PREDICTED})
    ids = len({row.id for row in rows})
    return Overall(
        n_rows=ids,
        refused_rows=refused,
        refused_share=refused / ids if ids else None,
        mean_of_source_medians=_mean(head.median_ape for head in heads),
        coverage_80=_mean(head.coverage_80 for head in heads),
        interval_score=_mean(head.interval_score for head in heads),
        median_log_half_width=float(np.median(halves)) if halves else None,
        baseline_interval_score=_mean(head.baseline_interval_score for head in heads),
        baseline_mean_of_source_medians=_mean(head.baseline_median_ape for head in heads),
    )
