"""Energy, carbon and water of a plan, in words: what is drawn, what papers would print, what is not counted."""

from __future__ import annotations

from typing import Any

from hwmodel.units import format_count, format_power


def energy_lines(used: dict[str, Any]) -> str:
    """A line of energy, one of carbon, one of water."""
    return "\n".join((_drawn(used), _carbon(used), _water(used)))


def _number(value: float) -> str:
    return format_count(value) if value >= 1000 else f"{value:.3g}"


def _drawn(used: dict[str, Any]) -> str:
    watts, chip = used["it_w_per_accelerator"], used["chip_w"]
    printed = used["paper_convention_mwh"]
    papers = "" if printed is None else f" Papers would print {_number(printed)} MWh: rating x hours x PUE."
    site = format_power(used["rated_site_w"])
    return (
        f"Energy: {watts:.0f} W an accelerator ({chip:.0f} W of it the chip, the rest its share of the server): chips "
        f"{_number(used['chip_mwh'])} MWh, rest of the servers {_number(used['server_mwh'])} MWh, facility "
        f"{_number(used['facility_mwh'])} MWh (PUE {used['pue']:g}); the site must give {site} for "
        f"servers at their rating.{papers}"
    )


def _carbon(used: dict[str, Any]) -> str:
    market = used["market_t_co2e"]
    contract = (
        "market-based: not counted, for no contract of the site is given"
        if market is None
        else (f"{_number(market)} t market-based")
    )
    return (
        f"Carbon: {_number(used['grid_t_co2e'])} t from the grid of {used['grid_region']} "
        f"({1000 * used['grid_kg_co2e_per_kwh']:.0f} g/kWh, location-based; {contract}), "
        f"{_number(used['embodied_t_co2e'])} t embodied in the hardware."
    )


def _water(used: dict[str, Any]) -> str:
    if used["water_m3"] is None:
        return "Water: not counted, for the facility states none."
    return f"Water: {_number(used['water_m3'])} m3 of cooling on site; that of power stations is not counted."
