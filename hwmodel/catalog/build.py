"""Building the catalog from its files: parse, resolve, check, lint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from hwmodel.catalog import evidence, formats, hardware, laws, lint, models, places, quantised, tables
from hwmodel.catalog.compiled import Names, Pairs, Parsed, Provenance, Quotes, encode
from hwmodel.catalog.entries import Box, Region
from hwmodel.catalog.names import fold, plain
from hwmodel.catalog.records import Raw, read_records
from hwmodel.catalog.values import FaultError
from hwmodel.catalog.yamlfile import line_of, parse_yaml, read_text
from hwmodel.errors import CatalogError
from hwmodel.specs.economics import PriceQuote
from hwmodel.specs.evidence import PrecisionPair
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.law import LawSpec
from hwmodel.specs.precision import Precision, ServingPrecision
from hwmodel.specs.provenance import Source
from hwmodel.specs.quantised import TrainedModel

T = TypeVar("T")


def _sources(roots: Sequence[Path]) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for root in roots:
        path = root / "sources.yaml"
        if not path.is_file():
            continue
        data = parse_yaml(read_text(path), path)
        if not isinstance(data, dict):
            raise CatalogError(f"{path}: expected a mapping of source ids")
        for name, fields in data.items():
            try:
                if name in found and root == roots[0]:
                    raise FaultError((), "stands twice")
                found[str(name)] = msgspec.convert(fields, Source)
                strange = set(fields) - set(Source.__struct_fields__)
                if strange:
                    raise FaultError((), f"unknown field {sorted(strange)[0]!r}")
            except (msgspec.ValidationError, FaultError) as error:
                raise CatalogError(f"{path}:{line_of(path, [name])}: source {name}: {error}") from error
    return found


class Problems:
    """Where errors go: raised at once when loading, collected when checking."""

    def __init__(self, collect: bool = False) -> None:
        self.collect = collect
        self.found: list[CatalogError] = []

    def add(self, error: CatalogError) -> None:
        if not self.collect:
            raise error
        self.found.append(error)


def _each(raws: Mapping[str, Raw], read: Callable[[Raw], T], problems: Problems) -> dict[str, T]:
    out: dict[str, T] = {}
    for name, raw in raws.items():
        try:
            out[name] = read(raw)
        except FaultError as fault:
            problems.add(raw.error(fault))
    return out


def _aliases(raw: Raw) -> list[tuple[str, tuple[str | int, ...]]]:
    stated = raw.fields.get("aliases", [])
    if not isinstance(stated, list):
        return []
    return [(alias, ("aliases", i)) for i, alias in enumerate(stated) if isinstance(alias, str)]


VENDOR_PREFIXES = {
    "nvidia": ("nvidia",), "amd": ("amd", "instinct", "amd instinct"), "google": ("google", "google cloud"),
    "aws": ("aws", "amazon"), "intel": ("intel", "habana"),
}  # fmt: skip


def _with_vendor(raw: Raw, text: str) -> list[str]:
    """A part's name with and without its maker's: `H100`, `NVIDIA H100`."""
    vendor = raw.fields.get("vendor")
    prefixes = VENDOR_PREFIXES.get(vendor, (vendor,)) if isinstance(vendor, str) else ()
    plain = fold(text)
    bare = [plain.removeprefix(fold(prefix)) for prefix in prefixes]
    return [fold(f"{prefix} {text}") for prefix in prefixes] + [name for name in bare if name != plain and name]


def names_of(kind: str, raws: Mapping[str, Raw]) -> Names:
    """Every id and alias in its compared form; CatalogError where one name means two records."""
    names: Names = {}
    for raw in raws.values():
        own: list[tuple[str, tuple[str | int, ...]]] = [(raw.id, ("id",)), *_aliases(raw)]
        for text, at in own:
            key = fold(text)
            if names.setdefault(key, raw.id) != raw.id:
                raise raw.error(FaultError(at, f"{kind} name {text!r} already means {names[key]}"))
    if kind == "accelerator":
        for raw in raws.values():
            for text in (raw.id, *(alias for alias, _ in _aliases(raw))):
                for more in _with_vendor(raw, text):
                    names.setdefault(more, raw.id)
    return names


def _broken_defaults(
    parts: Mapping[str, Part], systems: Mapping[str, System], raws: Mapping[str, Raw]
) -> list[CatalogError]:
    found = []
    for part in parts.values():
        system = systems.get(part.default_system)
        if part.default_system and (system is None or system.part != part.id):
            what = "is no system" if system is None else f"is a system of {system.part}"
            fault = FaultError(("default_system",), f"default_system {part.default_system!r} {what}")
            found.append(raws[part.id].error(fault))
    return found


def _laws(roots: Sequence[Path]) -> tuple[dict[str, LawSpec], Names]:
    found = {spec.id: spec for spec in laws.read_laws(roots)}
    names = {name: name for name in found}
    for name in list(found):
        stem = name.partition("/")[0]
        if stem not in names:
            names[stem] = laws.read_law(roots, stem).id
    return found, {plain(name): target for name, target in names.items()}


def _prices(roots: Sequence[Path], part_names: Names, sources: Mapping[str, Source]) -> dict[str, Quotes]:
    found: dict[str, list[PriceQuote]] = {}
    for _, path in places.files_of(roots, "prices", ".csv"):
        for quote in tables.read_prices(path, part_names, sources):
            found.setdefault(quote.part, []).append(quote)
    return {part: tuple(quotes) for part, quotes in found.items()}


def _pairs(roots: Sequence[Path]) -> dict[str, Pairs]:
    found: dict[str, list[PrecisionPair]] = {}
    for _, path in places.files_of(roots, "precisions", ".csv"):
        for pair in evidence.read_pairs(path):
            found.setdefault(pair.group, []).append(pair)
    return {group: tuple(pairs) for group, pairs in found.items()}


def _trained(roots: Sequence[Path], models: Names, recipes: Mapping[str, Raw]) -> dict[str, TrainedModel]:
    found = [
        one for _, path in places.files_of(roots, "models", ".csv")
        for one in quantised.read_trained(path, models, recipes)
    ]  # fmt: skip
    return {one.model: one for one in found}


REGION_NAMES = "names.csv"


def _regions(roots: Sequence[Path], sources: Mapping[str, Source]) -> tuple[dict[str, Region], Names]:
    """Regions by id, and names in the plain form: of a region itself, else of a place in it.

    A name of several regions means none of them: each has a longer one.
    """
    files = [path for _, path in places.files_of(roots, "energy", ".csv")]
    found = {r.id: r for path in files if path.name != REGION_NAMES for r in tables.read_grid(path, sources)}
    meanings: dict[str, list[str]] = {}
    for region in found.values():
        meanings.setdefault(plain(region.name), []).append(region.id)
    for path in (p for p in files if p.name == REGION_NAMES):
        for name, means in tables.read_region_names(path, found):
            meanings.setdefault(plain(name), []).extend(means)
    inside: dict[str, list[str]] = {}
    for region in found.values():
        for place in region.places:
            inside.setdefault(plain(place), []).append(region.id)
    names: Names = {}
    for name, several in (inside | meanings).items():
        ids = list(dict.fromkeys(several))
        names |= {name: ids[0]} if len(ids) == 1 else {f"{name} ({i})": i for i in ids}
    return found, names | {plain(i): i for i in found}


def _boxes(
    roots: Sequence[Path], parts: Mapping[str, Part], systems: Mapping[str, System], sources: Mapping[str, Source]
) -> tuple[dict[str, Box], Names]:
    """Instances, nodes, racks and slices by name; a system's box also under every name of the system."""
    files = [path for _, path in places.files_of(roots, "boxes", ".csv")]
    found = {b.id: b for path in files for b in tables.read_boxes(path, parts, systems, sources)}
    return found, {fold(b.id): b.id for b in found.values()}


