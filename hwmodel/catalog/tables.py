"""CSV catalogs: dated prices and grid intensities."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from hwmodel.catalog.entries import Box, Region
from hwmodel.catalog.names import fold
from hwmodel.catalog.yamlfile import read_text
from hwmodel.errors import CatalogError
from hwmodel.specs.economics import PriceQuote
from hwmodel.specs.hardware import Part, System

PRICE_COLUMNS = (
    "date", "part", "provider", "provider_class", "kind", "usd_per_accelerator_hour", "usd_purchase", "region",
    "instance", "accelerators", "basis", "status", "note", "source", "locator", "currency",
)  # fmt: skip
REQUIRED_PRICE_COLUMNS = ("date", "part", "provider", "kind", "usd_per_accelerator_hour")
HOURLY_KINDS = ("on_demand", "spot", "reserved_1y", "reserved_3y", "capacity_block", "reserved", "index")
KINDS = (*HOURLY_KINDS, "purchase")
BASES = ("list", "offers", "from", "minimum", "serverless", "regions_median")
STATUSES = ("primary", "secondary", "unconfirmed")
DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?")
GRID_COLUMNS = ("region", "name", "kind", "g_co2e_per_kwh", "year", "source", "note")
PLACES = "places"  # other names of the region, as its operator's list of locations has them, with ; between
REGION_NAME_COLUMNS = ("name", "means", "note")
BOX_COLUMNS = ("name", "kind", "system", "part", "accelerators", "source", "note")
BOX_KINDS = ("instance", "node", "rack", "slice")
MAX_CSV_BYTES = 20_000_000


def rows_of(path: Path, required: Collection[str], known: Collection[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row. CatalogError for a header or a row that does not fit."""
    reader = csv.DictReader(io.StringIO(read_text(path, MAX_CSV_BYTES)), strict=True)
    try:
        header = reader.fieldnames or []
        missing = [c for c in required if c not in header]
        strange = [c for c in header if c not in known]
        if missing or strange:
            what = f"lacks the column {missing[0]!r}" if missing else f"has an unknown column {strange[0]!r}"
            raise CatalogError(f"{path}:1: {what}; columns: {', '.join(known)}")
        for row in reader:
            if None in row or None in row.values():
                raise CatalogError(f"{path}:{reader.line_num}: not as many cells as columns")
            yield reader.line_num, row
    except csv.Error as error:
        raise CatalogError(f"{path}:{reader.line_num}: not CSV: {error}") from error


def amount(text: str, path: Path, line: int, column: str, floor: float = 1e-9) -> float | None:
    """A number of at least the floor; None for an empty cell."""
    if not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < floor:
        raise CatalogError(
            f"{path}:{line}: {column} {text[:40]!r} is not a number{' above zero' if floor else ' of zero or more'}"
        )
    return value


def read_prices(path: Path, parts: Mapping[str, str], sources: Collection[str] | None) -> list[PriceQuote]:
    """The quotes of one file. `parts` maps names to ids; `sources` None accepts any text (a user's own file)."""
    quotes: list[PriceQuote] = []
    for line, row in rows_of(path, REQUIRED_PRICE_COLUMNS, PRICE_COLUMNS):
        part = parts.get(fold(row["part"]))
        if part is None:
            raise CatalogError(f"{path}:{line}: part {row['part'][:60]!r} is no accelerator of the catalog")
        if not DATE.fullmatch(row["date"]):
            raise CatalogError(f"{path}:{line}: date {row['date'][:40]!r} is not YYYY, YYYY-MM or YYYY-MM-DD")
        for column, words in (("kind", KINDS), ("basis", ("", *BASES)), ("status", ("", *STATUSES))):
            if row.get(column, "") not in words:
                raise CatalogError(
                    f"{path}:{line}: {column} {row[column][:40]!r} is none of {', '.join(filter(None, words))}"
                )
        if (currency := row.get("currency", "").strip()) not in ("", "USD"):
            raise CatalogError(
                f"{path}:{line}: currency {currency[:20]!r}: quotes are in USD; convert it and name the rate in note"
            )
        source = row.get("source", "")
        if sources is not None and source not in sources:
            raise CatalogError(f"{path}:{line}: source {source[:60]!r} is not in sources.yaml")
        hourly = amount(row["usd_per_accelerator_hour"], path, line, "usd_per_accelerator_hour")
        bought = amount(row.get("usd_purchase", ""), path, line, "usd_purchase")
        if hourly is None and bought is None:
            raise CatalogError(f"{path}:{line}: states neither an hourly nor a purchase price")
        quotes.append(
            PriceQuote(
                part=part, provider=row["provider"], provider_class=row.get("provider_class", ""), kind=row["kind"],
                date=row["date"], usd_per_accelerator_hour=hourly, usd_purchase=bought, region=row.get("region", ""),
                instance=row.get("instance", ""), basis=row.get("basis", ""), status=row.get("status", ""),
                accelerators=amount(row.get("accelerators", ""), path, line, "accelerators"),
                note=row.get("note", ""), source=source, locator=row.get("locator", ""),
            )
        )  # fmt: skip
    return quotes


