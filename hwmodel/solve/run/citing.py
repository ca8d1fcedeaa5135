"""Sources of an answer's numbers: what stands in a catalog's records, and the rows that a report lists."""

from __future__ import annotations

from msgspec.structs import replace

from hwmodel.catalog import Catalog
from hwmodel.specs.economics import PriceSummary
from hwmodel.specs.provenance import Cited

Use = tuple[str, str]  # a source and what it gave


def grouped(catalog: Catalog, wanted: list[Use]) -> list[Cited]:
    """A row a publication, in the order of first use."""
    by_source: dict[str, list[str]] = {}
    for source, what in wanted:
        uses = by_source.setdefault(source, [])
        if what not in uses:
            uses.append(what)
    rows: dict[tuple[str, str], Cited] = {}
    for source, uses in by_source.items():
        row = _cited(catalog, source, ", ".join(uses))
        place = (row.title, row.locator)
        first = rows.get(place)  # one paper under two ids: its law and its facts
        rows[place] = row if first is None else replace(first, uses=f"{first.uses}, {row.uses}")
    return list(rows.values())


def _cited(catalog: Catalog, source: str, uses: str) -> Cited:
    """The catalog's record of a source; what is in none stands by its own words."""
    record = catalog.data.sources.get(source)
    if record is None:
        return Cited(id=source, uses=uses, title=source)
    return Cited(id=source, uses=uses, title=record.title, locator=record.locator, licence=record.licence)


def hardware_sources(catalog: Catalog, part_id: str, system_id: str, number_format: str) -> list[Use]:
    """The figures of an accelerator and of its system."""
    return [
        *_record_sources(catalog, "accelerator", part_id, number_format),
        *_record_sources(catalog, "system", system_id, number_format),
    ]


# Catalog fields that a plan's numbers rest on, in words.
USED_FIELDS = {
    "memory.capacity": "memory",
    "memory.bandwidth": "memory bandwidth",
    "link.bandwidth_uni": "scale-up links",
    "power.tdp": "power",
    "nic_uni": "NIC",
    "node_power": "node power",
}


def _record_sources(catalog: Catalog, kind: str, record_id: str, peak: str) -> list[Use]:
    """The sources of the fields that are used of one record."""
    found = catalog.provenance(kind, record_id)
    fields = {**USED_FIELDS, f"peak_dense.{peak}": f"{peak} peak"}
    rows = []
    for name, label in fields.items():
        if name in found:
            doubt = " (unconfirmed)" if found[name].status == "unconfirmed" else ""
            rows.append((found[name].source, f"{record_id} {label}{doubt}"))
    return rows


def quote_sources(catalog: Catalog, part_id: str, price: PriceSummary) -> list[Use]:
    """The quotes that a price summarises."""
    quotes = catalog.prices(part_id, price.kind)
    shown = [q for q in quotes if price.first_date <= q.date <= price.last_date and q.provider in price.providers]
    return [(q.source, f"rent of {part_id}") for q in shown if q.source]
