"""Rent or own, energy and carbon, failures and goodput. Pure arithmetic on records."""

from hwmodel.economics.energy import EnergyTerms, chip_power_w, energy
from hwmodel.economics.goodput import GoodputTerms, goodput
from hwmodel.economics.price import RentTerms, owned_usd_per_accelerator_hour, rent

__all__ = [
    "EnergyTerms",
    "GoodputTerms",
    "RentTerms",
    "chip_power_w",
    "energy",
    "goodput",
    "owned_usd_per_accelerator_hour",
    "rent",
]
