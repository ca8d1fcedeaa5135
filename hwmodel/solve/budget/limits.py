"""Whether a solved run keeps the time and the money given, and, where it does not, how likely it would and what would
mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwmodel.errors import InfeasibleError
from hwmodel.solve.budget.enough import accelerators_enough
from hwmodel.solve.budget.risk import Limit, limits
from hwmodel.solve.question.request import Request
from hwmodel.solve.question.setting import Fleeted, Setting
from hwmodel.solve.run.result import value_of
from hwmodel.units import HOURS_PER_YEAR, SECONDS_PER_DAY, format_count, format_duration, format_usd

DAYS_PER_YEAR = HOURS_PER_YEAR / 24.0

if TYPE_CHECKING:
    from hwmodel.solve.run.sizing import LossModel
    from hwmodel.solve.run.solved import Solved

SLACK = 1.005  # below what is printed
LONGEST_YEARS = 1000.0  # beyond it no month, price or failure means anything


def check_limits(setting: Fleeted, solved: Solved, model: LossModel) -> None:
    """Raises InfeasibleError where the answer breaks the time or the budget given, or takes longer than anybody plans,
    with what would mend it."""
    r, found = setting.request, solved.answer
    if value_of(found.elapsed_days) > LONGEST_YEARS * DAYS_PER_YEAR:
        raise _endless(setting, solved)
    if r.time_s is not None and value_of(found.elapsed_days) * SECONDS_PER_DAY > r.time_s * SLACK:
        raise _late(setting, solved, model)
    if r.budget_usd is not None and found.cost_usd is not None and value_of(found.cost_usd) > r.budget_usd * SLACK:
        raise _dear(setting, solved, model)


def _endless(setting: Fleeted, solved: Solved) -> InfeasibleError:
    years = value_of(solved.answer.elapsed_days) / DAYS_PER_YEAR
    count = int(solved.answer.accelerators or 1)
    remedy = f"about {format_count(count * years / LONGEST_YEARS)} accelerators"
    return InfeasibleError(
        f"the run takes {format_count(years)} years on {count:,} x {setting.part.id}, beyond the {LONGEST_YEARS:,.0f} "
        f"that a plan is made for; take at least {remedy}, or give --time",
        binding="time",
        remedy=remedy,
    )


def _late(setting: Fleeted, solved: Solved, model: LossModel) -> InfeasibleError:
    r = setting.request
    assert r.time_s is not None
    elapsed_s = value_of(solved.answer.elapsed_days) * SECONDS_PER_DAY
    count = accelerators_enough(solved, r.time_s, r.confidence)
    tokens = format_count(r.time_s / elapsed_s * solved.sized.d)
    fewer = f"{tokens} tokens at this size, or a smaller model"
    remedy = f"{count:,} accelerators" if count is not None else "fewer tokens"
    mend = f"take {remedy}, {fewer}" if count is not None else f"take {fewer}"
    return InfeasibleError(
        f"the run takes {format_duration(elapsed_s)} (with failures and restarts{_sure(r)}), {_allowed(r)}"
        f"{_chance(setting, solved, model, 'time')}; {mend}",
        binding="time",
        remedy=remedy,
    )


def _dear(setting: Fleeted, solved: Solved, model: LossModel) -> InfeasibleError:
    r = setting.request
    assert r.budget_usd is not None
    cost = value_of(solved.answer.cost_usd)
    return InfeasibleError(
        f"the run costs {format_usd(cost)}{_sure(r, ' (', ')')} at {hourly(setting)} an accelerator-hour, --budget "
        f"allows {format_usd(r.budget_usd)}{_chance(setting, solved, model, 'budget')}; that pays for "
        f"{format_count(r.budget_usd / cost * solved.sized.d)} tokens at this size",
        binding="budget",
        remedy="fewer tokens, a smaller model or cheaper hours",
    )


def _chance(setting: Fleeted, solved: Solved, model: LossModel, name: str) -> str:
    found: Limit = next(one for one in limits(setting, solved, model) if one.name == name)
    return f": the chance of keeping it is {100 * found.chance:.0f} %"


def _sure(r: Request, before: str = ", ", after: str = "") -> str:
    """At which certainty, where it is not the median."""
    return "" if r.confidence == 0.5 else f"{before}with {100 * r.confidence:g} % certainty{after}"


def _allowed(r: Request) -> str:
    """What the option given allows."""
    assert r.time_s is not None
    if r.deadline is not None:
        return f"--deadline {r.deadline} leaves {format_duration(r.time_s)} from {r.start}"
    option = "--deadline" if any(name == "--deadline" for name, _ in r.asked) else "--time"
    return f"{option} allows {format_duration(r.time_s)}"


def hourly(setting: Setting) -> str:
    """The rent of an accelerator-hour, for messages."""
    return format_usd(setting.price.median_usd_per_accelerator_hour) if setting.price else "an unknown price"
