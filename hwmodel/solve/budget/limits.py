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
from hwmodel.units import SECONDS_PER_DAY, format_count, format_duration, format_usd

if TYPE_CHECKING:
    from hwmodel.solve.run.sizing import LossModel
    from hwmodel.solve.run.solved import Solved

SLACK = 1.005  # below what is printed


def check_limits(setting: Fleeted, solved: Solved, model: LossModel) -> None:
    """Raises InfeasibleError where the answer breaks the time or the budget given, with what would mend it."""
    r, found = setting.request, solved.answer
    if r.time_s is not None and value_of(found.elapsed_days) * SECONDS_PER_DAY > r.time_s * SLACK:
        raise _late(setting, solved, model)
    if r.budget_usd is not None and found.cost_usd is not None and value_of(found.cost_usd) > r.budget_usd * SLACK:
        raise _dear(setting, solved, model)


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
