"""Reads the fitted constants of serving engines."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from hwmodel.catalog.calibrations import calibrations_dir, read_calibration
from hwmodel.errors import CatalogError
from hwmodel.specs.serving_calibration import ServingCalibration


@cache
def serving_calibration(directory: Path | None = None) -> ServingCalibration:
    """Constants of serving engines (`serving.yaml`)."""
    path = (directory or calibrations_dir()) / "serving.yaml"
    try:
        return msgspec.convert(read_calibration(path), ServingCalibration)
    except msgspec.ValidationError as error:
        raise CatalogError(f"calibration {path.name}: {error}") from error
