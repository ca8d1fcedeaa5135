"""Where a quote can be had: prices are published for the United States, for Europe, or for every place."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hwmodel.specs.economics import PriceQuote

US, EUROPE, ELSEWHERE = "the United States", "Europe", "other places"
# Countries of Europe in the names of `catalogs/energy` (UN M49 geoscheme, Europe, with Cyprus).
_EUROPEAN = frozenset((
    "Albania", "Austria", "Belarus", "Belgium", "Bosnia and Herzegovina", "Bulgaria", "Croatia", "Cyprus", "Czechia",
    "Denmark", "Estonia", "Finland", "France", "Germany", "Greece", "Hungary", "Iceland", "Ireland", "Italy",
    "Latvia", "Lithuania", "Luxembourg", "Malta", "Moldova", "Montenegro", "Netherlands", "North Macedonia", "Norway",
    "Poland", "Portugal", "Romania", "Russia", "Serbia", "Slovakia", "Slovenia", "Spain", "Sweden", "Switzerland",
    "Ukraine", "United Kingdom",
))  # fmt: skip
_AMERICAN = ("usa", "united states")


def continent(region_id: str, name: str) -> str:
    """US, EUROPE or ELSEWHERE of a grid region: a state, a country, or a cloud region named after its country."""
    country = name.rpartition(", ")[2]
    if region_id.startswith("us-") or country.lower() in _AMERICAN or name.lower() in _AMERICAN:
        return US
    return EUROPE if country in _EUROPEAN else ELSEWHERE


def _sold_in(quote: PriceQuote) -> str:
    """The one continent of a quote; empty for one of every place, or without a place."""
    place = quote.region.lower()
    return US if place.startswith("us") else EUROPE if place.startswith("eu") else ""


def quotes_in(quotes: Sequence[PriceQuote], place: str) -> list[PriceQuote]:
    """The quotes that can be had on a continent: its own and those of every place.

    Outside the United States a provider that is quoted for it alone counts with its median over regions, where that
    was read too.
    """
    kept = [q for q in quotes if _sold_in(q) in ("", place)]
    if place == US:
        return kept
    left_out = {(q.part, q.provider, q.kind) for q in quotes} - {
        (q.part, q.provider, q.kind) for q in kept if q.basis != "regions_median"
    }
    return [
        _counted(q) if q.basis == "regions_median" and (q.part, q.provider, q.kind) in left_out else q for q in kept
    ]


def _counted(quote: PriceQuote) -> PriceQuote:
    """A median over regions as the list price of a place that has none of its own."""
    return msgspec.structs.replace(quote, basis="list")
