"""What an accelerator-hour costs: dated quotes aggregated by one stated rule.

Rule: quotes of the part and kind asked (default: on-demand, from neoclouds), of the 90 days before the newest such
quote. With fewer than five, the window widens to one and two years, then over all classes of provider in the same
steps, then to all dates; the summary says so in `flag`. One provider counts once for a date: its median. The summary is
the median with the 10th and 90th percentile.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from hwmodel.specs.economics import PriceQuote, PriceSummary

WINDOWS_DAYS = (90, 365, 730)
ENOUGH = 5
DEFAULT_KIND = "on_demand"
DEFAULT_CLASS = "neocloud"


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


def _recent(quotes: Sequence[PriceQuote], days: int) -> list[PriceQuote]:
    newest = max(day(q.date) for q in quotes)
    return [q for q in quotes if (newest - day(q.date)).days <= days]


def _one_a_provider(quotes: Sequence[PriceQuote]) -> list[float]:
    grouped: dict[tuple[str, str], list[float]] = {}
    for q in quotes:
        grouped.setdefault((q.provider, q.date), []).append(q.usd_per_accelerator_hour or 0.0)
    return sorted(percentile(sorted(v), 0.5) for v in grouped.values())


def _windows(quotes: Sequence[PriceQuote], kind: str, provider_class: str) -> list[tuple[list[PriceQuote], str]]:
    """Candidate selections, the strictest first, each with the flag it carries."""
    of_kind = [q for q in quotes if q.kind == kind]
    chosen = [q for q in of_kind if not provider_class or q.provider_class == provider_class]
    out: list[tuple[list[PriceQuote], str]] = []
    name = provider_class or "usable"
    for found, who, note in ((chosen, name, ""), (of_kind, "usable", f"too few {name} quotes, every provider taken; ")):
        if not found:
            continue
        for days in WINDOWS_DAYS:
            flag = f"fewer than {ENOUGH} {who} quotes in {WINDOWS_DAYS[0]} days, window widened to {days}"
            widened = days > WINDOWS_DAYS[0]
            out.append((_recent(found, days), (note + (flag if widened else "")).strip("; ")))
        if not provider_class:
            break
    if of_kind:
        out.append((of_kind, f"fewer than {ENOUGH} quotes in {WINDOWS_DAYS[-1]} days: every provider and date taken"))
    return out


def summarise(
    part: str, quotes: Sequence[PriceQuote], kind: str = DEFAULT_KIND, provider_class: str = DEFAULT_CLASS
) -> PriceSummary | None:
    """The summary of one part's quotes by the rule of this module, or None when nothing of that kind is known."""
    hourly = [q for q in quotes if q.part == part and q.usd_per_accelerator_hour]
    windows = _windows(hourly, kind, provider_class)
    if not windows:
        return None
    chosen, flag = next(((w, f) for w, f in windows if len(_one_a_provider(w)) >= ENOUGH), windows[-1])
    values = _one_a_provider(chosen)
    if len(values) < ENOUGH:
        flag = f"only {len(values)} quote{'s' if len(values) > 1 else ''} of any date: a guide, not a market"
    dates = sorted(q.date for q in chosen)
    return PriceSummary(
        part=part,
        kind=kind,
        median_usd_per_accelerator_hour=percentile(values, 0.5),
        low_usd_per_accelerator_hour=percentile(values, 0.1),
        high_usd_per_accelerator_hour=percentile(values, 0.9),
        n_quotes=len(values),
        first_date=dates[0],
        last_date=dates[-1],
        providers=tuple(sorted({q.provider for q in chosen})),
        flag=flag,
    )
