"""Reads the fitted constants under catalogs/calibrations."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from hwmodel.catalog.cache import parsed_once
from hwmodel.catalog.yamlfile import parse_yaml
from hwmodel.errors import CatalogError
from hwmodel.plain import JsonObject
from hwmodel.specs.economics import WholeRunConstants
from hwmodel.specs.kernels import KernelCalibration
from hwmodel.specs.rl import RlConstants

T = TypeVar("T")


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


def read_calibration(path: Path, kind: type[T]) -> T:
    """The record in one YAML file, parsed once a content; raises CatalogError when it cannot be read or is no such."""
    try:
        content = path.read_bytes()
        return parsed_once(kept_as(path), content, kind, lambda: parse_calibration(content, path))
    except OSError as error:
        raise CatalogError(f"calibration {path.name} cannot be read: {error.strerror}") from error
    except msgspec.ValidationError as error:
        raise CatalogError(f"calibration {path.name}: {error}") from error


def kept_as(path: Path) -> str:
    """The name under which a calibration is kept parsed."""
    return f"calibration-{path.stem}"


def parse_calibration(content: bytes, path: Path) -> JsonObject:
    """The mapping that the content of a calibration is; raises CatalogError where it is none."""
    data = parse_yaml(content.decode("utf-8", "replace"), path)
    if not isinstance(data, dict):
        raise CatalogError(f"calibration {path.name} is not a mapping")
    return data


class _Kernels(msgspec.Struct, frozen=True, kw_only=True):
    gemm: dict[str, dict[str, dict[str, float]]]
    attention: dict[str, dict[str, dict[str, float]]]
    attention_flash2: dict[str, dict[str, float]]
    memory: dict[str, dict[str, float]]
    code_version: str = ""
    fitted_on: str = ""


class _Collectives(msgspec.Struct, frozen=True, kw_only=True):
    collectives: dict[str, dict[str, float]]
    scale_out: dict[str, dict[str, float]]


class _Kin(msgspec.Struct, frozen=True, kw_only=True):
    watts_per_tflop_per_s: float


class _Power(msgspec.Struct, frozen=True, kw_only=True):
    exponent: float
    reference: dict[str, _Kin]


class _Casts(msgspec.Struct, frozen=True, kw_only=True):
    bytes_per_element: dict[str, float]
    speedup_log_half_width: float
    in_pairs: dict[str, float]


class _WholeRuns(msgspec.Struct, frozen=True, kw_only=True):
    constants: WholeRunConstants
    fitted_on: str = ""


class _Rl(msgspec.Struct, frozen=True, kw_only=True):
    constants: RlConstants
    fitted_on: str = ""


@cache
def kernel_calibration(directory: Path | None = None) -> KernelCalibration:
    """Constants of kernels, collectives and power (`kernels.yaml`, `collectives.yaml`, `power.yaml`)."""
    place = directory or calibrations_dir()
    kernels = read_calibration(place / "kernels.yaml", _Kernels)
    collectives = read_calibration(place / "collectives.yaml", _Collectives)
    power = read_calibration(place / "power.yaml", _Power)
    return KernelCalibration(
        gemm=kernels.gemm,
        attention=kernels.attention,
        attention_flash2=kernels.attention_flash2,
        memory=kernels.memory,
        collectives=collectives.collectives,
        scale_out=collectives.scale_out,
        power_watts={family: kin.watts_per_tflop_per_s for family, kin in power.reference.items()},
        power_exponent=power.exponent,
        casts=_casts(place).bytes_per_element,
        code_version=kernels.code_version,
        fitted_on=kernels.fitted_on,
    )


@cache
def whole_run_calibration(directory: Path | None = None) -> WholeRunConstants:
    """What whole published runs were billed beyond steady hours and failures (`whole_runs.yaml`)."""
    data = read_calibration((directory or calibrations_dir()) / "whole_runs.yaml", _WholeRuns)
    return msgspec.structs.replace(data.constants, fitted_on=data.fitted_on)


@cache
def rl_calibration(directory: Path | None = None) -> RlConstants:
    """What steps of reinforcement learning take beside serving and training (`rl.yaml`)."""
    data = read_calibration((directory or calibrations_dir()) / "rl.yaml", _Rl)
    return msgspec.structs.replace(data.constants, fitted_on=data.fitted_on)


def _casts(place: Path) -> _Casts:
    return read_calibration(place / "casts.yaml", _Casts)


@cache
def speedup_log_half_width(directory: Path | None = None) -> float:
    """Half-width (natural log) of the 80 % interval of one recipe's speed over another's in the same run."""
    return _casts(directory or calibrations_dir()).speedup_log_half_width


@cache
def speedups_in_pairs(directory: Path | None = None) -> dict[str, float]:
    """Median speed-up of each recipe as predicted in the settings of the published pairs (`casts.yaml`)."""
    return _casts(directory or calibrations_dir()).in_pairs
