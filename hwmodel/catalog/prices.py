"""What an accelerator-hour costs: dated quotes aggregated by one stated rule.

Rule. A quote counts when it is confirmed and no cheapest offer of a market, no serverless price and no median of
regions. Of the part and kind asked, neoclouds come first, then hyperscalers, then marketplaces; classes are never
mixed, the medians of the others stand beside. Each provider counts once, with its newest quote of the 90 days before
the newest of its class. Five providers and more give the median with the 10th and 90th percentile; fewer give every
quote and no percentile; one gives its list price. A kind that nobody of the class publishes is the on-demand price
times the ratio of the two kinds at one provider. What is unusual stands in `flag`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date

import msgspec

from hwmodel.specs.economics import ClassMedian, PriceQuote, PriceSummary

WINDOW_DAYS = 90
ENOUGH = 5
DEFAULT_KIND = "on_demand"
CLASSES = ("neocloud", "hyperscaler", "marketplace")
# Hyperscalers sell what nobody else does: a block of days, paid ahead (Amazon EC2 Capacity Blocks).
SOLD_ONLY_BY = {"capacity_block": "hyperscaler"}
RATIO_KINDS = ("spot", "reserved_1y", "reserved_3y")
UNCOUNTED = ("minimum", "serverless", "regions_median")
LOWER, UPPER = 0.1, 0.9


def day(text: str) -> date:
    """The date that a quote of year, month or day precision stands for: the middle of what it could mean."""
    parts = [int(p) for p in text.split("-")]
    if len(parts) == 1:
        return date(parts[0], 7, 1)
    return date(parts[0], parts[1], 15) if len(parts) == 2 else date(parts[0], parts[1], parts[2])


def percentile(values: Sequence[float], fraction: float) -> float:
    """Linear between the order statistics of a sorted, non-empty sequence."""
    place = fraction * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def hourly(quote: PriceQuote) -> float:
    """Dollars an accelerator-hour of a quote that states them."""
    assert quote.usd_per_accelerator_hour is not None
    return quote.usd_per_accelerator_hour


def counts(quote: PriceQuote) -> bool:
    """Whether a quote may enter a median: an hourly price, confirmed, of an offer that can be taken at scale."""
    stated = quote.usd_per_accelerator_hour is not None
    return stated and quote.status != "unconfirmed" and quote.basis not in UNCOUNTED


def newest_of_each(quotes: Iterable[PriceQuote]) -> list[PriceQuote]:
    """One quote a provider, its newest (of several on that day the cheapest), within the window; cheapest first."""
    best: dict[str, PriceQuote] = {}
    for q in quotes:
        held = best.get(q.provider)
        if held is None or (day(q.date), -hourly(q)) > (day(held.date), -hourly(held)):
            best[q.provider] = q
    newest = max((day(q.date) for q in best.values()), default=date.min)
    recent = [q for q in best.values() if (newest - day(q.date)).days <= WINDOW_DAYS]
    return sorted(recent, key=lambda q: (hourly(q), q.provider))


def _of_class(quotes: Iterable[PriceQuote], kind: str, name: str) -> list[PriceQuote]:
    return newest_of_each(q for q in quotes if counts(q) and q.kind == kind and q.provider_class == name)


def published(
    part: str, quotes: Sequence[PriceQuote], kind: str = DEFAULT_KIND, provider_class: str = "", as_of: str = ""
) -> PriceSummary | None:
    """The quotes of one kind of a part in the first class that has any (or in the class named); None without one.

    `as_of` dates the set of quotes: what is older by more than the window is flagged, with its age.
    """
    own = [q for q in quotes if q.part == part]
    found = {name: chosen for name in CLASSES if (chosen := _of_class(own, kind, name))}
    name = provider_class or next(iter(found), "")
    if name not in found:
        return None
    others = tuple(_class_median(other, chosen) for other, chosen in found.items() if other != name)
    return _summary(part, kind, name, found[name], others, own, as_of)


def own_summary(part: str, quotes: Sequence[PriceQuote], kind: str) -> PriceSummary | None:
    """The quotes of a user's own file: one kind of a part, whatever their class."""
    chosen = newest_of_each(q for q in quotes if q.part == part and q.kind == kind and q.usd_per_accelerator_hour)
    return _summary(part, kind, "", chosen, (), quotes, "") if chosen else None


