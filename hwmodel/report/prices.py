"""What an hour costs, in one line: class, range, quotes, the other classes and a year's commitment."""

from __future__ import annotations

from typing import Any

from hwmodel.catalog import Catalog
from hwmodel.catalog.prices import counts
from hwmodel.specs import PriceQuote, PriceSummary
from hwmodel.specs.economics import ClassMedian

HOW = {
    "market": "median",
    "few_sellers": "middle of the few quotes",
    "one_seller": "list price of the one seller",
    "ratio": "by the ratio to on demand",
    "given": "as given",
}


def dollars(value: float) -> str:
    """`$3.99`, with three digits where an hour costs cents."""
    return f"${value:.2f}" if value >= 0.995 else f"${value:.3g}"


def price_line(price: dict[str, Any]) -> str:
    """The rent of an accelerator-hour with all that a reader must know of it."""
    middle = dollars(price["median_usd_per_accelerator_hour"])
    if price["how"] == "given":
        return f"Rent: {middle} an accelerator-hour, as given."
    what = " ".join(filter(None, (price["provider_class"], price["kind"].replace("_", " "))))
    said = [f"Rent: {what}, {HOW[price['how']]} {middle} an accelerator-hour{_range(price)}, {_read(price)}"]
    said += [_other(one) for one in price["other_classes"]]
    if price["one_year"]:
        said.append(_year(price["one_year"]))
    return "; ".join(said) + ". Prices walked by 30 % either way in half a year (2026: up); no fall is assumed."


def _range(price: dict[str, Any]) -> str:
    low, high = price["low_usd_per_accelerator_hour"], price["high_usd_per_accelerator_hour"]
    if low == high:
        return ""
    ends = "p10 to p90" if price["how"] == "market" else "lowest to highest" if price["how"] != "ratio" else "80 %"
    return f" ({ends} {dollars(low)} to {dollars(high)})"


def _read(price: dict[str, Any]) -> str:
    """How many quotes, of when, and whose: each with its price where they are few."""
    dates = " to ".join(dict.fromkeys((price["first_date"], price["last_date"])))
    if price["quotes"]:
        return ", ".join(
            f"{q['provider']} {dollars(q['usd_per_accelerator_hour'])} ({q['date']})" for q in price["quotes"]
        )
    return f"{price['n_quotes']} providers of {dates} ({', '.join(price['providers'])})"


def _other(one: dict[str, Any]) -> str:
    many = "s" if one["n_quotes"] > 1 else ""
    middle = dollars(one["median_usd_per_accelerator_hour"])
    return f"{one['provider_class']}{many} {middle} ({one['n_quotes']} quote{many})"


def _year(year: dict[str, Any]) -> str:
    how = f"published by {', '.join(year['providers'])}" if year["providers"] else "by the ratio of published pairs"
    when = f", {year['last_date']}" if year["providers"] else ""
    return f"for a year {dollars(year['median_usd_per_accelerator_hour'])}{_span(year)} ({how}{when})"


def _span(year: dict[str, Any]) -> str:
    low, high = year["low_usd_per_accelerator_hour"], year["high_usd_per_accelerator_hour"]
    return "" if low == high else f", {dollars(low)} to {dollars(high)}"


def price_rows(catalog: Catalog, kind: str | None = None) -> list[dict[str, Any]]:
    """One row a part that is rented: its price, the other classes', and a year's commitment."""
    rows = []
    for part in catalog.parts():
        found = catalog.price_summary(part.id, kind)
        if found is not None:
            rows.append(summary_row(catalog, found))
    return rows


def summary_row(catalog: Catalog, s: PriceSummary) -> dict[str, Any]:
    """The price of a part as one row."""
    year = catalog.price_summary(s.part, "reserved_1y", s.provider_class) if s.kind == "on_demand" else None
    others = {o.provider_class: o for o in s.other_classes}
    return {
        "part": s.part,
        "kind": s.kind,
        "class": s.provider_class,
        "usd_per_hour": round(s.median_usd_per_accelerator_hour, 3),
        "low": round(s.low_usd_per_accelerator_hour, 3),
        "high": round(s.high_usd_per_accelerator_hour, 3),
        "how": s.how,
        "quotes": s.n_quotes,
        "from": s.first_date,
        "to": s.last_date,
        **_beside("hyperscaler", others.get("hyperscaler")),
        **_beside("marketplace", others.get("marketplace")),
        "one_year": None if year is None else round(year.median_usd_per_accelerator_hour, 3),
        "one_year_how": None if year is None else year.how,
        "flag": s.flag,
    }


def _beside(name: str, other: ClassMedian | None) -> dict[str, float | None]:
    """Another class: its median and its number of quotes."""
    if other is None:
        return {name: None, f"{name}_quotes": None}
    return {name: round(other.median_usd_per_accelerator_hour, 3), f"{name}_quotes": other.n_quotes}


def quote_rows(quotes: list[PriceQuote]) -> list[dict[str, Any]]:
    """Every quote of a part: what it is, where it was read, and whether it may enter a median."""
    return [
        {
            "date": q.date, "provider": q.provider, "class": q.provider_class, "kind": q.kind,
            "usd_per_hour": q.usd_per_accelerator_hour, "usd_purchase": q.usd_purchase, "region": q.region,
            "instance": q.instance, "basis": q.basis or "list", "status": q.status or "primary",
            "counts": "yes" if counts(q) else "no", "note": q.note, "read_at": q.locator or q.source,
        }
        for q in quotes
    ]  # fmt: skip
