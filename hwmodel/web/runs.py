"""Published training runs beside which a plan is shown: fleet, and utilisation as their authors state it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from hwmodel.catalog import Catalog
from hwmodel.catalog.places import catalog_root
from hwmodel.errors import HwModelError
from hwmodel.validation.rows.machines import find_part

# file -> its columns of accelerators and part, and why it is read
FILES = {"training.csv": ("n_accel", "accelerator"), "whole.csv": ("n_gpus", "gpu")}


class PublishedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as its authors state it: accelerators, and the share of their peak [1]; empty words where none is said."""

    accelerators: float
    mfu: float
    model: str
    precision: str
    year: str
    source: str
    locator: str


class PublishedRuns(msgspec.Struct, frozen=True, kw_only=True):
    """Runs by the id of their part."""

    runs: Mapping[str, Sequence[PublishedRun]]


class _OnPart(NamedTuple):
    """A run and the id of the part that it ran on."""

    part: str
    run: PublishedRun


def published(catalog: Catalog) -> PublishedRuns:
    """Runs by the id of their part. Of a grid of settings (one model on one fleet by one source) the best stands for
    the setting that one would run. A file that does not ship gives none."""
    best: dict[tuple[str, ...], _OnPart] = {}
    for name, (fleet, part_column) in FILES.items():
        for part, run in _runs(catalog, catalog_root() / "runs" / name, fleet, part_column):
            key = (part, run.source, run.model, str(run.accelerators), run.precision)
            if key not in best or run.mfu > best[key].run.mfu:
                best[key] = _OnPart(part, run)
    found: dict[str, list[PublishedRun]] = {}
    for part, run in best.values():
        found.setdefault(part, []).append(run)
    return PublishedRuns(runs=found)


def _runs(catalog: Catalog, path: Path, fleet: str, part: str) -> list[_OnPart]:
    """The pretraining runs of a file that state both a fleet of a part we know and an MFU."""
    if not path.exists():
        return []
    found = []
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if not (row["reported_mfu"] and row[fleet]) or row.get("task", "") not in ("", "pretrain"):
                continue
            try:
                known = find_part(catalog, row[part]).id
            except HwModelError:
                continue
            found.append(_OnPart(known, _run(row, row[fleet])))
    return found


def _run(row: Mapping[str, str], accelerators: str) -> PublishedRun:
    return PublishedRun(
        accelerators=float(accelerators), mfu=float(row["reported_mfu"]), model=row["model"],
        precision=row.get("precision", ""), year=row["year"], source=row["source"], locator=row["source_locator"],
    )  # fmt: skip
