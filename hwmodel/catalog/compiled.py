"""The parsed catalog as it is kept: encoded by section, decoded record by record when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

import msgspec

from hwmodel.catalog.entries import Box, Facility, FleetEntry, ModelEntry, Region
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


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """All records of a catalog as they were parsed, by id."""

    parts: Mapping[str, Part]
    systems: Mapping[str, System]
    models: Mapping[str, ModelEntry]
    precisions: Mapping[str, Precision]
    serving: Mapping[str, ServingPrecision]
    laws: Mapping[str, LawSpec]
    fleets: Mapping[str, FleetEntry]
    facilities: Mapping[str, Facility]
    regions: Mapping[str, Region]
    prices: Mapping[str, Quotes]
    sources: Mapping[str, Source]
    pairs: Mapping[str, Pairs]
    trained: Mapping[str, TrainedModel]
    boxes: Mapping[str, Box]


SECTIONS = Parsed.__struct_fields__


class Records(Mapping[str, T], Generic[T]):
    """Records by id, each decoded when it is first asked for."""

    def __init__(self, raw: Mapping[str, msgspec.Raw], kind: type[T]) -> None:
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
        def section(name: str, kind: type[T]) -> Records[T]:
            """The records of one section."""
            return Records(stored.records[name], kind)

        self.parts = section("parts", Part)
        self.systems = section("systems", System)
        self.models = section("models", ModelEntry)
        self.precisions = section("precisions", Precision)
        self.serving = section("serving", ServingPrecision)
        self.laws = section("laws", LawSpec)
        self.fleets = section("fleets", FleetEntry)
        self.facilities = section("facilities", Facility)
        self.regions = section("regions", Region)
        self.prices = section("prices", Quotes)
        self.sources = section("sources", Source)
        self.pairs = section("pairs", Pairs)
        self.trained = section("trained", TrainedModel)
        self.boxes = section("boxes", Box)
        self.names = stored.names


def encode(records: Parsed, names: dict[str, Names]) -> bytes:
    """The cached form of parsed records."""
    packed = {
        section: {key: msgspec.Raw(msgspec.msgpack.encode(value)) for key, value in getattr(records, section).items()}
        for section in SECTIONS
    }
    return msgspec.msgpack.encode(Stored(packed, names))
