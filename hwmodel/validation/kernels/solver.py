"""Robust bounded fit of a kernel law: constants shared by a family of parts, and a few of each part."""

from __future__ import annotations

import msgspec
import numpy as np

from hwmodel.ops import Num
from hwmodel.validation.kernels.laws import Law
from hwmodel.validation.kernels.priors import PER_PART
from hwmodel.validation.kernels.reports import Score, Scores
from hwmodel.validation.kernels.tables import Column, Columns, labels

Bounds = dict[str, tuple[float, float, float]]
PRIOR_WEIGHT = 0.1  # an e-fold away from the start costs as much as four rows that are 5 % off
SCALE = 0.05  # log error beyond which a row counts linearly


class FittedKernel(msgspec.Struct, kw_only=True):
    """Constants of a family and of each of its parts."""

    shared: dict[str, float]
    parts: dict[str, dict[str, float]]
    rows: int

    def of(self, part: str) -> dict[str, float]:
        """The constants of one part; a part that was not fitted takes the geometric mean of its kin."""
        own = self.parts.get(part)
        if own is None and self.parts:
            own = {k: kin_mean([p[k] for p in self.parts.values()]) for k in next(iter(self.parts.values()))}
        return self.shared | (own or {})


def kin_mean(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(np.maximum(values, 1e-15)))))


def columns_of(rows: Columns, fitted: FittedKernel) -> dict[str, Num]:
    """The constants as columns beside the rows."""
    names, codes = np.unique(rows.words["part"], return_inverse=True)
    own = [fitted.of(str(n)) for n in names]
    keys = own[0].keys()
    return {k: fitted.shared[k] if k in fitted.shared else np.array([o[k] for o in own])[codes] for k in keys}


def fit(
    rows: Columns,
    law: Law,
    bounds: Bounds,
    fixed: dict[str, Num] | None = None,
    per_part: tuple[str, ...] = PER_PART,
    evaluations: int = 60,
) -> FittedKernel:
    """Constants that minimise a robust log error, each part weighted alike, with weak priors at the starts."""
    from scipy.optimize import least_squares

    names, codes = np.unique(rows.words["part"], return_inverse=True)
    apart = [k for k in bounds if k in per_part]
    shared = [k for k in bounds if k not in per_part]
    spans = [bounds[k] for k in shared] + [bounds[k] for k in apart for _ in names]
    start, low, high = (np.log([s[i] for s in spans]) for i in range(3))
    start = np.clip(start, low + 1e-9, high - 1e-9)
    log_t = np.log(rows["t"])
    weight = np.sqrt(len(codes) / (len(names) * np.bincount(codes)))[codes]

    def unpack(theta: Column) -> dict[str, Num]:
        x = np.exp(theta)
        values: dict[str, Num] = dict(zip(shared, x[: len(shared)], strict=True))
        table = x[len(shared) :].reshape(len(apart), len(names))
        return values | {k: table[i][codes] for i, k in enumerate(apart)} | (fixed or {})

    def residuals(theta: Column) -> Column:
        error = (np.log(law(rows, unpack(theta))) - log_t) * weight
        return np.concatenate([error, PRIOR_WEIGHT * (theta - start)])

    limits = (low - 1e-6, high + 1e-6)
    solution = least_squares(
        residuals, start, bounds=limits, loss="soft_l1", f_scale=SCALE, x_scale=0.3, max_nfev=evaluations
    )
    x = np.exp(solution.x)
    table = x[len(shared) :].reshape(len(apart), len(names))
    return FittedKernel(
        shared={k: rounded(v) for k, v in zip(shared, x[: len(shared)], strict=True)},
        parts={str(n): {k: rounded(table[i][j]) for i, k in enumerate(apart)} for j, n in enumerate(names)},
        rows=len(log_t),
    )


def rounded(value: float) -> float:
    """Four significant digits: more than the data carry, and the same text on every machine."""
    return float(f"{value:.4g}")


def score(rows: Columns, predicted: Num, by: tuple[str, ...] = ("part",)) -> Scores:
    """Median and 90th percentile of the absolute error and the signed median, in percent, by group of rows."""
    error = predicted / rows["t"] - 1.0
    groups = labels(rows, by)
    out = {}
    for label in np.unique(groups):
        e = error[groups == label]
        size = np.abs(e)
        out[str(label)] = Score(
            n=len(e),
            median_ape=round(100 * float(np.median(size)), 2),
            p90_ape=round(100 * float(np.quantile(size, 0.9)), 1),
            median_signed=round(100 * float(np.median(e)), 1),
        )
    return out
