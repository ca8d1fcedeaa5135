"""Utilisation of published runs, to stand beside a prediction in a picture."""

from __future__ import annotations

import csv
from functools import cache

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.catalog.calibrations import calibrations_dir
from hwmodel.errors import HwModelError
from hwmodel.physics.machine import format_peak
from hwmodel.solve.run.result import Plan

ROWS = "runs/training.csv"


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
    with (calibrations_dir().parent / ROWS).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["precision"] != precision or not row["tokens_per_s_per_accel"] or not row["params_active"]:
                continue
            if row["score"] == "no" or not row["n_accel"] or not _same(catalog, row["accelerator"], part_id):
                continue
            count = float(row["n_accel"])
            mfu = 6.0 * float(row["params_active"]) * float(row["tokens_per_s_per_accel"]) / peak
            key = (row["source"], row["model"], count)
            best[key] = max(best.get(key, 0.0), mfu)
    return sorted((count, mfu) for (_, _, count), mfu in best.items())


def _same(catalog: Catalog, name: str, part_id: str) -> bool:
    """Whether a name in the table is this part."""
    try:
        return catalog.part(name).id == part_id
    except HwModelError:
        return False
