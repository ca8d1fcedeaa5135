"""What an allocator counts of a peak, worked out in the comments."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from round_machine import MACHINE, SHAPE, STACK

from hwmodel.catalog import load_catalog
from hwmodel.catalog.stacks import interval_calibration
from hwmodel.predict.footprint import footprint
from hwmodel.predict.training import TrainingPrediction, TrainingRun
from hwmodel.specs import Layout, MemoryTerms, StepTerms
from hwmodel.specs.intervals import Z80

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
    assert found.footprint.allocated_bytes == 17 * GB + LATE
    # An eighth lies between the blocks.
    assert _predicted(80 * GB, TWO, 0.125).footprint.reserved_bytes == pytest.approx(
        1.125 * (17 * GB + LATE), rel=1e-12
    )


def test_late_bytes_take_no_more_than_is_free() -> None:
    # 10 MB above the peak: the rest was taken back. A peak beyond the memory leaves none.
    assert _predicted(20 * GB + 1e7, TWO).footprint.allocated_bytes == 17 * GB + 1e7
    assert _predicted(18 * GB, TWO).footprint.allocated_bytes == 17 * GB


def test_nothing_is_late_on_one_tensor_rank_or_between_stages() -> None:
    for layout in (Layout(micro_batch=3.0, dp=8.0), Layout(tp=2.0, pp=2.0, micro_batch=3.0, dp=2.0)):
        assert _predicted(80 * GB, layout).footprint.allocated_bytes == 17 * GB


def test_the_end_of_the_interval_by_hand_and_in_columns() -> None:
    """Two tensor ranks and micro-batches of 3: of 20 GB, 5 are activations and 3 reserve."""
    c = interval_calibration()["memory"]
    active, reserve = 0.25, 0.15
    far = {"tensor_ranks": active * 1.0, "micro_batch": active * math.log2(3.0)}
    var = c.row**2 + c.level**2 + sum((c.distances[name] * much) ** 2 for name, much in far.items())
    up = (Z80**2) * var
    for name, share in (("activations", active), ("reserve", reserve)):
        up += math.log(1.0 + share * (math.exp(Z80 * c.shares[name]) - 1.0)) ** 2
    one = _predicted(80 * GB, TWO).footprint
    assert one.doubt.up == pytest.approx(c.scale * math.sqrt(up), rel=1e-12)
    run = _predicted(80 * GB, TWO).run
    columns = footprint(
        SHAPE, Layout(tp=np.array([2.0, 1.0]), micro_batch=np.array([3.0, 1.0]), dp=np.array([4.0, 8.0])),
        run.workload, run.stack, FIRST, 80 * GB,
    )  # fmt: skip
    other = _predicted(80 * GB, Layout(micro_batch=1.0, dp=8.0)).footprint
    for name in ("peak_bytes", "allocated_bytes", "reserved_bytes", "late_bytes"):
        pair = np.broadcast_to(getattr(columns, name), 2)
        assert pair.tolist() == pytest.approx([getattr(one, name), getattr(other, name)], rel=1e-12), name
    assert np.broadcast_to(columns.doubt.up, 2).tolist() == pytest.approx([one.doubt.up, other.doubt.up], rel=1e-12)
