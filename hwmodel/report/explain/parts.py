"""What several terms of a step share: how often a layer runs, and the constants of the training software."""

from __future__ import annotations

from hwmodel.ops import Num
from hwmodel.physics import schedule
from hwmodel.report.explain.rerun import Rerun
from hwmodel.report.explain.rule import Fact, by
from hwmodel.specs import Layout, Workload


def repeated(step: Rerun) -> dict[str, Fact]:
    """How often a layer runs in a step on the slowest stage."""
    count = float(step.micro.layers)
    total = sum(float(block.count) for block in step.run.shape.blocks)
    stages = f"{total:g} on {float(step.layout.pp):g} pipeline stages"
    return {"micro_batches": micro_batches(step), "layers": Fact(value=count, source=f"of the slowest stage: {stages}")}


def micro_batches(step: Rerun) -> Fact:
    """Micro-batches of one pipeline, from the batch."""

    def run(global_batch_seqs: Num, micro_batch: Num, dp: Num) -> Num:
        workload = Workload(seq_len=1.0, global_batch_seqs=global_batch_seqs)
        return schedule.micro_batches(Layout(micro_batch=micro_batch, dp=dp), workload)

    inputs = {name: f"layout.{name}" for name in ("global_batch_seqs", "micro_batch", "dp")}
    rule = by(schedule.micro_batches, run, **inputs)
    said = "that one pipeline runs in a step"
    return Fact(value=step.micro_batches, source=said, rule=rule, name="step.micro_batches")


def stack(step: Rerun, name: str) -> Fact:
    """A constant of the training software."""
    return Fact(value=float(getattr(step.stack, name)), source=f"stack {step.stack.id}")
