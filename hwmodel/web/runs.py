"""Published training runs beside which a plan is shown: fleet, and utilisation as their authors state it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from hwmodel.catalog import Catalog
from hwmodel.catalog.places import catalog_root
from hwmodel.errors import HwModelError
from hwmodel.plain import Document, Row
from hwmodel.validation.rows.machines import find_part

# file -> its columns of accelerators and part, and why it is read
FILES = {"training.csv": ("n_accel", "accelerator"), "whole.csv": ("n_gpus", "gpu")}


class _Run(NamedTuple):
    part: str
    accelerators: float
    mfu: float
    model: str
    precision: str
    year: str
    source: str
    locator: str


def published(catalog: Catalog) -> Document:
    """Runs by the id of their part. Of a grid of settings (one model on one fleet by one source) the best stands for
    the setting that one would run. A file that does not ship gives none."""
    best: dict[tuple[str, ...], _Run] = {}
    for name, (fleet, part) in FILES.items():
        for run in _runs(catalog, catalog_root() / "runs" / name, fleet, part):
            key = (run.part, run.source, run.model, str(run.accelerators), run.precision)
            if key not in best or run.mfu > best[key].mfu:
                best[key] = run
    found: dict[str, list[Row]] = {}
    for run in best.values():
        shown = {name: value for name, value in run._asdict().items() if name != "part"}
        found.setdefault(run.part, []).append(shown)
    return {"runs": found}


def _runs(catalog: Catalog, path: Path, fleet: str, part: str) -> list[_Run]:
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
            found.append(_run(row, known, row[fleet]))
    return found


def _run(row: dict[str, str], part: str, accelerators: str) -> _Run:
    return _Run(
        part=part, accelerators=float(accelerators), mfu=float(row["reported_mfu"]), model=row["model"],
        precision=row.get("precision", ""), year=row["year"], source=row["source"], locator=row["source_locator"],
    )  # fmt: skip
