"""What would be enough: accelerators that end a run in time with a certainty asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwmodel.economics import quantile_z
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.result import value_of
from hwmodel.specs.intervals import CERTAIN
from hwmodel.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from hwmodel.solve.run.solved import Solved

MOST_TIMES = 8.0  # the fleet, beyond which a run is another question
TRIED = 24


def accelerators_enough(solved: Solved, limit_s: float, share: float) -> int | None:
    """Fewest accelerators, a node apart, on which the same run ends within `limit_s` with a chance of `share`.

    None where eight times as many do not do it.
    """
    now, node = solved.fleet.accelerators, _grain(solved)
    nodes = np.unique(np.round(np.geomspace(now, MOST_TIMES * now, TRIED) / node).astype(int))
    coarse = [int(count) * node for count in nodes if count * node >= now] or [now]
    first = _first_inside(solved, coarse, limit_s, share)
    if first is None:
        return None
    below = max((count for count in coarse if count < first), default=now)
    between = np.unique(np.round(np.linspace(below, first, TRIED) / node).astype(int)) * node
    found = _first_inside(solved, [int(count) for count in between if count > below], limit_s, share)
    return found or first


def _grain(solved: Solved) -> int:
    """Accelerators come by the node once there is one."""
    node = int(solved.fleet.setting.system.accelerators_per_node)
    return node if solved.fleet.accelerators >= node else 1


def _first_inside(solved: Solved, counts: list[int], limit_s: float, share: float) -> int | None:
    if not counts:
        return None
    evaluation = solved.fleet.evaluate(solved.at.shape, solved.sized.n, counts)
    level = value_of(solved.answer.tokens_per_s) / solved.choice.tokens_per_s
    for case, count in enumerate(counts):
        fleet = Fleet(solved.fleet.setting, count, solved.fleet.precision, solved.fleet.machine)
        given = fleet.given_rate(solved.at.flop_params, solved.at.shape)
        rate = given or evaluation.tokens_per_s(case) * level
        if rate <= 0:
            continue
        steady_s = value_of(solved.answer.train_days) * SECONDS_PER_DAY * value_of(solved.answer.tokens_per_s) / rate
        doubt = CERTAIN if given else fleet.doubt_of(evaluation, case)
        if steady_s * fleet.elapsed_over_productive(solved.sized.n, doubt, quantile_z(share)) <= limit_s:
            return count
    return None
