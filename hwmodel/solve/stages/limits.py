"""What a whole budget may cost and last: the shared `budget`, `time` and `deadline` of a plan file.

They bind the sum of all stages, never each stage. A stage that says neither its size nor its data gets what the others
leave; several such stages share it evenly (the money of all, the days of their pool).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from hwmodel.economics import Z80, share_below
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.solve.question.deadline import read_deadline
from hwmodel.solve.question.options import PlanOptions, without
from hwmodel.solve.question.typed import fleet_of
from hwmodel.solve.run.budget_records import Budget
from hwmodel.solve.run.cash import schedule
from hwmodel.solve.run.lines import StageLine
from hwmodel.solve.run.result import Band
from hwmodel.solve.stages.file import BudgetFile, Stage
from hwmodel.solve.stages.given import BudgetKeys
from hwmodel.units import SECONDS_PER_DAY, format_duration, format_usd, parse_duration_s, parse_usd

SIZES = ("params", "model", "shape")
TRAINED = ("pretrain", "context")
ENTERED_BY = ("gpu_hours", "cost_usd", "share")
OVERRUN = 1e-6  # by which a limit may be overrun
TURNS = 16  # shares settle in two to five where a stage's money follows its share
LESS = 0.25  # of a share whose stage leaves the others nothing: they may be shares of it themselves
USED = 0.999  # of a share: a stage that takes less is bound by something else
LEAST = 0.02  # of a limit; where the others take all of it even so, nothing is left


class WholeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars and days that all stages together may take; None where no limit is given."""

    budget_usd: float | None = None
    time_days: float | None = None


class KeptLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of the whole budget: what of it is planned, and the chance that the stages keep it (money; None where a
    certainty other than even odds was asked for, whose figures are no medians)."""

    name: str  # budget | time
    limit: float  # dollars or days
    planned: float
    chance: float | None


class StageShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one stage may take of the limits."""

    usd: float | None
    days: float | None

    @property
    def options(self) -> PlanOptions:
        """As options of `plan`."""
        found: PlanOptions = {}
        if self.usd is not None:
            found["budget"] = self.usd
        if self.days is not None:
            found["time"] = f"{self.days!r}d"
        return found


def limits_of(options: PlanOptions) -> WholeLimits:
    """The shared limits of a file. Raises InputError for time beside a deadline, and for what cannot be read."""
    money, time, deadline = options.get("budget"), options.get("time"), options.get("deadline")
    if time is not None and deadline is not None:
        raise InputError("time and deadline both say when all must have ended: give one of them")
    days = None if time is None else parse_duration_s(str(time), "time") / SECONDS_PER_DAY
    if deadline is not None:
        left_s = read_deadline(deadline, options.get("start")).time_s
        days = None if left_s is None else left_s / SECONDS_PER_DAY
    return WholeLimits(budget_usd=None if money is None else parse_usd(str(money), "budget"), time_days=days)


def unlimited(file: BudgetFile) -> BudgetFile:
    """The file without the limits of the whole, which no stage keeps alone."""
    return msgspec.structs.replace(file, options=without(file.options, "budget", "time", "deadline"))


def sized_by_limits(file: BudgetFile, stage: Stage) -> bool:
    """Whether a stage's size, data or fleet follow from the shared limits."""
    own = stage.options
    if any(name in stage.own for name in ENTERED_BY) or any(name in own for name in ("budget", "time", "deadline")):
        return False
    given = {**file.options, **own}
    fleet = given.get("gpus")
    if fleet is not None and "+" not in str(fleet) and fleet_of(fleet)[0] is None and "power" not in file.top:
        return True
    if stage.kind not in TRAINED or any(name in given for name in ("flops", "loss", "loss_like")):
        return False
    return not ("tokens" in given and any(name in given for name in SIZES))


def with_shares(file: BudgetFile, shares: dict[int, StageShare]) -> BudgetFile:
    """The file whose stages, by their numbers, may take their shares."""
    stages = tuple(
        msgspec.structs.replace(stage, options={**stage.options, **shares[i].options}) if i in shares else stage
        for i, stage in enumerate(file.stages)
    )
    return msgspec.structs.replace(file, stages=stages)


def first_shares(limits: WholeLimits, sized: Sequence[int]) -> dict[int, StageShare]:
    """All of every limit to each stage that it sizes."""
    return {i: StageShare(usd=limits.budget_usd, days=limits.time_days) for i in sized}


def next_shares(
    limits: WholeLimits,
    shares: dict[int, StageShare],
    by_stage: Sequence[Sequence[StageLine]],
    planned_usd: float | None,
) -> dict[int, StageShare]:
    """Shares by which the stages that they size would take what the others leave.

    by_stage: the lines of each stage under `shares`; planned_usd: the sum with all that is entered. Raises
    InfeasibleError where the others leave nothing.
    """
    usd, days = ({i: of(by_stage[i]) for i in shares} for of in (_usd, _days))
    more_usd = {i: share.usd for i, share in shares.items() if share.usd is not None and usd[i] > 0.0}
    if limits.budget_usd is not None and planned_usd is not None and more_usd:
        others = planned_usd - sum(usd.values())
        more_usd = _shared(limits.budget_usd, others, usd, more_usd, "budget", format_usd)
    more_days = {i: share.days for i, share in shares.items() if share.days is not None and days[i] > 0.0}
    ends = _ends([line for lines in by_stage for line in lines])
    for part, end in ends.items() if limits.time_days is not None else ():
        beside = {i: more_days[i] for i in more_days if by_stage[i][0].part == part}
        if limits.time_days is not None and beside:
            others = end - sum(days[i] for i in beside)
            more_days |= _shared(limits.time_days, others, days, beside, "time", _in_days)
    return {
        i: StageShare(usd=more_usd.get(i, share.usd), days=more_days.get(i, share.days)) for i, share in shares.items()
    }


