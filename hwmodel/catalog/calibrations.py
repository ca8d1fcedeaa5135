"""Reads the fitted constants under catalogs/calibrations."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from hwmodel.catalog.cache import parsed_once
from hwmodel.catalog.yamlfile import parse_yaml
from hwmodel.errors import CatalogError
from hwmodel.plain import Document
from hwmodel.specs.economics import WholeRunConstants
from hwmodel.specs.kernels import KernelCalibration
from hwmodel.specs.rl import RlConstants


def calibrations_dir() -> Path:
    """The folder of the shipped calibrations: inside the wheel, or beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "catalogs", package.parent / "catalogs"):
        if (place / "calibrations").is_dir():
            return place / "calibrations"
    raise CatalogError("no catalogs/calibrations found beside the package")


def writable_dir() -> Path | None:
    """The folder of the calibrations of the checkout that one works in; None elsewhere, as in an installed package."""
    root = Path(__file__).resolve().parents[2]
    inside = Path.cwd().resolve()
    ours = (root / "pyproject.toml").is_file() and (inside == root or root in inside.parents)
    return calibrations_dir() if ours else None


def read_calibration(path: Path) -> Document:
    """The mapping in one YAML file, parsed once a content; raises CatalogError when it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CatalogError(f"calibration {path.name} cannot be read: {error.strerror}") from error
    return parsed_once(kept_as(path), content, Document, lambda: parse_calibration(content, path))


def kept_as(path: Path) -> str:
    """The name under which a calibration is kept parsed."""
    return f"calibration-{path.stem}"


def parse_calibration(content: bytes, path: Path) -> Document:
    """The mapping that the content of a calibration is; raises CatalogError where it is none."""
    data = parse_yaml(content.decode("utf-8", "replace"), path)
    if not isinstance(data, dict):
        raise CatalogError(f"calibration {path.name} is not a mapping")
    return data


@cache
def kernel_calibration(directory: Path | None = None) -> KernelCalibration:
    """Constants of kernels, collectives and power (`kernels.yaml`, `collectives.yaml`, `power.yaml`)."""
    place = directory or calibrations_dir()
    kernels = read_calibration(place / "kernels.yaml")
    collectives = read_calibration(place / "collectives.yaml")
    power = read_calibration(place / "power.yaml")
    return KernelCalibration(
        gemm=kernels["gemm"],
        attention=kernels["attention"],
        attention_flash2=kernels["attention_flash2"],
        memory=kernels["memory"],
        collectives=collectives["collectives"],
        scale_out=collectives["scale_out"],
        power_watts={family: float(kin["watts_per_tflop_per_s"]) for family, kin in power["reference"].items()},
        power_exponent=float(power["exponent"]),
        casts=read_calibration(place / "casts.yaml")["bytes_per_element"],
        code_version=str(kernels.get("code_version", "")),
        fitted_on=str(kernels.get("fitted_on", "")),
    )


@cache
def whole_run_calibration(directory: Path | None = None) -> WholeRunConstants:
    """What whole published runs were billed beyond steady hours and failures (`whole_runs.yaml`)."""
    data = read_calibration((directory or calibrations_dir()) / "whole_runs.yaml")
    return msgspec.convert(data["constants"] | {"fitted_on": str(data.get("fitted_on", ""))}, WholeRunConstants)


@cache
def rl_calibration(directory: Path | None = None) -> RlConstants:
    """What steps of reinforcement learning take beside serving and training (`rl.yaml`)."""
    data = read_calibration((directory or calibrations_dir()) / "rl.yaml")
    return msgspec.convert(data["constants"] | {"fitted_on": str(data.get("fitted_on", ""))}, RlConstants)


@cache
def speedup_log_half_width(directory: Path | None = None) -> float:
    """Half-width (natural log) of the 80 % interval of one recipe's speed over another's in the same run."""
    return float(read_calibration((directory or calibrations_dir()) / "casts.yaml")["speedup_log_half_width"])


@cache
def speedups_in_pairs(directory: Path | None = None) -> dict[str, float]:
    """Median speed-up of each recipe as predicted in the settings of the published pairs (`casts.yaml`)."""
    return dict(read_calibration((directory or calibrations_dir()) / "casts.yaml")["in_pairs"])
