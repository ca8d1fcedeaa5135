"""Fleets whose count is open: what money, power or a size ask for, and none of it waiting."""

from __future__ import annotations

import math

import numpy as np

from hwmodel.errors import InputError
from hwmodel.numerics import falls_at_log
from hwmodel.solve.question.setting import Fleeted, Setting
from hwmodel.solve.run.fleet import Fleet, fleet_for_budget
from hwmodel.solve.run.power import accelerators_within, check_power
from hwmodel.solve.run.solved import Solved

# Fleets tried, each without the accelerators that wait in the one before; most questions need none, few more than two.
FLEET_ROUNDS = 24
# A fleet shrinks by no more than this in a round: on fewer the money lasts longer, and the batch of a run on more
# tokens feeds more replicas than that of the run before did.
MOST_SHRINKING = 0.75
NEARLY = 0.9  # of a fleet: so many close on sizes near its own
SMALLER = (0.6, 0.67, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98)  # shares of a fleet that may end a run as early
# Where no time is given, a fleet that is smaller by a tenth may end the run later by a hundredth: nearly as many are
# fastest over a wide range, and which of them is a matter of how few layouts divide. A judgement: no source weighs
# money against days.
LATER_PER_SAVED = 0.1
# Above this a fleet loses less to failures than it gains by a node: of n accelerators with goodput 1 - c n the speed
# n (1 - c n) grows up to a goodput of one half, and what their network loses stands in their layouts.
SAFE_GOODPUT = 0.8
# Below this, which is lower than that one half, no larger fleet is faster: the size may change, and its checkpoints.
WORTH_GOODPUT = 0.4


def fleet_given(setting: Setting) -> Fleet | None:
    """The fleet of a question, or the one that its money or power pays for; None where the run itself is to size it.

    Raises InputError where nothing says how many accelerators it takes.
    """
    r = setting.request
    if not isinstance(setting, Fleeted):
        return None
    if r.gpus is not None:
        check_power(setting, r.gpus)
        return Fleet(setting, r.gpus)
    if r.power_w is not None:
        return _powered(setting, r.power_w)
    sized = r.params is not None or r.model is not None or r.shape is not None
    if r.budget_usd is not None and r.flop is None and not r.has_loss_target and not (sized and r.tokens is not None):
        return Fleet(setting, fleet_for_budget(setting, r.budget_usd))
    if r.time_s is None and r.budget_usd is None:
        part = setting.part.id
        raise InputError(f"how many {part}? give a count, like --gpus 1024x{part}, or --time or --budget to solve it")
    if not (sized or r.tokens is not None or r.flop is not None or r.has_loss_target):
        part = setting.part.id
        raise InputError(
            f"--time alone sizes neither the fleet nor the run: give a count, like --gpus 1024x{part}, --budget, or "
            "what to train (--tokens, --params, --flops or --loss)"
        )
    return None


def _powered(setting: Fleeted, power_w: float) -> Fleet | None:
    """All accelerators that the power of the site carries, or what the money pays for of them; None where the run is
    sized and a time given: then the fewest that finish within it."""
    r, most = setting.request, accelerators_within(power_w, setting)
    sized = r.params is not None or r.model is not None or r.shape is not None
    if r.time_s is not None and not r.open_time and (r.flop is not None or r.has_loss_target or (sized and r.tokens)):
        return None
    if r.budget_usd is not None and not (sized and r.tokens is not None):
        most = min(most, fleet_for_budget(setting, r.budget_usd))
    return Fleet(setting, most)


def fewer(setting: Setting, solved: Solved | None) -> Fleet | None:
    """A smaller fleet that ends the run no later, where the question leaves the count open (hardly later, where it
    leaves the time open too); None where none does.

    More accelerators do not help where the batch feeds no more replicas, or where a larger job fails more often than
    it gains: in the fastest layout some then wait, or a smaller fleet is as fast.
    """
    if solved is None or not isinstance(setting, Fleeted) or setting.request.gpus is not None:
        return None
    now, per_node = solved.fleet.accelerators, int(setting.system.accelerators_per_node)
    count = rentable(min(max(solved.used, int(MOST_SHRINKING * now)), _most_worth(solved)), per_node)
    if rentable(solved.used, per_node) >= now:
        count = _as_fast(solved, per_node)
    if count >= now:
        return None
    fleet = Fleet(setting, count)
    if count > NEARLY * now:
        fleet.near = solved.fleet.near
    return fleet


def _most_worth(solved: Solved) -> int:
    """Accelerators beyond which a larger job loses more to failures than it gains, whatever its batch and layout; all
    of the fleet where it is not so large."""
    fleet, n = solved.fleet, solved.sized.n
    if fleet.goodput(n) > WORTH_GOODPUT:
        return fleet.accelerators
    few = falls_at_log(lambda count: fleet.goodput(n, int(count)) > WORTH_GOODPUT, 1.0, float(fleet.accelerators))
    return max(int(few), 1)


def loses_little(solved: Solved) -> bool:
    """Whether failures cost a run so little that all of its fleet is faster than any part of it."""
    return solved.fleet.goodput(solved.sized.n, solved.used) > SAFE_GOODPUT


def _as_fast(solved: Solved, per_node: int) -> int:
    """The largest of some smaller fleets that ends the run as early, each in its own best layout, or the smallest that
    ends it hardly later; else the one there is. Where next to nothing is lost to failures, a fleet that all works is
    faster than any part of it."""
    fleet, request = solved.fleet, solved.fleet.setting.request
    if loses_little(solved):
        return fleet.accelerators
    counts = sorted({rentable(int(share * fleet.accelerators), per_node) for share in SMALLER}, reverse=True)
    tried = fleet.evaluate(solved.at.shape, solved.sized.n, counts)
    rows = np.asarray(tried.best, dtype=int)
    own = float(solved.evaluation.billed_s[int(solved.evaluation.best[0])])
    patience = 0.0 if request.time_s is not None else LATER_PER_SAVED
    early = [
        n for n, row in zip(counts, rows, strict=True)
        if row >= 0 and float(tried.billed_s[row]) <= own * (fleet.accelerators / n) ** patience
    ]  # fmt: skip
    return early[-1 if patience else 0] if early else fleet.accelerators


def rentable(accelerators: int, per_node: int) -> int:
    """The fewest accelerators on offer that are not less: a power of two up to a node, whole nodes beyond."""
    if accelerators >= per_node:
        return math.ceil(accelerators / per_node) * per_node
    return min(2 ** (accelerators - 1).bit_length(), per_node)
