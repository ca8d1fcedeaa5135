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


class ServingCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """`shared` constants; `engines`: id -> constant -> value, `generic` for engines unknown; `old`: factors of engines
    before `old_before` (a year); `families`: of parts whose kernels the engines are not tuned for; `formats`: by
    recipe; `launch`: settings of published launch recipes by engine and family; and what all was fitted on."""

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
