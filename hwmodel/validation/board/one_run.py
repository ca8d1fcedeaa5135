"""What one measured run buys: sources left out of the fit, one of their rows given, the rest predicted."""

from __future__ import annotations

from collections import Counter

import numpy as np

from hwmodel.validation.board.board import Trainer
from hwmodel.validation.board.folds import folds_left_out, folds_of
from hwmodel.validation.board.measured import Shares, expected_shift, spreads
from hwmodel.validation.fit.run_fit import measured_sequence_s
from hwmodel.validation.predicted.training import predicted, sequence_s, stacks_of

MOST_CHOICES = 60  # rows of a source that are given in turn: an even selection of the larger sources


def _median_ape_given(errors: Shares, shares: Shares) -> float:
    """Mean over the row given of the median error of the others."""
    count = len(errors)
    given = np.unique(np.linspace(0, count - 1, min(count, MOST_CHOICES)).round().astype(int))
    apes = []
    for one in given:
        seen, error, alike = shares[one : one + 1], errors[one : one + 1], np.ones(1)
        left = [errors[i] - expected_shift(shares[i], seen, alike, error) for i in range(count) if i != one]
        apes.append(np.median(np.abs(np.expm1(left))))
    return float(np.mean(apes))


def given_one(trainer: Trainer) -> dict[str, float]:
    """Median error by source of two rows and more, left out of the fit and then corrected by one row of its own."""
    names = np.array([case.source if case is not None else "" for case in trainer.prepared.cases])
    target = measured_sequence_s(trainer.prepared)
    out = {}
    counts = Counter(names[trainer.usable].tolist())
    lots = folds_of([name for name, count in counts.items() if count >= 2], 0, 0)
    for fold in folds_left_out(names.tolist(), lots, trainer.usable, trainer.calibration):
        places = np.flatnonzero(fold.left & trainer.usable)
        found = predicted(trainer.prepared, stacks_of(trainer.prepared, fold.constants), places)
        errors = np.log(target[places] / sequence_s(found))
        (name,) = fold.lot
        out[name] = _median_ape_given(errors, spreads(found))
    return out
