"""Reads the fitted constants of serving engines."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hwmodel.catalog.calibrations import calibrations_dir, read_calibration
from hwmodel.specs.serving_calibration import ServingCalibration


@cache
def serving_calibration(directory: Path | None = None) -> ServingCalibration:
    """Constants of serving engines (`serving.yaml`)."""
    return read_calibration((directory or calibrations_dir()) / "serving.yaml", ServingCalibration)
