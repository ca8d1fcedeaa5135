"""What accelerator time costs: rented at dated quotes, or owned and written off."""

from __future__ import annotations

import math

import msgspec

from hwmodel import ops
from hwmodel.economics.billing import Z80
from hwmodel.ops import Num
from hwmodel.specs import PriceSummary
from hwmodel.units import HOURS_PER_YEAR, SECONDS_PER_DAY

# Cottier et al. 2024 (arXiv 2405.21015): hardware loses 0.14 orders of magnitude of value a year; the interconnect is
# 19 % of a cluster's cost; a server costs 1.64 times its accelerators.
VALUE_LOSS_OOM_PER_YEAR = 0.14
INTERCONNECT_SHARE = 0.19
SERVER_MARKUP = 1.64


# Same sellers from 24 May to October 2026 (catalogs/prices/quotes.csv, column note): H100 SXM +30 % (0 to 58), H200
# +25 %, B200 +36 %, A100 80GB +20 %, AWS capacity blocks +20 to +32 %; in 2025 AWS cut its lists once by 33 to 44 %. No
# trend holds for long, so prices walk at random: 30 % either way in half a year, as the 80 % interval.
DRIFT_LOG_HALF_WIDTH = math.log(1.3)
DRIFT_S = HOURS_PER_YEAR * 3600.0 / 2.0
MOST_DRIFT = 3.0  # natural log: beyond a factor of 20, in two centuries, an end says no more


def drift_log_half_width(age_s: Num, duration_s: Num) -> Num:
    """80 % half-width, in logs, of the mean price of a rent of `duration_s` that begins `age_s` after its quotes.

    The variance of a random walk's mean over (a, a + T) is that of its step times a + T / 3; at most MOST_DRIFT.
    """
    return ops.minimum(DRIFT_LOG_HALF_WIDTH * ops.sqrt((age_s + duration_s / 3.0) / DRIFT_S), MOST_DRIFT)


class RentTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Rent of a run [USD]: at the median quote, and at the low and high ends of quotes and drift."""

    median_usd: Num
    low_usd: Num
    high_usd: Num


def rent(accelerator_hours: Num, price: PriceSummary, duration_s: Num = 0.0) -> RentTerms:
    """Rent of `accelerator_hours` over `duration_s` at the quotes of `price`; a price given by the user does not drift.

    Spread of quotes and drift since they were read are independent: their half-widths add in quadrature.
    """
    middle = price.median_usd_per_accelerator_hour
    drift = 0.0 if price.how == "given" else drift_log_half_width(price.age_days * SECONDS_PER_DAY, duration_s)
    down = ops.sqrt(ops.log(middle / price.low_usd_per_accelerator_hour) ** 2 + drift**2)
    up = ops.sqrt(ops.log(price.high_usd_per_accelerator_hour / middle) ** 2 + drift**2)
    return RentTerms(
        median_usd=accelerator_hours * middle,
        low_usd=accelerator_hours * middle * ops.exp(-down),
        high_usd=accelerator_hours * middle * ops.exp(up),
    )


def rent_drawn(accelerator_hours: Num, price: PriceSummary, duration_s: Num, z_quote: Num, z_drift: Num) -> Num:
    """Rent [USD] where the quote and the drift stand at standard normal deviates, each a log-normal on either side."""
    middle = price.median_usd_per_accelerator_hour
    up = math.log(price.high_usd_per_accelerator_hour / middle)
    down = math.log(middle / price.low_usd_per_accelerator_hour)
    quote = up * ops.maximum(z_quote, 0.0) + down * ops.minimum(z_quote, 0.0)
    drift = 0.0 if price.how == "given" else drift_log_half_width(price.age_days * SECONDS_PER_DAY, duration_s)
    return accelerator_hours * middle * ops.exp((quote + drift * z_drift) / Z80)


def fleet_usd_per_hour(accelerators: Num, usd_per_accelerator_hour: Num) -> Num:
    """Dollars an hour of a whole fleet."""
    return accelerators * usd_per_accelerator_hour


def owned_usd_per_accelerator_hour(
    purchase_usd: Num, energy_usd_per_accelerator_hour: Num, age_years: Num = 0.0
) -> Num:
    """Cost of an owned accelerator-hour [USD]: the value lost in that hour, with server and network, and its energy.

    Hourly charge = value x 0.14 x ln 10 / 8766 (arXiv 2405.21015), the value that of a cluster bought `age_years` ago:
    the paper charges a run the value at its start, which has fallen since the part came out. A new cluster has age
    zero; charged as new, the A100 runs of 2023 would come out at twice the paper's dollars.
    """
    cluster_usd = purchase_usd * SERVER_MARKUP / (1.0 - INTERCONNECT_SHARE)
    cluster_usd = cluster_usd * 10.0 ** (-VALUE_LOSS_OOM_PER_YEAR * age_years)
    return cluster_usd * VALUE_LOSS_OOM_PER_YEAR * math.log(10.0) / HOURS_PER_YEAR + energy_usd_per_accelerator_hour
