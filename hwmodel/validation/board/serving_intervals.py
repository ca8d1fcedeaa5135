"""Widths of the 80 % intervals of serving predictions, from the errors of models left out of the fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hwmodel.predict.service.intervals import wider

LEVEL = 0.8


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
