"""The `budget` of an answer, as records: its lines, what they add up to, the contingency, and when it is paid.

Fields are the JSON contract, the same of one run and of a plan file's stages; None where nobody names a price.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from hwmodel.solve.run.band import Band

How = Literal["computed", "entered", "not_counted"]


class BudgetLine(msgspec.Struct, frozen=True, kw_only=True):
    """A stage in the budget; one that is not counted has neither hours nor money."""

    stage: str
    gpu_hours: Band | None
    cost_usd: Band | None
    how: How


class CashMonth(msgspec.Struct, frozen=True, kw_only=True):
    """Money out in a month, the first one 1 (0: what is bought before)."""

    month: int
    usd: float


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """The lines, their sum with a contingency, what is left out, and the cash flow."""

    lines: list[BudgetLine]
    gpu_hours: Band | None
    cost_usd: Band | None
    contingency_usd: float  # set aside: an amount that is decided, not one that is predicted
    contingency_why: str
    total_usd: Band | None  # the lines and the contingency
    cash_flow: list[CashMonth]
    not_counted: list[str]
    energy_mwh: Band | None
    co2e_t: Band | None
