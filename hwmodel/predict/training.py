"""A fully or partly stated training run: its layout, the terms of its step, its memory. The product and the board call
the same function here; blanks are filled with the fastest values that fit (or the leanest, where none does)."""

from __future__ import annotations

import msgspec
import numpy as np

from hwmodel.catalog.stacks import memory_calibration
from hwmodel.errors import InfeasibleError
from hwmodel.ops import Num
from hwmodel.physics.memory import memory_by_stage
from hwmodel.physics.shape import layers
from hwmodel.physics.training import step
from hwmodel.predict.footprint import Footprint, footprint
from hwmodel.predict.layouts import Cases, layout_space
from hwmodel.predict.optimism import search_factor, with_search
from hwmodel.predict.policy import Policy, policy
from hwmodel.predict.recompute import NONE, recompute_word
from hwmodel.predict.search import Evaluation, evaluate, usable_bytes
from hwmodel.predict.space import LayoutSpace
from hwmodel.specs import Layout, MemoryTerms, Precision, Shape, StepTerms, Workload
from hwmodel.specs.intervals import fits_probability
from hwmodel.specs.kernels import Machine
from hwmodel.specs.stack import Stack

# Share of a model's parameters that tuning trains: low-rank adapters of usual ranks hold about a hundredth.
TRAINABLE = {"pretrain": 1.0, "full": 1.0, "sft": 1.0, "lora": 0.01}
# Batch of a run that states none [tokens], rounded to what its replicas divide.
DEFAULT_BATCH_TOKENS = 4e6


def step_rate(global_batch_seqs: Num, seq_len: Num, step_s: Num) -> Num:
    """Tokens a second of a batch in a step."""
    return global_batch_seqs * seq_len / step_s


def rate_of_one(total: Num, accelerators: Num) -> Num:
    """What one accelerator does of a whole."""
    return total / accelerators


class TrainingRun(msgspec.Struct, frozen=True, kw_only=True):
    """One optimizer step on a fleet. `fixed`: settings of the layout with the values that they may take.

    `again`, `offload`, `schedules`: words of `--recompute` (none: the usual ones are searched), of `--offload` and of
    `--schedule` (none: those of the stack). `searched`: what of `fixed` came out of a search, whose optimism is then
    added.
    """

    shape: Shape
    machine: Machine
    precision: Precision
    stack: Stack
    accelerators: float
    seq_len: float
    global_batch_seqs: float
    fixed: dict[str, float | tuple[float, ...]] = {}
    again: tuple[str, ...] = ()
    offload: tuple[str, ...] = (NONE,)
    schedules: tuple[str, ...] = ()
    trainable_fraction: float = 1.0
    searched: tuple[str, ...] = ()

    @property
    def policy(self) -> Policy:
        """What the run fixes, under the habits of its stack."""
        return policy(self.stack, self.fixed, again=self.again, offload=self.offload, schedules=self.schedules,
                      exact=True, searched=self.searched)  # fmt: skip

    @property
    def cases(self) -> Cases:
        """The run as the one case of a search."""
        return Cases(
            shape=self.shape, accelerators=np.array([self.accelerators]),
            batch_cap_seqs=np.array([self.global_batch_seqs]), batch_given=True, seq_len=self.seq_len,
            trainable_fraction=self.trainable_fraction,
        )  # fmt: skip

    @property
    def workload(self) -> Workload:
        """What one step processes."""
        return Workload(
            seq_len=self.seq_len, global_batch_seqs=self.global_batch_seqs, trainable_fraction=self.trainable_fraction
        )


class TrainingPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """What the physics says of a run. `level`: measured over predicted seconds of the same cluster, 1 without."""

    run: TrainingRun
    layout: Layout
    step: StepTerms
    memory: dict[str, MemoryTerms]  # by pipeline stage
    level: float = 1.0

    @property
    def recompute(self) -> str:
        """What the layout computes again, in the word of `--recompute`."""
        return recompute_word(self.layout, self.run.stack)

    @property
    def step_s(self) -> float:
        """Seconds of one optimizer step."""
        return float(self.step.total_s) * self.level

    @property
    def tokens_per_s(self) -> float:
        """Tokens a second of the whole fleet."""
        return float(step_rate(self.run.global_batch_seqs, self.run.seq_len, self.step_s))

    @property
    def tokens_per_s_per_accelerator(self) -> float:
        """Tokens a second of one accelerator."""
        return float(rate_of_one(self.tokens_per_s, self.run.accelerators))

    @property
    def fullest(self) -> str:
        """The pipeline stage that holds most."""
        return max(self.memory, key=lambda stage: float(self.memory[stage].total_bytes))

    @property
    def peak_bytes(self) -> float:
        """Bytes of the fullest stage, with context and fragmentation."""
        return float(self.memory[self.fullest].total_bytes)

    @property
    def footprint(self) -> Footprint:
        """The fullest stage as its counters see it."""
        run = self.run
        return footprint(
            run.shape, self.layout, run.workload, run.stack, self.memory[self.fullest], float(run.machine.hbm_bytes)
        )

    @property
    def fits_probability(self) -> float:
        """Probability that memory lets the layout start."""
        full = self.peak_bytes / float(self.run.machine.hbm_bytes)
        return float(fits_probability(full, memory_calibration()))

    @property
    def fits(self) -> bool:
        """Whether the fullest stage lies within the memory of an accelerator."""
        return self.peak_bytes <= float(self.run.machine.hbm_bytes)

    @property
    def tight(self) -> bool:
        """Whether it fits, but with less room than a plan leaves."""
        return self.fits and self.peak_bytes > usable_bytes(self.run.machine)


def default_batch_seqs(accelerators: float, seq_len: float, fixed: dict[str, float | tuple[float, ...]]) -> float:
    """Batch [sequences] of a run that states none: near DEFAULT_BATCH_TOKENS, a multiple of its replicas."""

    def stated(name: str) -> float:
        value = fixed.get(name, 1.0)
        return value[0] if isinstance(value, tuple) else value

    replicas = max(1.0, accelerators / (stated("tp") * stated("cp") * stated("pp")))
    grain = replicas * stated("micro_batch")
    return grain * max(1.0, round(DEFAULT_BATCH_TOKENS / seq_len / grain))


def run_space(run: TrainingRun) -> LayoutSpace:
    """Every layout that the run leaves open."""
    return layout_space(run.cases, float(run.machine.network.domain), run.policy)


def search_run(run: TrainingRun) -> Evaluation:
    """Every layout that the run leaves open, evaluated."""
    return evaluate(run.cases, run.machine, run.precision, run.stack, run.policy)


def with_layout(run: TrainingRun, layout: Layout, level: float = 1.0) -> TrainingPrediction:
    """The run in one layout."""
    terms = step(run.shape, run.machine, run.precision, layout, run.workload, run.stack)
    terms = with_search(terms, search_factor(run.policy))
    memory = memory_by_stage(run.shape, run.precision, layout, run.workload, run.stack)
    return TrainingPrediction(run=run, layout=layout, step=terms, memory=memory, level=level)


def predict_training(run: TrainingRun, level: float = 1.0) -> TrainingPrediction:
    """The run in the fastest of its layouts that fits, or the leanest. Raises InfeasibleError where nothing divides."""
    space = run_space(run)
    if space.count == 0:
        raise nothing_divides(run)
    if space.count == 1:
        return with_layout(run, space.at(0), level)
    found = search_run(run)
    return with_layout(run, found.space.at(found.pick(0)), level)


def nothing_divides(run: TrainingRun) -> InfeasibleError:
    """Which stated sizes do not multiply to the fleet; what is not stated was searched and is not at fault."""
    fixed = {name: value if isinstance(value, tuple) else (value,) for name, value in run.fixed.items()}
    sizes = [(n, fixed[n][0]) for n in ("tp", "cp", "pp", "dp") if n in fixed and fixed[n][0] > 1]
    ways = float(np.prod([value for _, value in sizes]))
    fleet, batch = run.accelerators, run.global_batch_seqs
    if sizes and fleet % ways:
        stated = " x ".join(f"{n} {v:g}" for n, v in sizes)
        equals = f" = {ways:g}" if len(sizes) > 1 else ""
        reason = f"{stated}{equals} does not divide {fleet:g} accelerators"
    elif fleet > batch:
        reason = (
            f"{fleet:g} accelerators share a global batch of {batch:g} sequences, and one sequence cannot be split "
            f"over {fleet / batch:g} of them (tp x cp x pp)"
        )
    else:
        reason = f"nothing divides {fleet:g} accelerators, the heads and the {layers(run.shape):g} layers at once"
    return InfeasibleError(f"no layout: {reason}", binding="layout", remedy="free a parallel size")
