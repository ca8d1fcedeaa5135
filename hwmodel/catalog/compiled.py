"""The parsed catalog: built from YAML and CSV once, kept by content hash, decoded record by record when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from hwmodel.catalog import places
from hwmodel.catalog.entries import Box, Facility, Fleet, ModelEntry, Region
from hwmodel.errors import CatalogError
from hwmodel.specs.economics import PriceQuote
from hwmodel.specs.evidence import PrecisionPair
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.law import LawSpec
from hwmodel.specs.precision import Precision, ServingPrecision
from hwmodel.specs.provenance import Source, Sourced
from hwmodel.specs.quantised import TrainedModel

T = TypeVar("T")
Names = dict[str, str]
Provenance = dict[str, dict[str, dict[str, Sourced]]]  # kind -> id -> field -> value
Quotes = tuple[PriceQuote, ...]
Pairs = tuple[PrecisionPair, ...]

SECTIONS: dict[str, Any] = {
    "parts": Part, "systems": System, "models": ModelEntry, "precisions": Precision, "serving": ServingPrecision,
    "laws": LawSpec, "fleets": Fleet, "facilities": Facility, "regions": Region, "prices": Quotes, "sources": Source,
    "pairs": Pairs, "trained": TrainedModel, "boxes": Box,
}  # fmt: skip


class Records(Mapping[str, T], Generic[T]):
    """Records by id, each decoded when it is first asked for."""

    def __init__(self, raw: Mapping[str, msgspec.Raw], kind: Any) -> None:
        self._raw = raw
        self._kind = kind
        self._done: dict[str, T] = {}

    def __getitem__(self, key: str) -> T:
        if key not in self._done:
            self._done[key] = msgspec.msgpack.decode(self._raw[key], type=self._kind)
        return self._done[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class Stored(msgspec.Struct, frozen=True):
    """What lies in the cache: encoded records by section, and every id and alias by kind."""

    records: dict[str, dict[str, msgspec.Raw]]
    names: dict[str, Names]


class Compiled:
    """Everything that a command may need. Names map every id and alias, in its compared form, to an id."""

    def __init__(self, stored: Stored) -> None:
        def section(name: str) -> Records[Any]:
            """The records of one section."""
            return Records(stored.records[name], SECTIONS[name])

        self.parts: Records[Part] = section("parts")
        self.systems: Records[System] = section("systems")
        self.models: Records[ModelEntry] = section("models")
        self.precisions: Records[Precision] = section("precisions")
        self.serving: Records[ServingPrecision] = section("serving")
        self.laws: Records[LawSpec] = section("laws")
        self.fleets: Records[Fleet] = section("fleets")
        self.facilities: Records[Facility] = section("facilities")
        self.regions: Records[Region] = section("regions")
        self.prices: Records[Quotes] = section("prices")
        self.sources: Records[Source] = section("sources")
        self.pairs: Records[Pairs] = section("pairs")
        self.trained: Records[TrainedModel] = section("trained")
        self.boxes: Records[Box] = section("boxes")
        self.names = stored.names


def encode(records: Mapping[str, Mapping[str, Any]], names: dict[str, Names]) -> bytes:
    """The cached form of parsed records."""
    packed = {
        section: {key: msgspec.Raw(msgspec.msgpack.encode(value)) for key, value in found.items()}
        for section, found in records.items()
    }
    return msgspec.msgpack.encode(Stored(packed, names))


# --- content hash -----------------------------------------------------------------------------------------------


def _code_files() -> list[Path]:
    package = Path(__file__).resolve().parents[1]
    return [p for folder in ("specs", "catalog") for p in places.listed(package / folder, (".py",))]


def _digest(files: Sequence[Path], roots: Sequence[Path]) -> str:
    import hashlib

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


class Keys(msgspec.Struct, frozen=True):
    """Hash of the catalog's content, and of that with the code that parses it."""

    content: str
    cache: str


def keys_of(roots: Sequence[Path]) -> Keys:
    """Hash of every file of the catalogs, by relative path, and the key under which its parsed form is kept.

    Always of the content: a file may change and keep its size and its time.
    """
    from hwmodel.catalog.cache import content_key

    content = _digest([f for root in roots for f in places.catalog_files(root)], roots)
    return Keys(content, content_key(f"{content}{_digest(_code_files(), ())}".encode()))


# --- cache ------------------------------------------------------------------------------------------------------


def _decode(path: Path, kind: Any) -> Any:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def _candidates(name: str, key: str) -> list[Path]:
    """Where a parsed catalog may lie: shipped with the catalogs, then in the user's cache."""
    return [place / f"{name}-{key}.msgpack" for place in (places.catalog_root() / places.COMPILED, places.cache_dir())]


def load(roots: Sequence[Path], keys: Keys) -> Compiled:
    """The compiled catalog of the roots; built when no cache holds it."""
    for path in _candidates("catalog", keys.cache):
        found = _decode(path, Stored)
        if found is not None:
            return Compiled(found)
    return Compiled(msgspec.msgpack.decode(_build(roots, keys)[0], type=Stored))


def _build(roots: Sequence[Path], keys: Keys) -> tuple[bytes, Provenance]:
    from hwmodel.catalog.build import build
    from hwmodel.catalog.cache import keep

    encoded, provenance = build(roots)
    keep(_candidates("catalog", keys.cache)[-1], encoded)
    keep(_candidates("provenance", keys.cache)[-1], msgspec.msgpack.encode(provenance))
    return encoded, provenance


def load_provenance(roots: Sequence[Path], keys: Keys) -> Provenance:
    """Where every value of the catalog comes from; read only when asked for."""
    for path in _candidates("provenance", keys.cache):
        found = _decode(path, Provenance)
        if found is not None:
            return dict(found)
    return _build(roots, keys)[1]
