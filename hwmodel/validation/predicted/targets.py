"""Tokens that benchmarks with a quality target need, learned from runs that print both their time and their rate."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.shape import layers
from hwmodel.specs.training_calibration import Target
from hwmodel.validation.predicted.training import PreparedRows
from hwmodel.validation.rows.training_rows import TrainingCase

Key = tuple[str, float, float, float]


def benchmark(case: TrainingCase) -> Key:
    """What identifies a benchmark with a target: the task, depth, width and sequence, never a name."""
    return (case.task, float(layers(case.shape)), float(case.shape.d_model), case.seq_len)


def learn(prepared: PreparedRows, use: NDArray[np.bool_]) -> dict[Key, float]:
    """Median tokens to the target by benchmark, over the rows in `use`."""
    found: dict[Key, list[float]] = {}
    for place in np.flatnonzero(use):
        case = prepared.cases[place]
        if case is None:
            continue
        minutes, rate = case.measured.get("time_to_train_min"), case.measured.get("tokens_per_s_per_accel")
        if minutes is not None and rate is not None:
            found.setdefault(benchmark(case), []).append(minutes * 60.0 * rate * case.n_accel)
    return {key: float(np.median(values)) for key, values in found.items()}


def apply(prepared: PreparedRows, known: dict[Key, float]) -> None:
    """Fill in the tokens of every row whose benchmark is known."""
    for place, case in enumerate(prepared.cases):
        if case is not None:
            prepared.tokens_to_target[place] = known.get(benchmark(case), 0.0)


def as_records(known: dict[Key, float]) -> tuple[Target, ...]:
    """The table as it stands in a calibration."""
    return tuple(
        Target(task=task, layers=layers, d_model=d_model, seq_len=seq_len, tokens=tokens)
        for (task, layers, d_model, seq_len), tokens in sorted(known.items())
    )


def from_records(targets: Iterable[Target]) -> dict[Key, float]:
    """The table read back."""
    return {(t.task, t.layers, t.d_model, t.seq_len): t.tokens for t in targets}
