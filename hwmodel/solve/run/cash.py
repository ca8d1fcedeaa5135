"""When a budget is paid: stages one after the other on each pool, their money spread over their months."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from hwmodel.solve.run.budget_records import CashMonth
from hwmodel.solve.run.lines import StageLine
from hwmodel.units import HOURS_PER_YEAR

DAYS_PER_MONTH = HOURS_PER_YEAR / 24.0 / 12.0


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """When a stage runs [days from the start]."""

    line: StageLine
    start_days: float
    end_days: float


def schedule(lines: Sequence[StageLine]) -> list[Slot]:
    """Stages in their order: each begins when its pool is free of the ones before it. What was entered without hours
    takes no time and stands where it comes."""
    free: dict[str, float] = {}
    last, out = 0.0, []
    for line in lines:
        pool = line.part or ""
        start = free.get(pool, 0.0) if pool else last
        end = start + (line.elapsed_days.value if line.elapsed_days is not None else 0.0)
        free[pool], last = end, end
        out.append(Slot(line=line, start_days=start, end_days=end))
    return out


def monthly(slots: Sequence[Slot], extra_usd: Sequence[tuple[float, float, float]] = ()) -> list[CashMonth]:
    """Money by month, the first one 1: each line spread evenly over its days, `extra_usd` (start, end, money) too."""
    spans = [(s.start_days, s.end_days, s.line.cost_usd.value) for s in slots if s.line.cost_usd is not None]
    paid: dict[int, float] = {}
    for start, end, money in (*spans, *extra_usd):
        for month, amount in _spread(start, end, money):
            paid[month] = paid.get(month, 0.0) + amount
    last = max(paid, default=0)
    return [CashMonth(month=month, usd=paid.get(month, 0.0)) for month in range(1, last + 1)]


def _spread(start_days: float, end_days: float, money: float) -> list[tuple[int, float]]:
    """An amount by months, in proportion to the days of each."""
    first = math.floor(start_days / DAYS_PER_MONTH)
    if end_days - start_days < 1e-9:
        return [(first + 1, money)]
    last = math.ceil(end_days / DAYS_PER_MONTH - 1e-12)
    out = []
    for month in range(first, last):
        inside = min(end_days, (month + 1) * DAYS_PER_MONTH) - max(start_days, month * DAYS_PER_MONTH)
        out.append((month + 1, money * inside / (end_days - start_days)))
    return out
