"""A cluster of one's own: what is paid when, what it is worth later, and when it beats renting.

Each term is an input; what has no sourced figure (storage, site, staff, cost of capital) has no default but zero, and
the caller lists it as not counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from hwmodel.economics.price import INTERCONNECT_SHARE, SERVER_MARKUP, VALUE_LOSS_OOM_PER_YEAR
from hwmodel.units import HOURS_PER_YEAR

MONTHS_PER_YEAR = 12  # as a calendar has them, each a twelfth of the hours of a year
HOURS_PER_MONTH = HOURS_PER_YEAR / MONTHS_PER_YEAR


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster of one's own [USD, W, months]; `site_w`: an accelerator at work with server and PUE."""

    accelerators: float
    purchase_usd: float  # an accelerator
    site_w: float
    usd_per_kwh: float
    idle_fraction: float = 0.0  # of `site_w`, drawn by what waits
    storage_usd: float = 0.0
    site_usd: float = 0.0
    staff_usd_per_year: float = 0.0
    cost_of_capital: float = 0.0  # a year
    life_months: int = 36
    servers_usd: float | None = None  # without accelerators; None: their usual share, as the next
    network_usd: float | None = None
    residual_usd: float | None = None  # what all hardware is sold for at the end


class Capex(msgspec.Struct, frozen=True, kw_only=True):
    """What is paid on the first day [USD], by line."""

    accelerators_usd: float
    servers_usd: float
    network_usd: float
    storage_usd: float
    site_usd: float

    @property
    def total_usd(self) -> float:
        return self.accelerators_usd + self.servers_usd + self.network_usd + self.storage_usd + self.site_usd

    @property
    def hardware_usd(self) -> float:
        """What loses value as accelerators do."""
        return self.accelerators_usd + self.servers_usd + self.network_usd


def capex(cluster: Cluster) -> Capex:
    """Capital lines: a server costs 1.64 times its accelerators, the network is 19 % of both (arXiv 2405.21015)."""
    bought = cluster.accelerators * cluster.purchase_usd
    servers = bought * (SERVER_MARKUP - 1.0) if cluster.servers_usd is None else cluster.servers_usd
    network = (bought + servers) * INTERCONNECT_SHARE / (1.0 - INTERCONNECT_SHARE)
    return Capex(
        accelerators_usd=bought,
        servers_usd=servers,
        network_usd=network if cluster.network_usd is None else cluster.network_usd,
        storage_usd=cluster.storage_usd,
        site_usd=cluster.site_usd,
    )


def worth(paid_usd: float, months: float) -> float:
    """What hardware is worth after some months [USD]: 0.14 orders of magnitude a year lost (arXiv 2405.21015)."""
    return float(paid_usd * 10.0 ** (-VALUE_LOSS_OOM_PER_YEAR * months / MONTHS_PER_YEAR))


def monthly_usd(cluster: Cluster, utilisation: float) -> float:
    """Power and staff of a month [USD] at a share of the hours worked; the rest of the hours draw idle."""
    watts = cluster.site_w * (utilisation + (1.0 - utilisation) * cluster.idle_fraction)
    power = cluster.accelerators * watts / 1e3 * HOURS_PER_MONTH * cluster.usd_per_kwh
    return power + cluster.staff_usd_per_year / MONTHS_PER_YEAR


def usd_per_further_hour(cluster: Cluster, worked_usd_per_hour: float, used_otherwise: float) -> float:
    """Dollars of one more accelerator-hour worked: the power that waiting would not draw, and the owned hour's price
    for the share of hours that other work would have used; what is bought is paid either way."""
    hours = cluster.accelerators * HOURS_PER_MONTH
    power = (monthly_usd(cluster, 1.0) - monthly_usd(cluster, 0.0)) / hours
    return used_otherwise * worked_usd_per_hour + (1.0 - used_otherwise) * power


def residual_usd(cluster: Cluster) -> float:
    """What the hardware is worth at the end of its life [USD]."""
    return (
        worth(capex(cluster).hardware_usd, cluster.life_months)
        if cluster.residual_usd is None
        else cluster.residual_usd
    )


def cash_flow(cluster: Cluster, utilisation: float) -> list[float]:
    """Money in (+) and out (-) by month [USD]: capital first, running cost, what the hardware is worth at the end."""
    return flow_of(cluster, [utilisation] * cluster.life_months)


def flow_of(cluster: Cluster, used: Sequence[float]) -> list[float]:
    """The same for a share of the hours worked in each month of the life."""
    flow = [-capex(cluster).total_usd, *(-monthly_usd(cluster, share) for share in used)]
    flow[-1] += residual_usd(cluster)
    return flow


def usd_per_hour_worked(cluster: Cluster, used: Sequence[float]) -> float:
    """Dollars an accelerator-hour worked, so that the present value of all hours worked pays for the cluster."""
    hours = [0.0, *(cluster.accelerators * HOURS_PER_MONTH * share for share in used)]
    rate = cluster.cost_of_capital
    return -present_value(flow_of(cluster, used), rate) / present_value(hours, rate)


def gain_over_rent(cluster: Cluster, used: Sequence[float], rent_usd_per_hour: float) -> float:
    """Net present value of owning instead of renting the hours worked [USD]: above zero, owning is cheaper."""
    saved = [0.0, *(cluster.accelerators * HOURS_PER_MONTH * share * rent_usd_per_hour for share in used)]
    flow = flow_of(cluster, used)
    return present_value([paid + rent for paid, rent in zip(flow, saved)], cluster.cost_of_capital)


def present_value(flow: list[float], yearly_rate: float) -> float:
    """Net present value of a monthly flow [USD], its first entry today."""
    monthly = (1.0 + yearly_rate) ** (1.0 / MONTHS_PER_YEAR)
    return math.fsum(amount / monthly**month for month, amount in enumerate(flow))


def owned_usd_per_hour(cluster: Cluster, utilisation: float) -> float:
    """Dollars an accelerator-hour worked over the life, so that its present value pays for the cluster."""
    return usd_per_hour_worked(cluster, [utilisation] * cluster.life_months)


def break_even_months(cluster: Cluster, rent_usd_per_hour: float, utilisation: float = 1.0) -> int | None:
    """First month in which the rent saved has paid the capital back, nothing sold; None within the life."""
    rent = rent_usd_per_hour * cluster.accelerators * HOURS_PER_MONTH * utilisation
    saved = rent - monthly_usd(cluster, utilisation)
    paid = capex(cluster).total_usd
    for month in range(1, cluster.life_months + 1):
        if present_value([-paid, *([saved] * month)], cluster.cost_of_capital) >= 0.0:
            return month
    return None


def break_even_utilisation(cluster: Cluster, rent_usd_per_hour: float) -> float | None:
    """Share of the hours of the life that must be worked for owning to cost what renting them does; None above one.

    The present value is linear in the utilisation, so two points of it give the root.
    """

    def gain(utilisation: float) -> float:
        return gain_over_rent(cluster, [utilisation] * cluster.life_months, rent_usd_per_hour)

    none, full = gain(0.0), gain(1.0)
    if full < 0.0:
        return None
    return 0.0 if none >= 0.0 else none / (none - full)
