"""The whole-run factor: what published runs were billed beyond steady hours and failures, fitted with its spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.numerics import Problem, gauss_newton
from hwmodel.specs.economics import WholeRunConstants
from hwmodel.specs.intervals import Z80, Familiarity, IntervalConstants
from hwmodel.validation.fit.document import write_left_out
from hwmodel.validation.fit.interval_fit import Residual, fit_intervals
from hwmodel.validation.fit.run_fit import CROWD

Column = NDArray[np.float64]

# Median of billed over steady hours of the five main runs whose logs were published, 1.20 (whole_overheads.csv); a run
# of each earlier year is let cost more, a larger fleet more or less, as far as the runs say.
PRIOR = np.array([math.log(1.20), 0.05, 0.0])
WIDTH = np.array([0.15, 0.05, 0.05])
SCALE = 0.3  # log error beyond which a run loses weight (Cauchy): token counts of some are not those trained on
PULL = 0.15  # of the priors, against all sources together
YEAR, ACCELERATORS = 2025.0, 1024.0
LEAST_SOURCES = 4
SPREAD_FLOP = 1e23  # below it runs repeat their data, and tokens counted once say less of their hours
LEAST_SPREAD = 0.05
# Four in five runs see their data once to four times: more is hardly ever worth it (arXiv 2305.16264).
REPEATED = math.log(4.0) / (2.0 * Z80)
TEMPLATE = IntervalConstants(row=0.1, level=0.1, shares={"repeated": REPEATED}, distances={"small": 1.0})

HEADER = """\
# Hours billed over steady hours and failures, of whole published runs: natural logs. Written by
# `hwmodel calibrate --runs catalogs/runs/whole.csv`; `log_spread` comes from runs whose source was left out of the fit.
"""


class Steady(msgspec.Struct, frozen=True, kw_only=True):
    """One whole run: the log of measured hours over its steady hours with failures, and what the factor goes by."""

    id: str
    source: str
    log_ratio: float
    accelerators: float
    year: float
    step_log_sd: float  # of the steady hours
    flop: float = 1e24
    repeated: bool = False  # its tokens may be those of its data, each seen more than once


def _design(runs: Sequence[Steady]) -> Column:
    earlier = [max(YEAR - run.year, 0.0) for run in runs]
    doublings = [math.log2(run.accelerators / ACCELERATORS) for run in runs]
    return np.stack([np.ones(len(runs)), earlier, doublings], axis=1)


def _weights(runs: Sequence[Steady]) -> Column:
    """A source of n runs counts n^(1 - CROWD), as in the fit of the step."""
    names = [run.source for run in runs]
    weight = np.array([float(names.count(name)) ** -CROWD for name in names])
    return weight / weight.sum()


def fit_factor(runs: Sequence[Steady]) -> Column:
    """Level, cost a year and cost a doubling that fit the runs, shrunk to their priors."""
    design, target = _design(runs), np.array([run.log_ratio for run in runs])
    problem = Problem(
        errors=lambda x: (design @ x - target) / SCALE, jacobian=lambda x, z: design / SCALE, prior=PRIOR,
        pull=PULL / WIDTH, weight=_weights(runs), low=PRIOR - 4 * WIDTH, high=PRIOR + 4 * WIDTH, longest=1.0,
    )  # fmt: skip
    return np.asarray(gauss_newton(problem, 60, 1e-10).x)


def left_out(runs: Sequence[Steady]) -> Column:
    """Log errors of every run by the factor that the other sources give."""
    errors = np.zeros(len(runs))
    for name in {run.source for run in runs}:
        mine = np.array([run.source == name for run in runs])
        x = fit_factor([run for run in runs if run.source != name])
        rows = [run for run in runs if run.source == name]
        errors[mine] = np.array([run.log_ratio for run in rows]) - _design(rows) @ x
    return errors


def residuals(runs: Sequence[Steady], errors: Column) -> list[Residual]:
    """The runs as the estimator of every interval takes them."""
    return [
        Residual(
            kind="whole", id=run.id, source=run.source, log_error=float(error),
            familiarity=Familiarity(
                shares={"repeated": float(run.repeated)},
                distances={"small": run.repeated * max(math.log10(SPREAD_FLOP / run.flop), 0.0)},
            ),
        )
        for run, error in zip(runs, errors, strict=True)
    ]  # fmt: skip


def spread(runs: Sequence[Steady], errors: Column) -> tuple[float, float, float]:
    """Standard deviation between runs, beside that of the step; what tokens that may be repeated add, and what a decade
    of FLOP below SPREAD_FLOP adds to these."""
    c = fit_intervals(residuals(runs, errors), TEMPLATE)
    step = float(np.median([run.step_log_sd for run in runs]))
    whole = c.scale * math.hypot(c.row, c.level)
    return (
        math.sqrt(max(whole**2 - step**2, LEAST_SPREAD**2)),
        c.scale * c.shares["repeated"],
        c.scale * c.distances["small"],
    )


def constants(runs: Sequence[Steady]) -> WholeRunConstants:
    """The factor fitted on the runs, with the spread of those left out."""
    level, per_year, per_doubling = fit_factor(runs)
    log_spread, repeated, per_decade = spread(runs, left_out(runs))
    return WholeRunConstants(
        log_factor=round(float(level), 4), per_year=round(float(per_year), 4),
        per_doubling=round(float(per_doubling), 4),
        log_spread=round(log_spread, 4), year=YEAR, accelerators=ACCELERATORS,
        repeated_log_sd=round(repeated, 4), repeated_per_decade=round(per_decade, 4), spread_flop=SPREAD_FLOP,
        fitted_on=f"{len(runs)} whole runs of {len({run.source for run in runs})} sources",
    )  # fmt: skip


def write(found: WholeRunConstants, runs: Sequence[Steady], folder: Path) -> None:
    """whole_runs.yaml with the constants and the left-out error of each run."""
    errors = {run.id: float(error) for run, error in zip(runs, left_out(runs), strict=True)}
    write_left_out(folder / "whole_runs.yaml", HEADER, found, errors)