def _class_median(name: str, chosen: Sequence[PriceQuote]) -> ClassMedian:
    return ClassMedian(
        provider_class=name,
        median_usd_per_accelerator_hour=percentile([hourly(q) for q in chosen], 0.5),
        n_quotes=len(chosen),
    )


def _summary(
    part: str,
    kind: str,
    name: str,
    chosen: Sequence[PriceQuote],
    others: tuple[ClassMedian, ...],
    every: Sequence[PriceQuote],
    as_of: str,
) -> PriceSummary:
    values = [hourly(q) for q in chosen]
    low, high = (LOWER, UPPER) if len(values) >= ENOUGH else (0.0, 1.0)
    dates = sorted((q.date for q in chosen), key=day)
    age = (day(as_of) - day(dates[-1])).days if as_of else 0
    how = "market" if len(values) >= ENOUGH else "few_sellers" if len(values) > 1 else "one_seller"
    return PriceSummary(
        part=part,
        kind=kind,
        median_usd_per_accelerator_hour=percentile(values, 0.5),
        low_usd_per_accelerator_hour=percentile(values, low),
        high_usd_per_accelerator_hour=percentile(values, high),
        n_quotes=len(values),
        first_date=dates[0],
        last_date=dates[-1],
        providers=tuple(sorted(q.provider for q in chosen)),
        provider_class=name,
        how=how,
        quotes=tuple(chosen) if how != "market" else (),
        other_classes=others,
        age_days=max(age, 0),
        flag="; ".join(filter(None, (_scarce(name, chosen, every) if how != "market" else "", _aged(dates, age)))),
    )


def _scarce(name: str, chosen: Sequence[PriceQuote], every: Sequence[PriceQuote]) -> str:
    """Every quote where there are too few for a percentile."""
    who = name or "provider"
    listed = ", ".join(f"{q.provider} {hourly(q):.4g} ({_where(q)}{q.date})" for q in chosen)
    if len(chosen) > 1:
        return f"{len(chosen)} {who}s quote it, too few for a percentile: {listed}"
    return f"one {who} quotes it, at list: {listed}{_elsewhere(chosen[0], every)}"


def _where(quote: PriceQuote) -> str:
    """The place of a quote, where it was read for one."""
    place = quote.region.partition("(")[2].rstrip(")") or quote.region
    return "" if place in ("", "all") else f"{place}, "


def _elsewhere(one: PriceQuote, every: Sequence[PriceQuote]) -> str:
    """What the same provider asks over its regions, where that was read too."""
    found = [q for q in every if (q.provider, q.kind, q.basis) == (one.provider, one.kind, "regions_median")]
    told = [f"{q.region} {hourly(q):.4g}" for q in found if q.usd_per_accelerator_hour and q.status != "unconfirmed"]
    return f", {told[0]}" if told else ""


def _aged(dates: Sequence[str], age_days: int) -> str:
    if age_days <= WINDOW_DAYS:
        return ""
    return f"the newest is of {dates[-1]}, {age_days} days older than the newest quote of the catalog"


class Ratio(msgspec.Struct, frozen=True):
    """What a kind costs beside on demand at the same provider: median, 10th and 90th percentile, pairs."""

    median: float
    low: float
    high: float
    pairs: int


