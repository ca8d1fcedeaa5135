"""What the hours, the money, the energy and the failures of a run follow from."""

from __future__ import annotations

from collections.abc import Mapping

from hwmodel.economics import (
    Z80,
    EnergyTerms,
    at_meter,
    elapsed_over_productive,
    embodied_kg,
    energy_j,
    facility,
    goodput,
    grid_kg,
    mwh,
    quantile_z,
    rent,
    tonnes,
    whole_run_log_factor,
    whole_run_log_spread,
)
from hwmodel.ops import Num, exp, log
from hwmodel.report.explain.answered import Answered
from hwmodel.report.explain.rule import Fact, Rule, by
from hwmodel.report.explain.symbols import held
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.billing import billed_hours_of
from hwmodel.solve.run.result import Band
from hwmodel.specs.economics import PriceSummary, ReliabilityFacts, WholeRunConstants

KWH_PER_MWH = 1e3
GOODPUT = ("goodput", "mtbf_s", "checkpoint_interval_s", "checkpoint_write_s", "checkpoint_bytes", "restart_s")


def confidence(found: Answered) -> float:
    stated = found.value("request.confidence")
    return 0.5 if stated is None else float(stated)


def median_elapsed(place: str) -> Rule:
    """Days on the calendar, doubts at their medians: productive days over goodput, times the factor of whole runs."""

    def run(train_days: Num, whole_run_factor: Num, goodput: Num) -> Num:
        return train_days * elapsed_over_productive(goodput, log(whole_run_factor), 0.0, 0.0)

    names = ("train_days", "whole_run_factor", "goodput")
    return by(elapsed_over_productive, run, **{name: f"{place}.{name}" for name in names})


def at_confidence(found: Answered, place: str, name: str, share: float) -> Rule:
    """A quantile between P50 and P90, or below: each side is a half of a log-normal."""
    z = quantile_z(share)
    if z >= 0:
        inputs = {"median": f"{place}.quantiles.p50.{name}", "p90": f"{place}.quantiles.p90.{name}"}
        return by(Band.at, lambda median, p90: Band(median, median, p90).at(z).value, **inputs)
    inputs = {"median": f"{place}.quantiles.p50.{name}", "p10": f"{place}.{name}.low"}
    band = found.numbers[f"{place}.{name}"]
    p10 = Fact(value=band["low"] if isinstance(band, Mapping) else band, source="the low end of the 80 % interval")
    return by(Band.at, lambda median, p10: Band(median, p10, median).at(z).value, **(inputs | {"p10": p10}))


def gpu_hours_rule(_: Answered, place: str) -> Rule:
    return by(billed_hours_of, elapsed_days=f"{place}.elapsed_days", accelerators=f"{place}.accelerators")


def cost_rule(found: Answered, place: str) -> Rule | None:
    """Rent: hours at their price with doubts at their medians, else a quantile; none without a price."""
    if found.fleeted is None or found.fleeted.price is None:
        return None
    if confidence(found) != 0.5:
        return at_confidence(found, place, "cost_usd", confidence(found))
    return rent_rule(f"{place}.gpu_hours")


def rent_rule(hours: str, price: str = "money.price.median_usd_per_accelerator_hour") -> Rule:
    def run(gpu_hours: Num, usd_per_accelerator_hour: Num) -> Num:
        return rent(gpu_hours, _price_of(usd_per_accelerator_hour)).median_usd

    return by(rent, run, gpu_hours=hours, usd_per_accelerator_hour=price)


def _price_of(usd: Num) -> PriceSummary:
    return held(
        PriceSummary,
        part="", kind="given", median_usd_per_accelerator_hour=usd, low_usd_per_accelerator_hour=usd,
        high_usd_per_accelerator_hour=usd, n_quotes=1, first_date="", last_date="", how="given",
    )  # fmt: skip


def quantile_rule(found: Answered, base: str, quantile: str, name: str) -> Rule | None:
    """P50 by the formula of the answer, P90 from the doubts of rate, run and price, P80 between them."""
    here = f"{base}.quantiles.{quantile}"
    if name == "gpu_hours":
        return by(billed_hours_of, elapsed_days=f"{here}.elapsed_days", accelerators=f"{base}.accelerators")
    if quantile == "p80":
        return at_confidence(found, base, name, 0.8)
    if name == "elapsed_days":
        return median_elapsed(base) if quantile == "p50" else _p90_days(found, base)
    if found.fleeted is None or found.fleeted.price is None:
        return None
    return rent_rule(f"{here}.gpu_hours") if quantile == "p50" else _p90_cost(found, found.fleeted, base)


