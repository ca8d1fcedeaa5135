"""What one stage takes: hours, money, days and energy, and whether they were computed or entered."""

from __future__ import annotations

from typing import TypedDict, Unpack

import msgspec

from hwmodel.economics import Z80, energy, quantile_z, rent
from hwmodel.ops import Num
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.band import certain
from hwmodel.solve.run.billing import ENERGY_LOG_HALF_WIDTH, Bill
from hwmodel.solve.run.budget_records import BudgetLine, How
from hwmodel.solve.run.details import NONE, Detail
from hwmodel.solve.run.result import Band
from hwmodel.units import SECONDS_PER_DAY

COMPUTED: How = "computed"
ENTERED: How = "entered"
NOT_COUNTED: How = "not_counted"
SAFE = 0.8  # the share of cases that the default contingency covers


class LineWords(TypedDict, total=False):
    """What a line says beside its figures: fields of a `StageLine`."""

    stage: str
    kind: str
    how: How
    detail: Detail
    not_counted: tuple[str, ...]
    note: str


class StageLine(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of a budget. Bands are 80 % intervals; what nobody says is None, never zero."""

    stage: str
    kind: str
    how: How
    part: str | None = None
    accelerators: int | None = None
    gpu_hours: Band | None = None
    cost_usd: Band | None = None
    elapsed_days: Band | None = None
    energy_mwh: Band | None = None
    co2e_t: Band | None = None
    safe_cost_usd: float | None = None  # enough in 80 % of cases
    detail: Detail = NONE
    not_counted: tuple[str, ...] = ()
    note: str = ""

    @property
    def row(self) -> BudgetLine:
        """The line as a budget lists it."""
        return BudgetLine(stage=self.stage, gpu_hours=self.gpu_hours, cost_usd=self.cost_usd, how=self.how)


def of_bill(found: Bill, setting: Fleeted, accelerators: float, **words: Unpack[LineWords]) -> StageLine:
    """The line of a run that is billed with failures and the whole-run factor."""
    cost = found.median_cost_usd
    said: LineWords = {"how": COMPUTED, **words}
    return StageLine(
        part=setting.part.id, accelerators=int(accelerators), gpu_hours=found.gpu_hours,
        cost_usd=found.cost_usd, elapsed_days=found.elapsed_days, energy_mwh=found.energy_mwh, co2e_t=found.co2e_t,
        safe_cost_usd=None if cost is None else cost.at(quantile_z(SAFE)).value, **said,
    )  # fmt: skip


def of_hours(
    hours: Band, setting: Fleeted, accelerators: float, mfu: float | None = None, **words: Unpack[LineWords]
) -> StageLine:
    """The line of accelerator-hours that no failures lengthen: scoring, evaluation, serving, hours as entered."""
    elapsed = hours.scaled(1.0 / (24.0 * accelerators))
    cost = cost_of(hours, setting, elapsed.value * SECONDS_PER_DAY)
    used = energy(1.0, setting.part, setting.system, setting.energy, mfu)
    drawn = Band.around(float(used.total_kwh) / 1e3, ENERGY_LOG_HALF_WIDTH).times(hours)
    said: LineWords = {"how": COMPUTED, **words}
    return StageLine(
        part=setting.part.id, accelerators=int(accelerators), gpu_hours=hours, cost_usd=cost, elapsed_days=elapsed,
        energy_mwh=drawn, co2e_t=drawn.scaled(float(used.kg_co2e / used.total_kwh)),
        safe_cost_usd=None if cost is None else cost.at(quantile_z(SAFE)).value, **said,
    )  # fmt: skip


def cost_of(hours: Band, setting: Fleeted, duration_s: float) -> Band | None:
    """Rent of accelerator-hours, with the spread of quotes and their drift; None without a price."""
    if setting.price is None:
        return None
    one = rent(1.0, setting.price, duration_s)
    return hours.times(Band(float(one.median_usd), float(one.low_usd), float(one.high_usd)))


def with_contingency(cost_usd: Num, contingency_usd: Num) -> Num:
    """What is asked for: the lines and what is set aside beside them."""
    return cost_usd + contingency_usd


def asked_for(cost_usd: Band | None, contingency_usd: float) -> Band | None:
    """The lines with the contingency, as doubtful as the lines; None without a price."""
    if cost_usd is None:
        return None
    return Band(
        *(float(with_contingency(end, contingency_usd)) for end in (cost_usd.value, cost_usd.low, cost_usd.high))
    )


def added(bands: list[Band]) -> Band | None:
    """Sum of bands whose errors are one and the same kind: ends add. None for none."""
    if not bands:
        return None
    return Band(sum(b.value for b in bands), sum(b.low for b in bands), sum(b.high for b in bands))


def joined(lines: list[StageLine], **words: Unpack[LineWords]) -> StageLine:
    """Several runs of one stage on one pool, one after the other."""
    first = lines[0]
    bands = {
        name: added([band for one in lines if (band := getattr(one, name)) is not None])
        for name in ("gpu_hours", "cost_usd", "elapsed_days", "energy_mwh", "co2e_t")
    }
    safe = [one.safe_cost_usd for one in lines if one.safe_cost_usd is not None]
    return msgspec.structs.replace(first, **bands, safe_cost_usd=sum(safe) if safe else None, **words)


def times(line: StageLine, factor: float, **words: Unpack[LineWords]) -> StageLine:
    """A line so many times over."""
    bands = {
        name: None if getattr(line, name) is None else getattr(line, name).scaled(factor)
        for name in ("gpu_hours", "cost_usd", "elapsed_days", "energy_mwh", "co2e_t")
    }
    safe = None if line.safe_cost_usd is None else line.safe_cost_usd * factor
    return msgspec.structs.replace(line, **bands, safe_cost_usd=safe, **words)


__all__ = [
    "COMPUTED",
    "ENTERED",
    "NOT_COUNTED",
    "Z80",
    "StageLine",
    "added",
    "asked_for",
    "certain",
    "cost_of",
    "joined",
    "of_bill",
    "of_hours",
    "times",
    "with_contingency",
]
