"""A budget on accelerators of one's own: what each pool costs to buy and run, and when that beats renting it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from hwmodel.economics import (
    Cluster,
    break_even_months,
    break_even_utilisation,
    capex,
    flow_of,
    gain_over_rent,
    monthly_usd,
    power,
    quantile_z,
    residual_usd,
    usd_per_further_hour,
    usd_per_hour_worked,
)
from hwmodel.errors import InputError
from hwmodel.solve.plan.money import purchase_usd
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.cash import DAYS_PER_MONTH, Slot
from hwmodel.solve.run.lines import SAFE, StageLine
from hwmodel.solve.run.result import Band
from hwmodel.solve.stages.frame import duration_s, share, usd
from hwmodel.solve.stages.given import OwnKeys
from hwmodel.units import SECONDS_PER_DAY, format_duration, parse_fraction

DEFAULT_LIFE_MONTHS = 36
OPEN = {
    "storage_usd": "storage", "site_usd": "site", "staff_usd_per_year": "staff",
    "cost_of_capital": "cost of capital", "utilisation_after": "use after the stages",
}  # fmt: skip


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """One pool bought. `npv_usd`: of owning instead of renting the same hours, above zero where owning is cheaper.

    `monthly_usd` are money out (-) and in (+), the purchase first; `used` the share of each month's hours worked.
    """

    part: str
    accelerators: int
    usd_per_accelerator_hour: float
    usd_per_further_hour: float
    rent_usd_per_accelerator_hour: float | None
    capex_usd: dict[str, float]
    running_usd_per_month: float
    residual_usd: float
    life_months: int
    used: list[float]
    break_even_months: int | None
    break_even_utilisation: float | None
    npv_usd: float | None
    monthly_usd: list[float]
    not_counted: list[str]


def owned(given: OwnKeys, setting: Fleeted, accelerators: int, slots: Sequence[Slot]) -> Owned:
    """A pool bought for the stages in `slots`. Raises InputError where no price is known or the life is too short."""
    cluster = cluster_of(given, setting, accelerators)
    used = months_used(slots, setting.part.id, accelerators, cluster.life_months, _after(given))
    hourly = usd_per_hour_worked(cluster, used)
    rent = None if setting.price is None else setting.price.median_usd_per_accelerator_hour
    lines = capex(cluster)
    return Owned(
        part=setting.part.id, accelerators=accelerators, usd_per_accelerator_hour=hourly,
        usd_per_further_hour=usd_per_further_hour(cluster, hourly, _after(given)),
        rent_usd_per_accelerator_hour=rent, capex_usd=msgspec.to_builtins(lines),
        running_usd_per_month=monthly_usd(cluster, 1.0), residual_usd=residual_usd(cluster),
        life_months=cluster.life_months, used=used,
        break_even_months=None if rent is None else break_even_months(cluster, rent),
        break_even_utilisation=None if rent is None else break_even_utilisation(cluster, rent),
        npv_usd=None if rent is None else gain_over_rent(cluster, used, rent), monthly_usd=flow_of(cluster, used),
        not_counted=[said for name, said in OPEN.items() if name not in given],
    )  # fmt: skip


def _after(given: OwnKeys) -> float:
    return share(given["utilisation_after"], "utilisation_after") if "utilisation_after" in given else 0.0


def cluster_of(given: OwnKeys, setting: Fleeted, accelerators: int) -> Cluster:
    """The pool as a cluster of one's own. Raises InputError without a price of its part."""
    price = usd(given["purchase_usd"], "purchase_usd") if "purchase_usd" in given else purchase_usd(setting)
    if price is None:
        raise InputError(f"no purchase of {setting.part.id} is known: give purchase_usd of one under `own:`")
    facts, drawn = setting.energy, power(setting.part, setting.system, setting.energy)
    months = DEFAULT_LIFE_MONTHS
    if "life" in given:
        months = round(duration_s(given["life"], "life") / SECONDS_PER_DAY / DAYS_PER_MONTH)
        if months < 1:
            raise InputError(f"life {given['life']!r} is less than a month")
    amounts: dict[str, float] = {
        name: usd(given[name], name)
        for name in ("storage_usd", "site_usd", "staff_usd_per_year", "servers_usd", "network_usd", "residual_usd")
        if name in given
    }
    rate = given.get("cost_of_capital")
    return Cluster(
        accelerators=float(accelerators), purchase_usd=price, life_months=months,
        site_w=float(drawn.chip_w + drawn.server_w) * facts.pue,
        usd_per_kwh=usd(given["usd_per_kwh"], "usd_per_kwh") if "usd_per_kwh" in given else facts.usd_per_kwh,
        idle_fraction=facts.idle_fraction / facts.load_fraction,
        cost_of_capital=0.0 if rate is None else parse_fraction(str(rate), "cost_of_capital"), **amounts,
    )  # fmt: skip


def months_used(slots: Sequence[Slot], part: str, accelerators: int, life_months: int, after: float) -> list[float]:
    """Share of the hours of each month that the stages work, and `after` of the free ones once they have ended.

    Raises InputError where the stages outlast the life of the hardware.
    """
    mine = [s for s in slots if s.line.part == part and s.line.gpu_hours is not None]
    end_days = max((s.end_days for s in mine), default=0.0)
    if end_days > life_months * DAYS_PER_MONTH:
        raise InputError(
            f"own: the stages on {part} run {format_duration(end_days * SECONDS_PER_DAY)}, longer than the life of "
            f"{life_months} months: give a longer life, or more accelerators"
        )
    used = []
    for month in range(life_months):
        begin, finish = month * DAYS_PER_MONTH, (month + 1) * DAYS_PER_MONTH
        worked = math.fsum(
            max(min(s.end_days, finish) - max(s.start_days, begin), 0.0) * _share(s.line, accelerators) for s in mine
        )
        free = max(finish - max(end_days, begin), 0.0)
        used.append(min((worked + after * free) / DAYS_PER_MONTH, 1.0))
    return used


def _share(line: StageLine, accelerators: int) -> float:
    return min((line.accelerators or accelerators) / accelerators, 1.0)


def priced(line: StageLine, pool: Owned) -> StageLine:
    """A line on an owned pool: its hours at the owned hour's price, further ones at what they add."""
    hours = line.gpu_hours
    if hours is None:
        return line

    def usd_of(worked: float) -> float:
        return hours.value * pool.usd_per_accelerator_hour + (worked - hours.value) * pool.usd_per_further_hour

    cost = Band(usd_of(hours.value), usd_of(hours.low), usd_of(hours.high))
    safe = None if line.safe_cost_usd is None else usd_of(hours.at(quantile_z(SAFE)).value)
    return msgspec.structs.replace(line, cost_usd=cost, safe_cost_usd=safe)
