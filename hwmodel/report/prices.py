"""What an hour costs, in one line: class, range, quotes, the other classes and a year's commitment."""

from __future__ import annotations

import msgspec

from hwmodel.catalog import Catalog
from hwmodel.catalog.prices import counts
from hwmodel.plain import Rows
from hwmodel.report.phrases import heard, say
from hwmodel.solve.run.records import Rented, YearPrice
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


def price_line(price: Rented) -> str:
    """The rent of an accelerator-hour with all that a reader must know of it."""
    middle = dollars(price.median_usd_per_accelerator_hour)
    if price.how == "given":
        return say("Rent: {usd} an accelerator-hour, as given.", usd=middle)
    what = " ".join(filter(None, (heard(price.provider_class), heard(price.kind.replace("_", " ")))))
    said = [
        say(
            "Rent: {what}, {how} {usd} an accelerator-hour{range}, {read}",
            what=what,
            how=say(HOW[price.how]),
            usd=middle,
            range=_range(price),
            read=_read(price),
        )
    ]
    said += [_other(one) for one in price.other_classes]
    if price.one_year:
        said.append(_year(price.one_year))
    walked = say(" Prices walked by 30 % either way in half a year (2026: up); no fall is assumed.")
    return say("; ").join(said) + say(".") + walked


def _range(price: Rented) -> str:
    low, high = price.low_usd_per_accelerator_hour, price.high_usd_per_accelerator_hour
    if low == high:
        return ""
    ends = {"low": dollars(low), "high": dollars(high)}
    if price.how == "market":
        return say(" (p10 to p90 {low} to {high})", **ends)
    return say(" (80 % {low} to {high})", **ends) if price.how == "ratio" else say(" ({low} to {high})", **ends)


def _read(price: Rented) -> str:
    """How many quotes, of when, and whose: each with its price where they are few."""
    dates = say(" to ").join(dict.fromkeys((price.first_date, price.last_date)))
    if price.quotes:
        return ", ".join(f"{q.provider} {dollars(q.usd_per_accelerator_hour)} ({q.date})" for q in price.quotes)
    return say("{count} providers of {dates}", count=price.n_quotes, dates=dates)


def _other(one: ClassMedian) -> str:
    middle = dollars(one.median_usd_per_accelerator_hour)
    return say("{group} {usd} ({count})", group=heard(one.provider_class), usd=middle, count=one.n_quotes)


def _year(year: YearPrice) -> str:
    if year.providers:
        how = say("published by {sellers}, {date}", sellers=", ".join(year.providers), date=year.last_date)
    else:
        how = say("by the ratio of published pairs")
    return say(
        "for a year {usd}{span} ({how})",
        usd=dollars(year.median_usd_per_accelerator_hour),
        span=_span(year),
        how=how,
    )


def _span(year: YearPrice) -> str:
    low, high = year.low_usd_per_accelerator_hour, year.high_usd_per_accelerator_hour
    return "" if low == high else say(", {low} to {high}", low=dollars(low), high=dollars(high))


def prices_of(catalog: Catalog, kind: str | None = None, region: str | None = None) -> list[PriceSummary]:
    """The price of every part that is rented, in a region if one is given."""
    found = (catalog.price_summary(part.id, kind, region=region) for part in catalog.parts())
    return [price for price in found if price is not None]


def price_rows(catalog: Catalog, kind: str | None = None, region: str | None = None) -> Rows:
    """One row a part that is rented: its price (in a region), the other classes', and a year's commitment."""
    return [msgspec.to_builtins(summary_row(catalog, price, region)) for price in prices_of(catalog, kind, region)]


class PriceRow(msgspec.Struct, frozen=True, kw_only=True):
    """The price of a part: dollars an accelerator-hour by the quotes of a class and kind, their dates, and beside it
    the medians of other classes with their quotes and of a year's commitment; None where nobody quotes one."""

    part: str
    kind: str
    provider_class: str = msgspec.field(name="class")
    usd_per_hour: float
    low: float
    high: float
    how: str
    quotes: int
    first_date: str = msgspec.field(name="from")
    last_date: str = msgspec.field(name="to")
    hyperscaler: float | None
    hyperscaler_quotes: int | None
    marketplace: float | None
    marketplace_quotes: int | None
    one_year: float | None
    one_year_how: str | None
    flag: str


class PriceList(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of all parts that are rented, as of a day (ISO), of a version of the catalog."""

    as_of: str
    catalog_version: str
    prices: list[PriceRow]


class PricesOfPart(msgspec.Struct, frozen=True, kw_only=True):
    """The price of one part (None where its quotes make none) with each quote behind it."""

    as_of: str
    catalog_version: str
    part: str
    price: PriceRow | None
    quotes: Rows


def summary_row(catalog: Catalog, s: PriceSummary, region: str | None = None) -> PriceRow:
    """The price of a part as one row."""
    committed = catalog.price_summary(s.part, "reserved_1y", s.provider_class, region=region)
    year = committed if s.kind == "on_demand" else None
    others = {o.provider_class: o for o in s.other_classes}
    hyperscaler, marketplace = others.get("hyperscaler"), others.get("marketplace")
    return PriceRow(
        part=s.part,
        kind=s.kind,
        provider_class=s.provider_class,
        usd_per_hour=round(s.median_usd_per_accelerator_hour, 3),
        low=round(s.low_usd_per_accelerator_hour, 3),
        high=round(s.high_usd_per_accelerator_hour, 3),
        how=s.how,
        quotes=s.n_quotes,
        first_date=s.first_date,
        last_date=s.last_date,
        hyperscaler=_median(hyperscaler),
        hyperscaler_quotes=None if hyperscaler is None else hyperscaler.n_quotes,
        marketplace=_median(marketplace),
        marketplace_quotes=None if marketplace is None else marketplace.n_quotes,
        one_year=_median(year),
        one_year_how=None if year is None else year.how,
        flag=s.flag,
    )


def _median(price: ClassMedian | PriceSummary | None) -> float | None:
    """Dollars an accelerator-hour, to a tenth of a cent."""
    return None if price is None else round(price.median_usd_per_accelerator_hour, 3)


def quote_rows(quotes: list[PriceQuote]) -> Rows:
    """Every quote of a part: what it is, where it was read, and whether it may enter a median."""
    return [
        {
            "date": q.date,
            "provider": q.provider,
            "class": q.provider_class,
            "kind": q.kind,
            "usd_per_hour": q.usd_per_accelerator_hour,
            "usd_purchase": q.usd_purchase,
            "region": q.region,
            "instance": q.instance,
            "basis": q.basis or "list",
            "status": q.status or "primary",
            "counts": "yes" if counts(q) else "no",
            "note": q.note,
            "read_at": q.locator or q.source,
        }
        for q in quotes
    ]
