"""Fitted constants of serving engines, as the calibration file holds them."""

from __future__ import annotations

import msgspec


class FittedConstant(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one free constant of the fit: its value, and the prior (with a width of logarithms) and bounds."""

    name: str
    value: float
    prior: float
    prior_width_log: float
    low: float
    high: float
    meaning: str


class EngineHabits(msgspec.Struct, frozen=True, kw_only=True):
    """What a serving engine documents, and how its name is found.

    `settings`: fields of `Engine` that are not fitted; `launch`: those that launch recipes set on a family of parts or
    for a recipe; `eight_bit_cache_on`: families (`all`) on which they keep the cache of an 8-bit model in 8 bits;
    `match`: a regular expression on the name that a benchmark gives.
    """

    id: str
    title: str
    settings: dict[str, float]
    aliases: tuple[str, ...] = ()
    match: str = ""
    launch: dict[str, dict[str, float]] = {}
    eight_bit_cache_on: tuple[str, ...] = ()


class ServingCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """`shared` constants; `engines`: id -> constant -> value, `generic` for engines unknown; `old`: factors of engines
    before `old_before` (a year); `families`: of parts whose kernels the engines are not tuned for; `formats`: by
    recipe; `launch`: settings of published launch recipes by engine and family; and what all was fitted on. The file
    holds what was fitted; what engines document (`EngineHabits`) joins it where it is read."""

    shared: dict[str, float]
    engines: dict[str, dict[str, float]]
    old: dict[str, dict[str, float]] = {}
    families: dict[str, dict[str, float]] = {}
    formats: dict[str, dict[str, float]] = {}
    launch: dict[str, dict[str, dict[str, float]]] = {}
    old_before: float = 2025.0
    drift_from: float = 2025.9
    known: dict[str, list[str]] = {}
    parameters: list[FittedConstant] = []
    accuracy: dict[str, dict[str, float]] = {}
    fitted_on: str = ""
    code_version: str = ""
