"""Reads the fitted constants under catalogs/calibrations."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from hwmodel.errors import CatalogError
from hwmodel.specs.kernels import KernelCalibration


def calibrations_dir() -> Path:
    """The folder of the shipped calibrations: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "catalogs", package.parent / "catalogs"):
        if (place / "calibrations").is_dir():
            return place / "calibrations"
    raise CatalogError("no catalogs/calibrations found beside the package")


def read_calibration(path: Path) -> dict[str, Any]:
    """The mapping in one YAML file; raises CatalogError when it cannot be read."""
    import yaml

    try:
        with path.open(encoding="utf-8") as handle:
            data = yaml.load(handle, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise CatalogError(f"calibration {path.name} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CatalogError(f"calibration {path.name} is not a mapping")
    return data


@cache
def kernel_calibration(directory: Path | None = None) -> KernelCalibration:
    """Constants of kernels and collectives (`kernels.yaml`, `collectives.yaml`)."""
    place = directory or calibrations_dir()
    kernels = read_calibration(place / "kernels.yaml")
    collectives = read_calibration(place / "collectives.yaml")
    return KernelCalibration(
        gemm=kernels["gemm"],
        attention=kernels["attention"],
        attention_flash2=kernels["attention_flash2"],
        memory=kernels["memory"],
        collectives=collectives["collectives"],
        scale_out=collectives["scale_out"],
        code_version=str(kernels.get("code_version", "")),
        fitted_on=str(kernels.get("fitted_on", "")),
    )
