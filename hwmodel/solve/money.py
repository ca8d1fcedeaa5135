"""Where the dollars, the energy and the lost time of a plan go; renting beside owning."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from hwmodel.economics import energy, goodput, owned_usd_per_accelerator_hour, rent
from hwmodel.solve.answers import kwh_per_accelerator_hour
from hwmodel.solve.result import value_of
from hwmodel.solve.setting import Setting

if TYPE_CHECKING:
    from hwmodel.solve.plan import Solved


def money(setting: Setting, solved: Solved) -> dict[str, Any]:
    """Rent with its quotes, the same hours owned, energy by where it is drawn, carbon, and failures."""
    hours = value_of(solved.answer.gpu_hours)
    return {
        "price": _rented(setting, hours),
        "owned": _owned(setting, hours),
        "energy": _energy(setting, hours),
        "goodput": _failures(setting, solved, hours),
    }


def _rented(setting: Setting, hours: float) -> dict[str, Any] | None:
    price = setting.price
    if price is None:
        return None
    return {
        "kind": price.kind,
        "median_usd_per_accelerator_hour": price.median_usd_per_accelerator_hour,
        "low_usd_per_accelerator_hour": price.low_usd_per_accelerator_hour,
        "high_usd_per_accelerator_hour": price.high_usd_per_accelerator_hour,
        "n_quotes": price.n_quotes,
        "first_date": price.first_date,
        "last_date": price.last_date,
        "providers": list(price.providers),
        "flag": price.flag,
        "rent_usd": float(rent(hours, price).median_usd),
    }


def _owned(setting: Setting, hours: float) -> dict[str, Any] | None:
    """The same hours on accelerators bought at the median quote; None where no purchase is known."""
    if setting.part is None:
        return None
    quotes = [q for q in setting.catalog.prices(setting.part.id, "purchase") if q.usd_purchase]
    if not quotes:
        return None
    purchase = statistics.median(float(q.usd_purchase or 0.0) for q in quotes)
    power_usd = kwh_per_accelerator_hour(setting) * setting.energy.usd_per_kwh
    hourly = float(owned_usd_per_accelerator_hour(purchase, power_usd))
    return {
        "purchase_usd_per_accelerator": purchase,
        "n_quotes": len(quotes),
        "first_date": min(q.date for q in quotes),
        "last_date": max(q.date for q in quotes),
        "usd_per_accelerator_hour": hourly,
        "owned_usd": hourly * hours,
    }


def _energy(setting: Setting, hours: float) -> dict[str, Any]:
    assert setting.part is not None
    assert setting.system is not None
    used = energy(hours, setting.part, setting.system, setting.energy)
    return {
        "chip_mwh": float(used.chip_j) / 3.6e9,
        "server_mwh": float(used.server_j) / 3.6e9,
        "facility_mwh": float(used.facility_j) / 3.6e9,
        "pue": setting.energy.pue,
        "grid_region": setting.energy.grid_region,
        "grid_kg_co2e_per_kwh": setting.energy.grid_kg_co2e_per_kwh,
        "grid_t_co2e": float(used.grid_kg_co2e) / 1e3,
        "embodied_t_co2e": float(used.embodied_kg_co2e) / 1e3,
    }


def _failures(setting: Setting, solved: Solved, hours: float) -> dict[str, Any]:
    lost = goodput(float(solved.fleet.accelerators), solved.sized.n, setting.reliability)
    return {
        "mtbf_s": float(lost.mtbf_s),
        "checkpoint_interval_s": float(lost.checkpoint_interval_s),
        "checkpoint_write_s": float(lost.checkpoint_write_s),
        "interruptions_expected": hours / solved.fleet.accelerators * 3600.0 / float(lost.mtbf_s),
    }
