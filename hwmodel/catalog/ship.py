"""What goes into the wheel: a catalog folder with its parsed form, free of what may not be passed on."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec

from hwmodel.catalog import stored
from hwmodel.catalog.build import build
from hwmodel.catalog.places import COMPILED, listed
from hwmodel.errors import CatalogError


def unlicensed_rows(root: Path) -> dict[str, list[str]]:
    """Table -> sources in it that may not be passed on (`redistributable: false` in sources.yaml)."""
    from hwmodel.catalog.yamlfile import parse_yaml, read_text

    path = root / "sources.yaml"
    sources = parse_yaml(read_text(path), path)
    barred = {name for name, fields in sources.items() if fields.get("redistributable", True) is False}
    found: dict[str, list[str]] = {}
    for folder in ("prices", "energy"):
        for table in listed(root / folder, (".csv",)):
            with table.open(encoding="utf-8", newline="") as handle:
                used = {row.get("source", "") for row in csv.DictReader(handle)}
            if used & barred:
                found[table.name] = sorted(used & barred)
    return found


def compile_into(root: Path) -> list[Path]:
    """Write the parsed form of the catalog at `root` into it; CatalogError when it holds unlicensed tables."""
    barred = unlicensed_rows(root)
    if barred:
        name, sources = next(iter(barred.items()))
        raise CatalogError(f"{name}: rows of {sources[0]} may not be passed on: keep them in an overlay")
    keys = stored.keys_of((root,))
    encoded, provenance = build((root,))
    folder = root / COMPILED
    folder.mkdir(exist_ok=True)
    written = []
    for name, data in (("catalog", encoded), ("provenance", msgspec.msgpack.encode(provenance))):
        written.append(folder / f"{name}-{keys.cache}.msgpack")
        written[-1].write_bytes(data)
    return written
