"""Training rows made ready: what each ran on, as the run that `train` predicts."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog.stacks import build_stack, released, stack_id
from hwmodel.errors import InfeasibleError
from hwmodel.physics.shape import flop_per_token
from hwmodel.predict.training import (
    TRAINABLE,
    TrainingPrediction,
    TrainingRun,
    default_batch_seqs,
    nothing_divides,
    predict_training,
    run_space,
)
from hwmodel.specs import Stack
from hwmodel.specs.layout import NAMES
from hwmodel.specs.training_calibration import TrainingCalibration
from hwmodel.validation.rows.machines import Resolver
from hwmodel.validation.rows.tables import CellError, Row
from hwmodel.validation.rows.training_rows import TrainingCase, case_of

Column = NDArray[np.float64]
StackKey = tuple[str, str, float | None]  # id, family of parts, year


class PreparedRows(msgspec.Struct, kw_only=True):
    """Rows made ready: their cases, why some were refused, and the runs that they state."""

    rows: list[Row]
    cases: list[TrainingCase | None]
    reasons: list[str]
    families: list[str]
    parts: list[str]  # ids
    formats: list[str]  # of the products
    runs: list[TrainingRun | None]
    tokens_to_target: list[float]  # of benchmarks that run to a target; 0: unknown
    stack_keys: list[StackKey]
    row_stack: list[int]

    @property
    def usable(self) -> list[int]:
        """Places of the rows that can be predicted."""
        return [place for place, run in enumerate(self.runs) if run is not None]


class _Ready(msgspec.Struct, kw_only=True):
    """One row that can be predicted."""

    case: TrainingCase
    family: str
    part: str  # id
    stack_key: StackKey
    run: TrainingRun


def _fixed(case: TrainingCase) -> dict[str, float | tuple[float, ...]]:
    """The settings of the layout that a row states, with the values that they may take."""
    fixed: dict[str, float | tuple[float, ...]] = {
        name: value for name in NAMES if (value := getattr(case, name)) is not None
    }
    if case.vpp is not None:
        fixed["vpp"] = max(case.vpp, 1.0)
    if case.sequence_parallel is not None:
        fixed["sequence_parallel"] = case.sequence_parallel
    return fixed


def _read(row: Row, resolver: Resolver, calibration: TrainingCalibration) -> _Ready:
    """A row made ready. Raises CellError for what cannot be read, expressed or laid out."""
    case = _cores(case_of(row))
    machine, precision, part, _ = resolver.machine(case.part, case.precision, case.interconnect, case.accel_per_node)
    name = stack_id(case.engine, case.year, calibration, part.family, precision.gemm_format)
    key = (name, part.family, released(case.engine) or case.year)
    fixed = _fixed(case)
    batch = case.global_batch or default_batch_seqs(case.n_accel, case.seq_len, fixed)
    run = TrainingRun(
        shape=case.shape, machine=machine, precision=precision, stack=build_stack(*key, calibration),
        accelerators=case.n_accel, seq_len=case.seq_len, global_batch_seqs=batch, fixed=fixed,
        again=case.recompute, offload=(case.offload,),
        trainable_fraction=TRAINABLE["lora" if "lora" in case.task or "peft" in case.task else "pretrain"],
    )  # fmt: skip
    if run_space(run).count == 0:
        raise CellError(str(nothing_divides(run)))
    return _Ready(case=case, family=part.family, part=part.id, stack_key=key, run=run)


def _cores(case: TrainingCase) -> TrainingCase:
    """The case with its layout in chips, where the stated one counts two cores a chip (Neuron, TPU)."""
    if case.tp is None or case.pp is None or case.dp is None:
        return case
    product = case.tp * (case.cp or 1.0) * case.pp * case.dp
    if abs(product / case.n_accel - 2.0) < 1e-9:
        if case.tp % 2 == 0:
            return msgspec.structs.replace(case, tp=case.tp / 2.0)
        if case.dp % 2 == 0:
            return msgspec.structs.replace(case, dp=case.dp / 2.0)
    return case


def prepare(rows: list[Row], resolver: Resolver, calibration: TrainingCalibration) -> PreparedRows:
    """Read the rows; those that cannot be predicted keep the reason."""
    ready: list[_Ready | None] = []
    reasons: list[str] = []
    for row in rows:
        try:
            ready.append(_read(row, resolver, calibration))
            reasons.append("")
        except CellError as error:
            ready.append(None)
            reasons.append(str(error))
    keys: dict[StackKey, int] = {}
    return PreparedRows(
        rows=rows,
        cases=[None if read is None else read.case for read in ready],
        reasons=reasons,
        families=["" if read is None else read.family for read in ready],
        parts=["" if read is None else read.part for read in ready],
        formats=["" if read is None else read.run.precision.gemm_format for read in ready],
        runs=_shared_shapes([None if read is None else read.run for read in ready]),
        tokens_to_target=[0.0] * len(rows),
        row_stack=[0 if read is None else keys.setdefault(read.stack_key, len(keys)) for read in ready],
        stack_keys=list(keys),
    )


def _shared_shapes(runs: Sequence[TrainingRun | None]) -> list[TrainingRun | None]:
    """The runs with equal shapes as one record, so that columns of a fit hold each once."""
    shapes: dict[object, object] = {}
    return [
        None if run is None else msgspec.structs.replace(run, shape=shapes.setdefault(run.shape, run.shape))
        for run in runs
    ]


def stacks_of(
    prepared: PreparedRows, calibration: TrainingCalibration, unknown: frozenset[str] = frozenset()
) -> list[Stack]:
    """Constants of the rows' stacks; those in `unknown` count as never measured."""
    return [
        build_stack(name, family, year, calibration, level_known=name not in unknown)
        for name, family, year in prepared.stack_keys
    ]


def predicted(
    prepared: PreparedRows, stacks: Sequence[Stack], places: Sequence[int] | NDArray[np.intp] | None = None
) -> list[TrainingPrediction | None]:
    """Each row (or those in `places`) as `train` predicts it with the constants in `stacks`; None where refused."""
    out: list[TrainingPrediction | None] = []
    for place in range(len(prepared.rows)) if places is None else places:
        run = prepared.runs[place]
        try:
            out.append(None if run is None else predict_training(_with_stack(run, stacks[prepared.row_stack[place]])))
        except InfeasibleError:
            out.append(None)
    return out


def _with_stack(run: TrainingRun, stack: Stack) -> TrainingRun:
    return msgspec.structs.replace(run, stack=stack)


def sequence_s(found: Sequence[TrainingPrediction | None]) -> Column:
    """Seconds of the whole fleet for one sequence by each prediction; nan where there is none."""
    return np.array([np.nan if one is None else one.step_s / one.run.global_batch_seqs for one in found])


def model_flop_per_token(case: TrainingCase, convention: str) -> float:
    """Training FLOPs a token of a case in a convention."""
    return float(flop_per_token(case.shape, case.seq_len, convention))