def ratio_to_on_demand(quotes: Sequence[PriceQuote], kind: str) -> Ratio | None:
    """Ratio of each part's and provider's newest quote of a kind to its on-demand quote that is nearest in time."""
    base: dict[tuple[str, str], list[PriceQuote]] = {}
    asked: dict[tuple[str, str], PriceQuote] = {}
    for q in filter(counts, quotes):
        key = (q.part, q.provider)
        if q.kind == DEFAULT_KIND:
            base.setdefault(key, []).append(q)
        elif q.kind == kind and (key not in asked or day(q.date) > day(asked[key].date)):
            asked[key] = q
    found = sorted(hourly(q) / hourly(_nearest(q, base[key])) for key, q in asked.items() if key in base)
    if not found:
        return None
    return Ratio(percentile(found, 0.5), percentile(found, LOWER), percentile(found, UPPER), len(found))


def _nearest(quote: PriceQuote, others: Sequence[PriceQuote]) -> PriceQuote:
    return min(others, key=lambda other: abs((day(other.date) - day(quote.date)).days))


def by_ratio(base: PriceSummary, kind: str, ratio: Ratio) -> PriceSummary:
    """A kind that nobody of the class publishes: the on-demand price times the ratio, their ranges joined."""

    def end(of_base: float, of_ratio: float) -> float:
        """Distance of an end from the middle in logs: those of price and ratio, as independent."""
        price = math.log(of_base / base.median_usd_per_accelerator_hour)
        return math.hypot(price, math.log(of_ratio / ratio.median))

    middle = base.median_usd_per_accelerator_hour * ratio.median
    said = (
        f"no {base.provider_class or 'own'} quote of {kind}: {ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f}, "
        f"{ratio.pairs} pairs of one provider's prices) of its on-demand price"
    )
    return msgspec.structs.replace(
        base,
        kind=kind,
        median_usd_per_accelerator_hour=middle,
        low_usd_per_accelerator_hour=middle * math.exp(-end(base.low_usd_per_accelerator_hour, ratio.low)),
        high_usd_per_accelerator_hour=middle * math.exp(end(base.high_usd_per_accelerator_hour, ratio.high)),
        how="ratio",
        flag="; ".join(filter(None, (said, base.flag))),
    )


def newest_date(quotes: Iterable[PriceQuote]) -> str:
    """The date of a set of quotes: that of its newest hourly one; empty for none."""
    return max((q.date for q in quotes if q.usd_per_accelerator_hour), key=day, default="")


def price_of(
    part: str,
    own: Sequence[PriceQuote],
    every: Sequence[PriceQuote],
    as_of: str,
    kind: str | None = None,
    provider_class: str = "",
) -> PriceSummary | None:
    """The price of a part by the rule of this module; None where nobody rents it.

    `own` are its quotes, `every` those of all parts (for ratios), `as_of` their newest date. Without `kind` the price
    is on demand, or the capacity block where no on-demand price exists.
    """
    base = published(part, own, DEFAULT_KIND, provider_class, as_of)
    if kind is None:
        return base or _block(part, own, provider_class, as_of)
    if kind == DEFAULT_KIND:
        return base
    name = provider_class or SOLD_ONLY_BY.get(kind) or (base.provider_class if base else "")
    found = published(part, own, kind, name, as_of)
    if found is not None or base is None or kind not in RATIO_KINDS:
        return found
    ratio = ratio_to_on_demand(every, kind)
    if ratio is None or name != base.provider_class:
        return published(part, own, kind, "", as_of)
    others = published(part, own, kind, "", as_of)
    beside = () if others is None else (_as_class(others), *others.other_classes)
    return msgspec.structs.replace(by_ratio(base, kind, ratio), other_classes=beside)


def _as_class(s: PriceSummary) -> ClassMedian:
    return ClassMedian(
        provider_class=s.provider_class,
        median_usd_per_accelerator_hour=s.median_usd_per_accelerator_hour,
        n_quotes=s.n_quotes,
    )


def _block(part: str, own: Sequence[PriceQuote], provider_class: str, as_of: str) -> PriceSummary | None:
    """The capacity block of a part that nobody sells on demand."""
    found = published(part, own, "capacity_block", provider_class, as_of)
    if found is None:
        return None
    said = "no on-demand price exists: a capacity block, days booked and paid ahead"
    return msgspec.structs.replace(found, flag="; ".join(filter(None, (said, found.flag))))
