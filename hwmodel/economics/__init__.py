"""Rent or own, energy and carbon, failures and goodput. Pure arithmetic on records."""

from hwmodel.economics.billing import Z80, elapsed_over_productive, quantile_z, share_below, whole_run_log_factor
from hwmodel.economics.energy import EnergyTerms, energy, mean_chip_power_w
from hwmodel.economics.goodput import GoodputTerms, goodput
from hwmodel.economics.price import RentTerms, owned_usd_per_accelerator_hour, rent

__all__ = [
    "Z80",
    "EnergyTerms",
    "GoodputTerms",
    "RentTerms",
    "elapsed_over_productive",
    "energy",
    "goodput",
    "mean_chip_power_w",
    "owned_usd_per_accelerator_hour",
    "quantile_z",
    "rent",
    "share_below",
    "whole_run_log_factor",
]
