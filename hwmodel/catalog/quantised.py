"""Published quality of quantised models, the fitted constants of what quantising costs, and facts of released
models.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import cache
from pathlib import Path

import msgspec

from hwmodel.catalog.calibrations import calibrations_dir, read_calibration
from hwmodel.catalog.names import fold
from hwmodel.catalog.tables import amount, rows_of
from hwmodel.errors import CatalogError
from hwmodel.specs.quantised import QuantisedConstants, QuantisedRow, TrainedModel

COLUMNS = (
    "source", "model", "params", "active_params", "train_tokens", "recipe", "weight_bits", "act_bits", "kv_bits",
    "method", "group_size", "metric", "context", "baseline_value", "quantized_value", "nats_per_token", "recovery_pct",
    "why_not_counted", "locator", "status", "note",
)  # fmt: skip
REQUIRED = ("source", "model", "recipe", "weight_bits", "act_bits", "kv_bits", "metric", "why_not_counted")
TRAINED_COLUMNS = ("model", "tokens", "released_in", "source", "locator", "status")


@cache
def quantised_rows(path: Path | None = None) -> tuple[QuantisedRow, ...]:
    """Every published row. CatalogError names the line of a broken one."""
    place = path or calibrations_dir().parent / "runs" / "quantization_quality.csv"
    return tuple(_row(row, place, line) for line, row in rows_of(place, REQUIRED, COLUMNS))


def _row(row: dict[str, str], path: Path, line: int) -> QuantisedRow:
    def number(column: str) -> float | None:
        """A positive number; None for an empty cell."""
        return amount(row.get(column, ""), path, line, column)

    bits = [number(column) for column in ("weight_bits", "act_bits", "kv_bits")]
    if not all(one is not None and 1.0 <= one <= 16.0 for one in bits):
        raise CatalogError(f"{path}:{line}: bits of weights, activations and cache must lie between 1 and 16")
    weight, activation, cache_bits = (one or 0.0 for one in bits)
    recovery = number("recovery_pct")
    return QuantisedRow(
        source=row["source"], model=row["model"], recipe=row["recipe"], method=row.get("method", ""),
        metric=row["metric"], weight_bits=weight, activation_bits=activation, cache_bits=cache_bits,
        params=number("params"), active_params=number("active_params"), train_tokens=number("train_tokens"),
        nats_per_token=_finite(row.get("nats_per_token", ""), path, line),
        recovery=None if recovery is None else recovery / 100.0, why_not_counted=row["why_not_counted"],
    )  # fmt: skip


def _finite(text: str, path: Path, line: int) -> float | None:
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CatalogError(f"{path}:{line}: nats_per_token {text[:40]!r} is not a number")
    return value


class _Quantised(msgspec.Struct, frozen=True, kw_only=True):
    constants: QuantisedConstants


@cache
def quantised_constants(directory: Path | None = None) -> QuantisedConstants:
    """The fitted constants (`calibrations/quantised.yaml`)."""
    return read_calibration((directory or calibrations_dir()) / "quantised.yaml", _Quantised).constants


def read_trained(path: Path, models: dict[str, str], recipes: Collection[str]) -> list[TrainedModel]:
    """Training tokens and format of release of named models. CatalogError names the line."""
    found = []
    for line, row in rows_of(path, TRAINED_COLUMNS, TRAINED_COLUMNS):
        model = models.get(fold(row["model"]))
        if model is None:
            raise CatalogError(f"{path}:{line}: model {row['model'][:60]!r} is none of the catalog")
        if row["released_in"] and row["released_in"] not in recipes:
            raise CatalogError(f"{path}:{line}: released_in {row['released_in'][:40]!r} is no serving recipe")
        if not row["source"].strip():
            raise CatalogError(f"{path}:{line}: states no source")
        found.append(
            TrainedModel(
                model=model, tokens=amount(row["tokens"], path, line, "tokens"), released_in=row["released_in"],
                source=row["source"], locator=row["locator"], status=row["status"],
            )
        )  # fmt: skip
    return found
