"""Rent or own, energy and carbon, failures and goodput. Pure arithmetic on records."""

from hwmodel.economics.billing import Z80, elapsed_over_productive, quantile_z, share_below, whole_run_log_factor
from hwmodel.economics.energy import EnergyTerms, PowerTerms, draw, energy, paper_convention_kwh, power
from hwmodel.economics.goodput import GoodputTerms, at_rate, goodput, interruptions_per_hour, spares_needed
from hwmodel.economics.ownership import (
    Cluster,
    break_even_months,
    break_even_utilisation,
    capex,
    cash_flow,
    owned_usd_per_hour,
    present_value,
    worth,
)
from hwmodel.economics.price import RentTerms, owned_usd_per_accelerator_hour, rent, rent_drawn
from hwmodel.economics.renting import break_even_preemptions_per_hour, commitment, spot

__all__ = [
    "Z80",
    "Cluster",
    "EnergyTerms",
    "GoodputTerms",
    "PowerTerms",
    "RentTerms",
    "at_rate",
    "break_even_months",
    "break_even_preemptions_per_hour",
    "break_even_utilisation",
    "capex",
    "cash_flow",
    "commitment",
    "draw",
    "elapsed_over_productive",
    "energy",
    "goodput",
    "interruptions_per_hour",
    "owned_usd_per_accelerator_hour",
    "owned_usd_per_hour",
    "paper_convention_kwh",
    "power",
    "present_value",
    "quantile_z",
    "rent",
    "rent_drawn",
    "share_below",
    "spares_needed",
    "spot",
    "whole_run_log_factor",
    "worth",
]
