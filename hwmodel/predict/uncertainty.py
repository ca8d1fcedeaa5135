"""What of a training run its error goes by: parts of the step that are hard to tell, and how far it lies from what was
measured. The same for an answer of `plan` or `train` and for a row of the board."""

from __future__ import annotations

import math

import msgspec

from hwmodel.catalog.stacks import interval_calibration, training_calibration
from hwmodel.ops import Num, log2, maximum
from hwmodel.physics.intervals import ends, ratio_ends
from hwmodel.specs import Layout, MemoryTerms, Shape, StepTerms
from hwmodel.specs.intervals import Ends, Familiarity, IntervalConstants
from hwmodel.specs.training_calibration import Known, TrainingCalibration

# Settings whose blanks make a prediction one of a search; the batch and a shape known by its size alone count too.
COUNTED = ("micro_batch", "tp", "pp")
MOST_BLANKS = 2.0  # blanks from which on the search is as open as it gets
TRAFFIC = ("tp_s", "cp_s", "ep_s", "pp_transfer_s", "dp_exposed_s")


class TrainingTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What of a training run decides how familiar it is. `seen`: runs of its source or cluster stand in the fit;
    `level`: a measurement of the same cluster corrects it."""

    part: str
    family: str
    stack: str
    number_format: str
    mixture: bool
    accelerators: float
    blanks: float
    domain: float = 8.0  # accelerators that share a scale-up network
    seen: bool = False
    level: bool = False

    @property
    def format_key(self) -> str:
        """Family and format of the products, as `Known.formats` has them."""
        return f"{self.family}|{self.number_format}"

    @property
    def kind_key(self) -> str:
        """Stack and kind of model, as `Known.kinds` has them."""
        return f"{self.stack}|{'moe' if self.mixture else 'dense'}"

    @property
    def known(self) -> float:
        """1 where its source, or a measurement of its cluster, stands behind the prediction."""
        return float(self.seen or self.level)


def shipped_known(calibration: TrainingCalibration | None = None) -> Known:
    """What the shipped fit covered."""
    return (calibration or training_calibration()).known


def is_mixture(shape: Shape) -> bool:
    """Whether any layer has experts."""
    return any(float(block.n_experts) > 0 for block in shape.blocks)


def blanks(stated: frozenset[str], *, batch: bool, shape: bool) -> float:
    """How many of the settings that decide a run nobody stated."""
    return float(sum(name not in stated for name in COUNTED) + (not batch) + (not shape))


class StepShares(msgspec.Struct, frozen=True, kw_only=True):
    """Parts of a step that are hard to tell, as shares of it (numbers or columns): launches on the host, exposed
    communication, what ranks wait for the slowest of them, and what stages of a pipeline wait for one another and
    send."""

    host: Num = 0.0
    network: Num = 0.0
    jitter: Num = 0.0
    stages: Num = 0.0


def step_shares(step: StepTerms) -> StepShares:
    """The shares of a step's terms."""
    total = step.total_s
    traffic: Num = 0.0
    for name in TRAFFIC:
        traffic = traffic + getattr(step, name)
    return StepShares(
        host=step.host_s / total, network=traffic / total, jitter=step.jitter_s / total,
        stages=(step.pp_transfer_s + step.pp_bubble_s) / total,
    )  # fmt: skip


def step_familiarity(traits: TrainingTraits, known: Known, parts: StepShares) -> Familiarity:
    """What the error of a predicted step goes by.

    Shares of the step: launches on the host, exposed communication, waits for the slowest rank. Distances: a stack, a
    family of parts or a number format without measured runs, a mixture of experts, settings left to a search, fleets
    beyond the largest measured, and stages that exchange over the network: their waits, times the doublings of
    scale-up domains.
    """
    return Familiarity(
        known=traits.known,
        shares={"host": parts.host, "network": parts.network, "jitter": parts.jitter},
        distances={
            "stages": parts.stages * math.log2(max(traits.accelerators / traits.domain, 1.0)),
            "stack": float(traits.stack not in known.stacks),
            "family": float(traits.family not in known.families),
            "number_format": float(traits.format_key not in known.formats),
            # Half more where the stack was never measured with a mixture.
            "mixture": float(traits.mixture) * (1.0 + 0.5 * float(traits.kind_key not in known.kinds)),
            "searched": min(1.0, traits.blanks / MOST_BLANKS),
            "scale": max(0.0, math.log2(traits.accelerators / known.accelerators)),
        },
    )


def memory_familiarity(layout: Layout, memory: MemoryTerms, known: float = 0.0) -> Familiarity:
    """What the error of a predicted peak of memory goes by: parts of it that the framework decides (activations with
    the logits, buffers and reserve), and how finely tensor parallelism and micro-batches cut and repeat them."""
    total = memory.total_bytes
    active = (memory.activations_bytes + memory.logits_bytes) / total
    return Familiarity(
        known=known,
        shares={"activations": active, "reserve": (memory.reserve_bytes + memory.buffers_bytes) / total},
        distances={
            "tensor_ranks": active * log2(maximum(layout.tp, 1.0)),
            "micro_batch": active * log2(maximum(layout.micro_batch, 1.0)),
        },
    )


def step_ends(
    traits: TrainingTraits, parts: StepShares, known: Known | None = None, widths: IntervalConstants | None = None
) -> Ends:
    """Ends of the 80 % interval of log step time, from residuals of sources left out of the fit."""
    of = step_familiarity(traits, known or shipped_known(), parts)
    return ends(of, widths or interval_calibration()["training"])


def step_ratio_ends(traits: TrainingTraits, over: StepShares, under: StepShares) -> Ends:
    """Ends of the 80 % interval of one step's time over another's, both of one source and as familiar but for what
    their steps are made of."""
    known = shipped_known()
    first, second = (step_familiarity(traits, known, parts) for parts in (over, under))
    return ratio_ends(first, second, interval_calibration()["training"])


def memory_ends(layout: Layout, memory: MemoryTerms, known: float = 0.0) -> Ends:
    """Ends of the 80 % interval of a peak of memory."""
    return ends(memory_familiarity(layout, memory, known), interval_calibration()["memory"])
