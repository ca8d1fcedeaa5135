"""`hm.prices`: what an accelerator-hour costs; the command line's `hwmodel prices list`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from hwmodel.api import views
from hwmodel.api.sheet import Sheet
from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.report.catalog_pages import shown
from hwmodel.report.prices import PriceList, PriceRow, PricesOfPart, prices_of, quote_rows, summary_row
from hwmodel.solve.question.rates import known_kind
from hwmodel.specs.economics import PriceSummary

views.join_sheets()


def list(
    part: str | None = None, kind: str | None = None, *, region: str | None = None, catalogs: Sequence[Path] = ()
) -> Sheet[tuple[PriceSummary, ...]] | Sheet[PriceSummary | None]:
    """The price of an hour of every part that is rented; of one `part` each quote behind it.

    With a `region` the quotes that can be had on its continent, where there are any (the price of a part says which).
    Raises InputError.
    """
    catalog = load_catalog(tuple(catalogs))
    if part is None:
        every = prices_of(catalog, known_kind(kind), region)
        priced = [summary_row(catalog, price, region) for price in every]
        words = [shown(msgspec.to_builtins(row)) for row in priced]
        title = f"prices of {len(every)} parts"
        document = PriceList(as_of=catalog.prices_as_of, catalog_version=catalog.version, prices=priced)
        return Sheet(title=title, found=tuple(every), document=document, rows=words)
    one = catalog.part(part)
    quotes = [q for q in catalog.prices_in(one.id, region) if known_kind(kind) in (None, q.kind)]
    found = catalog.price_summary(one.id, kind, region=region)
    summary = None if found is None else summary_row(catalog, found, region)
    rows = quote_rows(quotes)
    if not rows:
        raise InputError(f"no quote of {one.id}{f' ({kind})' if kind else ''}: give a price with --usd-per-hour")
    said = _said(one.id, summary)
    whole = PricesOfPart(
        as_of=catalog.prices_as_of, catalog_version=catalog.version, part=one.id, price=summary, quotes=rows
    )
    return Sheet(title=said, found=found, document=whole, rows=[shown(row) for row in rows], above=said)


def _said(part: str, summary: PriceRow | None) -> str:
    """What the quotes of a part come to."""
    if summary is None:
        return f"{part}: no price of an hour is known; give one with --usd-per-hour."
    flag = f" {summary.flag}." if summary.flag else ""
    return (
        f"{part}: ${summary.usd_per_hour:g} an hour (${summary.low:g} to ${summary.high:g}; "
        f"{summary.provider_class} {summary.kind}, {summary.how}, {summary.quotes} providers).{flag}"
    )
