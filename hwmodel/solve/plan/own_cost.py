"""Which size reaches a loss for the least: sizes compared each by its own bill, of its training or of its whole life.

A law says which size reaches a loss in the fewest FLOPs, and a trend over a fleet's sizes what the others cost. A shape
that divides well is up to twice as fast as its trend, and one that does not as slow. So sizes near the best of either
are billed as they would be built, and the cheapest is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.errors import InfeasibleError
from hwmodel.laws.lifetime import Option, reached_loss
from hwmodel.numerics import falls_at
from hwmodel.solve.life.demand import Life, option
from hwmodel.solve.life.whole_life import SAME_LOSS
from hwmodel.solve.plan.closing import LIMIT_TOLERANCE
from hwmodel.solve.plan.own_batch import FINE, at_own_batch
from hwmodel.solve.question.setting import Fleeted, Setting
from hwmodel.solve.run.answers import limits_used
from hwmodel.solve.run.fleet import Fleet, fleet_size
from hwmodel.solve.run.result import RunAnswer, value_of
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.solve.run.solved import on_fleet, sized_shape

# Sizes tried: so many of the fine ladder to either side of one, a quarter of a decade. Where none of these fits, one
# in so many of them on the way down to a tenth, and those around the largest that does.
BESIDE, DOWN = FINE // 4, FINE // 8
MOST_TOKENS = 1e6  # tokens of a size over those of the run that it is compared with; more do not reach the loss

Run = tuple[float, float]  # parameters and tokens
Bill = Callable[[RunAnswer, Run], float | None]


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A loss, how sizes reach it, what is to be least of a run that does (None where it cannot be had), and the
    question whose time and money it is to keep."""

    way: Option
    loss: float
    bill: Bill
    limits: Setting


def chosen_by_cost(setting: Setting) -> bool:
    """Whether a loss is to be reached on accelerators whose speed at each size is predicted, and nothing sizes it."""
    r = setting.request
    return (
        isinstance(setting, Fleeted) and r.has_loss_target and r.lifetime_budget_usd is None and r.tokens is None
        and r.params is None and setting.shape() is None and r.mfu is None and r.objective != "flops"
    )  # fmt: skip


def least_training(fleet: Fleet, model: LossModel, sized: Sized, opened: bool) -> Sized:
    """The run that reaches the loss of `sized` in the fewest accelerator-hours of a fleet; itself where none fits.

    `opened`: the count is open, so that another fleet may keep the time.
    """
    way = Option(law=model.law, unique_tokens=model.unique_tokens, repeats=model.repetition)
    goal = Goal(way=way, loss=value_of(sized.loss), bill=_hours, limits=_limits(fleet, opened))
    n, d = cheapest(fleet, goal, [(sized.n, sized.d)])
    how = f"reaches a loss of {goal.loss:.3f} nats/token ({model.law.id}) in the fewest accelerator-hours here"
    solved = {"params": how, "tokens": how}
    return Sized(params=n, tokens=d, loss=model.loss_band(n, d), solved=solved, closed_by="cost")


def fewest_for(fleet: Fleet, run: Sized) -> Fleet:
    """The fewest accelerators that a run asks for whose cost chose it, where their count is open."""
    at = sized_shape(run, None, timed=True)
    return Fleet(fleet.setting, fleet_size(fleet.setting, at.shape, run.n, run.d, at.flop_params))


def _limits(fleet: Fleet, opened: bool) -> Setting:
    """The question whose time and money a run keeps: with an open count the money alone, for more keep the time."""
    request = fleet.setting.request
    time_s = None if opened else request.time_s
    return msgspec.structs.replace(fleet.setting, request=msgspec.structs.replace(request, time_s=time_s))


def _hours(answer: RunAnswer, run: Run) -> float | None:
    return None if answer.gpu_hours is None else value_of(answer.gpu_hours)