def _with_kin(parts: Mapping[str, Part], raws: Mapping[str, Raw]) -> dict[str, Part]:
    """The parts, each with those of its family that it varies."""

    def kin(part: Part) -> tuple[str, ...]:
        return tuple(name for name in raws[part.id].ancestors if name in parts and parts[name].family == part.family)

    return {
        name: msgspec.structs.replace(part, kin=kin(part)) if part.extends else part for name, part in parts.items()
    }


class _Hardware:
    """Accelerators and systems, parsed and linted."""

    def __init__(self, roots: Sequence[Path], sources: Mapping[str, Source], problems: Problems) -> None:
        part_raws, system_raws = read_records(roots, "accelerators"), read_records(roots, "systems")
        read = _each(part_raws, lambda raw: hardware.read_part(raw, sources), problems)
        self.parts = _with_kin({k: v[0] for k, v in read.items()}, part_raws)
        self.part_values = {k: v[1] for k, v in read.items()}
        self.part_names = names_of("accelerator", part_raws)
        found = _each(system_raws, lambda raw: hardware.read_system(raw, sources, self.parts), problems)
        self.systems = {k: v[0] for k, v in found.items()}
        self.system_values = {k: v[1] for k, v in found.items()}
        self.system_names = names_of("system", system_raws)
        for error in (
            *_broken_defaults(self.parts, self.systems, part_raws),
            *lint.lint_parts(part_raws, self.parts, self.part_values),
            *lint.lint_systems(system_raws, self.systems, self.parts),
        ):
            problems.add(error)


