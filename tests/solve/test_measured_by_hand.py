"""Which measured runs are too fast or too far from their prediction to be one, at the limits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hwmodel.errors import InputError
from hwmodel.solve.question.measured import MOST_FACTOR, _check_level

FILE = Path("run.yaml")


def predicted(peak_share: float) -> Any:
    """A run that would reach this share of its peak in the predicted time."""
    return SimpleNamespace(peak_share=peak_share)


def test_a_run_faster_than_the_peak() -> None:
    # 0.6 of the peak in half the time is 1.2 of it, in 0.6 of the time the peak itself.
    with pytest.raises(InputError, match=r"run.yaml: the run would reach 120 % of the peak"):
        _check_level(FILE, 0.5, predicted(0.6))
    _check_level(FILE, 0.6, predicted(0.6))


def test_a_run_far_from_its_prediction() -> None:
    for level in (MOST_FACTOR, 1.0, 1.0 / MOST_FACTOR):
        _check_level(FILE, level, predicted(1e-3))
    for level in (1.001 * MOST_FACTOR, 0.999 / MOST_FACTOR):
        with pytest.raises(InputError, match="times its predicted time"):
            _check_level(FILE, level, predicted(1e-3))
