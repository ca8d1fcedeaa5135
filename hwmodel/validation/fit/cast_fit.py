"""Fits what scaling the operands of low-precision training costs, on published pairs of speed; sources left out.

One constant a kind of recipe: the bytes that a training step moves to bring one operand into its format, for all
products that read it. Its prior is a count of reads and writes; its evidence the measured speed of a recipe over that
of 16 bits in the same run. The pairs also give the interval of a speed-up, narrower than that of a step: errors of the
two formats are common.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import median

import msgspec
import numpy as np

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import calibrations_dir, kernel_calibration
from hwmodel.catalog.stacks import build_stack, stack_id, training_calibration, training_stack
from hwmodel.errors import HwModelError, InputError
from hwmodel.physics.machine import machine
from hwmodel.predict.training import TrainingRun, default_batch_seqs, predict_training
from hwmodel.specs import Precision
from hwmodel.specs.training_calibration import TrainingCalibration
from hwmodel.validation.fit.document import write_document
from hwmodel.validation.fit.sources_left_out import Errors, half_width, left_out
from hwmodel.validation.rows.tables import read_records
from hwmodel.version import __version__

HEADER = "# Written by `hwmodel calibrate --casts`.\n"
YEAR = 2025.5  # of the software behind the pairs
# Reads and writes of one operand in bytes an element: an amax pass where scales are of this step, then read 2 and
# write 1 for each layout that the products want (rows and columns); Hadamard transforms read once more.
COUNTED = {"delayed": 5.0, "tensor": 7.0, "row": 10.0, "block": 8.0, "mx": 7.0, "four-bit": 9.0}
PRIOR_SD = 0.5  # natural log: kernels reach a half to all of the bandwidth
PAIR_SD = 0.07  # natural log of a measured speed-up about its prediction
GRID = tuple(float(b) for b in np.geomspace(1.0, 64.0, 13))
RECOMPUTE = {"none": 0.0, "selective": 1.0, "full": 2.0}


class SpeedPair(msgspec.Struct, frozen=True, kw_only=True):
    """One published speed-up with its predictions: at each traffic of GRID, by recipe `kind`."""

    id: str
    source: str
    recipe: str
    kind: str
    measured: float
    predicted: tuple[float, ...]

    def error(self, traffic: float) -> float:
        """ln(measured over predicted) at this traffic [bytes an element]."""
        return math.log(self.measured) - float(np.interp(math.log(traffic), np.log(GRID), np.log(self.predicted)))


def pairs_file() -> Path:
    """The published pairs with their settings."""
    return calibrations_dir().parent / "runs" / "precision_speed.csv"


class PairRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the file of pairs: the setting, its two recipes, and the published speed-up of the second."""

    id: str
    source: str
    model: str
    part: str
    accelerators: float
    seq_len: float
    framework: str
    baseline: str
    recipe: str
    speedup: float
    micro_batch: float | None = None
    global_batch_seqs: float | None = None
    tp: float | None = None
    pp: float | None = None
    ep: float | None = None
    zero: float | None = None
    recompute: str = ""

    @property
    def fixed(self) -> dict[str, float | tuple[float, ...]]:
        """The settings of the layout that the row states."""
        stated = {"tp": self.tp, "pp": self.pp, "ep": self.ep, "micro_batch": self.micro_batch, "zero": self.zero}
        stated["recompute"] = RECOMPUTE[self.recompute] if self.recompute else None
        return {name: value for name, value in stated.items() if value is not None}


def pair_rows() -> list[PairRow]:
    """The rows of the file of pairs."""
    return read_records(pairs_file(), PairRow)


@cache
def speed_pairs() -> tuple[SpeedPair, ...]:
    """Every pair that can be predicted, under the shipped constants. InputError names one that cannot."""
    return pairs_under(training_calibration())


def pairs_under(calibration: TrainingCalibration, sources: frozenset[str] | None = None) -> tuple[SpeedPair, ...]:
    """The pairs (those of `sources`, where given) under a fit of the training step."""
    return tuple(_pair(row, calibration) for row in pair_rows() if sources is None or row.source in sources)


def _pair(row: PairRow, calibration: TrainingCalibration) -> SpeedPair:
    def seconds(recipe: str, traffic: float | None = None) -> float:
        """Step of one side of the pair."""
        precision = load_catalog().precision(recipe)
        stack = build_stack(*pair_stack(row, precision), None, calibration)
        run = msgspec.structs.replace(pair_run(row, precision, traffic), stack=stack)
        return predict_training(run).step_s

    try:
        low = load_catalog().precision(row.recipe)
        base = seconds(row.baseline)
        steps = [seconds(row.recipe, traffic) for traffic in GRID]
    except HwModelError as error:
        raise InputError(f"{pairs_file().name}: {row.id}: {error}") from error
    return SpeedPair(
        id=row.id, source=row.source, recipe=low.id, kind=low.cast_kind, measured=row.speedup,
        predicted=tuple(base / step for step in steps),
    )  # fmt: skip


