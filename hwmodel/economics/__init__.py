"""Rent or own, energy and carbon, failures and goodput.

Pure arithmetic on records: prices and facts are given, hours too. Which run costs them is not known here.
"""

from hwmodel.economics.billing import (
    Z80,
    elapsed_over_productive,
    quantile_z,
    share_below,
    whole_run_log_factor,
    whole_run_log_spread,
)
from hwmodel.economics.energy import EnergyTerms, PowerTerms, draw, energy, paper_convention_kwh, power, rated_w
from hwmodel.economics.goodput import GoodputTerms, at_rate, goodput, interruptions_per_hour, spares_needed
from hwmodel.economics.ownership import (
    Cluster,
    break_even_months,
    break_even_utilisation,
    capex,
    cash_flow,
    flow_of,
    gain_over_rent,
    monthly_usd,
    owned_usd_per_hour,
    present_value,
    residual_usd,
    usd_per_further_hour,
    usd_per_hour_worked,
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
    "flow_of",
    "gain_over_rent",
    "goodput",
    "interruptions_per_hour",
    "monthly_usd",
    "owned_usd_per_accelerator_hour",
    "owned_usd_per_hour",
    "paper_convention_kwh",
    "power",
    "present_value",
    "quantile_z",
    "rated_w",
    "rent",
    "rent_drawn",
    "residual_usd",
    "share_below",
    "spares_needed",
    "spot",
    "usd_per_further_hour",
    "usd_per_hour_worked",
    "whole_run_log_factor",
    "whole_run_log_spread",
    "worth",
]