def as_built(fleet: Fleet, model: LossModel, one: Life, sized: Sized, by_cost: bool, opened: bool) -> Life:
    """A life with its runs as they are cheapest by their own bills, near those that the trend of sizes chose.

    `by_cost`: `sized` is the cheapest run of a loss that was asked for; `opened`: the count of accelerators is open.
    """
    if one.costs.objective == "flops":
        return one
    way, limits = option(model, one.costs), _limits(fleet, opened)
    own = [(sized.n, sized.d)] if abs(float(reached_loss(way, sized.n, sized.d)) - one.loss) < SAME_LOSS else []
    if by_cost:
        goal = Goal(way=way, loss=one.loss, bill=lambda answer, run: one.costs.own_bill(answer), limits=limits)
        trained = own[0] if own else cheapest(fleet, goal, [one.training_run])
        one, own = msgspec.structs.replace(one, trained=trained), []
    goal = Goal(way=way, loss=one.loss, bill=lambda answer, run: one.billed(answer, *run), limits=limits)
    built = cheapest(fleet, goal, [one.whole_life_run, one.training_run, *own])
    return msgspec.structs.replace(one, built=built)


def cheapest_life(one: Life, sized: Sized, of_budget: bool) -> Sized:
    """The run of the cheapest life of a loss, which is the target or (`of_budget`) what the lifetime budget pays."""
    how = "least loss for the lifetime budget" if of_budget else "least lifetime cost at this loss"
    found, (n, d) = one.found, one.whole_life_run
    return Sized(
        params=one.params.scaled(n / float(found.params)) if one.params else n,
        tokens=one.tokens.scaled(d / float(found.tokens)) if one.tokens else d,
        loss=sized.loss, solved={"params": how, "tokens": how},
    )  # fmt: skip


def cheapest(fleet: Fleet, goal: Goal, runs: Sequence[Run]) -> Run:
    """The run of the least bill: of some that reach the loss and of sizes near the first, or under a limit up to the
    others, which train for less; the first where none fits."""
    last = max(runs) if _limited(goal.limits) else runs[0]
    best = _least(fleet, goal, [*runs, *_between(goal, runs[0], last)])
    if best is None:
        best = _least(fleet, goal, _smaller(goal, runs[0]))
        if best is not None:
            best = _least(fleet, goal, [best, *_between(goal, best, best)])
    return best or runs[0]


def _limited(setting: Setting) -> bool:
    return setting.request.time_s is not None or setting.request.budget_usd is not None


def _least(fleet: Fleet, goal: Goal, runs: Iterable[Run]) -> Run | None:
    """The run of the least bill, the first of equal ones; None where none has one."""
    bills = {run: bill for run in dict.fromkeys(runs) if (bill := _bill(fleet, goal, run)) is not None}
    return min(bills, key=lambda run: bills[run], default=None)


def _bill(fleet: Fleet, goal: Goal, run: Run) -> float | None:
    """What a run costs as it is built, at the batch of its own tokens; None where nothing of its size fits, or not into
    the limits."""
    sized = Sized(params=run[0], tokens=run[1], loss=None, solved={})
    try:
        answer = on_fleet(at_own_batch(fleet, sized), sized).answer
    except InfeasibleError:
        return None
    return goal.bill(answer, run) if limits_used(goal.limits, answer) <= 1.0 + LIMIT_TOLERANCE else None


def _between(goal: Goal, first: Run, last: Run) -> list[Run]:
    """Sizes of the fine ladder near two and between them, with the tokens on which they reach the loss."""
    low, high = sorted(round(math.log10(run[0]) * FINE) for run in (first, last))
    return _reaching(goal, np.arange(low - BESIDE, high + BESIDE + 1), max(first[1], last[1]))


def _smaller(goal: Goal, run: Run) -> list[Run]:
    """Sizes down to a tenth of one."""
    place = round(math.log10(run[0]) * FINE)
    return _reaching(goal, np.arange(place - BESIDE - DOWN, place - FINE - 1, -DOWN), run[1])


def _reaching(goal: Goal, places: NDArray[np.int64], tokens: float) -> list[Run]:
    """Sizes at places of the fine ladder with the tokens on which they reach the loss, those that can."""
    sizes, most = 10.0 ** (places / FINE), math.log(MOST_TOKENS * tokens)
    ends = np.zeros(len(sizes)), np.full(len(sizes), most)
    logs = np.asarray(falls_at(lambda x: reached_loss(goal.way, sizes, np.exp(x)) > goal.loss, *ends))
    return [(float(n), math.exp(x)) for n, x in zip(sizes, logs, strict=True) if x < most - 1e-6]
