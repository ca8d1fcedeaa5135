"""Energy, carbon and water of a plan, in words: what is drawn, what papers would print, what is not counted."""

from __future__ import annotations

from hwmodel.report.phrases import say
from hwmodel.solve.run.records import EnergyUse
from hwmodel.units import format_count, format_power


def energy_lines(used: EnergyUse) -> str:
    """Energy, carbon and water in a sentence each."""
    return " ".join((_drawn(used), _carbon(used), _water(used)))


def _number(value: float) -> str:
    return format_count(value) if value >= 1000 else f"{value:.3g}"


def _drawn(used: EnergyUse) -> str:
    printed, papers = used.paper_convention_mwh, ""
    if printed is not None:
        papers = say("; papers would print {mwh} MWh (rating x hours x PUE)", mwh=_number(printed))
    return say(
        "Energy: {watts} W an accelerator, {chip} W of it the chip; {chips} MWh chips, {servers} MWh rest of the "
        "servers, {facility} MWh facility (PUE {pue}; the site must give {site}){papers}.",
        watts=f"{used.it_w_per_accelerator:.0f}",
        chip=f"{used.chip_w:.0f}",
        chips=_number(used.chip_mwh),
        servers=_number(used.server_mwh),
        facility=_number(used.facility_mwh),
        pue=f"{used.pue:g}",
        site=format_power(used.rated_site_w),
        papers=papers,
    )


def _carbon(used: EnergyUse) -> str:
    market = used.market_t_co2e
    contract = say("no contract given") if market is None else say("{tonnes} t by contract", tonnes=_number(market))
    return say(
        "Carbon: {grid} t from the grid of {region} ({grams} g/kWh; {contract}), {embodied} t embodied in the "
        "hardware.",
        grid=_number(used.grid_t_co2e),
        region=used.grid_region,
        grams=f"{1000 * used.grid_kg_co2e_per_kwh:.0f}",
        contract=contract,
        embodied=_number(used.embodied_t_co2e),
    )


def _water(used: EnergyUse) -> str:
    if used.water_m3 is None:
        return say("Water: not counted, for the facility states none.")
    return say("Water: {volume} m3 of cooling on site; power stations not counted.", volume=_number(used.water_m3))
