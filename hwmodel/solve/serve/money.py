"""What serving costs and draws: dollars, joules, and the demand at which an offer by the token costs as much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from hwmodel.catalog import Catalog
from hwmodel.economics import energy, fleet_usd_per_hour
from hwmodel.ops import Num, maximum
from hwmodel.solve.question.rates import rate_of
from hwmodel.solve.run.band import Band, value_of
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.records import ApiOffer, FleetRow, PaysFrom, ServingBill
from hwmodel.specs.economics import PriceSummary, given_price
from hwmodel.specs.hardware import Part, System
from hwmodel.units import SECONDS_PER_HOUR


class Spent(NamedTuple):
    """Accelerators of one part, and the price of an hour of one (None: nobody says)."""

    part: Part
    system: System
    price: PriceSummary | None
    accelerators: float

    @property
    def usd_per_hour(self) -> float:
        return float(fleet_usd_per_hour(self.accelerators, dollars(self.price)))

    @property
    def rent(self) -> Band | None:
        """Dollars an hour with the ends of the price; None where nobody says."""
        if self.price is None:
            return None
        ends = (self.price.low_usd_per_accelerator_hour, self.price.high_usd_per_accelerator_hour)
        return Band(self.usd_per_hour, *(float(fleet_usd_per_hour(self.accelerators, end)) for end in ends))


def price_of(question: ServingQuestion, part: str, catalog: Catalog) -> PriceSummary | None:
    """The price given for a part, or the catalog's; None where nobody says."""
    stated = rate_of(question.prices, part, catalog)
    if stated is not None:
        return given_price(part, stated)
    found: PriceSummary | None = catalog.price_summary(
        part, question.price_kind, file=question.price_file, region=question.region
    )
    return found


def dollars(price: PriceSummary | None) -> float:
    """Dollars an accelerator-hour; not a number where nobody says."""
    return price.median_usd_per_accelerator_hour if price else math.nan


def share_of(one: Spent, every: Sequence[Spent]) -> float:
    """What one pool costs of all: in dollars, or in accelerators where a price is missing."""
    total = sum(s.usd_per_hour for s in every)
    if math.isnan(total):
        return one.accelerators / sum(s.accelerators for s in every)
    return one.usd_per_hour / total


def usd_per_million(usd_per_hour: Num, share: Num, tokens_per_s: Num) -> Num:
    """Dollars a million tokens of which a `share` of the fleet's hour pays."""
    return usd_per_hour * share / (tokens_per_s * SECONDS_PER_HOUR) * 1e6


def token_rate(requests_per_s: Num, tokens: Num) -> Num:
    """Tokens a second of requests of so many tokens each."""
    return requests_per_s * tokens


def joules_per_token(watts: Num, share: Num, tokens_per_s: Num) -> Num:
    """Energy of a token that takes a `share` of the fleet's time."""
    return watts * share / tokens_per_s


def computed_prompts(requests_per_s: Num, prompt_tokens: Num, hit_rate: Num) -> Num:
    """Prompt tokens a second that no cache holds."""
    return token_rate(requests_per_s, prompt_tokens) * maximum(1.0 - hit_rate, 1e-9)


def money(
    question: ServingQuestion, spent: Sequence[Spent], share: float, requests_per_s: float, catalog: Catalog
) -> ServingBill:
    """Dollars and joules of serving `requests_per_s`, a `share` of them for prompts, the rest for output."""
    hourly = _together([s.rent for s in spent])
    drawn = [energy(s.accelerators, s.part, s.system, catalog.energy(system=s.system)) for s in spent]
    watts = sum(float(d.total_j) for d in drawn) / SECONDS_PER_HOUR
    asked = float(token_rate(requests_per_s, question.prompt_tokens))
    prompts = float(computed_prompts(requests_per_s, question.prompt_tokens, question.hit_rate))
    outputs = float(token_rate(requests_per_s, question.output_tokens))
    count = sum(s.accelerators for s in spent)
    prices = [s.price for s in spent if s.price is not None]
    dates = dict.fromkeys(date for price in prices for date in (price.first_date, price.last_date))

    def per_million(part_of: float, tokens_per_s: float) -> Band | None:
        return None if hourly is None else hourly.scaled(float(usd_per_million(1.0, part_of, tokens_per_s)))

    return ServingBill(
        usd_per_hour=hourly,
        usd_per_million_tokens=per_million(1.0, asked + outputs),
        usd_per_million_input=per_million(share, prompts),
        usd_per_million_cached_input=None,
        usd_per_million_output=per_million(1.0 - share, outputs),
        usd_per_accelerator_hour=None if hourly is None else hourly.scaled(1.0 / count),
        price_dates=" to ".join(dates) if prices else None,
        price_kind=prices[0].kind if prices else None,
        watts=watts,
        joules_per_output_token=float(joules_per_token(watts, 1.0 - share, outputs)),
        joules_per_input_token=float(joules_per_token(watts, share, prompts)),
    )


def _together(rents: Sequence[Band | None]) -> Band | None:
    """The sum of rents, low where all are: the parts stand in one market. None where one of them has no price."""
    known = [rent for rent in rents if rent is not None]
    if len(known) < len(rents):
        return None
    return Band(*(sum(getattr(rent, end) for rent in known) for end in ("value", "low", "high")))


def break_even(question: ServingQuestion, r: FleetRow) -> ApiOffer | None:
    """The demand from which a fleet in the answer's proportions costs less than an offer by the token: its requests a
    second, and what the offer asks for the demand of the question. None without an offer or a price.

    Below it the spares and the last replica cost more than the offer; `requests_per_s` is None where the offer is
    cheaper than a full fleet, whatever the demand. Its ends are those of the fleet's dollars a token.
    """
    if question.api_price is None or r.usd_per_hour is None or r.usd_per_million_tokens is None:
        return None
    prompt_usd, output_usd = (p / 1e6 for p in question.api_price)
    request_usd = question.prompt_tokens * prompt_usd + question.output_tokens * output_usd
    each, found = r.usd_per_million_tokens, None
    value, low, high = (
        _paid_off(question, r, request_usd, usd / each.value) for usd in (each.value, each.low, each.high)
    )
    if value is not None and low is not None:  # what pays at the middle pays cheaper
        found = PaysFrom(value=value, low=low, high=high)
    tokens = question.prompt_tokens + question.output_tokens
    return ApiOffer(
        requests_per_s=found,
        tokens_per_day=None if found is None else found.scaled(24.0 * SECONDS_PER_HOUR * tokens),
        api_usd_per_hour=question.rate * SECONDS_PER_HOUR * request_usd,
        api_usd_per_million_tokens=1e6 * request_usd / tokens,
    )


def _paid_off(question: ServingQuestion, r: FleetRow, request_usd: float, dearer: float) -> float | None:
    """Requests a second from which a fleet `dearer` than the row by a factor costs less than an offer; None: never."""
    carried = (r.replicas - r.spare_replicas) * value_of(r.requests_per_s_per_replica) / question.peak_to_mean
    one_replica = value_of(r.usd_per_hour) * dearer / r.replicas
    for replicas in range(1 + r.spare_replicas, 100_000):
        needed = replicas * one_replica / (SECONDS_PER_HOUR * request_usd)
        if needed <= (replicas - r.spare_replicas) * carried / (r.replicas - r.spare_replicas):
            return needed
    return None
