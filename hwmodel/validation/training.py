"""Predictions for training rows: every layout that a row allows is evaluated; the fast ones that fit speak for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from hwmodel.catalog.stacks import TrainingCalibration, build_stack, stack_id
from hwmodel.physics.shape import flop_per_token
from hwmodel.specs import Layout, Precision, Stack, Workload
from hwmodel.specs.kernels import Machine
from hwmodel.validation.batch import Batch, Column, Configuration
from hwmodel.validation.candidates import layouts
from hwmodel.validation.machines import Resolver
from hwmodel.validation.tables import CellError, Row
from hwmodel.validation.training_rows import Case, case_of

_SPREAD = 0.08  # relative slowness at which a candidate's weight falls to 1/e: settings near the best are all likely
MARGIN = 1.08  # predicted over usable memory up to which a layout may have run: the error of the memory model
LORA_FRACTION = 0.01  # trainable share of a low-rank adaptation


class Prepared(msgspec.Struct, kw_only=True):
    """Rows made ready: their cases, why some were refused, and all candidate configurations as columns."""

    rows: list[Row]
    cases: list[Case | None]
    reasons: list[str]
    families: list[str]
    parts: list[str]  # ids
    formats: list[str]  # of the products
    tokens: list[float]  # tokens of a step (the middle one where the batch was searched)
    tokens_to_target: list[float]  # of benchmarks that run to a target; 0: unknown
    stack_keys: list[tuple[str, str, float | None]]  # stack id, family, year
    row_stack: list[int]
    batch: Batch | None
    capacity: Column
    peak_flop: Column


class Outcome(msgspec.Struct, kw_only=True):
    """What the physics says of each row (nan where refused): seconds, bytes, and what fits."""

    step_s: Column
    sequence_s: Column  # seconds of the whole fleet for one sequence
    allocated_bytes: Column  # what the framework's allocator counts: without the context and fragmentation
    fits: Column
    best: Any  # index of the most likely candidate


class _Ready(msgspec.Struct, kw_only=True):
    """One row that can be predicted: what it ran on, and the layouts (with global batches [sequences]) it allows."""

    case: Case
    family: str
    part: str  # id
    machine: Machine
    precision: Precision
    stack_key: tuple[str, str, float | None]
    options: list[tuple[Layout, float]]


def _read(row: Row, resolver: Resolver, calibration: TrainingCalibration) -> _Ready:
    """A row made ready. Raises CellError for what cannot be read, expressed or laid out."""
    case = case_of(row)
    machine, precision, part, _ = resolver.machine(case.part, case.precision, case.interconnect, case.accel_per_node)
    name = stack_id(case.engine, case.year, calibration, part.family, precision.gemm_format)
    key = (name, part.family, case.year)
    options = layouts(case, machine, build_stack(*key, calibration))
    return _Ready(
        case=case, family=part.family, part=part.id, machine=machine, precision=precision, stack_key=key,
        options=options,
    )  # fmt: skip


def _configurations(ready: Sequence[_Ready | None], row_stack: Sequence[int]) -> list[Configuration]:
    """Every candidate of every row; equal shapes are one record, so that columns hold each once."""
    items: list[Configuration] = []
    shapes: dict[Any, Any] = {}
    groups: dict[Any, int] = {}
    for place, one in enumerate(ready):
        if one is None:
            continue
        fraction = LORA_FRACTION if "lora" in one.case.task or "peft" in one.case.task else 1.0
        shape = shapes.setdefault(one.case.shape, one.case.shape)
        for layout, batch in one.options:
            same = msgspec.structs.replace(layout, recompute=0.0)
            load = Workload(seq_len=one.case.seq_len, global_batch_seqs=batch, trainable_fraction=fraction)
            items.append(
                Configuration(
                    row=place,
                    group=groups.setdefault((place, same, batch), len(groups)),
                    shape=shape,
                    machine=one.machine,
                    precision=one.precision,
                    layout=layout,
                    workload=load,
                    stack=row_stack[place],
                )
            )
    return items


def prepare(rows: list[Row], resolver: Resolver, calibration: TrainingCalibration) -> Prepared:
    """Read the rows and lay out their candidates; those that cannot be keep the reason."""
    ready: list[_Ready | None] = []
    reasons: list[str] = []
    for row in rows:
        try:
            ready.append(_read(row, resolver, calibration))
            reasons.append("")
        except CellError as error:
            ready.append(None)
            reasons.append(str(error))
    keys: dict[tuple[str, str, float | None], int] = {}
    row_stack = [0 if one is None else keys.setdefault(one.stack_key, len(keys)) for one in ready]
    items = _configurations(ready, row_stack)
    return Prepared(
        rows=rows,
        cases=[None if one is None else one.case for one in ready],
        reasons=reasons,
        families=["" if one is None else one.family for one in ready],
        parts=["" if one is None else one.part for one in ready],
        formats=["" if one is None else one.precision.gemm_format for one in ready],
        tokens=[0.0 if one is None else _middle_batch(one) * one.case.seq_len for one in ready],
        tokens_to_target=[0.0] * len(rows),
        stack_keys=list(keys),
        row_stack=row_stack,
        batch=Batch(items) if items else None,
        capacity=np.array([np.nan if one is None else float(one.machine.hbm_bytes) for one in ready]),
        peak_flop=np.array([np.nan if one is None else float(one.machine.gemm.peak_flop_per_s) for one in ready]),
    )


def _middle_batch(one: _Ready) -> float:
    return sorted(batch for _, batch in one.options)[len(one.options) // 2]


def stacks_of(
    prepared: Prepared, calibration: TrainingCalibration, unknown: frozenset[str] = frozenset()
) -> list[Stack]:
    """Constants of the rows' stacks; those in `unknown` count as never measured."""
    return [
        build_stack(name, family, year, calibration, level_known=name not in unknown)
        for name, family, year in prepared.stack_keys
    ]


