"""The catalog as the rest of the program sees it: names in, records out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from hwmodel.catalog import prices as pricing
from hwmodel.catalog import stored as store
from hwmodel.catalog.compiled import Compiled, Provenance
from hwmodel.catalog.continents import ELSEWHERE, continent, quotes_in
from hwmodel.catalog.entries import Box, Facility, ModelEntry, Region
from hwmodel.catalog.names import fold, not_exact, plain, resolve
from hwmodel.catalog.nodes import node_like, node_of
from hwmodel.catalog.places import catalog_roots
from hwmodel.errors import InputError, unknown
from hwmodel.specs.economics import EnergyFacts, PriceQuote, PriceSummary, ReliabilityFacts
from hwmodel.specs.evidence import PrecisionPair
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.law import LawSpec
from hwmodel.specs.precision import Precision, ServingPrecision
from hwmodel.specs.provenance import Source, Sourced
from hwmodel.specs.quantised import TrainedModel
from hwmodel.specs.shape import Shape

if TYPE_CHECKING:
    from pandas import DataFrame

DEFAULT_REGION = "USA"
PART_HINT = (
    "no part, node or instance type is spelled like it: name the accelerator itself, like h100-sxm5-80gb "
    "(hwmodel catalog list accelerators)"
)
REGION_HINT = "name a country (USA), a state or province (us-va, ca-qc, cn-bj) or a cloud region (us-east-1, eastus)"


class Catalog:
    """All records of the shipped catalog, the user's and the overlays. Unknown names raise InputError."""

    frame_of: ClassVar[Callable[[Catalog, str], Any] | None] = None  # lent by the Python API

    def __init__(self, data: Compiled, roots: tuple[Path, ...], keys: store.Keys) -> None:
        self.data = data
        self.roots = roots
        self.content_hash = keys.content
        self._keys = keys

    @property
    def version(self) -> str:
        """Short hash of the content of every catalog file."""
        return self.content_hash[:12]

    def to_frame(self, kind: str = "accelerators") -> DataFrame:
        """Records of a kind (`hwmodel catalog list KIND`) as a pandas frame. Raises InputError for an unknown kind."""
        if Catalog.frame_of is None:
            raise RuntimeError("this catalog was loaded below the Python API: hwmodel.load_catalog() gives frames")
        found: DataFrame = Catalog.frame_of(self, kind)
        return found

    # --- hardware

    def part(self, name: str) -> Part:
        """The accelerator that `name` means (`A100` is the 80 GB SXM part).

        UnknownNameError names the nearest parts, nodes and instance types.
        """
        names = self.data.names["accelerator"]
        found = names.get(fold(name))
        if found is None:
            box = self.data.boxes.get(self.data.names["box"].get(fold(name), ""))
            if box is not None and box.kind != "slice":
                held_in = f"{box.accelerators:g} x {box.part}"
                raise InputError(
                    f"{name!r} is a whole {box.kind} ({held_in}); here the part alone is named: {box.part}"
                )
            held = {key: box for key, box in self.data.names["box"].items() if self.data.boxes[box].kind != "slice"}
            raise not_exact("accelerator", name, held | names, "", fold(name), PART_HINT)
        return self.data.parts[found]

    def part_id(self, name: str) -> str:
        """The id of the accelerator that `name` means; empty where it means none."""
        return self.data.names["accelerator"].get(fold(name), "")

    def parts(self) -> list[Part]:
        """Every accelerator, by id."""
        return [self.data.parts[k] for k in sorted(self.data.parts)]

    def system(self, name: str) -> System:
        """The system of that name; `<part>-node` is a node of a part that no catalogued system holds."""
        names = self.data.names["system"]
        key = fold(name)
        if key not in names and key.endswith("node"):
            part_id = self.data.names["accelerator"].get(key.removesuffix("node"))
            if part_id is not None:
                return self._node(self.data.parts[part_id])
        return self.data.systems[resolve("system", name, names)]

    def systems(self) -> list[System]:
        """Every catalogued system, by id."""
        return [self.data.systems[k] for k in sorted(self.data.systems)]

    def _node(self, part: Part) -> System:
        if not part.extends:
            return node_of(part)
        varied = self.data.parts[part.extends]
        return node_like(part, varied, self.default_system(varied))

    def default_system(self, part: Part | str) -> System:
        """The system that a bare part name stands in: the named one, else one of the catalog, else a plain node."""
        record = self.part(part) if isinstance(part, str) else part
        if record.default_system:
            return self.data.systems[record.default_system]
        known = [s for s in self.systems_of(record.id) if "nic_uni_bytes_per_s" not in s.unconfirmed]
        return known[0] if known else self._node(record)

    def systems_of(self, part_id: str) -> list[System]:
        """Every catalogued system of a part, by id."""
        return [s for s in self.systems() if s.part == part_id]

    def box(self, name: str) -> Box | None:
        """The instance, node or rack of that name; of a slice of a pod `v4-8` the accelerators of the whole slice.

        None where `name` is none; InputError for a system whose name counts no box of a known size.
        """
        sliced = SLICE.fullmatch(plain(name))
        stem = self.data.names["box"].get(fold(sliced[1])) if sliced else None
        if sliced and stem and self.data.boxes[stem].kind == "slice":
            return _slice(self.data.boxes[stem], plain(name), int(sliced[2]))
        key = fold(name)
        system = self.data.names["system"].get(key)
        found = self.data.names["box"].get(key) or (fold(system) if system else "")
        box = self.data.boxes.get(self.data.names["box"].get(found, found))
        if box is None and system is not None and key not in self.data.names["accelerator"]:
            part = self.data.systems[system].part
            raise InputError(
                f"--gpus {name!r} names a whole system, not a node or rack: count its accelerators, like "
                f"--gpus 1024x{part} --system {system}"
            )
        return None if box is None or box.kind == "slice" else box

    # --- models, formats, laws

    def model(self, name: str) -> Shape:
        """The shape of a named model. InputError for unknown names and for models that are not modelled, with why."""
        entry = self.model_entry(name)
        if entry.shape is None:
            raise InputError(f"{entry.name} is not modelled: {entry.not_modelled}")
        return entry.shape

    def model_entry(self, name: str) -> ModelEntry:
        """The record of a named model, with its public parameter counts."""
        return self.data.models[resolve("model", name, self.data.names["model"])]

    def trained(self, name: str) -> TrainedModel | None:
        """What is known of a named model's training and release; None where nothing is."""
        return self.data.trained.get(resolve("model", name, self.data.names["model"]))

    def models(self) -> list[ModelEntry]:
        """Every model, by id."""
        return [self.data.models[k] for k in sorted(self.data.models)]

    def precision(self, name: str) -> Precision:
        """A training recipe."""
        return self.data.precisions[resolve("precision", name, self.data.names["precision"])]

    def precisions(self) -> list[Precision]:
        """Every training recipe."""
        return list(self.data.precisions.values())

    def precision_pairs(self) -> list[PrecisionPair]:
        """Every published pair of a training in low precision and in 16 bits."""
        return [pair for pairs in self.data.pairs.values() for pair in pairs]

    def serving_precision(self, name: str) -> ServingPrecision:
        """A serving recipe."""
        return self.data.serving[resolve("serving precision", name, self.data.names["serving precision"])]

    def serving_precisions(self) -> list[ServingPrecision]:
        """Every serving recipe."""
        return list(self.data.serving.values())

    def law(self, law_id: str) -> LawSpec:
        """A law or a variant of one (`chinchilla_2022/approach1`; a bare id is its default variant)."""
        name = self.data.names["law"].get(plain(law_id))
        if name is not None:
            return self.data.laws[name]
        stem = plain(law_id).partition("/")[0]
        variants = [n for n in self.data.laws if plain(n).partition("/")[0] == stem]
        known = variants or {n.partition("/")[0] for n in self.data.laws}
        raise unknown("variant of law" if variants else "law", law_id, known)

    def laws(self) -> list[LawSpec]:
        """Every law and variant, by id."""
        return [self.data.laws[k] for k in sorted(self.data.laws)]

    # --- money, energy, failures

    def prices(self, part_id: str, kind: str | None = None) -> list[PriceQuote]:
        """Quotes of a part, newest first."""
        known = self.data.names["accelerator"].get(fold(part_id), part_id)
        found = [q for q in self.data.prices.get(known, ()) if kind is None or q.kind == kind]
        return sorted(found, key=lambda q: (pricing.day(q.date), q.provider), reverse=True)

    def prices_in(self, part_id: str, region: str | None) -> list[PriceQuote]:
        """Quotes of a part that can be had on the continent of a region, newest first; all where nobody says so."""
        every = self.prices(part_id)
        if region is None:
            return every
        there = quotes_in(every, continent(self.region(region).id, self.region(region).name))
        return list(there) or every

    def price_summary(
        self,
        part_id: str,
        kind: str | None = None,
        provider_class: str = "",
        file: Path | str | None = None,
        region: str | None = None,
    ) -> PriceSummary | None:
        """What an hour costs, by the rule of `hwmodel.catalog.prices`; `file` puts a user's own quotes first.

        With `region` only the quotes that can be had on its continent count, where there are any.

        A user's file wins whole: where it quotes the part by the hour, nothing else is mixed in. Raises InputError
        where it holds other kinds than the one asked.
        """
        known = self.data.names["accelerator"].get(fold(part_id), part_id)
        if file is None:
            return self._shipped(known, kind, provider_class, region)
        quotes = [q for q in self.quotes_of(file) if q.part == known and q.usd_per_accelerator_hour]
        if quotes:
            return pricing.own_summary(known, quotes, self._own_kind(quotes, kind, file))
        found = self._shipped(known, kind, provider_class, region)
        flag = f"{file} quotes no hour of {known}: the catalog's quotes"
        return (
            None if found is None else msgspec.structs.replace(found, flag="; ".join(filter(None, (flag, found.flag))))
        )

    @staticmethod
    def _own_kind(own: Sequence[PriceQuote], kind: str | None, file: Path | str) -> str:
        """The kind of a user's quotes that answers: the one asked, else on demand, else the only one."""
        kinds = sorted({q.kind for q in own})
        if kind in kinds:
            return str(kind)
        if kind is None and (pricing.DEFAULT_KIND in kinds or len(kinds) == 1):
            return pricing.DEFAULT_KIND if pricing.DEFAULT_KIND in kinds else kinds[0]
        raise InputError(
            f"--prices {file}: {own[0].part} is quoted there as {', '.join(kinds)}, not as "
            f"{kind or pricing.DEFAULT_KIND}: name one with --price-kind, like --price-kind {kinds[0]}"
        )

    @cached_property
    def _shipped(self) -> Callable[[str, str | None, str, str | None], PriceSummary | None]:
        """`_shipped_price`, worked out once for the recipes that a part is tried in."""
        return cache(self._shipped_price)

    def _shipped_price(
        self, part: str, kind: str | None, provider_class: str, region: str | None
    ) -> PriceSummary | None:
        """The price by the catalog's quotes: on the continent of a region, or of all where nobody sells it there."""
        quotes = self.data.prices.get(part, ())
        if not quotes:
            return None
        found = pricing.price_of(part, quotes, self.every_quote, self.prices_as_of, kind, provider_class)
        if region is None or found is None:
            return found
        place = continent(self.region(region).id, self.region(region).name)
        there = quotes_in(quotes, place)
        local = pricing.price_of(part, there, self.every_quote, self.prices_as_of, kind, found.provider_class)
        flag = f"quotes that can be had in {place}" if place != ELSEWHERE else "quotes that name no continent"
        if local is None:
            local, flag = found, f"nobody quotes it for {place}: the prices of other places"
        return msgspec.structs.replace(local, place=place, flag="; ".join(filter(None, (flag, local.flag))))

    @cached_property
    def prices_as_of(self) -> str:
        """The date of the newest hourly quote."""
        return pricing.newest_date(self.every_quote)

    @cached_property
    def every_quote(self) -> list[PriceQuote]:
        """The quotes of all parts."""
        return [q for part in sorted(self.data.prices) for q in self.data.prices[part]]

    def purchases(self, part_id: str, file: Path | str | None = None) -> list[PriceQuote]:
        """Confirmed purchase prices of a part, newest first; a user's own alone where the file has any."""
        own = [q for q in self.quotes_of(file) if q.part == part_id and q.usd_purchase] if file is not None else []
        known = [q for q in self.prices(part_id) if q.usd_purchase and q.status != "unconfirmed"]
        return own or known

    def quotes_of(self, file: Path | str) -> list[PriceQuote]:
        """The quotes of a user's own file, in the columns of `catalogs/prices`."""
        from hwmodel.catalog.tables import read_prices

        if Path(file).is_dir() or not Path(file).exists():
            raise InputError(f"--prices {file}: no such file")
        return read_prices(Path(file), self.data.names["accelerator"], None)

    def region(self, name: str) -> Region:
        """Grid of a country (name or ISO code), a state or province, or a cloud region."""
        names = self.data.names["region"]
        found = names.get(plain(name))
        if found is None:
            titles = {region.id: region.name for region in self.data.regions.values()}
            raise not_exact("region", name, names, "", plain(name), REGION_HINT, titles)
        return self.data.regions[found]

    def _facility(self, part: Part | None) -> Facility:
        known = list(self.data.facilities.values())
        for facility in known:
            if part is not None and part.family in facility.families:
                return facility
        return next(f for f in known if f.default)

    def energy(self, region: str | None = None, system: System | str | None = None) -> EnergyFacts:
        """PUE, load, server share, grid and embodied carbon for a place and a system."""
        record = self.system(system) if isinstance(system, str) else system
        part = self.data.parts.get(record.part) if record is not None else None
        facility = self._facility(part)
        grid = self.region(region or (record.region if record else "") or DEFAULT_REGION)
        return EnergyFacts(
            pue=facility.pue,
            load_fraction=facility.load_fraction,
            server_overhead_fraction=facility.server_overhead_fraction,
            grid_kg_co2e_per_kwh=grid.kg_co2e_per_kwh,
            grid_region=grid.name,
            embodied_kg_co2e_per_accelerator_hour=facility.embodied_kg_co2e_per_accelerator_hour,
            usd_per_kwh=facility.usd_per_kwh,
            idle_fraction=facility.idle_fraction,
            draw_mfu_scale=facility.draw_mfu_scale,
            server_load_fraction=facility.server_load_fraction,
            water_l_per_kwh=facility.water_l_per_kwh,
            facility=facility.id,
            grid_source=grid.source,
        )

    def reliability(self, fleet: str | None = None) -> ReliabilityFacts:
        """Failure rate and recovery of a published fleet; the default is the largest with a published rate."""
        fleets = self.data.fleets
        default = next(name for name, f in fleets.items() if f.default)
        name = default if fleet is None else resolve("fleet", fleet, {fold(k): k for k in fleets})
        return msgspec.structs.replace(fleets[name].facts, fleet=name)

    # --- provenance

    @cached_property
    def _provenance(self) -> Provenance:
        return store.load_provenance(self.roots, self._keys)

    def provenance(self, kind: str, record_id: str) -> dict[str, Sourced]:
        """Every sourced value of a record (kind: accelerator, system, model, reliability, energy)."""
        if kind not in self._provenance:
            raise unknown("kind of record", kind, self._provenance)
        return self._provenance[kind].get(record_id, {})

    def sourced(self, kind: str, record_id: str, field: str) -> Sourced:
        """Where one value comes from."""
        fields = self.provenance(kind, record_id)
        if field not in fields:
            raise unknown("field", field, fields, f"{kind} {record_id}")
        return fields[field]

    def source(self, source_id: str) -> Source:
        """Title, authors and licence of a source."""
        if source_id not in self.data.sources:
            raise unknown("source", source_id, self.data.sources)
        return self.data.sources[source_id]


SLICE = re.compile(r"(?:tpu-)?(v\d+[a-z]*)-(\d{1,6})")


def _slice(box: Box, name: str, size: int) -> Box:
    """A slice of a pod as its name sizes it."""
    held = size * box.accelerators
    if held < 1 or held != int(held):
        raise InputError(f"--gpus {name!r} is no slice: {box.note}, and {size} of them are {held:g} accelerators")
    return Box(name, box.kind, box.part, box.system, held, box.source, box.note)


@lru_cache(maxsize=8)
def _load(roots: tuple[Path, ...], keys: store.Keys) -> Catalog:
    return Catalog(store.load(roots, keys), roots, keys)


def load_catalog(overlays: Sequence[Path] = ()) -> Catalog:
    """The shipped catalog with the user's own and `overlays` laid on it, in this order."""
    roots = catalog_roots(overlays)
    return _load(roots, store.keys_of(roots))
