"""What an allocator counts of a peak, worked out in the comments."""

from __future__ import annotations

import msgspec
import pytest
from round_machine import MACHINE, SHAPE, STACK

from hwmodel.catalog import load_catalog
from hwmodel.predict.training import TrainingPrediction, TrainingRun
from hwmodel.specs import Layout, MemoryTerms, StepTerms

GB = 1e9
NOTHING = dict.fromkeys(MemoryTerms.__struct_fields__, 0.0)
# 20 GB of the first stage are 17 of tensors and 3 of context; the last holds more context, and less in all.
FIRST = MemoryTerms(**{**NOTHING, "weights_bytes": 12 * GB, "activations_bytes": 5 * GB, "reserve_bytes": 3 * GB})
LAST = MemoryTerms(**{**NOTHING, "weights_bytes": 12 * GB, "reserve_bytes": 7 * GB})


def _predicted(hbm_bytes: float, layout: Layout, fragmentation: float = 0.0) -> TrainingPrediction:
    run = TrainingRun(
        shape=SHAPE, machine=msgspec.structs.replace(MACHINE, hbm_bytes=hbm_bytes),
        precision=load_catalog().precision("bf16"),
        stack=msgspec.structs.replace(STACK, late_bytes=5.0, fragmentation=fragmentation),
        accelerators=8.0, seq_len=1000.0, global_batch_seqs=8.0,
    )  # fmt: skip
    step = StepTerms(**dict.fromkeys(StepTerms.__struct_fields__, 0.0))
    return TrainingPrediction(run=run, layout=layout, step=step, memory={"first": FIRST, "last": LAST})


TWO = Layout(tp=2.0, micro_batch=3.0, dp=4.0)
# Late: 3 sequences of 1,000 tokens x 1,024 wide x 5 bytes.
LATE = 15_360_000.0


def test_the_context_is_no_allocation_and_what_is_freed_late_is() -> None:
    found = _predicted(80 * GB, TWO)
    assert (found.fullest, found.peak_bytes) == ("first", 20 * GB)
    assert found.late_bytes == LATE
    assert found.allocated_bytes == 17 * GB + LATE
    # An eighth lies between the blocks.
    assert _predicted(80 * GB, TWO, 0.125).reserved_bytes == pytest.approx(1.125 * (17 * GB + LATE), rel=1e-12)


def test_late_bytes_take_no_more_than_is_free() -> None:
    # 10 MB above the peak: the rest was taken back. A peak beyond the memory leaves none.
    assert _predicted(20 * GB + 1e7, TWO).allocated_bytes == 17 * GB + 1e7
    assert _predicted(18 * GB, TWO).allocated_bytes == 17 * GB


def test_nothing_is_late_on_one_tensor_rank_or_between_stages() -> None:
    for layout in (Layout(micro_batch=3.0, dp=8.0), Layout(tp=2.0, pp=2.0, micro_batch=3.0, dp=2.0)):
        assert _predicted(80 * GB, layout).allocated_bytes == 17 * GB
