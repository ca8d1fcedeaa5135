"""Serving engines: what each documents, from engines.yaml, and what was fitted on their runs, from serving.yaml."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import msgspec

from hwmodel.catalog.calibrations import calibrations_dir, read_calibration
from hwmodel.catalog.names import fold, resolve
from hwmodel.specs.serving_calibration import EngineHabits, ServingCalibration

GENERIC = "generic"


class _Engines(msgspec.Struct, frozen=True, kw_only=True):
    engines: tuple[EngineHabits, ...]


@cache
def engine_habits() -> tuple[EngineHabits, ...]:
    """Every engine that is known, `generic` among them."""
    return read_calibration(calibrations_dir() / "engines.yaml", _Engines).engines


@cache
def serving_calibration(directory: Path | None = None) -> ServingCalibration:
    """Constants of serving engines: what was fitted (`serving.yaml` of a folder) over what each documents, which is
    shipped and never fitted (`engines.yaml`)."""
    fitted = read_calibration((directory or calibrations_dir()) / "serving.yaml", ServingCalibration)
    habits = engine_habits()
    return msgspec.structs.replace(
        fitted,
        engines={engine.id: engine.settings | fitted.engines.get(engine.id, {}) for engine in habits},
        launch={engine.id: engine.launch for engine in habits if engine.launch},
    )


def engine_named(name: str) -> str:
    """The id of an engine by its id or an alias. InputError with the nearest for an unknown one."""
    known = {fold(word): engine.id for engine in engine_habits() for word in (engine.id, *engine.aliases)}
    return resolve("engine", name, known)


def engine_in(words: str) -> str:
    """The engine that the words of a benchmark name, or `generic`."""
    return next((e.id for e in engine_habits() if e.match and re.search(e.match, words, re.I)), GENERIC)


def keeps_eight_bit_cache(engine: str, family: str) -> bool:
    """Whether the engine's launch recipes keep the cache of an 8-bit model in 8 bits on a family of parts (empty: on
    whatever part)."""
    on = next((e.eight_bit_cache_on for e in engine_habits() if e.id == engine), ())
    return "all" in on or family in on
