"""Utilisation of published runs, to stand beside a prediction in a picture."""

from __future__ import annotations

from functools import cache

from hwmodel.catalog import load_catalog
from hwmodel.catalog.speeds import published_speeds
from hwmodel.errors import HwModelError
from hwmodel.physics.machine import format_peak
from hwmodel.solve.plan.answer import Plan


def published_beside(plan: Plan) -> list[tuple[float, float]]:
    """The published runs that stand in the picture of a plan's fleets: those within its accelerators."""
    counts = [row.accelerators for row in plan.curves.accelerators if row.train_days is not None]
    found = published_mfu(plan.resolved.accelerator, plan.resolved.precision) if counts else []
    return [(count, mfu) for count, mfu in found if min(counts) <= count <= max(counts)]


@cache
def published_mfu(part_id: str, precision: str) -> list[tuple[float, float]]:
    """(Accelerators, MFU in 6 N D over the dense peak) of runs on a part in a format: the fastest of each
    model, fleet and source; empty where none is published, as for parts and recipes of the user's own."""
    catalog = load_catalog()
    try:
        part, recipe = catalog.part(part_id), catalog.precision(precision)
    except HwModelError:
        return []
    peak = format_peak(part, recipe.gemm_format, recipe.fallback_formats)
    best: dict[tuple[str, str, float], float] = {}
    for row in published_speeds():
        source, model, accelerator, accelerators, params, tokens_per_s, in_format, score = row
        scored = in_format == precision and score != "no" and all(row[:-2])
        if scored and catalog.part_id(accelerator) == part_id:
            count = float(accelerators)
            mfu = 6.0 * float(params) * float(tokens_per_s) / peak
            best[source, model, count] = max(best.get((source, model, count), 0.0), mfu)
    return sorted((count, mfu) for (_, _, count), mfu in best.items())
