"""How sure a plan is: the chance of each limit, what would mend it, where the money can go, and what drives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from hwmodel.economics import quantile_z
from hwmodel.numerics import quantiles
from hwmodel.solve.budget.draws import DRAWS, Outcome, UncertainRun, uncertain_run
from hwmodel.solve.budget.enough import accelerators_enough
from hwmodel.solve.question.deadline import finish
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.result import value_of
from hwmodel.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from hwmodel.solve.run.sizing import LossModel
    from hwmodel.solve.run.solved import Solved

LOW, HIGH = 0.1, 0.9
# The certainty that a limit is mended to, unless more is asked for.
MENDED = 0.8
AT_LIMIT = 1e-6  # by which a limit may be overrun


class Mend(msgspec.Struct, frozen=True, kw_only=True):
    """What alone would meet a limit with the certainty of `share`; None where it would not, or says nothing."""

    share: float
    accelerators: int | None = None
    tokens: float | None = None
    limit: float | None = None  # days or dollars that are enough as the plan stands
    usd_per_accelerator_hour: float | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of the question and the chance of keeping it."""

    name: str  # time | budget
    limit: float  # days or dollars
    chance: float
    mend: Mend | None = None


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """What one source of doubt does to days and dollars between its 10th and its 90th percentile, all else at its
    median."""

    driver: str
    days_low: float
    days_high: float
    usd_low: float | None
    usd_high: float | None


class HoursLine(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars of one kind of hours: at the 10th, 50th and 90th percentile of their own draws."""

    line: str  # steady | failures | beyond
    p10: float
    p50: float
    p90: float


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """Joint doubt of a plan on a fleet."""

    draws: int
    limits: list[Limit]
    all_met: float | None  # chance of keeping every limit at once; None without two
    drivers: list[Driver]
    lines: list[HoursLine]
    finish: dict[str, str | None]  # p50, p80, p90 -> ISO date; empty without a start
    loss_p10: float | None
    loss_p90: float | None


def risk(setting: Fleeted, solved: Solved, model: LossModel) -> Risk:
    """The doubts of a solved plan, drawn jointly."""
    run = uncertain_run(setting, solved, model)
    drawn = run.drawn(setting.request.seed)
    given = [] if setting.request.open_time else _limits(setting, drawn)
    asked = [msgspec.structs.replace(one, mend=_mend(solved, one)) for one, _ in given]
    loss_p10, loss_p90 = (None, None) if drawn.loss_nats is None else quantiles(drawn.loss_nats, (LOW, HIGH))
    return Risk(
        draws=DRAWS,
        limits=asked,
        all_met=_all_met(setting, drawn),
        drivers=drivers(run),
        lines=_lines(drawn),
        finish=_finish(setting, solved),
        loss_p10=loss_p10,
        loss_p90=loss_p90,
    )


def limits(setting: Fleeted, solved: Solved, model: LossModel) -> list[Limit]:
    """The limits of a question with the chance of each, nothing mended."""
    drawn = uncertain_run(setting, solved, model).drawn(setting.request.seed)
    return [one for one, _ in _limits(setting, drawn)]


def _limits(setting: Fleeted, drawn: Outcome) -> list[tuple[Limit, Any]]:
    """The limits that the question sets, with what each draw makes of them."""
    r, found = setting.request, []
    if r.time_s is not None:
        found.append(("time", r.time_s / SECONDS_PER_DAY, drawn.elapsed_days))
    if r.budget_usd is not None and drawn.cost_usd is not None:
        found.append(("budget", r.budget_usd, drawn.cost_usd))
    return [
        (Limit(name=name, limit=limit, chance=float(_kept(values, limit).mean())), values)
        for name, limit, values in found
    ]


def _kept(values: Any, limit: float) -> Any:
    """Which draws keep a limit."""
    return np.asarray(values) <= limit * (1.0 + AT_LIMIT)


def _all_met(setting: Fleeted, drawn: Outcome) -> float | None:
    """The chance of keeping time and money at once; None without both."""
    found = _limits(setting, drawn)
    if len(found) < 2:
        return None
    return float(np.logical_and.reduce([_kept(values, one.limit) for one, values in found]).mean())


def _enough(solved: Solved, name: str) -> tuple[float, float]:
    """The certainty that a limit is mended to, and the days or dollars that the answer prints for it."""
    share, found = max(MENDED, solved.fleet.setting.request.confidence), solved.answer
    key = {"time": "elapsed_days", "budget": "cost_usd"}[name]
    printed = found.quantiles["p80"][key] if found.quantiles and share == MENDED else getattr(found, key)
    return share, value_of(printed)


def _mend(solved: Solved, asked: Limit) -> Mend | None:
    """What would raise a chance that is too low; None where none is asked."""
    setting, name, limit = solved.fleet.setting, asked.name, asked.limit
    share, enough = _enough(solved, name)
    if asked.chance >= share - 0.005:  # what is printed
        return None
    scale = limit / enough if np.isfinite(enough) else None
    tokens = None if scale is None else solved.sized.d * scale
    if name == "time":
        count = accelerators_enough(solved, limit * SECONDS_PER_DAY, share)
        return Mend(share=share, accelerators=count, tokens=tokens, limit=enough)
    price = None if setting.price is None or scale is None else setting.price.median_usd_per_accelerator_hour * scale
    return Mend(share=share, tokens=tokens, limit=enough, usd_per_accelerator_hour=price)


def drivers(run: UncertainRun) -> list[Driver]:
    """A tornado: each doubt moved alone, the one that moves the money (or the days) most first."""
    ends = np.array([quantile_z(LOW), quantile_z(HIGH)])
    rows = []
    for doubt in run.doubts:
        out = run.outcome({doubt.name: ends})
        days = np.broadcast_to(np.asarray(out.elapsed_days), 2)
        if doubt.name in ("law", "format") and run.tokens is None:
            continue  # they move the loss alone
        usd = None if out.cost_usd is None else np.broadcast_to(np.asarray(out.cost_usd), 2)
        rows.append(
            Driver(
                driver=doubt.name, days_low=float(days.min()), days_high=float(days.max()),
                usd_low=None if usd is None else float(usd.min()), usd_high=None if usd is None else float(usd.max()),
            )
        )  # fmt: skip
    return sorted(rows, key=_swing)


def _swing(row: Driver) -> tuple[float, float]:
    usd = 0.0 if row.usd_low is None or row.usd_high is None else row.usd_high - row.usd_low
    return -usd, row.days_low - row.days_high


def _lines(drawn: Outcome) -> list[HoursLine]:
    """Where the rent goes; empty without a price."""
    if drawn.cost_usd is None:
        return []
    rate = drawn.cost_usd / drawn.gpu_hours
    beyond = drawn.gpu_hours - drawn.steady_hours - drawn.failure_hours
    hours = {"steady": drawn.steady_hours, "failures": drawn.failure_hours, "beyond": beyond}
    rows = []
    for name, spent in hours.items():
        p10, p50, p90 = quantiles(rate * spent, (LOW, 0.5, HIGH))
        rows.append(HoursLine(line=name, p10=p10, p50=p50, p90=p90))
    return rows


def _finish(setting: Fleeted, solved: Solved) -> dict[str, str | None]:
    """The days on which the run has ended with each certainty."""
    start = setting.request.start
    if start is None or solved.answer.quantiles is None:
        return {}
    return {
        name: finish(start, value_of(one["elapsed_days"]) * SECONDS_PER_DAY)
        for name, one in solved.answer.quantiles.items()
    }
