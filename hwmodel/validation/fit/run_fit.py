"""Fit of the training step's constants on measured runs: robust, sources weighted alike, shrunk to priors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog.stacks import TrainingCalibration
from hwmodel.numerics import Problem, gauss_newton
from hwmodel.specs import Stack
from hwmodel.validation.board.training import Column, Prepared, stacks_of
from hwmodel.validation.fit.batch import Batch, batch_of, outcome
from hwmodel.validation.fit.run_parameters import PARAMETERS, Parameter, with_values

SCALE = 0.12  # log error beyond which a row loses weight (Cauchy)
CROWD = 0.85  # rows of a source together weigh n^(1 - CROWD)
STRENGTH = 0.002
LONGEST = 2.0  # of one step, in prior widths
TOLERANCE = 1e-4  # share of the loss that a round must gain


MOST_ROWS = 160  # of one source in a fit: a denser grid says no more, and takes longer


def thinned(prepared: Prepared, use: NDArray[np.bool_], most: int = MOST_ROWS) -> NDArray[np.bool_]:
    """The rows in `use`, evenly thinned to `most` a source."""
    sources = np.array([case.source if case is not None else "" for case in prepared.cases])
    out = use.copy()
    for source in set(sources[use]):
        mine = np.flatnonzero(use & (sources == source))
        if len(mine) > most:
            out[mine] = False
            out[mine[np.linspace(0, len(mine) - 1, most).round().astype(int)]] = True
    return out


Stacks = Callable[[Prepared, TrainingCalibration], list[Stack]]


class Fit(msgspec.Struct, kw_only=True):
    """A fit's constants and its log errors (predicted over measured rate) on the rows it used."""

    values: dict[str, float]
    loss: float
    rows: list[str]
    log_errors: list[float]


def measured_sequence_s(prepared: Prepared) -> Column:
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


def row_weights(prepared: Prepared, use: NDArray[np.bool_]) -> Column:
    """Weight of each row: a source of n rows counts n^0.15 in all."""
    sources = np.array([case.source if case is not None else "" for case in prepared.cases])
    weight = np.zeros(len(sources))
    for source in set(sources[use]):
        mine = use & (sources == source)
        weight[mine] = float(mine.sum()) ** -CROWD
    return weight / weight.sum() if weight.sum() > 0 else weight


NEAR = 1.25  # slowness against the best at the priors up to which a layout may become the best in a fit


def pruned(batch: Batch, stacks: Sequence[Stack], rows: int) -> Batch:
    """The batch with only the candidates that may be a row's prediction while the constants move."""
    found = outcome(batch, stacks, rows)
    near = found.fits & (found.sequence_s <= NEAR * found.row_sequence_s[batch.row])
    near[found.best[found.best >= 0]] = True
    return batch.subset(np.flatnonzero(near))


def fit_runs(
    prepared: Prepared,
    base: TrainingCalibration,
    use: NDArray[np.bool_],
    parameters: Sequence[Parameter] = PARAMETERS,
    rounds: int = 12,
    progress: Callable[[int, float], None] | None = None,
    strength: float = STRENGTH,
    stacks: Stacks = stacks_of,
) -> Fit:
    """Constants that bring predictions near the measurements of the rows in `use`, started from the priors."""
    target = measured_sequence_s(prepared)
    use = thinned(prepared, use & np.isfinite(target))
    start = with_values(base, {p.name: p.prior for p in parameters})
    weight = row_weights(prepared, use)
    rows = np.flatnonzero(use)
    small = pruned(batch_of(prepared, rows), stacks(prepared, start), len(use))
    weight, goal = weight[rows], np.log(target[rows])

    def errors(x: Column) -> Column:
        values = {p.name: p.decode(float(v)) for p, v in zip(parameters, x)}
        seconds = outcome(small, stacks(prepared, with_values(base, values)), len(use)).row_sequence_s[rows]
        return np.asarray((goal - np.log(seconds)) / SCALE)

    problem = Problem(
        errors=errors, jacobian=lambda x, z: _jacobian(errors, x, z), prior=np.zeros(len(parameters)),
        pull=strength**0.5, weight=weight, low=_limits(parameters, 0), high=_limits(parameters, 1), longest=LONGEST,
    )  # fmt: skip
    found = gauss_newton(problem, rounds, TOLERANCE, progress)
    x, e = found.x, found.errors * SCALE
    values = {p.name: p.decode(float(v)) for p, v in zip(parameters, x)}
    ids = [case.id for case in (prepared.cases[i] for i in rows) if case is not None]
    return Fit(values=values, loss=found.loss, rows=ids, log_errors=[float(v) for v in e])


def _limits(parameters: Sequence[Parameter], side: int) -> Column:
    return np.array([p.encode(p.high if side else p.low) for p in parameters])


def _jacobian(errors: Callable[[Column], Column], x: Column, e: Column) -> Column:
    columns = []
    for place in range(len(x)):
        nudged = x.copy()
        nudged[place] += 0.05
        up = errors(nudged)
        if np.array_equal(up, e):
            nudged[place] -= 0.10
            columns.append((e - errors(nudged)) / 0.05)
        else:
            columns.append((up - e) / 0.05)
    return np.stack(columns, axis=1)