def build(roots: Sequence[Path], problems: Problems | None = None) -> tuple[bytes, Provenance]:
    """Parse and lint every file of the roots; the encoded records and where their values come from.

    CatalogError names the first thing that is wrong, with file and line; with `problems` all of them are collected.
    """
    problems = problems or Problems()
    sources = _sources(roots)
    hard = _Hardware(roots, sources, problems)
    model_raws = read_records(roots, "models")
    entries = _each(model_raws, lambda raw: models.read_model(raw, sources), problems)
    fleets = _each(read_records(roots, "reliability"), lambda raw: formats.read_fleet(raw, sources), problems)
    facilities = _each(read_records(roots, "energy"), lambda raw: formats.read_facility(raw, sources), problems)
    training, serving = read_records(roots, "precisions/training"), read_records(roots, "precisions/serving")
    found_laws, law_names = _laws(roots)
    for error in _unsourced_laws(found_laws, sources):
        problems.add(error)
    regions, region_names = _regions(roots, sources)
    boxes, box_names = _boxes(roots, hard.parts, hard.systems, sources)
    names = {
        "accelerator": hard.part_names, "system": hard.system_names, "model": names_of("model", model_raws),
        "precision": names_of("precision", training), "serving precision": names_of("serving precision", serving),
        "law": law_names, "region": region_names, "box": box_names,
    }  # fmt: skip
    records = Parsed(
        parts=hard.parts, systems=hard.systems, models={k: v[0] for k, v in entries.items()},
        precisions=_each(training, lambda raw: formats.read_precision(raw, Precision, sources), problems),
        serving=_each(serving, lambda raw: formats.read_precision(raw, ServingPrecision, sources), problems),
        laws=found_laws, fleets={k: v[0] for k, v in fleets.items()},
        facilities={k: v[0] for k, v in facilities.items()}, regions=regions,
        prices=_prices(roots, hard.part_names, sources), sources=sources, pairs=_pairs(roots),
        trained=_trained(roots, names["model"], serving), boxes=boxes,
    )  # fmt: skip
    provenance: Provenance = {"accelerator": hard.part_values, "system": hard.system_values}
    for kind, read in (("model", entries), ("reliability", fleets), ("energy", facilities)):
        provenance[kind] = {k: v[1] for k, v in read.items()}
    return encode(records, names), provenance


def _unsourced_laws(found: Mapping[str, LawSpec], sources: Mapping[str, Source]) -> list[CatalogError]:
    return [
        CatalogError(f"laws: {law.id}: source {law.source!r} is not in sources.yaml")
        for law in found.values() if law.source not in sources
    ]  # fmt: skip


def problems_of(roots: Sequence[Path]) -> list[CatalogError]:
    """Everything that is wrong in the catalogs of the roots."""
    problems = Problems(collect=True)
    try:
        build(roots, problems)
    except CatalogError as error:
        problems.found.append(error)
    return problems.found
