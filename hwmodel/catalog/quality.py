"""Measured quality of quantised models (`catalogs/quality/measured.csv`)."""

from __future__ import annotations

import csv
import io
import math
import statistics
from functools import cache
from pathlib import Path

import msgspec

from hwmodel.catalog import places
from hwmodel.catalog.yamlfile import read_text

FEWEST_ROWS = 3


class MeasuredLoss(msgspec.Struct, frozen=True, kw_only=True):
    """Nats a token that a recipe adds, from perplexities: median and range over models, and how many there are."""

    median_nats: float
    low_nats: float
    high_nats: float
    rows: int
    schemes: tuple[str, ...]
    sources: tuple[str, ...]


@cache
def _rows(path: Path) -> tuple[dict[str, str], ...]:
    return tuple(csv.DictReader(io.StringIO(read_text(path))))


def measured_loss(weight_bits: float, activation_bits: float) -> MeasuredLoss | None:
    """What models of these bits lost in perplexity; None below FEWEST_ROWS measurements.

    Perplexity is exp(loss), so a relative rise of p costs log(1 + p) nats. Round-to-nearest is left out: nobody who
    cares for quality serves it.
    """
    rows = [
        row
        for row in _rows(places.catalog_root() / "quality" / "measured.csv")
        if "PPL" in row["metric"]
        and row["delta_pct"]
        and not row["scheme"].startswith("RTN")
        and (row["weight_bits"], row["activation_bits"]) == (f"{weight_bits:g}", f"{activation_bits:g}")
    ]
    if len(rows) < FEWEST_ROWS:
        return None
    nats = sorted(math.log1p(float(row["delta_pct"]) / 100.0) for row in rows)
    return MeasuredLoss(
        median_nats=statistics.median(nats),
        low_nats=nats[len(nats) // 10],
        high_nats=nats[-1 - len(nats) // 10],
        rows=len(rows),
        schemes=tuple(dict.fromkeys(row["scheme"] for row in rows)),
        sources=tuple(dict.fromkeys(row["source"] for row in rows)),
    )
