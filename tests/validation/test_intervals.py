"""One estimator of intervals: it finds planted doubts, holds the stated share on sources left out, and beats one width
where width carries information."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from hwmodel.specs.intervals import Ends, Familiarity, IntervalConstants
from hwmodel.validation.calibrate.interval_score import figures, held, one_width, rank_correlation
from hwmodel.validation.fit.interval_fit import Residual, fit_intervals, left_out_ends, prior_of, scatter

TEMPLATE = IntervalConstants(row=0.1, level=0.1, shares={"host": 1.0}, distances={"part": 2.0})


def planted(seed: int = 0, sources: int = 20, rows: int = 40) -> list[Residual]:
    """Sources off by 0.1, rows by 0.05 about them, and by 0.3 more on a new part."""
    rng = np.random.default_rng(seed)
    out = []
    for s in range(sources):
        level, new = rng.normal(0.0, 0.1), s % 2
        for k in range(rows):
            error = level + rng.normal(0.0, 0.05) + new * rng.normal(0.0, 0.3)
            familiarity = Familiarity(shares={"host": 0.0}, distances={"part": float(new)})
            out.append(Residual(kind="x", id=f"{s}-{k}", source=f"s{s}", log_error=error, familiarity=familiarity))
    return out


def test_the_scatter_of_rows_and_of_sources_is_told_apart() -> None:
    near = [r for r in planted(sources=60) if r.familiarity.distances["part"] == 0.0]
    row, level = scatter(near)
    assert row == pytest.approx(0.05, rel=0.15)
    assert level == pytest.approx(0.1, rel=0.4)
    assert prior_of(near, TEMPLATE).distances["part"] == pytest.approx(2.0 * level)


def test_intervals_of_left_out_sources_hold_and_beat_one_width() -> None:
    residuals = planted()
    found = left_out_ends(residuals, TEMPLATE)
    got, rival = held(residuals, found), held(residuals, one_width(residuals))
    assert 0.72 <= got.coverage <= 0.92
    assert got.interval_score < 0.92 * rival.interval_score
    assert got.rank_correlation > 0.3 > rival.rank_correlation


def test_a_planted_distance_is_found() -> None:
    c = fit_intervals(planted(), TEMPLATE)
    near = c.scale * float(np.hypot(c.row, c.level))
    far = c.scale * float(np.hypot(np.hypot(c.row, c.level), c.distances["part"]))
    assert 0.08 < near < 0.18  # planted: 0.11
    assert 0.22 < far < 0.45  # planted: 0.32
    assert c.shares["host"] == 1.0  # no row speaks of it: its prior stands


def test_names_of_sources_say_nothing() -> None:
    """Sources renamed and rows shuffled: the same constants."""
    residuals = planted(sources=8, rows=10)
    names = {r.source: f"z{i}" for i, r in enumerate(reversed(residuals))}
    other = [
        Residual(kind="y", id="", source=names[r.source], log_error=r.log_error, familiarity=r.familiarity)
        for r in residuals
    ]
    assert fit_intervals(residuals, TEMPLATE) == fit_intervals(other, TEMPLATE)


def test_one_wild_row_does_not_widen_everything() -> None:
    residuals = planted(sources=12)
    near = Familiarity(shares={"host": 0.0}, distances={"part": 0.0})
    wild = Residual(kind="x", id="w", source="wild", log_error=8.0, familiarity=near)
    before, after = fit_intervals(residuals, TEMPLATE), fit_intervals([*residuals, wild], TEMPLATE)
    assert after.scale * after.level < 2.0 * before.scale * before.level


def test_figures_tell_new_sources_from_known_ones() -> None:
    residuals = planted(sources=6, rows=10)
    known = [
        Residual(
            kind="x", id=r.id, source=r.source, log_error=0.5 * r.log_error,
            familiarity=Familiarity(shares=r.familiarity.shares, distances=r.familiarity.distances, known=1.0),
        )
        for r in residuals
    ]  # fmt: skip
    every = [*residuals, *known]
    found = figures(every, left_out_ends(every, TEMPLATE))
    assert found.new_source is not None
    assert found.known_source is not None
    assert found.new_source.rows == found.known_source.rows == 60
    assert found.known_source.median_half_width < found.new_source.median_half_width


def test_rank_correlation_is_spearmans() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 9, 50).astype(float), rng.normal(size=50)
    assert rank_correlation(a, b) == pytest.approx(float(spearmanr(a, b)[0]))
    assert rank_correlation(np.ones(5), np.arange(5.0)) == 0.0


def test_coverage_weighs_sources_alike() -> None:
    """Nine rows of one source inside, one of another outside: a half, not nine tenths."""
    far = Familiarity(shares={"host": 0.0}, distances={"part": 0.0})
    rows = [Residual(kind="x", id=str(k), source="a", log_error=0.0, familiarity=far) for k in range(9)]
    rows.append(Residual(kind="x", id="z", source="b", log_error=1.0, familiarity=far))
    found = held(rows, Ends(np.full(10, 0.1), np.full(10, 0.1)))
    assert found.coverage == 0.5
    assert found.coverage_by_rows == 0.9
