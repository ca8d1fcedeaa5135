"""Training stacks and the fitted constants of the training step, from catalogs/calibrations."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path

import msgspec

from hwmodel.catalog.calibrations import calibrations_dir, read_calibration
from hwmodel.catalog.names import fold, resolve
from hwmodel.errors import UnknownNameError
from hwmodel.specs.intervals import FitConstants, IntervalConstants
from hwmodel.specs.layout import SCHEDULES
from hwmodel.specs.stack import GENERIC, Stack
from hwmodel.specs.training_calibration import (
    GenericHabits,
    Known,
    StackHabits,
    Target,
    TrainingCalibration,
)

DRIFT_FROM = 2025.0  # year whose software has the level as fitted, without drift


class _Habits(msgspec.Struct, frozen=True, kw_only=True):
    generic: GenericHabits
    stacks: tuple[StackHabits, ...]


class _Fitted(msgspec.Struct, frozen=True, kw_only=True):
    generic: dict[str, float] = {}
    families: dict[str, dict[str, float]] = {}
    stacks: dict[str, dict[str, float]] = {}
    known: Known = Known()
    targets: tuple[Target, ...] = ()
    residuals: dict[str, float] = {}
    code_version: str = ""
    fitted_on: str = ""


class _Intervals(msgspec.Struct, frozen=True, kw_only=True):
    kinds: dict[str, IntervalConstants]


class _Memory(msgspec.Struct, frozen=True, kw_only=True):
    fits: FitConstants


class _Searched(msgspec.Struct, frozen=True, kw_only=True):
    optimism: float


@cache
def training_calibration(directory: Path | None = None) -> TrainingCalibration:
    """The shipped calibration of the training step, or the one in `directory`."""
    place = directory or calibrations_dir()
    habits = read_calibration(place / "stacks.yaml", _Habits)
    fitted = read_calibration(place / "training.yaml", _Fitted)
    return TrainingCalibration(
        generic=fitted.generic,
        families=fitted.families,
        fitted=fitted.stacks,
        stacks=habits.stacks,
        unnamed=habits.generic,
        targets=fitted.targets,
        known=fitted.known,
        fitted_rows=frozenset(fitted.residuals),
        code_version=fitted.code_version,
        fitted_on=fitted.fitted_on,
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
        dated = entry.until is None or (year is not None and year <= entry.until)
        here = family in (entry.families or (family,)) and number_format in (entry.formats or (number_format,))
        if dated and here and re.search(entry.match, framework, re.I):
            return entry.id
    return GENERIC


def released(framework: str) -> float | None:
    """Year of the release that a framework's name carries (`Release 23.09`, `Bridge 26.02.01`); None without one."""
    found = re.search(r"\b(2\d)\.(0[1-9]|1[0-2])\b", framework)
    return None if found is None else 2000.0 + float(found[1]) + (float(found[2]) - 0.5) / 12.0


def default_stack(family: str, calibration: TrainingCalibration) -> str:
    """The software of a family of parts where nobody names another."""
    return next((e.id for e in calibration.stacks if family in e.default_of), GENERIC)


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


def _habits(name: str, calibration: TrainingCalibration) -> StackHabits | None:
    return next((entry for entry in calibration.stacks if entry.id == name), None)


def _kin(name: str, year: float | None, calibration: TrainingCalibration) -> tuple[str, ...]:
    """Whose fitted constants a stack shares; software of no name from some year on."""
    habits, unnamed = _habits(name, calibration), calibration.unnamed
    if habits is not None:
        return habits.like
    return unnamed.like if name == GENERIC and (year or 9999) >= unnamed.like_from else ()


