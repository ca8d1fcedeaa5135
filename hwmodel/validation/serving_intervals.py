"""Widths of the 80 % intervals of serving predictions: from the errors of models left out of the fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodel.specs.serving_calibration import ServingCalibration
from hwmodel.validation.serving_bench import Case

LEVEL = 0.8
WIDER_UNKNOWN = 1.4  # engines or families of parts that no fitted run covers
NARROWER_MEASURED = 0.75  # groups whose level a measured run has set


def stratum(case: Case, kind: str) -> str:
    """Which errors are alike: the quantity, the regime, dense models or mixtures of experts."""
    routed = any(block.n_experts for block in case.shape.blocks)
    return f"{kind} | {case.setting.regime} | {'experts' if routed else 'dense'}"


def quantiles(strata: list[str], log_errors: NDArray[np.float64], least: int = 25) -> dict[str, list[float]]:
    """Half-width that holds 80 % of the errors of each stratum with enough rows, and of each quantity."""
    out: dict[str, list[float]] = {}
    sizes = np.abs(log_errors)
    names = np.array(strata)
    kinds = np.array([name.partition(" | ")[0] for name in strata])
    for label, column in ((n, names) for n in sorted(set(strata))):
        mine = sizes[column == label]
        if len(mine) >= least:
            out[label] = [round(float(np.quantile(mine, LEVEL)), 3), float(len(mine))]
    for label in sorted(set(kinds.tolist())):
        mine = sizes[kinds == label]
        out[label] = [round(float(np.quantile(mine, LEVEL)), 3), float(len(mine))]
    return out


def half_width(c: ServingCalibration, case: Case, kind: str, measured_group: bool = False) -> float:
    """Natural-log half-width of the 80 % interval of one predicted quantity."""
    found = c.intervals.get(stratum(case, kind)) or c.intervals.get(kind) or [0.35]
    width = found[0]
    known = case.setting.engine in c.known.get("engines", []) and case.part.family in c.known.get("families", [])
    if not known or case.note:
        width *= WIDER_UNKNOWN
    return width * (NARROWER_MEASURED if measured_group else 1.0)