def read_grid(path: Path, sources: Collection[str]) -> list[Region]:
    """Grid intensities of one file."""
    regions = []
    for line, row in rows_of(path, GRID_COLUMNS, (*GRID_COLUMNS, PLACES)):
        value = amount(row["g_co2e_per_kwh"], path, line, "g_co2e_per_kwh", floor=0.0)
        if value is None:
            raise CatalogError(f"{path}:{line}: states no intensity")
        if row["source"] not in sources:
            raise CatalogError(f"{path}:{line}: source {row['source'][:60]!r} is not in sources.yaml")
        regions.append(
            Region(
                row["region"],
                row["name"],
                row["kind"],
                value / 1e3,
                row["year"],
                row["source"],
                row["note"],
                tuple(place.strip() for place in row.get(PLACES, "").split(";") if place.strip()),
            )
        )
    return regions


def read_region_names(path: Path, regions: Collection[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Other names of regions, and names of wider places with regions in them: (name, ids)."""
    for line, row in rows_of(path, REGION_NAME_COLUMNS, REGION_NAME_COLUMNS):
        ids = tuple(row["means"].split())
        strange = [i for i in ids if i not in regions]
        if strange or not ids or not row["name"].strip():
            raise CatalogError(f"{path}:{line}: {row['name'][:40]!r} means {' '.join(strange) or 'no region'!r}")
        yield row["name"], ids


def _held(row: dict[str, str], system: System | None, path: Path, line: int) -> float:
    """Accelerators in one box: as stated, else a node or the scale-up domain of its system."""
    stated = amount(row["accelerators"], path, line, "accelerators")
    if stated is not None:
        return stated
    if system is None:
        raise CatalogError(f"{path}:{line}: {row['name'][:40]!r} states neither a system nor its accelerators")
    return system.domain_accelerators if row["kind"] == "rack" else system.accelerators_per_node


def read_boxes(
    path: Path, parts: Mapping[str, Part], systems: Mapping[str, System], sources: Collection[str]
) -> list[Box]:
    """Instances, nodes, racks and slices of one file."""
    boxes = []
    for line, row in rows_of(path, BOX_COLUMNS, BOX_COLUMNS):
        system = systems.get(row["system"]) if row["system"] else None
        part = row["part"] or (system.part if system else "")
        if part not in parts or (row["system"] and system is None) or row["kind"] not in BOX_KINDS:
            raise CatalogError(f"{path}:{line}: {row['name'][:40]!r} names an unknown part, system or kind of box")
        if row["source"] and row["source"] not in sources:
            raise CatalogError(f"{path}:{line}: source {row['source'][:60]!r} is not in sources.yaml")
        held = _held(row, system, path, line)
        boxes.append(Box(row["name"], row["kind"], part, row["system"], held, row["source"], row["note"]))
    return boxes
