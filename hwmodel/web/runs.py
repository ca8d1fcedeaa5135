"""Published training runs beside which a plan is shown: fleet, and utilisation as their authors state it."""

from __future__ import annotations

import csv
from pathlib import Path

from hwmodel.catalog import Catalog
from hwmodel.catalog.places import catalog_root
from hwmodel.errors import HwModelError
from hwmodel.plain import Document, Rows
from hwmodel.validation.rows.machines import find_part

# file -> its columns of accelerators and part, and why it is read
FILES = {"training.csv": ("n_accel", "accelerator"), "whole.csv": ("n_gpus", "gpu")}


def published(catalog: Catalog) -> Document:
    """Runs by the id of their part. Of a grid of settings (one model on one fleet by one source) the best stands for
    the setting that one would run. A file that does not ship gives none."""
    best: dict[tuple[str, ...], Document] = {}
    for name, (fleet, part) in FILES.items():
        for run in _runs(catalog, catalog_root() / "runs" / name, fleet, part):
            key = tuple(str(run[word]) for word in ("part", "source", "model", "accelerators", "precision"))
            if key not in best or run["mfu"] > best[key]["mfu"]:
                best[key] = run
    found: dict[str, Rows] = {}
    for run in best.values():
        found.setdefault(run.pop("part"), []).append(run)
    return {"runs": found}


def _runs(catalog: Catalog, path: Path, fleet: str, part: str) -> Rows:
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


def _run(row: dict[str, str], part: str, accelerators: str) -> Document:
    return {
        "part": part,
        "accelerators": float(accelerators),
        "mfu": float(row["reported_mfu"]),
        "model": row["model"],
        "precision": row.get("precision", ""),
        "year": row["year"],
        "source": row["source"],
        "locator": row["source_locator"],
    }
