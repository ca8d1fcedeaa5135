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

from hwmodel.ops import where
from hwmodel.physics.columns import take
from hwmodel.physics.memory import peak_bytes
from hwmodel.physics.schedule import micro_batches
from hwmodel.physics.training import jitter, step
from hwmodel.predict.layouts import Cases, options_of, replicas
from hwmodel.predict.policy import Policy
from hwmodel.predict.replay import CommonInputs
from hwmodel.predict.space import LayoutSpace
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

    def narrowed(self, options: Index) -> Grid:
        """Some of the options, and the kinds that they are of."""
        there = np.zeros(len(self.ways), dtype=bool)
        there[self.kind[options]] = True
        kinds, place = np.flatnonzero(there), np.cumsum(there) - 1
        return msgspec.structs.replace(
            self, options=take(self.options, options), kind=place[self.kind[options]], ways=self.ways[kinds],
            micro_batch=self.micro_batch[kinds], dp=self.dp.T[kinds].T, batch_seqs=self.batch_seqs.T[kinds].T,
        )  # fmt: skip

    def layouts(self, option: Index, case: Index) -> LayoutSpace:
        """The layouts of some options on some cases, as rows."""
        kind = self.kind[option]
        return LayoutSpace(
            options=self.options, option=option, case=case, dp=self.dp[case, kind],
            batch_seqs=self.batch_seqs[case, kind],
        )  # fmt: skip


def grid(cases: Cases, domain: float, p: Policy) -> Grid:
    """The space of `layouts.layout_space` for fleets that may idle, as a grid."""
    options, kinds, kind = options_of(cases, domain, p)
    dp, batch = replicas(cases, *kinds)
    fits = (dp >= 1) & (batch >= 1)
    return Grid(
        cases=cases, policy=p, options=options, kind=kind, ways=kinds[0],
        micro_batch=kinds[1], dp=np.where(fits, dp, 0.0).T, batch_seqs=np.where(fits, batch, 0.0).T,
    )  # fmt: skip


class TimeFloor(msgspec.Struct, frozen=True, kw_only=True):
    """Least seconds a sequence of an option on a case: `stage_s * rounds + once_s * share`."""

    stage_s: Floats  # of each option: a micro-batch on the slowest stage
    once_s: Floats  # of each option: bubble and what a step takes at least
    rounds: Floats  # of each case and kind: micro-batches a sequence, with the slowdown of many nodes; inf: no layout
    share: Floats  # of each case and kind: that slowdown a sequence


def time_floor(g: Grid, machine: Machine, precision: Precision, stack: Stack) -> TimeFloor:
    """The floor of time of every option on every case."""
    question = CommonInputs(g.cases.shape, machine, precision, stack, g.cases.seq_len, g.cases.trainable_fraction)
    none = np.zeros(g.width)
    stage_s, once_s = (seconds + none for seconds in least_seconds(question, g.options))
    return spread_floor(g, stage_s, once_s, machine, stack)


def spread_floor(g: Grid, stage_s: Floats, once_s: Floats, machine: Machine, stack: Stack) -> TimeFloor:
    """The floor of time on every case, from what each option takes at least."""
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


def least_seconds(question: CommonInputs, options: Layout) -> tuple[Any, Any]:
    """Seconds of a micro-batch on the slowest stage, and what a step takes at least once; of options of one replica."""
    shape, machine, precision, stack, seq_len, trainable = question
    load = Workload(seq_len=seq_len, global_batch_seqs=options.micro_batch * MANY, trainable_fraction=trainable)
    terms = step(shape, machine, precision, options, load, stack)
    often: Any = -stack.step_s
    for name in A_MICRO_BATCH:
        often = often + getattr(terms, name)
    # Few micro-batches may leave the shorter bubble where a schedule fills it: casts of weights are longer in each of
    # them, so that the host adds less to the backward pass. Under 1F1B it is never shorter: it is whole stages.
    bubble = where(options.schedule > ONE_F_ONE_B, 0.0, terms.pp_bubble_s)
    return often / MANY, bubble + stack.step_s


def memory_floor(g: Grid, precision: Precision, stack: Stack) -> Floats:
    """Least bytes of the fullest stage of every option, whatever its case in the grid."""
    layout, load = leanest(g.options, most_replicas(g), g.cases.seq_len, g.cases.trainable_fraction)
    held = peak_bytes(g.cases.shape, precision, layout, load, stack)
    return np.asarray(held * (1.0 - SLACK) + np.zeros(g.width))


def most_replicas(g: Grid) -> Floats:
    """The most replicas of each option on any case of the grid."""
    most: Floats = np.maximum(g.dp.max(axis=0), 1.0)[g.kind]
    return most


def leanest(options: Layout, most: Any, seq_len: Any, trainable_fraction: Any) -> tuple[Layout, Workload]:
    """Options with so many replicas and one micro-batch in flight, where they hold the least."""
    load = Workload(
        seq_len=seq_len, global_batch_seqs=options.micro_batch * most, trainable_fraction=trainable_fraction
    )
    return msgspec.structs.replace(options, dp=most), load
