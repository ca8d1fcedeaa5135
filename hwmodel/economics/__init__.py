"""Rent or own, energy and carbon, failures and goodput. Pure arithmetic on records."""

from hwmodel.economics.energy import EnergyTerms, energy, mean_chip_power_w
from hwmodel.economics.goodput import GoodputTerms, goodput
from hwmodel.economics.price import RentTerms, owned_usd_per_accelerator_hour, rent

__all__ = [
    "EnergyTerms",
    "GoodputTerms",
    "RentTerms",
    "energy",
    "goodput",
    "mean_chip_power_w",
    "owned_usd_per_accelerator_hour",
    "rent",
]
