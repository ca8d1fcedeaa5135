"""Training stacks and the fitted constants of the training step, from catalogs/calibrations."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from hwmodel.catalog.calibrations import calibrations_dir, read_calibration
from hwmodel.catalog.names import fold, resolve
from hwmodel.specs.intervals import FitConstants, IntervalConstants
from hwmodel.specs.layout import SCHEDULES
from hwmodel.specs.stack import GENERIC, Stack

DRIFT_FROM = 2025.0  # year whose software has the level as fitted, without drift


class TrainingCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """Habits of stacks (`stacks`, `eras`), and fitted constants: generic, by families of parts, by stacks."""

    generic: dict[str, float]
    families: dict[str, dict[str, float]]
    fitted: dict[str, dict[str, float]]
    stacks: tuple[dict[str, Any], ...]
    eras: tuple[dict[str, float], ...]
    habits: dict[str, float] = {}  # of the generic stack
    kin: dict[str, Any] = {}  # whose fitted constants the generic stack shares (`like`), from a year on (`like_from`)
    targets: tuple[dict[str, Any], ...] = ()  # tokens that benchmarks with a quality target need
    known: dict[str, Any] = {}  # what the fit covered
    fitted_rows: frozenset[str] = frozenset()  # ids of the rows that the fit used
    code_version: str = ""
    fitted_on: str = ""


@cache
def training_calibration(directory: Path | None = None) -> TrainingCalibration:
    """The shipped calibration of the training step, or the one in `directory`."""
    place = directory or calibrations_dir()
    habits = read_calibration(place / "stacks.yaml")
    fitted = read_calibration(place / "training.yaml")
    return TrainingCalibration(
        generic=fitted.get("generic") or {},
        families=fitted.get("families") or {},
        fitted=fitted.get("stacks") or {},
        stacks=tuple(habits["stacks"]),
        eras=tuple(habits["generic"]["eras"]),
        habits=habits["generic"].get("constants") or {},
        kin={key: habits["generic"][key] for key in ("like", "like_from")},
        targets=tuple(fitted.get("targets") or ()),
        known=fitted.get("known") or {},
        fitted_rows=frozenset(fitted.get("residuals") or ()),
        code_version=str(fitted.get("code_version", "")),
        fitted_on=str(fitted.get("fitted_on", "")),
    )


def stack_id(
    framework: str, year: float | None, calibration: TrainingCalibration, family: str = "", number_format: str = ""
) -> str:
    """The stack that a framework's name and year mean on a family of parts and a format; `generic` where none is known.

    Entries with `families` or `formats` describe kernels that exist only there. Without a year it is today's.
    """
    if not framework.strip():
        return default_stack(family, calibration)
    for entry in calibration.stacks:
        dated = (9999 if year is None else year) <= entry.get("until", 9999)
        here = family in entry.get("families", (family,)) and number_format in entry.get("formats", (number_format,))
        if dated and here and re.search(entry["match"], framework, re.I):
            return str(entry["id"])
    return GENERIC


def released(framework: str) -> float | None:
    """Year of the release that a framework's name carries (`Release 23.09`, `Bridge 26.02.01`); None without one."""
    found = re.search(r"\b(2\d)\.(0[1-9]|1[0-2])\b", framework)
    return None if found is None else 2000.0 + float(found[1]) + (float(found[2]) - 0.5) / 12.0


def default_stack(family: str, calibration: TrainingCalibration) -> str:
    """The software of a family of parts where nobody names another."""
    return next((str(e["id"]) for e in calibration.stacks if family in e.get("default_of", ())), GENERIC)


def _family(family: str, calibration: TrainingCalibration) -> dict[str, float]:
    """Fitted constants of a family of parts; one that no run measured takes the geometric mean of the others."""
    out = dict(calibration.families.get(family, {}))
    for field in ("sustained", "sustained_four", "sustained_high"):
        known = [values[field] for values in calibration.families.values() if field in values]
        if field not in out and known:
            product = 1.0
            for value in known:
                product *= value
            out[field] = product ** (1.0 / len(known))
    return out


