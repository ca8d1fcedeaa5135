"""Writing fitted constants of the training step to catalogs/calibrations, with what they were fitted on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hwmodel.specs.training_calibration import Known, Target
from hwmodel.validation.fit.document import write_document
from hwmodel.validation.fit.run_fit import Fit
from hwmodel.validation.fit.run_parameters import PARAMETERS
from hwmodel.validation.predicted import targets
from hwmodel.version import __version__


def _round(value: float, digits: int = 5) -> float:
    return float(f"{value:.{digits}g}")


class FittedParameter(msgspec.Struct, frozen=True, kw_only=True):
    """One constant with its prior and bounds; a width in the unit that `width_is` says."""

    name: str
    value: float
    prior: float
    prior_width: float
    low: float
    high: float
    width_is: str
    meaning: str


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Median errors of the runs that were fitted on, by source, and their mean."""

    median_ape_by_source: dict[str, float]
    mean_of_source_medians: float


class TrainingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The content of training.yaml."""

    code_version: str = __version__
    fitted_on: str
    constants: int
    generic: dict[str, float]
    families: dict[str, dict[str, float]]
    stacks: dict[str, dict[str, float]]
    parameters: list[FittedParameter]
    known: Known
    targets: tuple[Target, ...]
    figures: Figures
    sources: dict[str, int]
    residuals: dict[str, float]


def training_document(
    fit: Fit, known: Known, benchmarks: dict[targets.Key, float], figures: Figures, sources: dict[str, int]
) -> TrainingDocument:
    """The content of training.yaml for a fit."""
    generic: dict[str, float] = {}
    families: dict[str, dict[str, float]] = {}
    stacks: dict[str, dict[str, float]] = {}
    table = []
    for p in PARAMETERS:
        value = _round(fit.values[p.name])
        kind, _, key = p.place.partition(":")
        place = generic if kind == "generic" else (families if kind == "family" else stacks).setdefault(key, {})
        place[p.field] = value
        table.append(
            FittedParameter(
                name=p.name, value=value, prior=p.prior, prior_width=p.sigma, low=p.low, high=p.high,
                width_is="natural log" if p.logarithmic else "absolute", meaning=p.meaning,
            )
        )  # fmt: skip
    runs = f"{len(fit.rows)} of {sum(sources.values()):,} measured runs of {len(sources)} sources"
    return TrainingDocument(
        fitted_on=f"{runs}, large grids thinned (catalogs/runs/training.csv)",
        constants=len(table), generic=generic, families=families, stacks=stacks, parameters=table, known=known,
        targets=targets.as_records(benchmarks), figures=figures, sources=sources,
        residuals={row: round(error, 4) for row, error in zip(fit.rows, fit.log_errors)},
    )  # fmt: skip


HEADER = """# Constants of the training step, fitted on measured runs by `hwmodel calibrate`; do not edit by hand.
# Kernel constants are fitted on kernel measurements first and are fixed here. `residuals` are natural logs of measured
# over predicted seconds, by row id.
"""


def write_training(document: TrainingDocument, path: Path) -> None:
    """Write training.yaml whole or not at all."""
    write_document(path, HEADER, document, width=140)
