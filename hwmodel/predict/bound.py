"""What no layout of some options can be better than: an exact floor of its seconds and one of its bytes.

Both come out of the one text of the physics, at the settings where it is least. A step is at least its micro-batches
through the slowest stage, the bubble and the fixed time of a step: these do not grow with the replicas, and what else
a step does takes no negative time. Memory is least with the most replicas to share states and one micro-batch in
flight. The premises are property tests (tests/predict/test_bound.py).
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.memory import peak_bytes
from hwmodel.physics.schedule import micro_batches
from hwmodel.physics.training import jitter, step
from hwmodel.predict.layouts import Cases, LayoutSpace, kinds_of, option_columns, option_table, replicas
from hwmodel.predict.policy import Policy
from hwmodel.specs import Layout, Precision, Workload
from hwmodel.specs.kernels import Machine
from hwmodel.specs.layout import ONE_F_ONE_B
from hwmodel.specs.stack import Stack

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
SLACK = 1e-9  # rounding, which must exclude nothing
# So many micro-batches that what happens once a step vanishes beside them; a power of two divides without rounding.
MANY = 2.0**40
A_MICRO_BATCH = (
    "gemm_s", "attention_s", "memory_bound_s", "cast_s", "logits_s", "recompute_s", "tp_s", "cp_s", "ep_s", "host_s",
)  # fmt: skip


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """Options times cases, without a row for each. Options of a kind get the same replicas and batch on a fleet."""

    cases: Cases
    policy: Policy
    options: Layout  # columns, a row each, of one replica
    kind: Index  # of each option
    ways: Floats  # accelerators of a replica and sequences of a micro-batch, of each kind
    micro_batch: Floats
    dp: Floats  # replicas and batch [seqs], a row a case and a column a kind; dp is 0 where the kind does not fit
    batch_seqs: Floats

    @property
    def width(self) -> int:
        """How many options there are."""
        return len(self.kind)

    def layouts(self, option: Index, case: Index) -> LayoutSpace:
        """The layouts of some options on some cases, as rows."""
        kind = self.kind[option]
        return LayoutSpace(
            options=self.options, option=option, case=case, dp=self.dp[case, kind],
            batch_seqs=self.batch_seqs[case, kind],
        )  # fmt: skip


def grid(cases: Cases, domain: float, p: Policy) -> Grid:
    """The space of `layouts.layout_space` for fleets that may idle, as a grid."""
    table = option_table(cases, domain, p)
    kinds, kind = np.unique(kinds_of(table), axis=1, return_inverse=True)
    dp, batch = replicas(cases, *kinds)
    fits = (dp >= 1) & (batch >= 1)
    return Grid(
        cases=cases, policy=p, options=option_columns(cases.shape, p, table),
        kind=kind.ravel().astype(np.int64), ways=kinds[0],
        micro_batch=kinds[1], dp=np.ascontiguousarray(np.where(fits, dp, 0.0).T),
        batch_seqs=np.ascontiguousarray(np.where(fits, batch, 0.0).T),
    )  # fmt: skip


class TimeFloor(msgspec.Struct, frozen=True, kw_only=True):
    """Least seconds a sequence of an option on a case: `stage_s * rounds + once_s * share`."""

    stage_s: Floats  # of each option: a micro-batch on the slowest stage
    once_s: Floats  # of each option: bubble and what a step takes at least
    rounds: Floats  # of each case and kind: micro-batches a sequence, with the slowdown of many nodes; inf: no layout
    share: Floats  # of each case and kind: that slowdown a sequence


def time_floor(g: Grid, machine: Machine, precision: Precision, stack: Stack) -> TimeFloor:
    """The floor of time of every option on every case."""
    stage_s, once_s = _option_seconds(g, machine, precision, stack)
    batch, dp = np.maximum(g.batch_seqs, 1.0), np.maximum(g.dp, 1.0)
    load = Workload(seq_len=g.cases.seq_len, global_batch_seqs=batch)
    slower = 1.0 + jitter(Layout(tp=g.ways, dp=dp), machine, stack)
    rounds = micro_batches(Layout(micro_batch=g.micro_batch, dp=dp), load) * slower / batch
    return TimeFloor(
        stage_s=stage_s * (1.0 - SLACK), once_s=once_s * (1.0 - SLACK),
        rounds=np.where(g.dp > 0, rounds, np.inf), share=slower / batch,
    )  # fmt: skip


def likely(g: Grid, floor: TimeFloor, options: Index, cases: Index) -> Floats:
    """The floor of time of some options on the middle one of some cases: those of the least are worth trying first."""
    middle, kind = cases[len(cases) // 2], g.kind[options]
    least: Floats = floor.stage_s[options] * floor.rounds[middle, kind]
    return least + floor.once_s[options] * floor.share[middle, kind]


def _option_seconds(g: Grid, machine: Machine, precision: Precision, stack: Stack) -> tuple[Floats, Floats]:
    none = np.zeros(g.width)
    load = _load(g.cases, np.asarray(g.options.micro_batch) * MANY)
    terms = step(g.cases.shape, machine, precision, g.options, load, stack)
    often: Any = -float(stack.step_s)
    for name in A_MICRO_BATCH:
        often = often + getattr(terms, name)
    # Few micro-batches may leave the shorter bubble where a schedule fills it: casts of weights are longer in each of
    # them, so that the host adds less to the backward pass. Under 1F1B it is never shorter: it is whole stages.
    bubble = np.where(np.asarray(g.options.schedule) > ONE_F_ONE_B, 0.0, terms.pp_bubble_s)
    return often / MANY + none, bubble + float(stack.step_s) + none


def memory_floor(g: Grid, precision: Precision, stack: Stack) -> Floats:
    """Least bytes of the fullest stage of every option, whatever its case in the grid."""
    dp = np.maximum(g.dp.max(axis=0)[g.kind], 1.0)
    layout = msgspec.structs.replace(g.options, dp=dp)
    load = _load(g.cases, np.asarray(g.options.micro_batch) * dp)
    held = peak_bytes(g.cases.shape, precision, layout, load, stack)
    return np.asarray(held * (1.0 - SLACK) + np.zeros(g.width))


def _load(cases: Cases, batch_seqs: Floats) -> Workload:
    return Workload(seq_len=cases.seq_len, global_batch_seqs=batch_seqs, trainable_fraction=cases.trainable_fraction)