def _fitted(name: str, entry: dict[str, Any], year: float | None, calibration: TrainingCalibration) -> dict[str, float]:
    """Fitted constants of a stack: those of its kin (`like`), then its own; levels multiply and drift with the year."""
    values: dict[str, float] = {}
    level = 1.0
    for key in (*entry.get("like", ()), name):
        found = calibration.fitted.get(key, {})
        level *= found.get("level", 1.0)
        values |= found
    values["host_tensor"] = max(values.get("host_tensor", 0.0) + values.pop("host_tensor_own", 0.0), 0.0)
    drift = values.pop("drift", 0.0)
    if drift and "releases" in entry:
        first, last = entry["releases"]
        level *= math.exp(drift * (min(max(year or last, first), last) - DRIFT_FROM))
    return values | {"level": level}


def build_stack(
    name: str, family: str, year: float | None, calibration: TrainingCalibration, *, level_known: bool = True
) -> Stack:
    """Constants of a stack on a family of parts: defaults, generic fit, habits, fit of the stack, fit of the family.

    With `level_known` false the stack's own fit is left out, so that it counts as one that nobody measured.
    """
    values: dict[str, Any] = calibration.generic | (calibration.habits if name == "generic" else {})
    generation = next(
        e["attention_generation"] for e in calibration.eras if (year or 9999) <= e["until"] or year is None
    )
    values["attention_generation"] = generation if year is not None else 3.0
    entry = next((e for e in calibration.stacks if e["id"] == name), None)
    kin = calibration.kin if name == GENERIC and (year or 9999) >= calibration.kin.get("like_from", 0) else {}
    title, schedules = "any stack of its year", SCHEDULES[:1]
    if entry is not None:
        values |= entry["constants"]
        title, schedules = entry["title"], tuple(entry.get("schedules", schedules))
    own = _fitted(name, entry or kin, year, calibration) if level_known else {}
    level = own.get("level", 1.0) * values.get("level", 1.0)
    values |= own | {"level": level} | _family(family, calibration)
    return Stack(id=name, title=title, year=year or 0.0, schedules=schedules, **values)


def stack_named(name: str) -> str:
    """The id of a training stack (`generic`, `megatron-core` ...). Raises InputError for an unknown one."""
    known = [GENERIC, *(str(entry["id"]) for entry in training_calibration().stacks)]
    return resolve("training stack", name, {fold(k): k for k in known})


def training_stack(name: str = "", family: str = "", year: float | None = None, number_format: str = "") -> Stack:
    """The shipped constants of a stack for parts of `family`; without a name the usual one of the family.

    With `number_format` the variant of the stack that this format needs, where it has one. Raises InputError for an
    unknown stack.
    """
    calibration = training_calibration()
    own = stack_named(name) if name else default_stack(family, calibration)
    variant = stack_id(own, year, calibration, family, number_format) if number_format else own
    kin = next((e.get("like", ()) for e in calibration.stacks if e["id"] == variant), ())
    return build_stack(variant if own in kin else own, family, year, calibration)


@cache
def interval_calibration(directory: Path | None = None) -> dict[str, IntervalConstants]:
    """The shipped widths of prediction intervals, by kind of quantity (`training`, `memory`, `tpot` ...)."""
    data = read_calibration((directory or calibrations_dir()) / "intervals.yaml")
    return msgspec.convert(data["kinds"], dict[str, IntervalConstants])


@cache
def memory_calibration(directory: Path | None = None) -> FitConstants:
    """The shipped probability that a layout fits."""
    return FitConstants(**read_calibration((directory or calibrations_dir()) / "memory.yaml")["fits"])


@cache
def search_optimism(directory: Path | None = None) -> float:
    """By how much searched layouts run slower than predicted [natural log], measured on published runs."""
    return float(read_calibration((directory or calibrations_dir()) / "searched.yaml")["optimism"])
