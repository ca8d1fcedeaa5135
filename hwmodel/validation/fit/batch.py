"""The layouts that rows leave open as columns, evaluated at once while a fit moves the constants of their stacks."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.memory import peak_bytes
from hwmodel.physics.training import step
from hwmodel.predict.columns import gather, grouped_best, joined, stack, stack_distinct
from hwmodel.predict.optimism import search_factor
from hwmodel.predict.search import usable_bytes
from hwmodel.predict.training import run_space
from hwmodel.specs import Layout, Precision, Shape, Stack, Workload
from hwmodel.specs.kernels import Machine
from hwmodel.validation.predicted.training import Column, PreparedRows


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of candidate layouts; `row` says which row of the file each belongs to, `stack_index` whose constants."""

    row: NDArray[np.int64]
    stack_index: NDArray[np.int64]
    capacity: Column  # bytes that a plan may fill
    shape: Shape
    machine: Machine
    precision: Precision
    layout: Layout
    workload: Workload
    search_factor: Column  # on predicted seconds of the rows whose layout is open

    def subset(self, places: NDArray[np.intp]) -> Batch:
        """The candidates at `places`."""
        return Batch(
            row=self.row[places], stack_index=self.stack_index[places], capacity=self.capacity[places],
            shape=gather(self.shape, places), machine=gather(self.machine, places),
            precision=gather(self.precision, places), layout=gather(self.layout, places),
            workload=gather(self.workload, places), search_factor=self.search_factor[places],
        )  # fmt: skip

    def repeated(self, times: int, rows: int, stacks: int) -> Batch:
        """The candidates `times` over, each time as rows and stacks of their own (`rows`, `stacks` at a time)."""
        again = self.subset(np.tile(np.arange(len(self.row)), times))
        turn = np.repeat(np.arange(times), len(self.row))
        return msgspec.structs.replace(
            again, row=again.row + turn * rows, stack_index=again.stack_index + turn * stacks
        )


def batch_of(prepared: PreparedRows, places: Sequence[int] | NDArray[np.intp]) -> Batch:
    """Every layout that the rows at `places` leave open."""
    runs, spaces, rows = [], [], []
    for place in places:
        run = prepared.runs[place]
        if run is not None:
            runs.append(run)
            spaces.append(run_space(run))
            rows.append(place)
    counts = [space.count for space in spaces]
    which = np.repeat(np.arange(len(runs)), counts)
    batches = np.concatenate([space.batch_seqs for space in spaces])
    return Batch(
        row=np.array(rows)[which],
        stack_index=np.array([prepared.row_stack[place] for place in rows])[which],
        capacity=np.array([usable_bytes(run.machine) for run in runs])[which],
        shape=stack_distinct([runs[i].shape for i in which]),
        machine=stack_distinct([runs[i].machine for i in which]),
        precision=stack_distinct([runs[i].precision for i in which]),
        layout=joined([space.layout for space in spaces], counts),
        workload=Workload(
            seq_len=np.array([run.seq_len for run in runs])[which],
            global_batch_seqs=batches,
            trainable_fraction=np.array([run.trainable_fraction for run in runs])[which],
        ),
        search_factor=np.array([search_factor(run.policy) for run in runs])[which],
    )


class SearchOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the physics says of every candidate, and the candidate that a search takes for each row (-1: none)."""

    sequence_s: Column
    fits: NDArray[np.bool_]
    best: NDArray[np.int64]

    @property
    def row_sequence_s(self) -> Column:
        """Seconds of the whole fleet for one sequence of each row of the file; nan where there is no candidate."""
        return np.where(self.best >= 0, self.sequence_s[self.best], np.nan)


def outcome(batch: Batch, stacks: Sequence[Stack], rows: int) -> SearchOutcome:
    """Every candidate evaluated; of each of `rows` rows the fastest that fits, or the leanest where none does."""
    size = batch.row.shape
    constants = stack(stacks, batch.stack_index)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        terms = step(batch.shape, batch.machine, batch.precision, batch.layout, batch.workload, constants)
        memory = peak_bytes(batch.shape, batch.precision, batch.layout, batch.workload, constants)
    seconds = np.broadcast_to(np.asarray(terms.total_s), size) / batch.workload.global_batch_seqs * batch.search_factor
    full = np.broadcast_to(np.asarray(memory), size) / batch.capacity
    fits = full <= 1.0
    best = grouped_best(batch.row, np.where(fits, seconds, np.inf), rows)
    leanest = grouped_best(batch.row, full, rows)
    return SearchOutcome(sequence_s=seconds, fits=fits, best=np.where(best >= 0, best, leanest))


NEAR = 1.25  # slowness against the best at the priors up to which a layout may become the best in a fit


def pruned(batch: Batch, stacks: Sequence[Stack], rows: int, near: float = NEAR) -> Batch:
    """The batch with only the candidates that may be a row's prediction while the constants move."""
    found = outcome(batch, stacks, rows)
    kept = found.fits & (found.sequence_s <= near * found.row_sequence_s[batch.row])
    kept[found.best[found.best >= 0]] = True
    return batch.subset(np.flatnonzero(kept))
