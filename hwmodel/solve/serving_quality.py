"""What a serving format costs in quality: published deltas by recipe (catalogs/runs/quantization_quality.csv)."""

from __future__ import annotations

import csv
import math
from functools import cache
from statistics import median
from typing import Any

from hwmodel.catalog.calibrations import calibrations_dir

_HIGH = ("fp16", "bf16")
# Recipe -> weight and activation formats of the rows that speak for it.
SCHEMES: dict[str, tuple[str, tuple[str, ...]]] = {
    "fp8": ("fp8", ("fp8",)), "fp8-kv16": ("fp8", ("fp8",)), "fp8-block": ("fp8", ("fp8",)),
    "int8": ("int8", ("int8",)),
    "w8a16": ("int8", _HIGH), "w4a16": ("int4", _HIGH), "w4a8": ("int4", ("fp8", "int8")),
    "w4a8kv4": ("int4", ("int8",)), "nvfp4": ("nvfp4", ("nvfp4",)),
}  # fmt: skip


@cache
def _rows() -> tuple[dict[str, str], ...]:
    path = calibrations_dir().parent / "runs" / "quantization_quality.csv"
    with path.open(encoding="utf-8", newline="") as stream:
        return tuple(csv.DictReader(stream))


def measured_quality(recipe: str) -> dict[str, Any] | None:
    """Published losses of a recipe against its baseline: perplexity (relative, and as nats a token) and task accuracy
    (relative). Medians with range and number of rows; None where nothing is published for it (bf16: no loss)."""
    if recipe not in SCHEMES:
        return None
    weights, activations = SCHEMES[recipe]
    perplexity: list[float] = []
    accuracy: list[float] = []
    sources: set[str] = set()
    for row in _rows():
        words = row["activation_precision"].split(" ")[0]
        if row["weight_precision"].split(" (per")[0] != weights or words not in activations or not row["delta_pct"]:
            continue
        if "validation" in row["metric"]:  # losses of failed conversions are neither
            continue
        percent = float(row["delta_pct"])
        worse = -percent if row["higher_is_better"] == "1" else percent
        (perplexity if "PPL" in row["metric"] else accuracy).append(worse)
        sources.add(row["source"])
    if not perplexity and not accuracy:
        return None
    out: dict[str, Any] = {"sources": sorted(sources)}
    if perplexity:
        out["perplexity_increase"] = _spread([p / 100.0 for p in perplexity])
        out["loss_increase_nats"] = _spread([math.log1p(max(p, -50.0) / 100.0) for p in perplexity])
    if accuracy:
        out["accuracy_drop"] = _spread([a / 100.0 for a in accuracy])
    return out


def _spread(values: list[float]) -> dict[str, float]:
    return {"value": median(values), "low": min(values), "high": max(values), "n": float(len(values))}
