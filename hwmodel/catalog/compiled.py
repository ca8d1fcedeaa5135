"""The parsed catalog: built from YAML and CSV once, kept by content hash, decoded in milliseconds afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from hwmodel.catalog import places
from hwmodel.catalog.cache import candidates, keep
from hwmodel.catalog.entries import Facility, Fleet, ModelEntry, Region
from hwmodel.errors import CatalogError
from hwmodel.specs.economics import PriceQuote
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.law import LawSpec
from hwmodel.specs.precision import Precision, ServingPrecision
from hwmodel.specs.provenance import Source, Sourced

T = TypeVar("T")
Names = dict[str, str]


class Compiled(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a command may need, decoded. Names map every id and alias to an id."""

    parts: dict[str, Part]
    part_names: Names
    systems: dict[str, System]
    system_names: Names
    models: dict[str, ModelEntry]
    model_names: Names
    precisions: dict[str, Precision]
    precision_names: Names
    serving: dict[str, ServingPrecision]
    serving_names: Names
    laws: dict[str, LawSpec]
    law_names: Names
    fleets: dict[str, Fleet]
    facilities: dict[str, Facility]
    regions: dict[str, Region]
    region_names: Names
    prices: tuple[PriceQuote, ...]
    sources: dict[str, Source]


Provenance = dict[str, dict[str, dict[str, Sourced]]]  # kind -> id -> field -> value


# --- content hash -----------------------------------------------------------------------------------------------


def _code_files() -> list[Path]:
    package = Path(__file__).resolve().parents[1]
    return sorted([*(package / "specs").glob("*.py"), *(package / "catalog").glob("*.py")])


def _digest(files: Sequence[Path], roots: Sequence[Path]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        root = next((r for r in roots if r in path.parents), path.parent)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CatalogError(f"{path}: cannot be read: {error.strerror}") from error
        digest.update(f"{path.relative_to(root)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def content_hash(roots: Sequence[Path]) -> str:
    """Hash of every file of the catalogs, by relative path."""
    return _digest([f for root in roots for f in places.catalog_files(root)], roots)


def code_hash() -> str:
    """Hash of the code that parses them, so that a change of the records is no stale cache."""
    return _digest(_code_files(), ())


# --- cache ------------------------------------------------------------------------------------------------------


def _decode(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def load(roots: Sequence[Path], content: str) -> tuple[Compiled, str]:
    """The compiled catalog of the roots (whose content hash is given) and its cache key."""
    key = hashlib.blake2b(f"{content}{code_hash()}".encode(), digest_size=12).hexdigest()
    for path in candidates("catalog", key):
        found = _decode(path, Compiled)
        if found is not None:
            return found, key
    from hwmodel.catalog.build import build

    compiled, provenance = build(roots)
    keep(candidates("catalog", key)[-1], msgspec.msgpack.encode(compiled))
    keep(candidates("provenance", key)[-1], msgspec.msgpack.encode(provenance))
    return compiled, key


def load_provenance(roots: Sequence[Path], key: str) -> Provenance:
    """Where every value of the catalog comes from; read only when asked for."""
    for path in candidates("provenance", key):
        found: Any = _decode(path, Provenance)
        if found is not None:
            return dict(found)
    from hwmodel.catalog.build import build

    return build(roots)[1]
