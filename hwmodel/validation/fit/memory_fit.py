"""From runs that started and runs that did not: the probability that a layout fits, against its predicted fill."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.specs.intervals import FitConstants, fits_probability
from hwmodel.validation.fit.document import write_document
from hwmodel.validation.predicted.ranking import failed_file, fill
from hwmodel.validation.rows.tables import Row, read_table

HEADER = """\
# Probability that a layout starts, from its predicted peak over the memory of its part (`full`): another cause stops a
# share `other` whatever it fills; of the rest 1 / (1 + (full / middle)^(1 / width)) start. Fitted by maximum likelihood
# on the layouts of one grid that ran and on those that gave no result (runs/training.csv, runs/training_failed.csv),
# written by `hwmodel calibrate`. `least`: what a plan asks for of memory alone (chosen, not fitted).
"""
LEAST = 0.7
BINS = (0.0, 0.25, 0.5, 0.75, 0.85, 0.95, 1.05, 1.2, 1.5, np.inf)


class FillBin(msgspec.Struct, frozen=True, kw_only=True, rename={"low": "from", "high": "to"}):
    """Layouts whose predicted fill lies between two ends: how many, the share said to run, and the share that ran."""

    low: float
    high: float | None  # None stands for no end where JSON holds the record
    layouts: int
    said: float
    ran: float


class MemoryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The content of memory.yaml."""

    fits: FitConstants
    layouts: int
    reliability: list[FillBin]


def outcomes(rows: list[Row]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Predicted fill of each layout of the sources whose failures are known, and 1 where it ran."""
    _, failed = read_table(failed_file())
    sources = {row["source"] for row in failed}
    sides = [fill(failed), fill([row for row in rows if row["source"] in sources])]
    full, ran = np.concatenate(sides), np.repeat([0.0, 1.0], [len(side) for side in sides])
    known = np.isfinite(full)
    return full[known], ran[known]


def fit_probability(full: NDArray[np.float64], ran: NDArray[np.float64]) -> FitConstants:
    """The constants of the likeliest curve."""
    from scipy.optimize import minimize

    def constants(x: NDArray[np.float64]) -> FitConstants:
        return FitConstants(
            middle=float(np.exp(x[0])), width=float(np.exp(x[1])), other=float(1.0 / (1.0 + np.exp(x[2]))), least=LEAST
        )

    def loss(x: NDArray[np.float64]) -> float:
        """Mean negative log likelihood of the outcomes."""
        c = constants(x)
        p = np.clip((1.0 - c.other) * np.asarray(fits_probability(full, c)), 1e-9, 1.0 - 1e-9)
        return float(-np.mean(ran * np.log(p) + (1.0 - ran) * np.log(1.0 - p)))

    best = minimize(loss, np.array([0.0, -2.0, 2.0]), method="Nelder-Mead", options={"maxiter": 2000})
    return constants(best.x)


def reliability(full: NDArray[np.float64], ran: NDArray[np.float64], c: FitConstants) -> list[FillBin]:
    """Layouts by their fill: how many, the share predicted to run, and the share that ran."""
    out = []
    for low, high in pairwise(BINS):
        here = (full >= low) & (full < high)
        if here.any():
            said = (1.0 - c.other) * np.asarray(fits_probability(full[here], c))
            share, started = round(float(said.mean()), 3), round(float(ran[here].mean()), 3)
            out.append(FillBin(low=low, high=float(high), layouts=int(here.sum()), said=share, ran=started))
    return out


def calibrate_memory(rows: list[Row], out: Path) -> FitConstants:
    """Fit and write memory.yaml; returns the constants."""
    full, ran = outcomes(rows)
    found = fit_probability(full, ran)
    fits = FitConstants(
        middle=round(found.middle, 4), width=round(found.width, 4), other=round(found.other, 4), least=LEAST
    )
    document = MemoryDocument(fits=fits, layouts=len(full), reliability=reliability(full, ran, found))
    return write_document(out / "memory.yaml", HEADER, document).fits