def _fitted(name: str, year: float | None, calibration: TrainingCalibration) -> dict[str, float]:
    """Fitted constants of a stack: those of its kin (`like`), then its own; levels multiply and drift with the year."""
    values: dict[str, float] = {}
    level = 1.0
    for key in (*_kin(name, year, calibration), name):
        found = calibration.fitted.get(key, {})
        level *= found.get("level", 1.0)
        values |= found
    values["host_tensor"] = max(values.get("host_tensor", 0.0) + values.pop("host_tensor_own", 0.0), 0.0)
    drift = values.pop("drift", 0.0)
    habits = _habits(name, calibration)
    if drift and habits is not None and habits.releases is not None:
        first, last = habits.releases
        level *= math.exp(drift * (min(max(year or last, first), last) - DRIFT_FROM))
    return values | {"level": level}


def _attention_generation(year: float | None, calibration: TrainingCalibration) -> float:
    """Of the kernels that were usual in a year; without one, today's."""
    if year is None:
        return 3.0
    return next(era.attention_generation for era in calibration.unnamed.eras if (year or 9999) <= era.until)


def build_stack(
    name: str, family: str, year: float | None, calibration: TrainingCalibration, *, level_known: bool = True
) -> Stack:
    """Constants of a stack on a family of parts: defaults, generic fit, habits, fit of the stack, fit of the family.

    With `level_known` false the stack's own fit is left out, so that it counts as one that nobody measured.
    """
    values = calibration.generic | {"attention_generation": _attention_generation(year, calibration)}
    title, schedules = "any stack of its year", tuple(SCHEDULES[:1])
    habits = _habits(name, calibration)
    if habits is not None:
        values |= habits.constants
        title, schedules = habits.title, habits.schedules or schedules
    elif name == GENERIC:
        values |= calibration.unnamed.constants
    own = _fitted(name, year, calibration) if level_known else {}
    level = own.get("level", 1.0) * values.get("level", 1.0)
    values |= own | {"level": level} | _family(family, calibration)
    return msgspec.structs.replace(Stack(id=name, title=title, year=year or 0.0, schedules=schedules), **values)


def stack_named(name: str) -> str:
    """The id of a training stack (`generic`, `megatron-core` ...). Raises InputError for an unknown one."""
    calibration = training_calibration()
    known = [GENERIC, *(entry.id for entry in calibration.stacks)]
    try:
        return resolve("training stack", name, {fold(k): k for k in known})
    except UnknownNameError as error:
        meant = stack_id(name, None, calibration)
        said = "known: " not in str(error) and meant in str(error)  # as one that may be meant, not as any that there is
        if meant == GENERIC or said:
            raise
        raise UnknownNameError(
            f"unknown training stack {name!r}; its runs are predicted as {meant}: name that"
        ) from error


def training_stack(name: str = "", family: str = "", year: float | None = None, number_format: str = "") -> Stack:
    """The shipped constants of a stack for parts of `family`; without a name the usual one of the family.

    With `number_format` the variant of the stack that this format needs, where it has one. Raises InputError for an
    unknown stack.
    """
    calibration = training_calibration()
    own = stack_named(name) if name else default_stack(family, calibration)
    variant = stack_id(own, year, calibration, family, number_format) if number_format else own
    described = _habits(variant, calibration)
    refines = described is not None and own in described.like
    return build_stack(variant if refines else own, family, year, calibration)


@cache
def interval_calibration(directory: Path | None = None) -> dict[str, IntervalConstants]:
    """The shipped widths of prediction intervals, by kind of quantity (`training`, `memory`, `tpot` ...)."""
    return read_calibration((directory or calibrations_dir()) / "intervals.yaml", _Intervals).kinds


@cache
def memory_calibration(directory: Path | None = None) -> FitConstants:
    """The shipped probability that a layout fits."""
    return read_calibration((directory or calibrations_dir()) / "memory.yaml", _Memory).fits


@cache
def search_optimism(directory: Path | None = None) -> float:
    """By how much searched layouts run slower than predicted [natural log], measured on published runs."""
    return read_calibration((directory or calibrations_dir()) / "searched.yaml", _Searched).optimism
