"""Fit of the training step's constants on measured runs: robust, sources weighted alike, shrunk to priors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.numerics import Problem, gauss_newton
from hwmodel.specs import Stack
from hwmodel.specs.training_calibration import TrainingCalibration
from hwmodel.validation.fit.batch import Batch, batch_of, outcome, pruned
from hwmodel.validation.fit.pair_residuals import SpeedResiduals
from hwmodel.validation.fit.run_parameters import PARAMETERS, RunParameter, with_values
from hwmodel.validation.predicted.training import Column, PreparedRows, stacks_of

SCALE = 0.12  # log error beyond which a row loses weight (Cauchy)
CROWD = 0.85  # rows of a source together weigh n^(1 - CROWD)
STRENGTH = 0.002
PAIRS = 0.5  # weight of a source of speed-ups over that of one of runs: it tells of formats alone
LONGEST = 2.0  # of one step, in prior widths
TOLERANCE = 1e-4  # share of the loss that a round must gain


MOST_ROWS = 160  # of one source in a fit: a denser grid says no more, and takes longer


def thinned(prepared: PreparedRows, use: NDArray[np.bool_], most: int = MOST_ROWS) -> NDArray[np.bool_]:
    """The rows in `use`, evenly thinned to `most` a source."""
    sources = np.array([case.source if case is not None else "" for case in prepared.cases])
    out = use.copy()
    for source in set(sources[use]):
        mine = np.flatnonzero(use & (sources == source))
        if len(mine) > most:
            out[mine] = False
            out[mine[np.linspace(0, len(mine) - 1, most).round().astype(int)]] = True
    return out


Stacks = Callable[[PreparedRows, TrainingCalibration], list[Stack]]


class Fit(msgspec.Struct, kw_only=True):
    """A fit's constants and its log errors (predicted over measured rate) on the rows it used."""

    values: dict[str, float]
    loss: float
    rows: list[str]
    log_errors: list[float]


def measured_sequence_s(prepared: PreparedRows) -> Column:
    """Seconds of the whole fleet for one sequence that the rows' headline results mean; nan where there is none."""
    out = np.full(len(prepared.rows), np.nan)
    for place, case in enumerate(prepared.cases):
        if case is None:
            continue
        rate, seconds = case.measured.get("tokens_per_s_per_accel"), case.measured.get("step_time_s")
        if rate is not None:
            out[place] = case.seq_len / (rate * case.n_accel)
        elif seconds is not None and case.global_batch is not None:
            out[place] = seconds / case.global_batch
    return out


class Repeats:
    """Rows of a batch under several calibrations, evaluated at once; the repeated batches are kept."""

    def __init__(self, batch: Batch, rows: int, prepared: PreparedRows, stacks: Stacks) -> None:
        self._batch, self._rows, self._prepared, self._stacks = batch, rows, prepared, stacks
        self._kept: dict[int, Batch] = {}

    def seconds(self, calibrations: Sequence[TrainingCalibration]) -> Column:
        """Seconds of the whole fleet for one sequence: a row for each calibration, a column for each row."""
        times, each = len(calibrations), len(self._prepared.stack_keys)
        if times not in self._kept:
            self._kept[times] = self._batch.repeated(times, self._rows, each)
        stacks = [stack for calibration in calibrations for stack in self._stacks(self._prepared, calibration)]
        return outcome(self._kept[times], stacks, times * self._rows).row_sequence_s.reshape(times, self._rows)


def _raw_weight(prepared: PreparedRows, use: NDArray[np.bool_]) -> float:
    """Sum of what `row_weights` divides by: a source of n rows counts n^0.15."""
    sources = [case.source for case, used in zip(prepared.cases, use) if used and case is not None]
    return float(sum(count ** (1.0 - CROWD) for count in Counter(sources).values()))


def row_weights(prepared: PreparedRows, use: NDArray[np.bool_]) -> Column:
    """Weight of each row: a source of n rows counts n^0.15 in all."""
    sources = np.array([case.source if case is not None else "" for case in prepared.cases])
    weight = np.zeros(len(sources))
    for source in set(sources[use]):
        mine = use & (sources == source)
        weight[mine] = float(mine.sum()) ** -CROWD
    return weight / weight.sum() if weight.sum() > 0 else weight


def fit_runs(
    prepared: PreparedRows,
    base: TrainingCalibration,
    use: NDArray[np.bool_],
    parameters: Sequence[RunParameter] = PARAMETERS,
    rounds: int = 12,
    progress: Callable[[int, float], None] | None = None,
    strength: float = STRENGTH,
    stacks: Stacks = stacks_of,
    pairs: SpeedResiduals | None = None,
) -> Fit:
    """Constants that bring predictions near the measurements of the rows in `use`, started from the priors.

    `pairs`: published speed-ups of narrow formats, held beside the runs as sources of their own.
    """
    target = measured_sequence_s(prepared)
    use = thinned(prepared, use & np.isfinite(target))
    start = with_values(base, {p.name: p.prior for p in parameters})
    weight = row_weights(prepared, use)
    rows = np.flatnonzero(use)
    small = pruned(batch_of(prepared, rows), stacks(prepared, start), len(use))
    weight, goal = weight[rows], np.log(target[rows])
    if pairs is not None:
        weight = np.concatenate([weight, PAIRS * pairs.weights(CROWD) / _raw_weight(prepared, use)])

    of_runs = Repeats(small, len(use), prepared, stacks)
    of_pairs = None if pairs is None else Repeats(pairs.batch, len(pairs.prepared.runs), pairs.prepared, stacks)

    def errors_at(points: Column) -> Column:
        """Scaled errors (a row each) at several sets of constants, evaluated at once."""
        moved = [with_values(base, {p.name: p.decode(float(v)) for p, v in zip(parameters, x)}) for x in points]
        run_errors = goal - np.log(of_runs.seconds(moved)[:, rows])
        if pairs is None or of_pairs is None:
            return run_errors / SCALE
        return np.concatenate([run_errors, pairs.errors(of_pairs.seconds(moved))], axis=1) / SCALE

    problem = Problem(
        errors=lambda x: errors_at(x[None])[0], jacobian=lambda x, _: _jacobian(errors_at, x),
        prior=np.zeros(len(parameters)), pull=strength**0.5, weight=weight, low=_limits(parameters, 0),
        high=_limits(parameters, 1), longest=LONGEST,
    )  # fmt: skip
    found = gauss_newton(problem, rounds, TOLERANCE, progress)
    x, e = found.x, found.errors[: len(rows)] * SCALE
    values = {p.name: p.decode(float(v)) for p, v in zip(parameters, x)}
    ids = [case.id for case in (prepared.cases[i] for i in rows) if case is not None]
    return Fit(values=values, loss=found.loss, rows=ids, log_errors=[float(v) for v in e])


def _limits(parameters: Sequence[RunParameter], side: int) -> Column:
    return np.array([p.encode(p.high if side else p.low) for p in parameters])


STEP = 0.05  # of a finite difference, in prior widths


def _jacobian(errors_at: Callable[[Column], Column], x: Column) -> Column:
    """Forward differences of the errors; backward ones for constants at their upper bound."""
    found = errors_at(np.vstack([x, x + STEP * np.eye(len(x))]))
    columns = (found[1:] - found[0]) / STEP
    still = np.flatnonzero(~columns.any(axis=1))
    if len(still):
        columns[still] = (found[0] - errors_at(x - STEP * np.eye(len(x))[still])) / STEP
    return columns.T
