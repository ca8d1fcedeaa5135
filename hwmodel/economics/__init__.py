"""Rent or own, energy and carbon, failures and goodput. Pure arithmetic on records."""

from hwmodel.economics.billing import Z80, elapsed_over_productive, quantile_z, share_below, whole_run_log_factor
from hwmodel.economics.energy import EnergyTerms, PowerTerms, draw, energy, paper_convention_kwh, power
from hwmodel.economics.goodput import GoodputTerms, at_rate, goodput, interruptions_per_hour, spares_needed
from hwmodel.economics.price import RentTerms, owned_usd_per_accelerator_hour, rent

__all__ = [
    "Z80",
    "EnergyTerms",
    "GoodputTerms",
    "PowerTerms",
    "RentTerms",
    "at_rate",
    "draw",
    "elapsed_over_productive",
    "energy",
    "goodput",
    "interruptions_per_hour",
    "owned_usd_per_accelerator_hour",
    "paper_convention_kwh",
    "power",
    "quantile_z",
    "rent",
    "share_below",
    "spares_needed",
    "whole_run_log_factor",
]
