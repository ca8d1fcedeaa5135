"""Widths of prediction intervals from the errors of rows whose source, or whose model, was left out of the fit."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from hwmodel.physics.intervals import log_half_width
from hwmodel.predict.columns import stack
from hwmodel.specs.intervals import Familiarity, IntervalConstants
from hwmodel.validation.board.score import MISS

FACTORS = ("source", "stack", "family", "part", "number_format", "kind", "settings")
PRIOR_WIDTH = 0.25  # of each factor, in natural logs, against the mean score of the sources


class Residual(msgspec.Struct, frozen=True, kw_only=True):
    """One row predicted without its source (or its group): log error and how unfamiliar it was."""

    source: str
    log_error: float
    familiarity: Familiarity


def _weights(residuals: Sequence[Residual]) -> np.ndarray:
    counts: dict[str, int] = {}
    for r in residuals:
        counts[r.source] = counts.get(r.source, 0) + 1
    weight = np.array([1.0 / counts[r.source] for r in residuals])
    return weight / weight.sum()


def fit_widths(residuals: Sequence[Residual], start: IntervalConstants) -> IntervalConstants:
    """Width and factors that minimise the interval score, sources weighted alike, shrunk to `start`; then scaled so
    that the 80 % interval covers 80 % of rows in the mean over sources."""
    from scipy.optimize import minimize

    weight = _weights(residuals)
    error = np.abs(np.array([r.log_error for r in residuals]))
    seen = stack([r.familiarity for r in residuals])
    prior = np.log([start.seen, *(getattr(start, name) for name in FACTORS)])

    def constants(x: np.ndarray) -> IntervalConstants:
        values = np.exp(x)
        factors = {name: float(max(1.0, v)) for name, v in zip(FACTORS, values[1:])}
        return msgspec.structs.replace(start, seen=float(values[0]), **factors)

    def score(x: np.ndarray) -> float:
        """Mean interval score (natural logs) of the widths that `x` encodes, with their prior."""
        half = np.broadcast_to(log_half_width(seen, constants(x)), error.shape)
        # An error that no width explains (a slow mode) must not widen everything: it counts up to three widths.
        outside = np.minimum(np.maximum(error - half, 0.0), 3.0 * half)
        pull = float((((x - prior)[1:] / PRIOR_WIDTH) ** 2).sum())
        return float((weight * (2.0 * half + (2.0 / MISS) * outside)).sum()) + 0.004 * pull

    best = minimize(score, prior, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-3, "fatol": 1e-6})
    found = constants(best.x)
    return _scaled(found, seen, error, weight)


def _scaled(c: IntervalConstants, seen: Familiarity, error: np.ndarray, weight: np.ndarray) -> IntervalConstants:
    """The conformal step: one factor on all widths, so that weighted coverage is as stated."""
    half = np.broadcast_to(log_half_width(seen, c), error.shape)
    ratio = error / half
    order = np.argsort(ratio)
    reached = np.cumsum(weight[order])
    scale = float(ratio[order][np.searchsorted(reached, 1.0 - MISS)])
    return msgspec.structs.replace(c, seen=round(c.seen * scale, 4), **{n: round(getattr(c, n), 3) for n in FACTORS})
