"""Speed-ups against published pairs: sources left out, and the share that casts take."""

from __future__ import annotations

import math

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration, speedup_log_half_width
from hwmodel.validation.fit.cast_fit import COUNTED, fit, left_out, speed_pairs, spread


def test_left_out_speed_ups_lie_inside_the_band():
    errors = left_out(speed_pairs())
    inside = [sum(abs(e) <= speedup_log_half_width() for e in rows) / len(rows) for rows in errors.values()]
    assert len(errors) >= 12
    assert sum(inside) / len(inside) >= 0.75
    assert spread(errors) == pytest.approx(speedup_log_half_width(), rel=0.15)
    assert speedup_log_half_width() < 0.16


def test_constants_are_near_what_reads_and_writes_count():
    found = fit(speed_pairs())
    shipped = kernel_calibration().casts
    for kind, counted in COUNTED.items():
        assert 0.4 < found[kind] / counted < 2.5
        assert found[kind] == pytest.approx(shipped[kind], rel=0.35)


def test_without_casts_every_source_is_predicted_too_fast():
    errors = [pair.error(1.0) for pair in speed_pairs()]
    assert sum(error < 0 for error in errors) / len(errors) > 0.85
    assert sum(errors) / len(errors) < -0.1


def test_more_traffic_is_never_faster():
    for pair in speed_pairs():
        assert all(a >= b for a, b in zip(pair.predicted, pair.predicted[1:], strict=False)), pair.id


def test_every_pair_names_a_recipe_and_a_speed():
    for pair in speed_pairs():
        assert load_catalog().precision(pair.recipe).quantised
        assert 0.5 < pair.measured < 2.0
        assert math.isfinite(pair.error(8.0))
