"""What the fullest accelerator of a training layout holds, as its counters see it, and how sure that is. The same for a
layout that is given, one that a search found, and columns of them."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num, maximum, minimum
from hwmodel.physics.memory import late_bytes
from hwmodel.predict.uncertainty import memory_ends
from hwmodel.specs import Layout, MemoryTerms, Shape, Workload
from hwmodel.specs.intervals import Ends
from hwmodel.specs.stack import Stack


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of the fullest stage; `doubt`: ends of the 80 % interval that all of them share.

    `peak_bytes`: of the device, with context, communicators and fragmentation: what decides whether a layout fits.
    `late_bytes`: freed late while memory is free, and taken back where it runs short: no layout fails for them.
    `allocated_bytes`: as the framework's allocator counts them, with what it frees late.
    `reserved_bytes`: what the allocator has taken from the device, with what lies between its blocks.
    """

    peak_bytes: Num
    late_bytes: Num
    allocated_bytes: Num
    reserved_bytes: Num
    doubt: Ends


def allocated_bytes(peak: Num, reserve: Num, late: Num) -> Num:
    """What the framework's allocator counts of a peak: without context and what lies between blocks, with what it frees
    late."""
    return peak - reserve + late


def reserved_bytes(allocated: Num, fragmentation: Num) -> Num:
    """What an allocator takes from the device for its blocks and what lies between them."""
    return allocated * (1.0 + fragmentation)


def footprint(
    shape: Shape, layout: Layout, workload: Workload, stack: Stack, fullest: MemoryTerms, hbm_bytes: float
) -> Footprint:
    """What an accelerator of `hbm_bytes` holds whose stage has these terms."""
    peak = fullest.total_bytes
    late = minimum(late_bytes(shape, layout, workload, stack), maximum(hbm_bytes - peak, 0.0))
    allocated = allocated_bytes(peak, fullest.reserve_bytes, late)
    return Footprint(
        peak_bytes=peak, late_bytes=late, allocated_bytes=allocated,
        reserved_bytes=reserved_bytes(allocated, stack.fragmentation), doubt=memory_ends(layout, fullest),
    )  # fmt: skip
