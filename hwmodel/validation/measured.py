"""Own measurements as inputs: rows of one cluster and stack whose results set the level of others like them."""

from __future__ import annotations

import math

import numpy as np

from hwmodel.catalog.stacks import TrainingCalibration
from hwmodel.validation.run_fit import measured_sequence_s
from hwmodel.validation.training import Prepared, outcome, stacks_of
from hwmodel.validation.training_rows import Case

# Spread of levels between sources and of rows within one (natural logs), from sources left out of the fit.
BETWEEN, WITHIN = 0.20, 0.08
# A lone measurement that is further off is more likely an odd run than a level; n of them may move sqrt(n) times it.
ODD = 0.35


def _alike(one: Case, other: Case) -> float:
    """How much a measurement of `other` says about `one`: 1 for the same source, less the less they share."""
    if one.source and one.source == other.source:
        return 1.0
    same_engine = bool(one.engine) and one.engine.lower() == other.engine.lower()
    same_part = one.part.lower() == other.part.lower()
    if not other.source:
        # A row without a source is the user's own: it speaks for the whole file.
        return 1.0
    return 0.5 if same_engine and same_part else 0.0


def level_shifts(prepared: Prepared, measured: Prepared, calibration: TrainingCalibration) -> list[float]:
    """Natural-log correction of each row's seconds: the measured rows' mean error, shrunk by how little they say."""
    target = measured_sequence_s(measured)
    result = outcome(measured, stacks_of(measured, calibration))
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.log(target / result.sequence_s)
    usable = [i for i, case in enumerate(measured.cases) if case is not None and math.isfinite(errors[i])]
    shifts = []
    for case in prepared.cases:
        if case is None:
            shifts.append(0.0)
            continue
        weights = [_alike(case, measured.cases[i]) for i in usable]  # type: ignore[arg-type]
        total = sum(weights)
        if total <= 0:
            shifts.append(0.0)
            continue
        mean = sum(w * errors[i] for w, i in zip(weights, usable)) / total
        trust = BETWEEN**2 / (BETWEEN**2 + WITHIN**2 / total)
        most = ODD * math.sqrt(max(total, 1.0))
        shifts.append(float(min(max(mean, -most), most) * trust))
    return shifts
