"""Speed-ups against published pairs: sources left out, and the share that casts take."""

from __future__ import annotations

import math

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import (
    calibrations_dir,
    kernel_calibration,
    read_calibration,
    speedup_log_half_width,
)
from hwmodel.validation.fit.cast_fit import COUNTED, errors_left_out, fit, pair_rows, speed_pairs
from hwmodel.validation.fit.pair_residuals import speed_residuals
from hwmodel.validation.fit.sources_left_out import half_width


def test_left_out_speed_ups_lie_inside_the_band():
    """Sources that neither fit has seen, as `calibrate --casts` wrote them; and those that the traffics have not."""
    wide = speedup_log_half_width()
    shipped = read_calibration(calibrations_dir() / "casts.yaml", dict)["left_out"]
    for errors in (shipped, errors_left_out(speed_pairs())):
        inside = [sum(abs(e) <= wide for e in rows) / len(rows) for rows in errors.values()]
        assert len(errors) >= 12
        assert sum(inside) / len(inside) >= 0.75
    assert half_width(shipped) == pytest.approx(wide, rel=1e-3)
    assert wide < 0.16


def test_a_source_left_out_moves_no_fit():
    """Its weight is nothing, so that its measurement may be anything."""
    pairs = speed_residuals()
    source = pairs.sources[0]
    weights = pairs.without(frozenset({source})).weights(0.85)
    assert all((weight == 0.0) == (name == source) for weight, name in zip(weights, pairs.sources, strict=True))


def test_eight_billion_gain_on_blackwell_what_was_published():
    """FP8, MXFP8 and NVFP4 over bf16 of an 8B: 1.25 to 1.36, 1.16 to 1.35, 1.28 to 1.59 in the shipped pairs."""
    published = {"fp8": (1.25, 1.36), "mxfp8": (1.16, 1.35), "nvfp4": (1.28, 1.59)}
    constants, wide = kernel_calibration().casts, speedup_log_half_width()
    blackwell = {row.id: row.part for row in pair_rows() if row.part in ("b200", "gb200")}
    for pair in speed_pairs():
        if pair.id in blackwell and pair.recipe in published:
            low, high = published[pair.recipe]
            predicted = pair.measured / math.exp(pair.error(constants[pair.kind]))
            assert low * math.exp(-wide) < predicted < high * math.exp(wide), pair.id


def test_constants_are_near_what_reads_and_writes_count():
    found = fit(speed_pairs())
    shipped = kernel_calibration().casts
    for kind, counted in COUNTED.items():
        assert 0.4 < found[kind] / counted < 2.5
        assert found[kind] == pytest.approx(shipped[kind], rel=0.35)


def test_without_casts_every_source_is_predicted_too_fast():
    errors = [pair.error(1.0) for pair in speed_pairs()]
    assert sum(error < 0 for error in errors) / len(errors) > 0.85
    assert sum(errors) / len(errors) < -0.08


def test_more_traffic_is_never_faster():
    for pair in speed_pairs():
        assert all(a >= b for a, b in zip(pair.predicted, pair.predicted[1:], strict=False)), pair.id


def test_every_pair_names_a_recipe_and_a_speed():
    for pair in speed_pairs():
        assert load_catalog().precision(pair.recipe).quantised
        assert 0.5 < pair.measured < 2.0
        assert math.isfinite(pair.error(8.0))
