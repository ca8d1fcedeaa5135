"""What goes into the wheel: a catalog folder with its parsed form, free of what may not be passed on."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec

from hwmodel.catalog import calibrations, speeds, stored
from hwmodel.catalog.build import build
from hwmodel.catalog.cache import file_name
from hwmodel.catalog.places import COMPILED, listed
from hwmodel.errors import CatalogError


def unlicensed_rows(root: Path) -> dict[str, list[str]]:
    """Table -> sources in it that may not be passed on (`redistributable: false` in sources.yaml)."""
    from hwmodel.catalog.yamlfile import parse_yaml, read_text

    path = root / "sources.yaml"
    sources = parse_yaml(read_text(path), path)
    if not isinstance(sources, dict):
        raise CatalogError(f"{path}: expected a mapping of source ids")
    records = {name: fields for name, fields in sources.items() if isinstance(fields, dict)}
    barred = {name for name, fields in records.items() if fields.get("redistributable", True) is False}
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
    return written + _parsed_into(root, folder)


def _parsed_into(root: Path, folder: Path) -> list[Path]:
    """Write the parsed form of the calibrations and of the published speeds, so that no first run waits for them."""
    written = []
    for path in listed(root / "calibrations", (".yaml",)):
        content = path.read_bytes()
        written.append(folder / file_name(calibrations.kept_as(path), content))
        written[-1].write_bytes(msgspec.msgpack.encode(calibrations.parse_calibration(content, path)))
    if (root / speeds.TABLE).is_file():
        content = (root / speeds.TABLE).read_bytes()
        written.append(folder / file_name(speeds.KEPT_AS, content))
        written[-1].write_bytes(msgspec.msgpack.encode(speeds.columns_of(content)))
    return written