def outcome(prepared: Prepared, stacks: list[Stack]) -> Outcome:
    """Seconds a step and bytes of every row: candidates that fit, weighted by how near the fastest they are."""
    n = len(prepared.rows)
    nothing = np.full(n, np.nan)
    if prepared.batch is None:
        return Outcome(
            step_s=nothing, sequence_s=nothing, allocated_bytes=nothing, fits=nothing, best=np.zeros(n, dtype=int)
        )
    batch = prepared.batch
    seconds = np.broadcast_to(np.asarray(batch.step(stacks).total_s), batch.rows.shape)
    # Compare candidates by time a sequence: a row without a batch is tried at several.
    per_sequence = seconds / batch.workload.global_batch_seqs
    size, allocated = batch.peak_bytes(stacks)
    over = size / prepared.capacity[batch.rows]
    fit = over <= MARGIN
    some = np.zeros(n, dtype=bool)
    np.logical_or.at(some, batch.rows, fit)
    # Where nothing fits, the leanest candidates speak: our memory is not exact.
    lean = np.full(n, np.inf)
    np.minimum.at(lean, batch.rows, over)
    allowed = np.where(some[batch.rows], fit, over <= lean[batch.rows] * 1.05)
    usable = np.where(allowed, per_sequence, np.inf)
    fastest = np.full(n, np.inf)
    np.minimum.at(fastest, batch.rows, usable)
    # Of settings that differ only in recomputation the leanest that fits is run; of layouts, any of the good ones.
    least = np.full(int(batch.groups.max()) + 1, np.inf)
    np.minimum.at(least, batch.groups, usable)
    allowed = allowed & (usable <= least[batch.groups])
    with np.errstate(invalid="ignore"):
        slower = usable / fastest[batch.rows] - 1.0
    weight = np.where(allowed, np.exp(-np.minimum(slower, 50.0) / _SPREAD), 0.0)
    total = np.bincount(batch.rows, weight, n)
    with np.errstate(invalid="ignore", divide="ignore"):

        def mean(value: Column) -> Column:
            logs = np.bincount(batch.rows, weight * np.log(value), n)
            return np.asarray(np.exp(logs / total))

        result = Outcome(
            step_s=mean(seconds),
            sequence_s=mean(per_sequence),
            allocated_bytes=mean(allocated),
            fits=some.astype(float),
            best=np.zeros(n, dtype=int),
        )
    order = np.lexsort((usable, batch.rows))
    first = np.searchsorted(batch.rows[order], np.arange(n))
    result.best = order[np.minimum(first, len(order) - 1)]
    return result


def model_flop_per_token(case: Case, convention: str) -> float:
    """Training FLOPs a token of a case in a convention."""
    return float(flop_per_token(case.shape, case.seq_len, convention))