def _p90_days(found: Answered, base: str) -> Rule | None:
    """Doubts of the rate and of whole runs, in quadrature."""
    band, fleet, flop = found.numbers.get(f"{base}.train_days"), found.fleeted, found.value(f"{base}.train_flop")
    if fleet is None or not isinstance(band, dict) or flop is None:
        return None
    spread = Z80 * float(whole_run_log_spread(flop, fleet.whole_run))
    rate = float(log(band["high"] / band["value"]))

    def run(median_days: Num, rate_log_half_width: Num, whole_run_log_half_width: Num) -> Num:
        days = Band.around(median_days, rate_log_half_width)
        return days.times(Band.around(1.0, whole_run_log_half_width)).high

    return by(
        Band.times, run, median_days=f"{base}.quantiles.p50.elapsed_days",
        rate_log_half_width=Fact(value=rate, source="the 80 % interval of train_days, upper side"),
        whole_run_log_half_width=Fact(value=spread, source=fleet.whole_run.fitted_on or "whole_runs.yaml"),
    )  # fmt: skip


def _p90_cost(found: Answered, fleet: Fleeted, base: str) -> Rule | None:
    days = [found.value(f"{base}.quantiles.{q}.elapsed_days") for q in ("p50", "p90")]
    if fleet.price is None or days[0] is None or days[1] is None:
        return None
    one = rent(1.0, fleet.price, days[0] * 86400.0)
    spread = float(log(one.high_usd / one.median_usd))
    hours = float(log(days[1] / days[0]))

    def run(median_usd: Num, hours_log_half_width: Num, price_log_half_width: Num) -> Num:
        return Band.around(median_usd, hours_log_half_width).times(Band.around(1.0, price_log_half_width)).high

    return by(
        Band.times, run, median_usd=f"{base}.quantiles.p50.cost_usd",
        hours_log_half_width=Fact(value=hours, source="P90 over P50 of the hours"),
        price_log_half_width=Fact(value=spread, source="quotes of the price and drift since they were read"),
    )  # fmt: skip


def energy_rule(_: Answered, place: str) -> Rule | None:
    """Of the answer alone: the power of the others is not kept."""
    if place != "answer":
        return None

    def run(gpu_hours: Num, it_w_per_accelerator: Num, pue: Num) -> Num:
        return at_meter(mwh(energy_j(gpu_hours, it_w_per_accelerator)), pue)

    return by(
        at_meter, run, gpu_hours=f"{place}.gpu_hours", it_w_per_accelerator="money.energy.it_w_per_accelerator",
        pue="money.energy.pue",
    )  # fmt: skip


def carbon_rule(found: Answered, place: str) -> Rule | None:
    """Carbon of the answer itself: energy at the grid's intensity, and what making the hardware cost."""
    fleet = found.fleeted
    if place != "answer" or fleet is None:
        return None

    def run(
        energy_mwh: Num, grid_kg_co2e_per_kwh: Num, gpu_hours: Num, embodied_kg_co2e_per_accelerator_hour: Num
    ) -> Num:
        """Tonnes of carbon of this energy, and of the hardware for these hours."""
        grid = grid_kg(KWH_PER_MWH * energy_mwh, grid_kg_co2e_per_kwh)
        making = embodied_kg(gpu_hours, embodied_kg_co2e_per_accelerator_hour)
        terms = EnergyTerms(chip_j=0.0, server_j=0.0, facility_j=0.0, grid_kg_co2e=grid, embodied_kg_co2e=making)
        return tonnes(terms.kg_co2e)

    return by(
        EnergyTerms, run, energy_mwh=f"{place}.energy_mwh", grid_kg_co2e_per_kwh="money.energy.grid_kg_co2e_per_kwh",
        gpu_hours=f"{place}.gpu_hours", embodied_kg_co2e_per_accelerator_hour=_making(fleet),
    )  # fmt: skip


def _making(fleet: Fleeted) -> Fact:
    value = fleet.energy.embodied_kg_co2e_per_accelerator_hour
    return Fact(value=value, source="catalogs/energy: embodied carbon")


