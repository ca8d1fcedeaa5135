"""The step of a saved answer, predicted again: what its terms are made of does not stand in the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import cast

import msgspec

from hwmodel.errors import HwModelError
from hwmodel.physics import layer, micro_batch, schedule, stages
from hwmodel.physics.machine import sustained
from hwmodel.physics.recomputed import Again, recomputed
from hwmodel.plain import OptionValue
from hwmodel.predict.training import TrainingPrediction, with_layout
from hwmodel.report.commands import LEVELS, layout_options
from hwmodel.solve.question.options import TrainOptions
from hwmodel.solve.saved import SavedRun
from hwmodel.solve.train import train
from hwmodel.solve.train_answer import TrainAnswer
from hwmodel.specs import StepTerms
from hwmodel.specs.kernels import Machine
from hwmodel.specs.layout import SCHEDULES, SIZES

SAME = 1e-6  # relative difference of a term up to which the step is that of the answer


class Rerun:
    """One step, with the records that the physics makes of it on the way."""

    def __init__(self, one: TrainingPrediction) -> None:
        self.one, self.run, self.layout = one, one.run, one.layout
        self.stack, self.precision, self.workload = self.run.stack, self.run.precision, self.run.workload

    @cached_property
    def machine(self) -> Machine:
        """Constants of a long load, as in training."""
        return sustained(self.run.machine)

    @cached_property
    def times(self) -> layer.LayerTimes:
        """Seconds of the mean layer."""
        return layer.layer_times(
            self.run.shape, self.run.machine, self.precision, self.layout, self.workload, self.stack
        )

    @cached_property
    def shard(self) -> stages.LayerShard:
        """Parameters of a layer on one rank."""
        return stages.layer_shard(self.run.shape, self.layout)

    @property
    def trainable(self) -> float:
        """Share of the parameters that are trained."""
        return min(float(self.run.trainable_fraction), 1.0)

    @cached_property
    def micro(self) -> micro_batch.MicroBatch:
        """A micro-batch on the slowest stage."""
        return micro_batch.micro_batch(
            self.run.shape, self.run.machine, self.precision, self.layout, self.stack, self.times, self.shard,
            self.trainable,
        )  # fmt: skip

    @cached_property
    def again(self) -> Again:
        """What is computed again."""
        return recomputed(self.layout, self.times)

    @property
    def micro_batches(self) -> float:
        """Of one pipeline in a step."""
        return float(schedule.micro_batches(self.layout, self.workload))

    @property
    def tokens(self) -> float:
        """Tokens of a micro-batch on one rank."""
        return float(self.layout.micro_batch * self.workload.seq_len / self.layout.cp)


def rerun(answer: SavedRun, value: Callable[[str], float | None]) -> Rerun | None:
    """The step of an answer of `plan` or `train`; None where it has none, a measured level, or other constants now.
    `value` gives its plain numbers by name."""
    options = _options(answer) if isinstance(answer, TrainAnswer) else layout_options(answer)
    if options is None or any(name in LEVELS for name, _ in options):
        return None
    given = keywords(options)
    share = 1.0
    if isinstance(answer, TrainAnswer):  # a plan follows its stack
        given["sequence_parallel"] = answer.layout.sequence_parallel > 0
        share = answer.request.trainable_fraction
    try:
        one = train(**cast("TrainOptions", given)).prediction
    except HwModelError:
        return None
    if share != 1.0:
        one = with_layout(msgspec.structs.replace(one.run, trainable_fraction=share), one.layout)
    return Rerun(one) if _same(value, one) else None


def keywords(options: Iterable[Sequence[str]]) -> dict[str, OptionValue]:
    """The options of a command, as typed, as keyword arguments of its verb."""
    pairs = [(name, text) for name, text in options]
    given: dict[str, OptionValue] = {
        name.removeprefix("--").replace("-", "_"): text for name, text in pairs if name != "--catalog"
    }
    return given | {"catalogs": tuple(text for name, text in pairs if name == "--catalog")}


def _options(answer: TrainAnswer) -> list[tuple[str, str]]:
    """The options of `train` in the layout of its answer."""
    asked = {name: str(value) for name, value in answer.request.options}
    asked.pop("--global-batch-tokens", None)
    layout = msgspec.structs.asdict(answer.layout)
    sizes = {
        size.name: layout[size.name] for size in SIZES if size.asked and (not size.experts or layout[size.name] > 1)
    }
    sizes |= {"recompute": layout["recompute"], "offload": layout["offload"]}
    sizes |= {"global_batch": layout["global_batch_seqs"]}
    if layout["schedule"] != SCHEDULES[0]:
        sizes["schedule"] = layout["schedule"]
    return list((asked | {f"--{name.replace('_', '-')}": _whole(value) for name, value in sizes.items()}).items())


def _whole(value: float | str) -> str:
    return f"{value:.17g}" if isinstance(value, (int, float)) else str(value)


def _same(value: Callable[[str], float | None], one: TrainingPrediction) -> bool:
    """Whether the terms are those of the answer; what a search adds is told from the others."""
    pairs = [
        (value(f"step.{name}"), float(getattr(one.step, name)))
        for name in StepTerms.__struct_fields__ if name != "search_s"
    ]  # fmt: skip
    return all(a is not None and math.isclose(a, b, rel_tol=SAME, abs_tol=1e-12) for a, b in pairs)
