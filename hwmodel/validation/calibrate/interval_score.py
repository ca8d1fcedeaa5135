"""How intervals hold on left-out sources: coverage, interval score, and whether wide ones are the wrong ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import SupportsFloat

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.specs.intervals import Ends, Familiarity
from hwmodel.validation.board.cells import Held, Key, key_of
from hwmodel.validation.fit.interval_document import KindScores, Scores
from hwmodel.validation.fit.interval_fit import Column, Residual, errors_of, scores, weights
from hwmodel.validation.predicted.score import MISS


def ranks(values: Column) -> Column:
    """Mean ranks, ties sharing theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - 0.5 * (count - 1))[place])


def rank_correlation(a: Column, b: Column) -> float:
    """Spearman's rank correlation; 0 where one does not vary."""
    x, y = ranks(a), ranks(b)
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0


def one_width(residuals: Sequence[Residual]) -> Ends:
    """The rival: for each source the half-width that holds 80 % of the other sources' rows, sources weighing alike."""
    error = np.abs(errors_of(residuals))
    names = np.array([r.source for r in residuals])
    half = np.zeros(len(error))
    for name in set(names):
        rest = names != name
        if not rest.any():
            continue
        weight = weights([r for r, kept in zip(residuals, rest) if kept], crowd=1.0)
        order = np.argsort(error[rest])
        reached = np.cumsum(weight[order])
        place = min(int(np.searchsorted(reached, 1.0 - MISS)), len(order) - 1)
        half[~rest] = error[rest][order][place]
    return Ends(half, half)


def held(residuals: Sequence[Residual], found: Ends) -> Scores:
    """Coverage, score and rank correlation of ends for rows; means over sources, and by rows beside them."""
    error, weight = errors_of(residuals), weights(residuals, crowd=1.0)
    inside = (error <= found.up) & (-error <= found.down)
    score, half = scores(error, found), 0.5 * (np.asarray(found.up) + np.asarray(found.down))
    return Scores(
        rows=len(error),
        sources=len({r.source for r in residuals}),
        coverage=_figure(weight @ inside),
        coverage_by_rows=_figure(inside.mean()),
        interval_score=_figure(weight @ score),
        interval_score_by_rows=_figure(score.mean()),
        median_half_width=_figure(np.median(half)),
        rank_correlation=_figure(rank_correlation(half, np.abs(error))),
    )


def _figure(value: SupportsFloat) -> float:
    return round(float(value), 3)


def figures(residuals: Sequence[Residual], ends: Ends) -> KindScores:
    """How `ends`, each fitted without its source, hold on new and on known sources, beside one width for all."""
    known = np.array([float(r.familiarity.known) > 0 for r in residuals])
    return KindScores(new_source=_side(residuals, ends, ~known), known_source=_side(residuals, ends, known))


def _side(residuals: Sequence[Residual], ends: Ends, here: NDArray[np.bool_]) -> Scores | None:
    """How the ends hold on the rows of one side; None where it has none."""
    mine = [r for r, kept in zip(residuals, here) if kept]
    if not mine:
        return None
    found = held(mine, Ends(np.asarray(ends.down)[here], np.asarray(ends.up)[here]))
    return _beside_one_width(found, held(mine, one_width(mine)))


def _beside_one_width(found: Scores, rival: Scores) -> Scores:
    return msgspec.structs.replace(
        found, one_width_coverage=rival.coverage, one_width_interval_score=rival.interval_score,
        one_width_interval_score_by_rows=rival.interval_score_by_rows,
    )  # fmt: skip


NEW = Familiarity(shares={}, distances={})


def board_figures(items: Sequence[Held], constant: Mapping[Key, float]) -> Scores:
    """How the ends of rows held out hold, beside one width for all and beside the constant's errors with one width."""
    rows = [_residual(item, item.log_seconds) for item in items]
    found = held(rows, Ends(np.array([item.down for item in items]), np.array([item.up for item in items])))
    found = _beside_one_width(found, held(rows, one_width(rows)))
    known = [_residual(item, constant[key_of(item)]) for item in items if key_of(item) in constant]
    if not known:
        return found
    rival = held(known, one_width(known))
    return msgspec.structs.replace(
        found, constant_coverage=rival.coverage, constant_interval_score=rival.interval_score,
        constant_interval_score_by_rows=rival.interval_score_by_rows, constant_rows=rival.rows,
    )  # fmt: skip


def _residual(one: Held, log_error: float) -> Residual:
    return Residual(kind=one.kind, id=one.id, source=one.left, log_error=log_error, familiarity=NEW)
