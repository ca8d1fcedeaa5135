"""Utilisation of published runs, to stand beside a prediction in a picture."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache
from operator import itemgetter

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.catalog.calibrations import calibrations_dir
from hwmodel.errors import HwModelError
from hwmodel.physics.machine import format_peak
from hwmodel.solve.plan.answer import Plan

ROWS = "runs/training.csv"
COLUMNS = ("source", "model", "accelerator", "n_accel", "params_active", "tokens_per_s_per_accel")


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
    runs = list(_runs(precision))
    mine = {name for name in {accelerator for _, _, accelerator, *_ in runs} if _part_id(catalog, name) == part_id}
    for source, model, accelerator, accelerators, params, tokens_per_s in runs:
        if accelerator in mine:
            count = float(accelerators)
            mfu = 6.0 * float(params) * float(tokens_per_s) / peak
            best[source, model, count] = max(best.get((source, model, count), 0.0), mfu)
    return sorted((count, mfu) for (_, _, count), mfu in best.items())


def _runs(precision: str) -> Iterator[tuple[str, ...]]:
    """The scored runs of a format that say how fast they were: their COLUMNS."""
    with (calibrations_dir().parent / ROWS).open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)  # half a millisecond a hundred rows less than as dictionaries
        places = {name: place for place, name in enumerate(next(rows))}
        wanted = itemgetter(*(places[name] for name in COLUMNS))
        scored = itemgetter(places["precision"], places["score"])
        for row in rows:
            if row and scored(row)[0] == precision and scored(row)[1] != "no" and all(found := wanted(row)):
                yield found


def _part_id(catalog: Catalog, name: str) -> str:
    """The part that a name in the table stands for; empty where the catalog has none."""
    try:
        return catalog.part(name).id
    except HwModelError:
        return ""
