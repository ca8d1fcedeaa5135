"""Where the dollars, the energy and the lost time of a plan go; renting beside owning."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from hwmodel.economics import (
    at_rate,
    energy,
    goodput,
    grid_kg,
    mwh,
    owned_usd_per_accelerator_hour,
    paper_convention_kwh,
    power,
    rent,
    tonnes,
)
from hwmodel.solve.plan.ways import ways
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.answers import kwh_per_accelerator_hour, six_nd_share
from hwmodel.solve.run.power import rated_site_w
from hwmodel.solve.run.records import Bought, EnergyUse, Failures, Money, Quote, Rented, Share, YearPrice
from hwmodel.solve.run.result import value_of
from hwmodel.specs import PriceQuote, PriceSummary

if TYPE_CHECKING:
    from hwmodel.solve.run.solved import Solved


def money(setting: Fleeted, solved: Solved) -> Money:
    """Rent with its quotes, the same hours owned, energy by where it is drawn, carbon, and failures."""
    hours = value_of(solved.answer.gpu_hours)
    owned = _owned(setting, hours)
    bought = None if owned is None else owned.purchase_usd_per_accelerator
    return Money(
        price=_rented(setting, hours),
        owned=owned,
        ways=ways(setting, solved, hours, bought),
        energy=_energy(setting, solved, hours),
        goodput=_failures(setting, solved, hours),
    )


def _rented(setting: Fleeted, hours: float) -> Rented | None:
    price = setting.price
    if price is None:
        return None
    return Rented(
        kind=price.kind,
        median_usd_per_accelerator_hour=price.median_usd_per_accelerator_hour,
        low_usd_per_accelerator_hour=price.low_usd_per_accelerator_hour,
        high_usd_per_accelerator_hour=price.high_usd_per_accelerator_hour,
        n_quotes=price.n_quotes,
        first_date=price.first_date,
        last_date=price.last_date,
        providers=list(price.providers),
        provider_class=price.provider_class,
        how=price.how,
        quotes=[_quote(q) for q in price.quotes],
        other_classes=price.other_classes,
        one_year=_one_year(setting, price),
        flag=price.flag,
        place=price.place,
        rent_usd=float(rent(hours, price).median_usd),
    )


def _quote(quote: PriceQuote) -> Quote:
    assert quote.usd_per_accelerator_hour is not None  # purchases enter no summary of rents
    return Quote(
        provider=quote.provider, usd_per_accelerator_hour=quote.usd_per_accelerator_hour, date=quote.date,
        region=quote.region, instance=quote.instance,
    )  # fmt: skip


def _one_year(setting: Fleeted, price: PriceSummary) -> YearPrice | None:
    """The same part committed for a year, beside its on-demand price; None where that is not what was asked."""
    if price.kind != "on_demand" or setting.request.prices is not None:
        return None
    found = setting.catalog.price_summary(
        price.part, "reserved_1y", price.provider_class, region=setting.request.region
    )
    if found is None:
        return None
    return YearPrice(
        median_usd_per_accelerator_hour=found.median_usd_per_accelerator_hour,
        low_usd_per_accelerator_hour=found.low_usd_per_accelerator_hour,
        high_usd_per_accelerator_hour=found.high_usd_per_accelerator_hour,
        how=found.how,
        providers=list(found.providers) if found.how != "ratio" else [],
        last_date=found.last_date,
        flag=found.flag,
    )


def newest_purchases(setting: Fleeted) -> list[PriceQuote]:
    """Purchases of the part: of several years the newest year's, for a part loses a third of its price in one."""
    quotes = setting.catalog.purchases(setting.part.id, setting.request.prices)
    return [q for q in quotes if q.date[:4] == max(one.date[:4] for one in quotes)]


def purchase_usd(setting: Fleeted) -> float | None:
    """Median price of the part bought [USD]; None where no purchase is known."""
    quotes = newest_purchases(setting)
    return statistics.median(float(q.usd_purchase or 0.0) for q in quotes) if quotes else None