def embodied_rule(found: Answered) -> Rule | None:
    """Carbon of making the hardware, of the hours of the answer."""

    def run(gpu_hours: Num, embodied_kg_co2e_per_accelerator_hour: Num) -> Num:
        return tonnes(embodied_kg(gpu_hours, embodied_kg_co2e_per_accelerator_hour))

    if found.fleeted is None:
        return None
    making = _making(found.fleeted)
    return by(embodied_kg, run, gpu_hours="answer.gpu_hours", embodied_kg_co2e_per_accelerator_hour=making)


def goodput_rule(found: Answered, place: str, name: str = "goodput") -> Rule | None:
    """The share of productive time, or one of the terms that it is made of."""
    fleet, total = found.fleeted, found.value(f"{place}.accelerators")
    if fleet is None or total is None:
        return None
    facts = fleet.reliability
    kept = ("interruptions_per_accelerator_hour", "software_interruptions_per_hour",
            "checkpoint_bytes_per_param", "storage_bytes_per_s_per_accelerator")  # fmt: skip
    source = f"catalogs/reliability: {facts.fleet}"
    used = Fact(value=total - (found.value(f"{place}.idle_accelerators") or 0.0), source="accelerators that train")

    def run(accelerators: Num, params: Num, fleet_restart_s: Num, **known: Num) -> Num:
        return getattr(goodput(accelerators, params, held(ReliabilityFacts, restart_s=fleet_restart_s, **known)), name)

    constants = {one: Fact(value=getattr(facts, one), source=source) for one in kept}
    constants["fleet_restart_s"] = Fact(value=facts.restart_s, source=f"{source}, without reading the checkpoint back")
    return by(goodput, run, accelerators=used, params=f"{place}.params", **constants)


def whole_run_rule(found: Answered, place: str) -> Rule | None:
    """Hours billed over steady hours and failures, of the fleet's size and year."""
    fleet, total = found.fleeted, found.value(f"{place}.accelerators")
    if fleet is None or total is None:
        return None
    c = fleet.whole_run
    constants = {
        name: Fact(value=getattr(c, name), source=c.fitted_on or "whole_runs.yaml")
        for name in ("log_factor", "per_year", "per_doubling", "year", "accelerators")
    }
    renamed = {f"fitted_{name}": fact for name, fact in constants.items()}
    used = Fact(value=total - (found.value(f"{place}.idle_accelerators") or 0.0), source="accelerators that train")
    year = Fact(value=fleet.request.year or c.year, source="the question: --year")

    def run(accelerators: Num, year: Num, **fitted: Num) -> Num:
        known = {name.removeprefix("fitted_"): value for name, value in fitted.items()}
        return exp(whole_run_log_factor(accelerators, year, held(WholeRunConstants, log_spread=0.0, **known)))

    return by(whole_run_log_factor, run, accelerators=used, year=year, **renamed)


def _part_mwh(gpu_hours: Num, watts: Num) -> Num:
    return mwh(energy_j(gpu_hours, watts))


def _beside_chips_mwh(gpu_hours: Num, it_w_per_accelerator: Num, chip_w: Num) -> Num:
    return mwh(energy_j(gpu_hours, it_w_per_accelerator - chip_w))


def _facility_mwh(chip_mwh: Num, server_mwh: Num, pue: Num) -> Num:
    return facility(chip_mwh + server_mwh, pue)


def _grid_t(energy_mwh: Num, grid_kg_co2e_per_kwh: Num) -> Num:
    return tonnes(grid_kg(KWH_PER_MWH * energy_mwh, grid_kg_co2e_per_kwh))


ENERGY: dict[str, Rule] = {
    "chip_mwh": by(energy_j, _part_mwh, gpu_hours="answer.gpu_hours", watts="money.energy.chip_w"),
    "server_mwh": by(
        energy_j, _beside_chips_mwh, gpu_hours="answer.gpu_hours",
        it_w_per_accelerator="money.energy.it_w_per_accelerator",
        chip_w="money.energy.chip_w",
    ),
    "facility_mwh": by(
        facility, _facility_mwh, chip_mwh="money.energy.chip_mwh",
        server_mwh="money.energy.server_mwh", pue="money.energy.pue"
    ),
    "grid_t_co2e": by(
        grid_kg, _grid_t, energy_mwh="answer.energy_mwh", grid_kg_co2e_per_kwh="money.energy.grid_kg_co2e_per_kwh"
    ),
}  # fmt: skip
