"""Published pairs of trainings in low precision and in 16 bits: `catalogs/precisions/evidence.csv`, overlays added."""

from __future__ import annotations

from pathlib import Path

from hwmodel.catalog.tables import amount, rows_of
from hwmodel.errors import CatalogError
from hwmodel.specs.evidence import LOSS_METRICS, SPEED_METRIC, TOKENS_METRIC, PrecisionPair

COLUMNS = (
    "source", "year", "model", "params", "active_params", "arch", "tokens", "recipe", "format", "class", "what_is_low",
    "high_precision_parts", "baseline", "metric", "baseline_value", "low_value", "delta_nats", "relative_pct", "bound",
    "why_not_counted", "part", "n_gpus", "locator", "status", "notes",
)  # fmt: skip
REQUIRED = ("source", "format", "class", "metric", "relative_pct", "bound", "why_not_counted", "status")
GROUPS = ("fp8", "fp8-states", "nvfp4-part", "nvfp4-full", "mxfp4", "mxfp4-backward", "part-of-a-layer", "other")
BOUNDS = ("exact", "read_off_plot", "upper_bound")
METRICS = (*LOSS_METRICS, SPEED_METRIC, TOKENS_METRIC)


def read_pairs(path: Path) -> list[PrecisionPair]:
    """The pairs of one file. CatalogError names the line."""
    return [_pair(row, path, line) for line, row in rows_of(path, REQUIRED, COLUMNS)]


def _pair(row: dict[str, str], path: Path, line: int) -> PrecisionPair:
    for column, known in (("class", GROUPS), ("bound", BOUNDS), ("metric", METRICS)):
        if row[column] not in known:
            raise CatalogError(f"{path}:{line}: {column} {row[column][:40]!r} is none of {', '.join(known)}")
    if not row["source"].strip():
        raise CatalogError(f"{path}:{line}: states no source")

    def number(column: str) -> float | None:
        """A positive number; None for an empty cell."""
        return amount(row.get(column, ""), path, line, column)

    return PrecisionPair(
        source=row["source"], group=row["class"], format=row["format"], metric=row["metric"], bound=row["bound"],
        change=_percent(row["relative_pct"], path, line) / 100.0, model=row.get("model", ""), arch=row.get("arch", ""),
        params=number("params"), active_params=number("active_params"), tokens=number("tokens"),
        recipe=row.get("recipe", ""), baseline=row.get("baseline", "") or "bf16", part=row.get("part", ""),
        delta_nats=_signed(row.get("delta_nats", ""), path, line), n_gpus=row.get("n_gpus", ""),
        why_not_counted=row["why_not_counted"], status=row["status"], locator=row.get("locator", ""),
    )  # fmt: skip


def _percent(text: str, path: Path, line: int) -> float:
    value = _signed(text, path, line, "relative_pct")
    if value is None or not -100.0 < value < 10_000.0:
        raise CatalogError(f"{path}:{line}: relative_pct {text[:40]!r} is not a percentage")
    return value


def _signed(text: str, path: Path, line: int, column: str = "delta_nats") -> float | None:
    if not text.strip():
        return None
    sign = -1.0 if text.strip().startswith("-") else 1.0
    size = amount(text.strip().lstrip("-"), path, line, column, floor=0.0)
    return None if size is None else sign * size
