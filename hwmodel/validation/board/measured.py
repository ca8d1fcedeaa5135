"""Own measurements as inputs: rows of one cluster and stack whose results set the level of others like them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hwmodel.predict.training import TrainingPrediction
from hwmodel.specs.training_calibration import TrainingCalibration
from hwmodel.validation.fit.run_fit import measured_sequence_s
from hwmodel.validation.predicted.training import PreparedRows, predicted, sequence_s, stacks_of
from hwmodel.validation.rows.training_rows import TrainingCase

# Spread of levels between sources and of rows within one (natural logs), from sources left out of the fit.
BETWEEN, WITHIN = 0.20, 0.08
# Spread between sources of the cost of the host and of communication (natural logs): priors, like those of the fit.
HOST, NETWORK = 1.0, 0.6
# A lone measurement that is further off, in spreads, is more likely an odd run than a level; n of them may move
# sqrt(n) times it.
ODD = 2.0
_TRAFFIC = ("tp_s", "cp_s", "ep_s", "pp_transfer_s", "dp_exposed_s")

Shares = NDArray[np.float64]


def _alike(one: TrainingCase, other: TrainingCase, same_part: bool) -> float:
    """How much a measurement of `other` says about `one`: 1 for the same source, less the less they share."""
    if one.source and one.source == other.source:
        return 1.0
    same_engine = bool(one.engine) and one.engine.lower() == other.engine.lower()
    if not other.source:
        # A row without a source is the user's own: it speaks for the whole file.
        return 1.0
    return 0.5 if same_engine and same_part else 0.0


def _alikes(prepared: PreparedRows, place: int, measured: PreparedRows, usable: Sequence[int]) -> Shares:
    """How much row `place` shares with each of the `usable` measured rows."""
    case, part = prepared.cases[place], prepared.parts[place]
    others = [(measured.cases[i], measured.parts[i]) for i in usable]
    return np.array(
        [0.0 if case is None or other is None else _alike(case, other, part == named) for other, named in others]
    )


def spreads(found: Sequence[TrainingPrediction | None]) -> Shares:
    """Rows of (level, host, network): how far each unknown of a cluster moves a row's log seconds, by its share."""

    def share(one: TrainingPrediction, *names: str) -> float:
        return sum(float(getattr(one.step, name)) for name in names) / float(one.step.total_s)

    rows = [
        (BETWEEN, 0.0, 0.0) if one is None else (BETWEEN, HOST * share(one, "host_s"), NETWORK * share(one, *_TRAFFIC))
        for one in found
    ]
    return np.array(rows).reshape(-1, 3)


def expected_shift(own: Shares, seen: Shares, alike: Shares, errors: Shares, among: Shares | None = None) -> float:
    """Mean log correction of a row given the `errors` of measured ones: what they share explains the errors.

    Best linear predictor: level, host and network of a cluster are unknown with the spreads in `own` (3,) and `seen`
    (n, 3); each measured row adds a scatter of its own. `alike` (n,) says how much of the cluster they share with the
    row, `among` (n, n) with one another (all of it, where not given).
    """
    shared = np.ones((len(errors), len(errors))) if among is None else among
    variance = (seen**2).sum(axis=1) + WITHIN**2
    most = ODD * np.sqrt(variance * np.maximum(shared.sum(axis=1), 1.0))
    covariance = shared * (seen @ seen.T) + WITHIN**2 * np.eye(len(errors))
    return float((alike * (seen @ own)) @ np.linalg.solve(covariance, np.clip(errors, -most, most)))


def level_shifts(prepared: PreparedRows, measured: PreparedRows, calibration: TrainingCalibration) -> list[float]:
    """Natural-log correction of each row's seconds from what the measured rows of its cluster say."""
    theirs = predicted(measured, stacks_of(measured, calibration))
    with np.errstate(invalid="ignore", divide="ignore"):
        errors = np.log(measured_sequence_s(measured) / sequence_s(theirs))
    usable = [i for i, case in enumerate(measured.cases) if case is not None and math.isfinite(errors[i])]
    seen = spreads(theirs)
    own = spreads(predicted(prepared, stacks_of(prepared, calibration)))
    among = np.array([_alikes(measured, i, measured, usable) for i in usable]).reshape(len(usable), len(usable))
    shifts = []
    for place in range(len(prepared.cases)):
        alike = _alikes(prepared, place, measured, usable)
        near = np.flatnonzero(alike > 0)
        rows = [usable[k] for k in near]
        both = among[np.ix_(near, near)]
        shifts.append(expected_shift(own[place], seen[rows], alike[near], errors[rows], both) if rows else 0.0)
    return shifts
