"""Pipeline schedules: what each leaves idle, keeps alive and holds twice.

A rank spends F seconds on the forward pass of one micro-batch and B on the backward one, of which W make the gradients
of weights: nothing waits for those, so that they fill what would be idle. With p ranks and v virtual stages a rank:

    1f1b        (p - 1) (F + B) / v         p micro-batches alive (arXiv 2104.04473 section 2.2)
    zb-h1       (p - 1) (F + B - 2 W) / v   p, on every rank (arXiv 2401.10241 section 2)
    zb-h2       (p - 1) (F + B - 3 W)       2 p - 1 (the same)
    dualpipe    (p/2 - 1) (F + B + B - 3 W) p + 1, weights twice: fed from both ends (arXiv 2412.19437 table 2)
    dualpipev   (p - 1) (F + B + B - 3 W)/2 p + 1/2: the same folded, two half stages a rank (deepseek-ai/DualPipe)

In the last two a forward pass of one micro-batch and a backward one of another run side by side on a rank, so that the
traffic of experts of one hides under the products of the other.
"""

from __future__ import annotations

from typing import Any

from hwmodel.ops import Num, maximum, minimum, where
from hwmodel.physics.columns import anywhere
from hwmodel.specs import Layout, Stack, Workload
from hwmodel.specs.layout import DUALPIPE, DUALPIPE_V, ZB_H1, ZB_H2


def micro_batches(layout: Layout, workload: Workload) -> Num:
    """Micro-batches that one pipeline processes in a step (may be fractional where the batch does not divide)."""
    return maximum(workload.global_batch_seqs / (layout.micro_batch * layout.dp), 1.0)


def _runs(layout: Layout, schedule: float) -> Any:
    return (layout.schedule > schedule - 0.5) & (layout.schedule < schedule + 0.5)


def other_than_1f1b(layout: Layout) -> bool:
    """Whether any of the layouts runs another schedule than 1F1B and its interleaved form."""
    return anywhere(layout.schedule > 0)


def pairs_passes(layout: Layout) -> Any:
    """Whether forward and backward passes of two micro-batches run side by side on a rank."""
    return _runs(layout, DUALPIPE) | _runs(layout, DUALPIPE_V)


def copies(layout: Layout) -> Num:
    """How many ranks of a pipeline hold each stage."""
    if not other_than_1f1b(layout):
        return 1.0
    return where(_runs(layout, DUALPIPE), 2.0, 1.0)


def head_share(layout: Layout) -> Num:
    """Share of the micro-batches whose logits the rank with the head computes: half where both ends have one."""
    return 1.0 / copies(layout)


def _least_micro_batches(layout: Layout) -> Num:
    """Micro-batches of a step that a schedule needs to fill its pipeline (DualPipe asks for two a rank)."""
    p = layout.pp
    return where(pairs_passes(layout), 2.0 * p, where(_runs(layout, ZB_H2), 2.0 * p - 1.0, p))


def bubble_s(layout: Layout, m: Num, whole: Num, backward: Num, weights: Num) -> Num:
    """Idle seconds a step of a rank: `whole` is F + B of the mean rank, `backward` B and `weights` W.

    With fewer micro-batches than a schedule needs it leaves as much as 1F1B.
    """
    behind = layout.pp - 1.0
    plain = behind / layout.vpp * whole
    if not other_than_1f1b(layout):
        return plain
    pairs = where(_runs(layout, DUALPIPE), 0.5 * layout.pp - 1.0, 0.5 * behind) * (whole + backward - 3.0 * weights)
    split = behind / layout.vpp * (whole - 2.0 * weights)
    doubled = behind * (whole - 3.0 * weights)
    short = where(pairs_passes(layout), pairs, where(_runs(layout, ZB_H2), doubled, split))
    filled = (layout.schedule > 0.5) & (m >= _least_micro_batches(layout))
    return where(filled, minimum(maximum(short, 0.0), plain), plain)


def in_flight(stage: str, layout: Layout, m: Num, stack: Stack) -> Num:
    """Micro-batches whose activations a stage holds, in units of all its layers (interleaving adds to 1F1B)."""
    behind = {"first": layout.pp, "middle": maximum(layout.pp - 1.0, 1.0), "last": 1.0 + 0.0 * layout.pp}[stage]
    if other_than_1f1b(layout):
        # What waits for its weights' gradients is kept: every rank holds what the first does.
        behind = where(_runs(layout, ZB_H1) | _runs(layout, ZB_H2), layout.pp, behind)
    # With v chunks a rank starts (v - 1) p + 2 (p - rank - 1) + 1 of them before its first backward pass.
    chunks = (layout.vpp - 1.0) * layout.pp + 2.0 * (behind - 1.0) + 1.0
    held = where(layout.vpp > 1.0, chunks / layout.vpp, behind * where(layout.pp > 1.0, stack.in_flight, 1.0))
    if other_than_1f1b(layout):
        held = where(_runs(layout, ZB_H2), 2.0 * layout.pp - 1.0, held)
        held = where(pairs_passes(layout), layout.pp + where(_runs(layout, DUALPIPE), 1.0, 0.5), held)
    return minimum(held, m)


def ends_meet(layout: Layout) -> Any:
    """Whether the first rank holds the first and the last layers, the embedding and the head."""
    return pairs_passes(layout) & (layout.pp > 1.5)


def holds_head(stage: str, layout: Layout) -> Num:
    """1 where a stage computes logits: the last, the first where the ends meet, and the only one."""
    single = layout.pp < 1.5
    if stage == "middle":
        return where(single, 1.0, 0.0)
    if stage == "first":
        return where(single | ends_meet(layout), 1.0, 0.0)
    return 1.0 - where(_runs(layout, DUALPIPE_V) & (layout.pp > 1.5), 1.0, 0.0) + 0.0 * layout.pp
