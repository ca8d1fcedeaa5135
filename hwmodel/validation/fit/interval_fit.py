"""Widths of prediction intervals from the errors of left-out sources: one estimator for every kind of quantity.

Two levels: an error is that of its source plus that of the row. A kind has few doubts (see `specs.intervals`), each a
standard deviation with a prior; they minimise the interval score (Winkler) of the 80 % interval on rows whose source
was left out and on rows whose source was known, and are then scaled so that the intervals of left-out sources hold.
Choices of the estimator (CROWD, PULL, MOST_MISSED) were made on training rows and serve every kind unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.ops import Num
from hwmodel.physics.intervals import ends
from hwmodel.specs.intervals import Ends, Familiarity, IntervalConstants
from hwmodel.validation.predicted.score import MISS

Column = NDArray[np.float64]
CROWD = 0.7  # rows of a source together weigh n^(1 - CROWD): a lone row says less of its source than a hundred
PULL = 0.4  # of one prior standard deviation (a factor of e) of one doubt, against the mean score
MOST_MISSED = 3.0  # an error that no width explains (a slow mode) counts up to so many half-widths
COVER = 1.0 - MISS
MAD = 1.4826  # a normal standard deviation over its median absolute deviation
LEAST_ROWS = 5  # of a source whose scatter counts
LEAST = 0.02  # natural log: no prior below the scatter of repeated measurements


class Residual(msgspec.Struct, frozen=True, kw_only=True):
    """One row predicted without its source (or, where `familiarity` says known, without its group only)."""

    kind: str
    id: str
    source: str
    log_error: float  # of measured over predicted
    familiarity: Familiarity


def weights(residuals: Sequence[Residual], crowd: float = CROWD) -> Column:
    """Weight of each row, sources left out and known sources each one half of the whole."""
    names = [(r.source, float(r.familiarity.known)) for r in residuals]
    counts: dict[tuple[str, float], int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    weight = np.array([float(counts[name]) ** -crowd for name in names])
    known = np.array([name[1] for name in names]) > 0
    for side in (known, ~known):
        if side.any():
            weight[side] /= weight[side].sum()
    return np.asarray(weight / weight.sum())


def stacked(residuals: Sequence[Residual]) -> Familiarity:
    """The familiarities of all rows as columns."""
    first = residuals[0].familiarity

    def columns(field: str) -> dict[str, Num]:
        """One field of all rows, a column each."""
        return {
            k: np.array([float(getattr(r.familiarity, field)[k]) for r in residuals]) for k in getattr(first, field)
        }

    known = np.array([float(r.familiarity.known) for r in residuals])
    return Familiarity(shares=columns("shares"), distances=columns("distances"), known=known)


def errors_of(residuals: Sequence[Residual]) -> Column:
    """Log errors as a column."""
    return np.array([r.log_error for r in residuals])


def scores(error: Column, found: Ends, cap: float = math.inf) -> Column:
    """Interval score of each row: the width, and 2/0.2 of what lies outside."""
    outside = np.maximum(error - found.up, 0.0) + np.maximum(-error - found.down, 0.0)
    width = found.up + found.down
    counted = outside if math.isinf(cap) else np.minimum(outside, cap * 0.5 * width)
    return np.asarray(width + (2.0 / MISS) * counted)


class _Coded:
    """Constants of a kind as a vector of logs, beside their priors; doubts that no row speaks of keep theirs."""

    def __init__(self, prior: IntervalConstants, of: Familiarity, both: bool) -> None:
        self.prior = prior
        self.shares = [k for k in prior.shares if np.any(of.shares[k])]
        self.distances = [k for k in prior.distances if np.any(of.distances[k])]
        self.both = both
        values = [prior.row, prior.level, *(prior.shares[k] for k in self.shares)]
        values += [prior.distances[k] for k in self.distances] + ([prior.known] if both else [])
        self.start = np.log(values)

    def constants(self, x: Column) -> IntervalConstants:
        """The record that a vector stands for."""
        values = np.exp(x).tolist()
        n = 2 + len(self.shares)
        return msgspec.structs.replace(
            self.prior, row=values[0], level=values[1],
            shares=self.prior.shares | dict(zip(self.shares, values[2:n])),
            distances=self.prior.distances | dict(zip(self.distances, values[n:])),
            known=min(values[-1], 1.0) if self.both else self.prior.known, scale=1.0, scale_known=1.0,
        )  # fmt: skip


def scatter(residuals: Sequence[Residual]) -> tuple[float, float]:
    """Robust standard deviations of rows about the median of their left-out source, and of these medians about zero."""
    by_source: dict[str, list[float]] = {}
    for r in residuals:
        if not float(r.familiarity.known) > 0:
            by_source.setdefault(r.source, []).append(r.log_error)
    medians = {name: float(np.median(errors)) for name, errors in by_source.items()}
    rows = [
        float(np.median(np.abs(np.array(errors) - medians[name])))
        for name, errors in by_source.items()
        if len(errors) >= LEAST_ROWS
    ]
    level = MAD * float(np.median(np.abs(list(medians.values())))) if medians else 0.0
    return max(MAD * float(np.median(rows)) if rows else 0.0, LEAST), max(level, LEAST)


def prior_of(residuals: Sequence[Residual], template: IntervalConstants) -> IntervalConstants:
    """The priors of a kind: its own scatter of rows and of sources, and distances in units of the latter."""
    row, level = scatter(residuals)
    distances = {name: times * level for name, times in template.distances.items()}
    return msgspec.structs.replace(template, row=row, level=level, distances=distances)


def fit_intervals(residuals: Sequence[Residual], template: IntervalConstants) -> IntervalConstants:
    """Doubts that minimise the interval score, shrunk to the priors, scaled so that intervals hold."""
    from scipy.optimize import minimize

    prior = prior_of(residuals, template)
    of, error, weight = stacked(residuals), errors_of(residuals), weights(residuals)
    known = np.asarray(of.known) > 0
    coded = _Coded(prior, of, bool(known.any()))

    def loss(x: Column) -> float:
        found = ends(of, coded.constants(x))
        return float((weight * scores(error, found, MOST_MISSED)).sum()) + PULL * float(((x - coded.start) ** 2).sum())

    best = minimize(loss, coded.start, method="Powell", options={"maxiter": 60, "xtol": 1e-2, "ftol": 1e-5})
    found = coded.constants(np.asarray(best.x))
    new, old = _scale(residuals, found, ~known), _scale(residuals, found, known)
    return rounded(msgspec.structs.replace(found, scale=new, scale_known=old))


def _scale(residuals: Sequence[Residual], c: IntervalConstants, side: NDArray[np.bool_]) -> float:
    """Factor on the ends with which intervals hold the stated share of the weighted rows: half way between 0.8 and the
    order statistic of conformal prediction over K sources, 0.8 (1 + 1/K), which is safe and wide."""
    mine = [r for r, here in zip(residuals, side) if here]
    if not mine:
        return 1.0
    error, found, weight = errors_of(mine), ends(stacked(mine), c), weights(mine)
    ratio = np.where(error > 0, error / found.up, -error / found.down)
    sources = len({r.source for r in mine})
    share = 0.5 * (COVER + min(1.0, COVER * (1.0 + 1.0 / sources)))
    order = np.argsort(ratio)
    reached = np.cumsum(weight[order]) / weight.sum()
    place = int(np.searchsorted(reached, share - 1e-9))
    return float(ratio[order][min(place, len(order) - 1)])


def rounded(c: IntervalConstants) -> IntervalConstants:
    """The constants as they are written."""
    return msgspec.structs.replace(
        c, row=round(c.row, 4), level=round(c.level, 4), known=round(c.known, 3), scale=round(c.scale, 4),
        scale_known=round(c.scale_known, 4), shares={k: round(v, 3) for k, v in c.shares.items()},
        distances={k: round(v, 4) for k, v in c.distances.items()},
    )  # fmt: skip


def left_out_ends(residuals: Sequence[Residual], template: IntervalConstants) -> Ends:
    """Ends of every row by constants fitted without its source."""
    down, up = np.zeros(len(residuals)), np.zeros(len(residuals))
    for name in sorted({r.source for r in residuals}):
        mine = np.array([r.source == name for r in residuals])
        rest = [r for r in residuals if r.source != name]
        c = fit_intervals(rest, template) if rest else prior_of(residuals, template)
        found = ends(stacked([r for r in residuals if r.source == name]), c)
        down[mine], up[mine] = found.down, found.up
    return Ends(down, up)
