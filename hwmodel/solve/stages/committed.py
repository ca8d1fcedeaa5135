"""Pools committed for whole terms: every hour of a term is paid, used by a stage or not."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hwmodel.economics import commitment
from hwmodel.errors import InputError
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.cash import Slot
from hwmodel.solve.run.details import CommitmentDetail
from hwmodel.solve.run.lines import COMPUTED, StageLine, certain, cost_of
from hwmodel.solve.stages.file import BudgetFile
from hwmodel.solve.stages.frame import duration_s
from hwmodel.solve.stages.given import CommitKeys
from hwmodel.units import HOURS_PER_YEAR, SECONDS_PER_HOUR

# Years of a term -> the kind of quote that it is paid by.
TERMS = {1: "reserved_1y", 3: "reserved_3y"}
KIND = "commitment"


def committed_file(file: BudgetFile) -> BudgetFile:
    """The file whose accelerators are paid at the price of its commitment, where it has one.

    Raises InputError for a term that nobody sells, and beside other ways to pay.
    """
    terms = file.top.get("commit")
    if terms is None:
        return file
    years = years_of(terms)
    for other in ("spot", "own"):
        if other in file.top:
            raise InputError(f"commit and {other} are two ways to pay for the same accelerators: give one of them")
    if "price_kind" in file.options:
        raise InputError("commit says the kind of price by its term: drop price_kind, or give usd_per_hour")
    if file.options.get("usd_per_hour"):
        return file
    return msgspec.structs.replace(file, options={**file.options, "price_kind": TERMS[years]})


def years_of(given: CommitKeys) -> int:
    """The years of a term: 1 or 3, as they are sold."""
    hours = duration_s(given.get("term", "1 year"), "term") / SECONDS_PER_HOUR
    for years in TERMS:
        if abs(hours / (years * HOURS_PER_YEAR) - 1.0) < 0.01:
            return years
    raise InputError(f"term {given['term']!r} is not sold: commitments are for 1 year or 3 years")


def idle_line(years: int, setting: Fleeted, accelerators: int, slots: Sequence[Slot]) -> StageLine:
    """What a pool's terms cost beyond the hours that its stages use. Terms begin with the first stage and are as many
    as the last one needs."""
    part = setting.part.id
    if setting.price is None:
        raise InputError(f"no price of {part} for {years} year{'s' if years > 1 else ''} is known: give usd_per_hour")
    mine = [s for s in slots if s.line.part == part and s.line.gpu_hours is not None]
    used = sum(s.line.gpu_hours.value for s in mine if s.line.gpu_hours is not None)
    held = max(used, accelerators * 24.0 * max((s.end_days for s in mine), default=0.0))
    usd = setting.price.median_usd_per_accelerator_hour
    free = setting.catalog.price_summary(part, region=setting.request.region)
    on_demand = None if free is None else free.median_usd_per_accelerator_hour
    paid = commitment(held, float(accelerators), usd, on_demand or usd, float(years))
    hours = paid.committed_usd / usd
    least = None if on_demand is None else paid.break_even_share
    said = f"{100 * used / hours:.0f} % of the committed hours are used"
    if least is not None:
        said += (
            f"; it pays from {100 * least:.0f} % on, on demand at ${on_demand:.2f} an hour"
            if least < 1.0
            else (f"; on demand is no dearer, at ${on_demand:.2f} an hour")
        )
    detail = CommitmentDetail(
        years=years, committed_hours=hours, committed_usd=paid.committed_usd, used_share=used / hours,
        break_even_share=least,
    )  # fmt: skip
    return StageLine(
        stage=f"committed and not used: {accelerators}x{part}", kind=KIND, how=COMPUTED,
        cost_usd=cost_of(certain(max(hours - used, 0.0)), setting, 0.0), detail=detail, note=said,
    )  # fmt: skip


def paid_evenly(idle: Sequence[StageLine], slots: Sequence[Slot]) -> list[tuple[float, float, float]]:
    """Start, end [days] and money of commitments: their pools' stages and idle hours, spread over the terms."""
    money = sum(line.cost_usd.value for line in idle if line.cost_usd is not None)
    worked = sum(s.line.cost_usd.value for s in slots if is_committed(s.line) and s.line.cost_usd is not None)
    end = max((s.end_days for s in slots), default=0.0)
    terms = (one.detail.years for one in idle if isinstance(one.detail, CommitmentDetail))
    days = max((years * HOURS_PER_YEAR / 24.0 for years in terms), default=0.0)
    count = max(-(-end // days), 1.0) if days else 0.0
    return [(0.0, count * days, money + worked)] if idle else []


def is_committed(line: StageLine) -> bool:
    """Whether a line is hours of a pool, paid by its commitment."""
    return line.part is not None and line.gpu_hours is not None
