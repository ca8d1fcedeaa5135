"""The layout search: the whole space evaluated as arrays; the fastest that fits, and the Pareto set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog.stacks import memory_calibration
from hwmodel.errors import InfeasibleError
from hwmodel.physics.memory import peak_bytes, peak_memory
from hwmodel.physics.shape import layers, parameters
from hwmodel.physics.training import step
from hwmodel.predict.columns import grouped_best
from hwmodel.predict.footprint import Footprint, footprint
from hwmodel.predict.layouts import Cases, fuller, layout_space
from hwmodel.predict.optimism import search_factor, with_search
from hwmodel.predict.policy import Policy
from hwmodel.predict.recompute import offload_word, recompute_word
from hwmodel.predict.replay import CommonInputs, Replay
from hwmodel.predict.space import LayoutSpace
from hwmodel.specs import Layout, MemoryTerms, Precision, StepTerms, Workload
from hwmodel.specs.kernels import Machine
from hwmodel.specs.layout import ASKED, PlanLayout, plan_layout
from hwmodel.specs.stack import Stack
from hwmodel.units import format_bytes

BLOCK_ROWS = 16_384
REPLAYED_ROWS = 65_536  # from which on tracing the physics, 15 ms, is repaid
Column = NDArray[np.float64]


class Laid(msgspec.Struct, frozen=True, kw_only=True):
    """The layouts that cases admit and their bytes, which no speed of a machine changes."""

    domain: float
    space: LayoutSpace
    memory_bytes: Column


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Step time and peak memory of every layout; rows that do not fit have an infinite step."""

    cases: Cases
    space: LayoutSpace
    step_s: Column
    memory_bytes: Column
    search_factor: float  # on predicted seconds, in `step_s` and in every choice
    billed_s: Column  # seconds a sequence as billed, failures of those that train included: what layouts are chosen by
    best: NDArray[np.int64]  # row of the fastest layout of each case, -1 where none fits
    laid: Laid | None = None  # the layouts that were evaluated before those with fewer replicas

    def pick(self, case: int) -> int:
        """Row of the fastest layout of a case that fits, else of the leanest; -1 where nothing divides."""
        row = int(self.best[case])
        mine = np.flatnonzero(self.space.case == case) if row < 0 else np.empty(0, dtype=np.int64)
        return int(mine[np.argmin(self.memory_bytes[mine])]) if len(mine) else row

    @property
    def s_per_sequence(self) -> Column:
        return self.step_s / self.space.batch_seqs

    def tokens_per_s(self, case: int) -> float:
        """Tokens a second of the fastest layout of a case; 0 where none fits."""
        row = int(self.best[case])
        return self.cases.seq_len / float(self.s_per_sequence[row]) if row >= 0 else 0.0


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One layout of one case, evaluated as plain numbers."""

    layout: Layout
    recompute: str  # the words of the options for what the layout computes again and moves to the host
    offload: str
    batch_seqs: float
    step: StepTerms
    memory: MemoryTerms
    footprint: Footprint
    accelerators: int
    idle_accelerators: int
    tokens_per_s: float

    @property
    def step_s(self) -> float:
        return float(self.step.total_s)

    @property
    def shown(self) -> PlanLayout:
        """The layout as an answer shows it."""
        return plan_layout(self.layout, self.batch_seqs, self.recompute, self.offload)


def evaluate(
    cases: Cases,
    machine: Machine,
    precision: Precision,
    stack: Stack,
    policy: Policy,
    billed: Callable[[Column], Column] | None = None,
    laid: Laid | None = None,
) -> Evaluation:
    """Every layout of every case, in blocks that stay in cache; what a plan would not dare to fill does not fit.

    `billed`: hours of a run over its steady ones, of jobs on so many accelerators each; without it steps decide.
    `laid`: what an evaluation of the same question on another machine laid out.
    """
    domain = float(machine.network.domain)
    if laid is None or laid.domain != domain:
        space = layout_space(cases, domain, policy)
        step_s, memory_bytes = timed(cases, space, machine, precision, stack)
        laid = Laid(domain=domain, space=space, memory_bytes=memory_bytes)
    else:
        space, memory_bytes = laid.space, laid.memory_bytes
        step_s = fitting_s(cases, space, memory_bytes, machine, precision, stack)
    if not (policy.exact or cases.batch_given):
        more, _ = fuller_layouts(cases, space, step_s, machine)
        if more.count:
            more_s, more_bytes = timed(cases, more, machine, precision, stack)
            space = space.joined(more)
            step_s, memory_bytes = np.append(step_s, more_s), np.append(memory_bytes, more_bytes)
    return msgspec.structs.replace(ranked(cases, space, step_s, memory_bytes, policy, billed), laid=laid)


def ranked(
    cases: Cases,
    space: LayoutSpace,
    step_s: Column,
    memory_bytes: Column,
    policy: Policy,
    billed: Callable[[Column], Column] | None,
) -> Evaluation:
    """Evaluated layouts with the optimism of their search, and the fastest of each case."""
    factor = search_factor(policy)
    step_s = step_s * factor
    per_seq = step_s / np.maximum(space.batch_seqs, 1.0)
    if billed is not None:
        per_seq *= billed(space.accelerators)
    best = grouped_best(space.case, per_seq, cases.count)
    return Evaluation(
        cases=cases, space=space, step_s=step_s, memory_bytes=memory_bytes, search_factor=factor, billed_s=per_seq,
        best=best,
    )  # fmt: skip


def timed(
    cases: Cases, space: LayoutSpace, machine: Machine, precision: Precision, stack: Stack
) -> tuple[Column, Column]:
    """Seconds of a step (infinite where the layout does not fit) and bytes of the fullest stage, a row each."""
    if space.count >= REPLAYED_ROWS:
        question = CommonInputs(cases.shape, machine, precision, stack, cases.seq_len, cases.trainable_fraction)
        return Replay(question, space).rows(space, usable_bytes(machine))
    memory_bytes = held(cases, space, precision, stack)
    return fitting_s(cases, space, memory_bytes, machine, precision, stack), memory_bytes


def _blocks(count: int) -> Iterator[slice]:
    """Rows in blocks that stay in cache."""
    return (slice(start, start + BLOCK_ROWS) for start in range(0, count, BLOCK_ROWS))


def held(cases: Cases, space: LayoutSpace, precision: Precision, stack: Stack) -> Column:
    """Bytes of the fullest stage of each row."""
    memory_bytes = np.full(space.count, np.inf)
    for block in _blocks(space.count):
        part = space.rows(block)
        load = load_of(cases, part.batch_seqs)
        memory_bytes[block] = peak_bytes(cases.shape, precision, part.layout, load, stack)
    return memory_bytes


def fitting_s(
    cases: Cases, space: LayoutSpace, memory_bytes: Column, machine: Machine, precision: Precision, stack: Stack
) -> Column:
    """Seconds of a step of each row, infinite where the layout does not fit."""
    step_s = np.full(space.count, np.inf)
    for block in _blocks(space.count):
        fits = np.flatnonzero(memory_bytes[block] <= usable_bytes(machine))
        if len(fits):
            rows = space.rows(block.start + fits)
            load = load_of(cases, rows.batch_seqs)
            step_s[block.start + fits] = step(cases.shape, machine, precision, rows.layout, load, stack).total_s
    return step_s


# A layout with fewer replicas is tried where it would win if each micro-batch more took no longer than its products at
# peak, and the rest a little less than before: it may be shorter by what fewer ranks wait for each other.
FULLER_MAY_SAVE = 0.02
FULLER_ROUNDS = (1.0, 2.0, 3.0)  # micro-batches more that are tried; beyond them steps grow faster than batches


def fuller_layouts(
    cases: Cases, space: LayoutSpace, step_s: Column, machine: Machine, best: Column | None = None
) -> tuple[LayoutSpace, NDArray[np.int64]]:
    """Layouts with fewer replicas that fill more of the batch and may beat the fastest of their case; and the rows of
    `space` that they come from. `best`: least seconds a sequence of each case, where `space` is not all of it."""
    batch = np.maximum(space.batch_seqs, 1.0)
    per_seq = step_s / batch
    if best is None:
        best = np.full(cases.count, np.inf)
        np.minimum.at(best, space.case, per_seq)
    room = cases.batch_cap_seqs[space.case] / batch
    rows = np.flatnonzero((room > 1.0) & (per_seq * (1.0 - FULLER_MAY_SAVE) <= best[space.case] * room))
    of = np.tile(rows, len(FULLER_ROUNDS))
    if not len(of):
        return space.rows(of), of
    near, rounds = space.rows(of), np.repeat(FULLER_ROUNDS, len(rows))
    ways = Layout(**near.settings("tp", "cp", "pp"), micro_batch=near.micro_batch)
    least_s = (1.0 - FULLER_MAY_SAVE) * step_s[of] + rounds * least_seconds_of_micro_batch(cases, ways, machine)
    found = fuller(cases, near, rounds)
    filled = np.maximum(found.batch_seqs, 1.0)
    may_win = (filled > near.batch_seqs) & (least_s < best[near.case] * filled)
    return found.rows(may_win), of[may_win]


def least_seconds_of_micro_batch(cases: Cases, one: Layout, machine: Machine) -> Column:
    """Seconds of the products of a micro-batch at peak: 2 N FLOPs a token forward, as many for the gradients of its
    inputs and of the weights that train."""
    per_token = (4.0 + 2.0 * cases.trainable_fraction) * float(parameters(cases.shape).matmul_active)
    flop = per_token * cases.seq_len * one.micro_batch
    return np.asarray(flop / (one.tp * one.cp * one.pp * machine.gemm.peak_flop_per_s))


def load_of(cases: Cases, batch_seqs: Any) -> Workload:
    return Workload(seq_len=cases.seq_len, global_batch_seqs=batch_seqs, trainable_fraction=cases.trainable_fraction)


def usable_bytes(machine: Machine) -> float:
    """Memory that a plan may fill by prediction [bytes]: so far that it fits with the least probability asked for, from
    layouts that ran and layouts that did not."""
    return float(machine.hbm_bytes) * memory_calibration().most_full


def choice(evaluation: Evaluation, row: int, machine: Machine, precision: Precision, stack: Stack) -> Choice:
    """The layout of one row with all of its terms, as numbers."""
    case = int(evaluation.space.case[row])
    shape = evaluation.cases.shape
    layout = evaluation.space.at(row)
    batch = float(evaluation.space.batch_seqs[row])
    load = load_of(evaluation.cases, batch)
    terms = with_search(step(shape, machine, precision, layout, load, stack), evaluation.search_factor)
    fleet = int(evaluation.cases.accelerators[case])
    used = int(layout.accelerators)
    memory = peak_memory(shape, precision, layout, load, stack)
    return Choice(
        layout=layout,
        recompute=recompute_word(layout, stack),
        offload=offload_word(layout),
        batch_seqs=batch,
        step=terms,
        memory=memory,
        footprint=footprint(shape, layout, load, stack, memory, float(machine.hbm_bytes)),
        accelerators=fleet,
        idle_accelerators=fleet - used,
        tokens_per_s=batch * evaluation.cases.seq_len / float(terms.total_s),
    )


def runners_up(evaluation: Evaluation, case: int, count: int = 3) -> list[int]:
    """The next best rows of a case that differ from the winner, and from each other, in how the model is split."""
    rows = np.flatnonzero((evaluation.space.case == case) & np.isfinite(evaluation.step_s))
    rows = rows[np.argsort(evaluation.billed_s[rows], kind="stable")]
    seen = {_split(evaluation, int(evaluation.best[case]))}
    chosen: list[int] = []
    for row in rows:
        if len(chosen) == count:
            break
        split = _split(evaluation, int(row))
        if split not in seen:
            seen.add(split)
            chosen.append(int(row))
    return chosen


def _split(evaluation: Evaluation, row: int) -> tuple[float, ...]:
    one = evaluation.space.at(row)
    return tuple(float(size) for size in (one.tp, one.cp, one.pp, one.ep, one.zero))


def few_of(evaluation: Evaluation, case: int, count: int) -> list[int]:
    """Rows of the fastest layouts of a case as billed, the earlier of equal ones first."""
    mine = np.flatnonzero((evaluation.space.case == case) & np.isfinite(evaluation.billed_s))
    found: list[int] = mine[np.argsort(evaluation.billed_s[mine], kind="stable")][:count].tolist()
    return found


def pareto(evaluation: Evaluation, case: int) -> list[int]:
    """Rows of a case that no other beats in time a sequence as billed, memory and accelerators used, fastest first."""
    rows = np.flatnonzero((evaluation.space.case == case) & np.isfinite(evaluation.step_s))
    used = evaluation.space.accelerators
    cost = np.stack([evaluation.billed_s[rows], evaluation.memory_bytes[rows], used[rows]], axis=1)
    order = np.lexsort((cost[:, 2], cost[:, 1], cost[:, 0]))
    rows, cost = rows[order], cost[order]
    kept: list[int] = []
    while len(rows):  # the first of the rest is beaten by none of it: what came before it was taken out with its own
        kept.append(int(rows[0]))
        left = np.any(cost < cost[0], axis=1)
        rows, cost = rows[left], cost[left]
    return kept


def require_fit(evaluation: Evaluation, case: int, machine: Machine, what: str) -> int:
    """The best row of a case; raises InfeasibleError with the binding constraint when there is none."""
    row = int(evaluation.best[case])
    if row >= 0:
        return row
    mine = np.flatnonzero(evaluation.space.case == case)
    fleet = int(evaluation.cases.accelerators[case])
    if len(mine) == 0:
        shape = evaluation.cases.shape
        heads = min((int(block.n_heads) for block in shape.blocks if block.n_heads > 0), default=1)
        options = ", ".join(f"--{name.replace('_', '-')}" for name in ASKED if name != "zero")
        raise InfeasibleError(
            f"no layout of {what} on {fleet} x {machine.part} divides: {heads} heads, {int(layers(shape))} layers, the "
            f"batch and the given parallel sizes leave none; free one of {options} or --global-batch",
            binding="layout",
            remedy="free a parallel size",
        )
    least = float(np.min(evaluation.memory_bytes[mine]))
    capacity = usable_bytes(machine)
    grow = int(np.ceil(fleet * least / capacity))
    remedy = f"take at least about {grow} accelerators, a smaller model or a part with more memory"
    raise InfeasibleError(
        f"{what} does not fit on {fleet} x {machine.part}: the leanest layout needs {format_bytes(least, binary=True)} "
        f"an accelerator, a plan may fill {format_bytes(capacity, binary=True)}; {remedy}",
        binding="memory",
        remedy=remedy,
    )
