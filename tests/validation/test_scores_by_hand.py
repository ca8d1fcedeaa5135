"""Figures of a board from a handful of rows, worked out in the comments: errors, coverage, scores, the constant's."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel.specs.intervals import Ends, Familiarity, FitConstants
from hwmodel.validation.board.cells import Held, _off, _shipped, _thousandths, cells_of, constant_errors, key_of
from hwmodel.validation.board.folds import folds_left_out, folds_of
from hwmodel.validation.calibrate.interval_score import held, one_width, rank_correlation, ranks
from hwmodel.validation.fit.interval_fit import Residual, scores, weights
from hwmodel.validation.fit.memory_fit import reliability
from hwmodel.validation.predicted import ranking
from hwmodel.validation.predicted.ranking import area_under_curve, layout_choice
from hwmodel.validation.predicted.records import RowPrediction, without_given
from hwmodel.validation.predicted.score import (
    Constants,
    constant_prediction,
    fit_constants,
    interval_score,
    is_time,
    overall,
    summarise,
    utilisation,
)

RATE = "tokens_per_s_per_accel"


def row(name: str, measured: float, predicted: float | None, **fields: Any) -> RowPrediction:
    given: dict[str, Any] = {
        "source": "one", "group": "g", "model": "m", "part": "p", "engine": "", "metric": RATE, "low": None,
        "high": None, "status": "predicted" if predicted is not None else "refused", "baseline_key": "p|bf16",
        "headline": True,
    }  # fmt: skip
    return RowPrediction(**{**given, **fields}, id=name, measured=measured, predicted=predicted)


def test_times_and_rates() -> None:
    for metric, time in (
        ("step_time_s", True), ("ttft_ms", True), ("tokens_per_s", False), ("throughput_tokens_per_s", False),
        ("peak_mem_gb", False), ("hours", True), ("mfu", False),
    ):  # fmt: skip
        assert is_time(metric) is time


def test_scores_of_intervals() -> None:
    # A width of 0.4, and ten times what lies outside.
    assert interval_score(0.1, 0.2) == pytest.approx(0.4)
    assert interval_score(-0.3, 0.2) == pytest.approx(0.4 + 10 * 0.1)
    error = np.array([0.5, -0.5, 0.1])
    ends = Ends(np.full(3, 0.3), np.full(3, 0.2))
    assert scores(error, ends) == pytest.approx([0.5 + 10 * 0.3, 0.5 + 10 * 0.2, 0.5])
    # Of what is missed at most one half of the width counts where it is capped at one.
    assert scores(error, ends, 1.0) == pytest.approx([0.5 + 10 * 0.25, 0.5 + 10 * 0.2, 0.5])


def test_figures_of_a_source() -> None:
    # Errors of 10 % up, 20 % down, 50 % up, and one refusal that counts as a hundred.
    wide = {"low": 80.0, "high": 125.0}
    rows = [row("a", 100.0, 110.0, **wide), row("b", 100.0, 80.0, low=50.0, high=90.0), row("c", 100.0, 150.0),
            row("d", 100.0, None)]  # fmt: skip
    found = summarise(rows, {"a": 130.0, "b": 90.0}, 0.2)
    assert (found.n, found.predicted, found.refused) == (4, 3, 1)
    assert found.median_ape == pytest.approx(0.35)
    assert found.mape == pytest.approx(0.45)
    assert found.p90_ape == pytest.approx(0.5 + 0.7 * 0.5)
    assert found.median_signed == pytest.approx(0.1)
    # The first interval holds 100 in its middle, of half-width ln 1.25; the second, around 67.08, ends at 90.
    assert found.coverage_80 == 0.5
    half = 0.5 * math.log(90 / 50)
    missed = math.log(100 / 90)
    assert found.interval_score == pytest.approx(((2 * math.log(1.25)) + (2 * half + 10 * missed)) / 2)
    assert found.median_log_half_width == pytest.approx((math.log(1.25) + half) / 2)
    # The constant is 30 % up and 10 % down: ln 1.3 lies 0.0624 outside of 0.2, ln 0.9 inside.
    assert found.baseline_median_ape == pytest.approx(0.2)
    assert found.baseline_interval_score == pytest.approx((0.4 + 10 * (math.log(1.3) - 0.2) + 0.4) / 2)
    empty = summarise([], {})
    assert (empty.n, empty.mape, empty.coverage_80, empty.baseline_interval_score) == (0, None, None, None)


def test_one_utilisation_for_all() -> None:
    # Rates of 40, 60 and 50 of 100, of another part 30 of the same format; a time of 4 s where all of it takes 1.
    rows = [row("a", 40.0, 1.0, baseline_unit=100.0), row("b", 60.0, 1.0, baseline_unit=100.0),
            row("c", 50.0, 1.0, baseline_unit=100.0), row("d", 30.0, 1.0, baseline_unit=100.0, baseline_key="q|bf16"),
            row("e", 4.0, 1.0, baseline_unit=1.0, metric="step_time_s", baseline_key="q|fp8", source="two"),
            row("f", 9.0, 1.0, baseline_unit=100.0, headline=False), row("g", 9.0, 1.0)]  # fmt: skip
    assert utilisation(rows[4]) == 0.25
    assert utilisation(rows[6]) is None
    found = fit_constants(rows)
    assert found.by_key == {"p|bf16": 0.5, "q|bf16": 0.3, "q|fp8": 0.25}
    assert found.by_format == {"bf16": 0.45, "fp8": 0.25}
    assert found.overall == 0.4
    # Residuals of one source ln 0.8, ln 1.2, 0 and 0, of the other 0: two sources weigh alike, so that the four hold an
    # eighth each; 0, 0 and the other's 0 are 0.75 of all, ln 1.2 makes it 0.875.
    assert found.half == pytest.approx(math.log(1.2))
    assert (found.of("p|bf16"), found.of("x|bf16"), found.of("x|int8")) == (0.5, 0.45, 0.4)
    assert constant_prediction(rows[0], found) == 50.0
    assert constant_prediction(rows[4], found) == 4.0
    assert constant_prediction(rows[6], found) is None
    assert constant_prediction(rows[0], Constants(by_key={}, by_format={}, overall=None)) is None
    none = fit_constants([])
    assert (none.overall, none.half) == (None, None)


def test_figures_over_all_sources() -> None:
    # Medians of 10 % and 40 % are 25 % in the mean, however many rows either has; refusals by row.
    rows = [
        row("a", 100.0, 110.0, low=90.0, high=120.0), row("b", 100.0, 110.0), row("c", 100.0, 140.0, source="two"),
        row("c", 1.0, 9.0, source="two", headline=False), row("d", 100.0, None, source="two", headline=False),
    ]  # fmt: skip
    # One utilisation says 120 of a, measured 100, and 160 of c; of what is no headline it would say 9 times too much.
    level = Constants(by_key={"p|bf16": 0.5}, by_format={}, overall=None, half=0.1)
    units = {"a": 240.0, "c": 320.0}
    rows = [msgspec.structs.replace(one, baseline_unit=units.get(one.id) if one.headline else 18.0) for one in rows]
    found = overall(rows, lambda one: level)
    assert (found.n_rows, found.refused_rows, found.refused_share) == (4, 1, 0.25)
    assert found.mean_of_source_medians == pytest.approx(0.25)
    assert found.coverage_80 == 1.0
    assert found.median_log_half_width == pytest.approx(0.5 * math.log(120 / 90))
    beyond = (math.log(1.2) - 0.1 + math.log(1.6) - 0.1) / 2
    assert found.baseline_mean_of_source_medians == pytest.approx((0.2 + 0.6) / 2)
    assert found.baseline_interval_score == pytest.approx(0.2 + 10 * beyond)
    assert overall([], lambda one: None).refused_share is None


def test_rows_that_were_given_are_not_scored() -> None:
    given, other = without_given([row("a", 1.0, 1.0), row("b", 1.0, 1.0, reason="r")], frozenset({"a"}))
    assert (given.scored, other.scored, other.reason) == (False, True, "r")


def test_lots_that_are_left_out() -> None:
    names = ["a", "b", "a", "c", "d"]
    assert folds_of(names, 0, 1) == [frozenset("a"), frozenset("b"), frozenset("c"), frozenset("d")]
    assert folds_of(names, 4, 1) == folds_of(names, 0, 1)
    lots = folds_of(names, 2, 1)
    assert sorted(map(len, lots)) == [2, 2]
    assert frozenset.union(*lots) == frozenset("abcd")
    usable = np.array([True, True, False, True, True])
    found = list(folds_left_out(names, [frozenset("a"), frozenset("bc")], usable, lambda use: int(use.sum())))
    assert [fold.left.tolist() for fold in found] == [
        [True, False, True, False, False],
        [False, True, False, True, False],
    ]
    assert [fold.use.tolist() for fold in found] == [
        [False, True, False, True, True],
        [True, False, False, False, True],
    ]
    assert [fold.constants for fold in found] == [3, 2]


def test_ranks() -> None:
    # Ties share the mean of their places.
    assert ranks(np.array([10.0, 30.0, 10.0, 20.0])).tolist() == [1.5, 4.0, 1.5, 3.0]
    assert rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 20.0])) == pytest.approx(0.5)
    assert rank_correlation(np.ones(3), np.array([1.0, 2.0, 3.0])) == 0.0
    assert ranking.rank_correlation([1.0, 2.0, 3.0], [30.0, 20.0, 10.0]) == pytest.approx(-1.0)
    # Of four pairs three stand in order: a failed one at 2 above 1 and a failed one at 4 above 1 and 3.
    assert area_under_curve(np.array([2.0, 4.0, np.nan]), np.array([1.0, 3.0])) == 0.75


def test_the_choice_among_layouts() -> None:
    # Eight layouts measured 1 to 8 and predicted alike but for the best two, swapped; one fleet with too few.
    order = [1, 2, 3, 4, 5, 6, 8, 7]
    rows = [row(str(i), float(i + 1), 1.5 * order[i]) for i in range(8)] + [row("x", 1.0, 9.0)]
    fleets = {str(i): 8.0 for i in range(8)} | {"x": 16.0}
    found = layout_choice(rows, fleets)
    assert (found.pairs, found.median_speed_of_pick) == (1.0, 7 / 8)
    # One swap of neighbours: 1 - 6 x 2 / (8 x 63).
    assert found.median_rank_correlation == pytest.approx(1 - 12 / 504)
    assert found.median_rank_correlation_clean == pytest.approx(1 - 12 / 504)
    # A run in a slow mode, predicted at twice its rate and more, is left out of the clean one.
    slow = [msgspec.structs.replace(rows[0], predicted=20.0), *rows[1:]]
    found = layout_choice(slow, fleets)
    assert found.median_speed_of_pick == 1 / 8
    assert found.median_rank_correlation_clean == pytest.approx(1 - 12 / (7 * 48))


def residual(name: str, error: float, known: float = 0.0) -> Residual:
    return Residual(
        kind="k",
        id=name,
        source=name[0],
        log_error=error,
        familiarity=Familiarity(shares={}, distances={}, known=known),
    )


def test_sources_weigh_alike() -> None:
    rows = [residual("a1", 0.1), residual("a2", 0.3), residual("b1", -0.2), residual("b2", 0.1, 1.0)]
    # Two of one source half as much each; left-out and known sources each one half of the whole.
    assert weights(rows[:3], 1.0) == pytest.approx([0.25, 0.25, 0.5])
    assert weights(rows, 1.0) == pytest.approx([0.125, 0.125, 0.25, 0.5])
    assert weights(rows[:3], 0.0) == pytest.approx([1 / 3] * 3)
    ends = Ends(np.array([0.15, 0.15, 0.15]), np.array([0.2, 0.2, 0.2]))
    found = held(rows[:3], ends)
    assert (found.rows, found.sources) == (3, 2)
    # The first alone lies inside: a quarter by sources, a third by rows. 0.1 and 0.05 lie outside of the others.
    assert (found.coverage, found.coverage_by_rows) == (0.25, 0.333)
    assert found.interval_score == pytest.approx(0.25 * (0.35 + 1.35) + 0.5 * 0.85, abs=1e-3)
    assert found.interval_score_by_rows == pytest.approx((0.35 + 1.35 + 0.85) / 3, abs=1e-3)
    assert found.median_half_width == 0.175
    # For a the width is b's only error, for b that which holds 80 % of a's.
    assert one_width(rows[:3]).up == pytest.approx([0.2, 0.2, 0.3])


def held_row(name: str, error: float, **fields: Any) -> Held:
    given: dict[str, Any] = {"kind": "training", "metric": "", "left": "one", "down": 0.1, "up": 0.2}
    return Held(**{**given, **fields}, id=name, log_seconds=error)


def test_cells() -> None:
    for error, inside in ((0.2, True), (0.21, False), (-0.1, True), (-0.11, False)):
        assert held_row("a", error).inside is inside
    # A tenth more seconds measured than predicted: the rate was predicted a tenth too fast, the time too short.
    assert _off(math.log(1.1), row("a", 100.0, 110.0)) == 100
    assert _off(math.log(1.25), row("a", 100.0, 80.0, metric="step_time_s")) == -200
    assert _off(math.log(1.25), row("a", 100.0, 80.0, metric="peak_mem_gb")) == -200
    assert _off(1e3, row("a", 1.0, 1.0)) == 99_999
    assert (_shipped(row("a", 100.0, 110.0)), _thousandths(-0.5), _thousandths(1e9)) == (100, -500, 99_999)
    # The constant of a row comes of the sources that it is not left out with: 0.5 of 100 against 40 measured, so that
    # 0.2231 more seconds were measured than said.
    one, two = row("a", 40.0, 50.0, baseline_unit=100.0), row("b", 50.0, 50.0, baseline_unit=100.0, source="two")
    pairs = [(held_row("a", 0.3), one), (held_row("b", 0.1, left="two"), two)]
    errors = constant_errors(pairs)
    assert errors[key_of(pairs[0][0])] == pytest.approx(math.log(1.25))
    assert errors[key_of(pairs[1][0])] == pytest.approx(math.log(0.8))
    cells = cells_of(pairs, errors)
    assert [(c.source, c.number_format, c.inside) for c in cells] == [("one", "bf16", 0), ("two", "bf16", 1)]
    assert cells[0].left_out == (round(1e3 * math.expm1(0.3)),)
    assert (cells[0].shipped, cells[0].constant) == ((250,), (250,))
    assert cells[1].constant == (-200,)


def test_layouts_by_their_fill() -> None:
    # Of 0.9 of the memory two run of three; the curve says half at its middle, of which a tenth fail otherwise.
    c = FitConstants(middle=0.9, width=0.1, other=0.1)
    found = reliability(np.array([0.9, 0.9, 0.9, 0.0, 2.0]), np.array([1.0, 1.0, 0.0, 1.0, 0.0]), c)
    assert [(b.low, b.layouts, b.ran) for b in found] == [(0.0, 1, 1.0), (0.85, 3, 0.667), (1.5, 1, 0.0)]
    assert [b.said for b in found] == [0.9, 0.45, pytest.approx(0.9 / (1 + (2 / 0.9) ** 10), abs=1e-3)]
