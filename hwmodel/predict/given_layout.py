"""What a layout that is given may not be: sizes that do not divide heads, layers, experts, batch or fleet."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hwmodel.errors import InputError
from hwmodel.physics.shape import layers
from hwmodel.specs import Shape

Given = Mapping[str, float]


def check_given(shape: Shape, fleet: int, layout: Given, batch: float | None) -> list[str]:
    """Notes on sizes that are allowed but uneven.

    Raises InputError for sizes that cannot be on so many accelerators, with the nearest that can.
    """
    tp, cp, pp = (layout.get(name, 1.0) for name in ("tp", "cp", "pp"))
    _heads(shape, tp)
    if fleet % (tp * cp * pp):
        raise InputError(
            f"tp {tp:g} x cp {cp:g} x pp {pp:g} = {tp * cp * pp:g} does not divide {fleet} accelerators; "
            f"take a fleet that is a multiple of it, like {int(tp * cp * pp) * max(1, round(fleet / (tp * cp * pp)))}"
        )
    notes = _stages(shape, pp, layout)
    _experts(shape, layout)
    _batch(layout, fleet / (tp * cp * pp), batch)
    _ranks(layout, fleet)
    return notes


def _heads(shape: Shape, tp: float) -> None:
    """Heads are not split."""
    heads = min((float(b.n_heads) for b in shape.blocks if b.n_heads > 0), default=tp)
    if heads % tp:
        ways = [t for t in (1, 2, 4, 8, 16, 32) if heads % t == 0]
        raise InputError(f"--tp {tp:g} does not divide the {heads:g} heads; use one of {ways}")


def _stages(shape: Shape, pp: float, layout: Given) -> list[str]:
    """Each stage has a layer, each virtual stage too."""
    depth = float(layers(shape))
    if pp > depth:
        raise InputError(f"--pp {pp:g} is more than the {depth:g} layers; use at most {depth:g}")
    if layout.get("vpp", 1.0) > max(1.0, math.ceil(depth / pp)):
        raise InputError(f"--vpp {layout['vpp']:g} is more than the {math.ceil(depth / pp)} layers of a stage")
    if depth % pp:
        return [
            f"{depth:g} layers on {pp:g} stages are uneven: up to {math.ceil(depth / pp)} a stage, fewer at the ends"
        ]
    return []


def _experts(shape: Shape, layout: Given) -> None:
    """Experts are spread evenly, and split only inside tensor-parallel ranks."""
    experts = max(float(b.n_experts) for b in shape.blocks)
    for name in ("ep", "etp"):
        if layout.get(name, 1.0) > 1 and experts == 0:
            raise InputError(
                f"--{name} {layout[name]:g}: the model has no experts; drop --{name}, or name a mixture with --model"
            )
    if layout.get("ep", 1.0) > 1 and experts % layout["ep"]:
        raise InputError(f"--ep {layout['ep']:g} does not divide the {experts:g} experts of the model")
    if "tp" in layout and layout["tp"] % layout.get("etp", 1.0):
        raise InputError(f"--etp {layout['etp']:g} does not divide --tp {layout['tp']:g}; use 1 or {layout['tp']:g}")


def _batch(layout: Given, dp: float, batch: float | None) -> None:
    """A batch is whole micro-batches of every replica."""
    micro = layout.get("micro_batch")
    if batch is not None and micro is not None and batch % (micro * dp):
        raise InputError(
            f"--global-batch {batch:g} is no multiple of micro-batch {micro:g} x dp {dp:g} = {micro * dp:g} sequences; "
            f"use {micro * dp * max(1, round(batch / (micro * dp))):g}"
        )


def _ranks(layout: Given, fleet: int) -> None:
    """Experts and virtual stages find ranks to stand on."""
    pp = layout.get("pp", 1.0)
    ranks = fleet / pp
    if layout.get("ep", 1.0) > ranks:
        raise InputError(f"--ep {layout['ep']:g} is more than the {ranks:g} ranks of one stage")
    if layout.get("vpp", 1.0) > 1.0 and pp == 1.0:
        raise InputError(f"--vpp {layout['vpp']:g} splits the stages of a pipeline: add --pp of 2 or more")