def pair_stack(row: PairRow, precision: Precision) -> tuple[str, str]:
    """The stack of one row in a recipe, and the family of its part."""
    part = load_catalog().part(row.part)
    name = stack_id(row.framework, YEAR, training_calibration(), part.family, precision.gemm_format)
    return name, part.family


def pair_run(row: PairRow, precision: Precision, traffic: float | None = None) -> TrainingRun:
    """The run of one row in a recipe, with the traffic of its casts where one is tried."""
    catalog, constants = load_catalog(), kernel_calibration()
    if traffic is not None:
        constants = msgspec.structs.replace(constants, casts={precision.cast_kind: traffic})
    part = catalog.part(row.part)
    name, _ = pair_stack(row, precision)
    batch = row.global_batch_seqs or default_batch_seqs(row.accelerators, row.seq_len, row.fixed)
    return TrainingRun(
        shape=catalog.model(row.model), machine=machine(part, catalog.default_system(part), precision, constants),
        precision=precision, stack=training_stack(name, part.family), accelerators=row.accelerators,
        seq_len=row.seq_len, global_batch_seqs=batch, fixed=row.fixed,
    )  # fmt: skip


def fit(pairs: Sequence[SpeedPair]) -> dict[str, float]:
    """Traffic by kind: least squares about the prior, sources weighted alike; kinds without pairs keep their prior."""
    tried = np.geomspace(GRID[0], GRID[-1], 601)
    found = {}
    for kind, counted in COUNTED.items():
        own = [pair for pair in pairs if pair.kind == kind]
        sizes = {source: sum(pair.source == source for pair in own) for source in {pair.source for pair in own}}
        cost = (np.log(tried / counted) / PRIOR_SD) ** 2
        for pair in own:
            errors = np.array([pair.error(float(t)) for t in tried]) / PAIR_SD
            cost = cost + 2.0 * (np.sqrt(1.0 + errors * errors) - 1.0) / math.sqrt(sizes[pair.source])
        found[kind] = float(tried[int(np.argmin(cost))])
    return found


def errors_left_out(pairs: Sequence[SpeedPair]) -> Errors:
    """ln(measured over predicted) of each source under traffics that have not seen it, of one training fit."""
    return left_out(pairs, lambda pair: pair.source, fit, lambda traffic, pair: pair.error(traffic[pair.kind]))


class SpeedupAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """Median size and sign of ln(measured over predicted) over sources, and the half-width of 80 %."""

    median_abs_log: float
    median_signed_log: float
    half_width_80: float


class CastDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The content of casts.yaml."""

    bytes_per_element: dict[str, float]
    speedup_log_half_width: float
    counted: dict[str, float]
    fitted_on: str
    accuracy: dict[str, SpeedupAccuracy]
    in_pairs: dict[str, float]
    left_out: Errors
    residuals: dict[str, float]
    code_version: str = __version__


def document(errors: Errors) -> CastDocument:
    """The content of casts.yaml, with the errors of sources left out."""
    pairs = speed_pairs()
    constants = fit(pairs)
    single = dict.fromkeys(COUNTED, 7.0)
    return CastDocument(
        bytes_per_element=constants,
        speedup_log_half_width=half_width(errors),
        counted=COUNTED,
        fitted_on=f"{len(pairs)} pairs in {len(errors)} sources (catalogs/runs/precision_speed.csv)",
        accuracy={
            "source left out of all fits": _figures(errors),
            "source left out of this one": _figures(errors_left_out(pairs)),
            "no casts": _figures(_at(pairs, dict.fromkeys(COUNTED, GRID[0]))),
            "one traffic for every recipe": _figures(_at(pairs, single)),
            "counted, not fitted": _figures(_at(pairs, COUNTED)),
        },
        in_pairs=_in_pairs(pairs, constants),
        left_out=errors,
        residuals={pair.id: pair.error(constants[pair.kind]) for pair in pairs},
    )


def _in_pairs(pairs: Sequence[SpeedPair], constants: dict[str, float]) -> dict[str, float]:
    """Median predicted speed-up of each recipe in the settings of its pairs: what tells a layout from a recipe."""
    found: dict[str, list[float]] = {}
    for pair in pairs:
        found.setdefault(pair.recipe, []).append(pair.measured / math.exp(pair.error(constants[pair.kind])))
    return {recipe: median(values) for recipe, values in found.items()}


def _at(pairs: Sequence[SpeedPair], constants: dict[str, float]) -> Errors:
    out: Errors = {}
    for pair in pairs:
        out.setdefault(pair.source, []).append(pair.error(constants[pair.kind]))
    return out


def _figures(errors: Errors) -> SpeedupAccuracy:
    middles = [median(rows) for rows in errors.values()]
    return SpeedupAccuracy(
        median_abs_log=median(abs(m) for m in middles),
        median_signed_log=median(middles),
        half_width_80=half_width(errors),
    )


def write(errors: Errors, directory: Path | None = None) -> dict[str, SpeedupAccuracy]:
    """Fit and write casts.yaml with the errors of sources left out (see pair_folds); gives the accuracy."""
    target = (directory or calibrations_dir()) / "casts.yaml"
    return write_document(target, HEADER, document(errors), digits=4, width=110).accuracy
