"""The parsed catalog as it is kept: encoded by section, decoded record by record when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

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

SECTIONS: dict[str, Any] = {
    "parts": Part, "systems": System, "models": ModelEntry, "precisions": Precision, "serving": ServingPrecision,
    "laws": LawSpec, "fleets": FleetEntry, "facilities": Facility, "regions": Region, "prices": Quotes,
    "sources": Source, "pairs": Pairs, "trained": TrainedModel, "boxes": Box,
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
        self.fleets: Records[FleetEntry] = section("fleets")
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
