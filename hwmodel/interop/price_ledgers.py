"""Price ledgers of other tools as quotes of ours: gpuhunt, SkyPilot catalogs, a CSV in our own columns.

Nothing is fetched unless the user asks for `gpuhunt`, which reads its publisher's tables over the network. One quote
comes of each provider, part and kind: of the largest machine, in the cheapest region of the United States where it has
one.
"""

from __future__ import annotations

import csv
import importlib
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from hwmodel.catalog import Catalog
from hwmodel.catalog.reading import text_of
from hwmodel.catalog.safe_text import csv_text
from hwmodel.catalog.tables import PRICE_COLUMNS, read_prices
from hwmodel.errors import InputError
from hwmodel.interop.price_names import PROVIDERS, US, part_of, tpu_of
from hwmodel.specs.economics import PriceQuote

SOURCE = "own-quotes"
NO_PRICE = 700.0  # what SkyPilot's tables hold where a TPU's price is missing
SKYPILOT_COLUMNS = ("InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "SpotPrice", "Region")


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a ledger: a machine by the hour."""

    provider: str  # the ledger's name
    name: str
    memory_gib: float | None
    count: float
    machine: str
    region: str
    usd_per_hour: float
    kind: str


class Taken(msgspec.Struct, frozen=True):
    """Quotes read, and the names that could not be: with the reason, and how many offers."""

    quotes: list[PriceQuote]
    left_out: dict[str, int]


def from_gpuhunt(day: str, chosen: Mapping[str, str], providers: Sequence[str] = ()) -> Taken:
    """Every accelerator offer that gpuhunt lists now. InputError without the extra `prices`."""
    try:
        ledger = importlib.import_module("gpuhunt")
    except ImportError:
        raise InputError("gpuhunt is not installed: pip install 'hwmodel[prices]'") from None
    asked = {"provider": list(providers)} if providers else {}
    offers = [
        Offer(
            provider=item.provider, name=str(item.gpu_name), memory_gib=item.gpu_memory, count=_gpuhunt_count(item),
            machine=item.instance_name, region=item.location, usd_per_hour=item.price,
            kind="spot" if item.spot else "on_demand",
        )
        for item in ledger.query(**asked) if item.gpu_count and item.gpu_name and item.price
    ]  # fmt: skip
    version = getattr(ledger, "__version__", "") or "gpuhunt"
    return _taken(offers, day, f"gpuhunt {version}", chosen)


def _gpuhunt_count(item: Any) -> float:
    """Accelerators of an offer; gpuhunt counts a TPU slice as one, its name says of how many cores."""
    tpu = tpu_of(str(item.gpu_name))
    return tpu[1] if tpu else float(item.gpu_count)


def from_files(place: Path, day: str | None, chosen: Mapping[str, str], catalog: Catalog) -> Taken:
    """A SkyPilot catalog (a folder with `<cloud>/vms.csv`, or one such file) or a CSV in the columns of ours.

    SkyPilot's files hold no date: `day`, else the day of the file. Raises InputError for what is neither.
    """
    files = [place] if place.is_file() else sorted(place.glob("*/vms.csv")) or sorted(place.glob("*.csv"))
    if not files:
        raise InputError(f"{place}: no price file there; name gpuhunt, a SkyPilot catalog folder, or a CSV file")
    parts = [_from_file(path, day, chosen, catalog) for path in files]
    left: dict[str, int] = {}
    for one in parts:
        for name, n in one.left_out.items():
            left[name] = left.get(name, 0) + n
    return Taken([q for one in parts for q in one.quotes], left)


def _from_file(path: Path, day: str | None, chosen: Mapping[str, str], catalog: Catalog) -> Taken:
    rows = csv.DictReader(io.StringIO(text_of(path)))
    if "AcceleratorName" not in (rows.fieldnames or ()):
        quotes = read_prices(path, catalog.data.names["accelerator"], None)
        return Taken([_own(q, path) for q in quotes], {})
    missing = [name for name in SKYPILOT_COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise InputError(f"{path}:1: no SkyPilot catalog, it lacks the column {missing[0]!r}")
    provider = path.parent.name if path.stem == "vms" else path.stem
    when = day or date.fromtimestamp(path.stat().st_mtime).isoformat()
    offers = [offer for number, row in enumerate(rows, start=2) for offer in _skypilot(provider, row, path, number)]
    return _taken(offers, when, f"SkyPilot catalog {provider}/vms.csv", chosen)


def _own(quote: PriceQuote, path: Path) -> PriceQuote:
    """A quote of a user's table, with its own source kept as the place where it was read."""
    place = "; ".join(filter(None, (quote.locator, quote.source if quote.source != SOURCE else "", path.name)))
    return msgspec.structs.replace(quote, source=SOURCE, locator=place)


def _skypilot(provider: str, row: Mapping[str, str], path: Path, number: int) -> Iterable[Offer]:
    """The on-demand and the spot offer of a line; none for machines without accelerators or without a price."""
    name = (row["AcceleratorName"] or "").strip()
    if not name:
        return
    tpu = tpu_of(name)
    prices = [_number(row[column], path, number, column) for column in ("Price", "SpotPrice")]
    count = tpu[1] if tpu else _number(row["AcceleratorCount"], path, number, "AcceleratorCount")
    for kind, usd in zip(("on_demand", "spot"), prices, strict=True):
        missing = not usd or (tpu is not None and usd == NO_PRICE) or (kind == "spot" and usd == prices[0])
        if not missing and count:
            assert usd is not None
            yield Offer(
                provider=provider, name=name, memory_gib=_skypilot_gib(name), count=count,
                machine=row["InstanceType"] or "", region=row["Region"] or "", usd_per_hour=usd, kind=kind,
            )  # fmt: skip


def _skypilot_gib(name: str) -> float | None:
    """SkyPilot's bare A100 and V100 are the small ones."""
    return {"A100": 40.0, "V100": 16.0}.get(name)


def _number(text: str | None, path: Path, number: int, column: str) -> float | None:
    if not (text or "").strip():
        return None
    try:
        return float(str(text))
    except ValueError:
        raise InputError(f"{path}:{number}: {column} {text!r} is no number") from None


def _taken(offers: Sequence[Offer], day: str, ledger: str, chosen: Mapping[str, str]) -> Taken:
    """One quote a provider, part and kind."""
    groups: dict[tuple[str, str, str], list[Offer]] = {}
    left: dict[str, int] = {}
    for offer in offers:
        tpu = tpu_of(offer.name)
        part = chosen.get(offer.name) or (tpu[0] if tpu else part_of(offer.name, offer.memory_gib, offer.machine))
        if part is None or offer.provider.lower() not in PROVIDERS:
            what = offer.name if part is None else f"provider {offer.provider}"
            left[what] = left.get(what, 0) + 1
        else:
            groups.setdefault((offer.provider.lower(), part, offer.kind), []).append(offer)
    return Taken([_quote(key, found, day, ledger) for key, found in sorted(groups.items())], left)


def _quote(key: tuple[str, str, str], offers: Sequence[Offer], day: str, ledger: str) -> PriceQuote:
    """The offer that stands for a provider: a marketplace's median, else its largest machine, cheapest in the US."""
    provider, group = PROVIDERS[key[0]]
    us = [offer for offer in offers if US.search(offer.region)]
    most = max(offer.count for offer in us or offers)
    largest = [offer for offer in us or offers if offer.count == most]
    best = min(largest, key=lambda offer: (offer.usd_per_hour, offer.region))
    usd = best.usd_per_hour / best.count
    basis = "list"
    if group == "marketplace":
        usd, basis = statistics.median(offer.usd_per_hour / offer.count for offer in us or offers), "offers"
    return PriceQuote(
        part=key[1], provider=provider, provider_class=group, kind=key[2], date=day,
        usd_per_accelerator_hour=round(usd, 6), region=f"us ({best.region})" if us else best.region,
        instance=best.machine, accelerators=best.count, basis=basis, status="primary", source=SOURCE, locator=ledger,
    )  # fmt: skip


def quotes_csv(quotes: Sequence[PriceQuote]) -> str:
    """The quotes in the columns of `catalogs/prices/quotes.csv`."""
    names = [name for name in PRICE_COLUMNS if name != "currency"]
    return csv_text(names, ([_written(getattr(quote, name)) for name in names] for quote in quotes))


def _written(cell: Any) -> Any:
    """Ten digits of a float, anything else as it is."""
    return f"{cell:.10g}" if isinstance(cell, float) else cell


def chosen_parts(settings: Mapping[str, str], catalog: Catalog) -> dict[str, str]:
    """`--as NAME=PART` with the parts as ids. InputError for an unknown one."""
    return {name: catalog.part(part).id for name, part in settings.items()}
