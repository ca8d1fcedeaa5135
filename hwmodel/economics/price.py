"""What accelerator time costs: rented at dated quotes, or owned and written off."""

from __future__ import annotations

import math

import msgspec

from hwmodel.ops import Num
from hwmodel.specs import PriceSummary
from hwmodel.units import HOURS_PER_YEAR

# Cottier et al. 2024 (arXiv 2405.21015): hardware loses 0.14 orders of magnitude of value a year; the interconnect is
# 19 % of a cluster's cost; a server costs 1.64 times its accelerators.
VALUE_LOSS_OOM_PER_YEAR = 0.14
INTERCONNECT_SHARE = 0.19
SERVER_MARKUP = 1.64


class RentTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Rent of a run [USD]: at the median quote, and at the low and high ends of the quotes."""

    median_usd: Num
    low_usd: Num
    high_usd: Num


def rent(accelerator_hours: Num, price: PriceSummary) -> RentTerms:
    """Rent of `accelerator_hours` at the quotes of `price`."""
    return RentTerms(
        median_usd=accelerator_hours * price.median_usd_per_accelerator_hour,
        low_usd=accelerator_hours * price.low_usd_per_accelerator_hour,
        high_usd=accelerator_hours * price.high_usd_per_accelerator_hour,
    )


def owned_usd_per_accelerator_hour(purchase_usd: Num, energy_usd_per_accelerator_hour: Num) -> Num:
    """Cost of an owned accelerator-hour [USD]: the value lost in that hour, with server and network, and its energy.

    Hourly charge = price x 0.14 x ln 10 / 8766 (arXiv 2405.21015, amortisation of a new cluster).
    """
    cluster_usd = purchase_usd * SERVER_MARKUP / (1.0 - INTERCONNECT_SHARE)
    return cluster_usd * VALUE_LOSS_OOM_PER_YEAR * math.log(10.0) / HOURS_PER_YEAR + energy_usd_per_accelerator_hour