def _shared(
    limit: float, others: float, taken: dict[int, float], shares: dict[int, float], name: str,
    written: Callable[[float], str],
) -> dict[int, float]:  # fmt: skip
    """Shares of what `others` leave of a limit, level but for stages that take less of theirs, as those that another
    limit binds: they leave it to the rest. Raises InfeasibleError where the others take all even beside next to
    nothing."""
    left = limit - others
    if left <= 0.0:
        if max(shares.values()) < LEAST * limit:
            raise InfeasibleError(
                f"the stages that no limit sizes take {written(others)}, and {name} allows {written(limit)} for all: "
                "nothing is left",
                binding=name,
                remedy=f"raise {name}, or enter less of them",
            )
        return {i: share * LESS for i, share in shares.items()}
    most = {i: taken[i] if taken[i] < USED * share else math.inf for i, share in shares.items()}
    level = _level(left, list(most.values()))
    return {i: share if most[i] <= level else min(share * level / taken[i], limit) for i, share in shares.items()}


def _level(left: float, most: list[float]) -> float:
    """The level up to which takers of at most so much each share a quantity; infinite where all get what they take."""
    takers = len(most)
    for one in sorted(most):
        if one > left / takers:
            return left / takers
        left, takers = left - one, takers - 1
        if not takers:
            break
    return math.inf


def settled(before: dict[int, StageShare], after: dict[int, StageShare]) -> bool:
    """Whether no share moves any more."""
    pairs = [pair for i, share in after.items() for pair in ((before[i].usd, share.usd), (before[i].days, share.days))]
    return all(a is None or b is None or math.isclose(a, b, rel_tol=OVERRUN / 10.0) for a, b in pairs)


def planned(found: Budget, top: BudgetKeys) -> float | None:
    """Dollars that a limit binds: the sum of the lines, with a contingency that was entered. One that is worked out
    from the doubts is the way from even odds to 80 %, and is no part of it."""
    money = found.total_usd if "contingency" in top else found.cost_usd
    return None if money is None else money.value


def kept_limits(
    limits: WholeLimits, file: BudgetFile, found: Budget, lines: Sequence[StageLine]
) -> tuple[KeptLimit, ...]:
    """Each limit with what is planned of it. Raises InfeasibleError for one that is overrun, InputError for money that
    nobody quotes."""
    kept: list[KeptLimit] = []
    if limits.budget_usd is not None:
        money = planned(found, file.top)
        if money is None or found.cost_usd is None:
            raise InputError("budget limits money, and no stage has a price: give usd_per_hour or prices")
        dearest = max(lines, key=lambda line: _usd([line]))
        _check(
            "budget", money, limits.budget_usd, format_usd,
            f"the stages cost {format_usd(found.cost_usd.value)}"
            + (f", {format_usd(money)} with the contingency entered" if "contingency" in file.top else "")
            + f" ({dearest.stage} {format_usd(_usd([dearest]))})",
        )  # fmt: skip
        chance = None if "confidence" in file.options else _chance(found.cost_usd, limits.budget_usd)
        kept.append(KeptLimit(name="budget", limit=limits.budget_usd, planned=money, chance=chance))
    if limits.time_days is not None:
        ends = _ends(lines)
        part = max(ends, key=lambda one: ends[one])
        _check("time", ends[part], limits.time_days, _in_days, f"the stages on {part} end after {_in_days(ends[part])}")
        kept.append(KeptLimit(name="time", limit=limits.time_days, planned=ends[part], chance=None))
    return tuple(kept)


def _check(name: str, taken: float, limit: float, written: Callable[[float], str], said: str) -> None:
    if taken > limit * (1.0 + OVERRUN):
        enough = written(_rounded_up(taken))
        raise InfeasibleError(
            f"{said}; {name} allows {written(limit)} for all of them: raise it to {enough} or plan less",
            binding=name,
            remedy=f"{name} {enough}",
        )


def _rounded_up(value: float) -> float:
    """A value of three digits that is not less, so that a limit raised to it is kept."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.ceil(value / unit) * unit


def _in_days(days: float) -> str:
    return format_duration(days * SECONDS_PER_DAY)


def _chance(band: Band, limit: float) -> float:
    """The chance that a sum of this median and 80 % interval stays within a limit; its errors are taken as one."""
    if not 0.0 < band.low < band.value < band.high:
        return 1.0 if band.value <= limit else 0.0
    end = band.high if limit > band.value else band.low
    return float(share_below(Z80 * math.log(limit / band.value) / abs(math.log(end / band.value))))


def _usd(lines: Sequence[StageLine]) -> float:
    return sum(line.cost_usd.value for line in lines if line.cost_usd is not None)


def _days(lines: Sequence[StageLine]) -> float:
    return sum(line.elapsed_days.value for line in lines if line.elapsed_days is not None)


def _ends(lines: Sequence[StageLine]) -> dict[str | None, float]:
    """Days from the start until each pool is free."""
    found: dict[str | None, float] = {}
    for slot in schedule(lines):
        found[slot.line.part] = max(found.get(slot.line.part, 0.0), slot.end_days)
    return found