def _owned(setting: Fleeted, hours: float) -> Bought | None:
    """The same hours on accelerators bought at the median quote; None where no purchase is known."""
    quotes = newest_purchases(setting)
    if not quotes:
        return None
    purchase = statistics.median(float(q.usd_purchase or 0.0) for q in quotes)
    power_usd = kwh_per_accelerator_hour(setting) * setting.energy.usd_per_kwh
    hourly = float(owned_usd_per_accelerator_hour(purchase, power_usd))
    return Bought(
        purchase_usd_per_accelerator=purchase,
        n_quotes=len(quotes),
        first_date=min(q.date for q in quotes),
        last_date=max(q.date for q in quotes),
        usd_per_accelerator_hour=hourly,
        owned_usd=hourly * hours,
    )


def _energy(setting: Fleeted, solved: Solved, hours: float) -> EnergyUse:
    """Where the energy goes, its carbon by grid and by contract, water, and what papers would print of the run."""
    facts, answer = setting.energy, solved.answer
    mfu = six_nd_share(solved.fleet, answer.train_flop / value_of(answer.tokens), value_of(answer.tokens_per_s))
    used = energy(hours, setting.part, setting.system, facts, mfu)
    drawn = power(setting.part, setting.system, facts, mfu)
    rated = setting.part.tdp_w
    printed = None if not rated else float(paper_convention_kwh(hours, rated, facts.pue))
    printed_kg = None if printed is None else float(grid_kg(printed, facts.grid_kg_co2e_per_kwh))
    return EnergyUse(
        rated_site_w=float(solved.fleet.accelerators) * rated_site_w(setting.part, setting.system, facts),
        chip_mwh=float(mwh(used.chip_j)),
        server_mwh=float(mwh(used.server_j)),
        facility_mwh=float(mwh(used.facility_j)),
        it_w_per_accelerator=float(drawn.chip_w + drawn.server_w),
        chip_w=float(drawn.chip_w),
        pue=facts.pue,
        grid_region=facts.grid_region,
        grid_kg_co2e_per_kwh=facts.grid_kg_co2e_per_kwh,
        grid_t_co2e=float(tonnes(used.grid_kg_co2e)),
        market_t_co2e=None if used.market_kg_co2e is None else float(tonnes(used.market_kg_co2e)),
        embodied_t_co2e=float(tonnes(used.embodied_kg_co2e)),
        water_m3=None if used.water_l is None else float(used.water_l) / 1e3,
        paper_convention_mwh=None if printed is None else printed / 1e3,
        paper_convention_t_co2e=None if printed_kg is None else float(tonnes(printed_kg)),
    )


def _failures(setting: Fleeted, solved: Solved, hours: float) -> Failures:
    """How often the job stops and what that costs, with the ends of the 80 % interval of the rate."""
    facts, accelerators, params = setting.reliability, float(solved.used), solved.sized.n
    lost, often, rarely = (goodput(accelerators, params, at_rate(facts, z)) for z in (0.0, 1.0, -1.0))
    return Failures(
        fleet=facts.fleet,
        goodput=Share(value=float(lost.goodput), low=float(often.goodput), high=float(rarely.goodput)),
        mtbf_s=float(lost.mtbf_s),
        mtbf_low_s=float(often.mtbf_s),
        mtbf_high_s=float(rarely.mtbf_s),
        checkpoint_interval_s=float(lost.checkpoint_interval_s),
        checkpoint_write_s=float(lost.checkpoint_write_s),
        checkpoint_bytes=float(lost.checkpoint_bytes),
        restart_s=float(lost.restart_s),
        interruptions_expected=hours / solved.fleet.accelerators * 3600.0 / float(lost.mtbf_s),
        software_mtbf_s=3600.0 / software if (software := facts.software_interruptions_per_hour) else None,
        software_team=facts.team,
        software_year=facts.year,
    )
