"""Widths of the 80 % intervals of serving predictions: from the errors of models left out of the fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodel.specs.serving_calibration import ServingCalibration
from hwmodel.validation.serving_bench import Case

LEVEL = 0.8
WIDER_UNKNOWN = 1.4  # engines or families of parts that no fitted run covers
# Families of parts without any measured run: no narrower than training finds of such parts (natural log).
UNKNOWN_FAMILY = 0.3
NARROWER_MEASURED = 0.85  # groups whose level a measured run has set


def stratum(case: Case, kind: str) -> str:
    """Which errors are alike: the quantity, the regime, dense models or mixtures of experts, the engine, the format."""
    routed = any(block.n_experts for block in case.shape.blocks)
    setting = case.setting
    engine = setting.engine if case.part.vendor == "nvidia" else f"{setting.engine} on {case.part.family}"
    return f"{kind} | {setting.regime} | {'experts' if routed else 'dense'} | {engine} | {case.recipe}"


def wider(label: str) -> list[str]:
    """The stratum and those that hold it, finest first, down to the quantity alone."""
    words = label.split(" | ")
    return [" | ".join(words[:n]) for n in range(len(words), 0, -1)]


def quantiles(strata: list[str], log_errors: NDArray[np.float64], least: int = 40) -> dict[str, list[float]]:
    """Half-width that holds 80 % of the errors of each stratum with enough rows, and of each that holds others."""
    sizes = np.abs(log_errors)
    members: dict[str, list[int]] = {}
    for i, label in enumerate(strata):
        for name in wider(label):
            members.setdefault(name, []).append(i)
    return {
        name: [round(float(np.quantile(sizes[places], LEVEL)), 3), float(len(places))]
        for name, places in sorted(members.items())
        if len(places) >= least or " | " not in name
    }


def half_width(c: ServingCalibration, case: Case, kind: str, measured_group: bool = False) -> float:
    """Natural-log half-width of the 80 % interval of one predicted quantity."""
    names = wider(stratum(case, kind))
    width = next((c.intervals[name][0] for name in names if name in c.intervals), 0.35)
    family = case.part.family in c.known.get("families", [])
    if not family or case.setting.engine not in c.known.get("engines", []) or case.note:
        width *= WIDER_UNKNOWN
    if not family:
        width = max(width, UNKNOWN_FAMILY)
    return width * (NARROWER_MEASURED if measured_group else 1.0)
