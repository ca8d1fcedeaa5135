"""Runs that nothing ends within two years: what the same question answers when they must."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hwmodel.errors import HwModelError
from hwmodel.solve.plan.prepared import Prepared
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.result import RunAnswer, value_of
from hwmodel.units import HOURS_PER_YEAR, SECONDS_PER_DAY, SECONDS_PER_HOUR

LIMIT_DAYS = 730.0
YEAR_S = HOURS_PER_YEAR * SECONDS_PER_HOUR


class TwoYears(msgspec.Struct, frozen=True, kw_only=True):
    """The run that the same question gives within two years; `frees` says what it takes back of what was given."""

    accelerators: int
    params: float
    tokens: float
    loss_nats: float | None
    elapsed_days: float
    cost_usd: float | None
    frees: str | None


class LongRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run beyond two years that no time limits, and the run within them (None where there is none: the reason)."""

    elapsed_s: float
    elapsed_years: float
    limit_s: float
    within: TwoYears | None
    reason: str | None


def long_run(prepared: Prepared, prepare: Callable[[Setting], Prepared]) -> LongRun | None:
    """The line of a run that takes more than two years though no time was given; None elsewhere."""
    r = prepared.setting.request
    days = prepared.solved.answer.elapsed_days if prepared.solved is not None else None
    if days is None or value_of(days) <= LIMIT_DAYS or (r.time_s is not None and not r.open_time):
        return None
    elapsed_s, limit_s = value_of(days) * SECONDS_PER_DAY, LIMIT_DAYS * SECONDS_PER_DAY
    asked = msgspec.structs.replace(r, time_s=limit_s, open_time=False)
    within, reason = None, ""
    for frees, request in ((None, asked), ("gpus", msgspec.structs.replace(asked, gpus=None))):
        try:
            found = prepare(msgspec.structs.replace(prepared.setting, request=request))
            within = _within(found, frees)
            break
        except HwModelError as error:
            reason = reason or str(error)
    return LongRun(
        elapsed_s=elapsed_s, elapsed_years=elapsed_s / YEAR_S, limit_s=limit_s, within=within,
        reason=None if within is not None else reason,
    )  # fmt: skip


def _within(found: Prepared, frees: str | None) -> TwoYears | None:
    answer: RunAnswer | None = found.solved.answer if found.solved is not None else None
    if answer is None or answer.accelerators is None:
        return None
    return TwoYears(
        accelerators=answer.accelerators, params=found.sized.n, tokens=found.sized.d,
        loss_nats=value_of(found.sized.loss) if found.sized.loss is not None else None,
        elapsed_days=value_of(answer.elapsed_days),
        cost_usd=value_of(answer.cost_usd) if answer.cost_usd is not None else None, frees=frees,
    )  # fmt: skip
