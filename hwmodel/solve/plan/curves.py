"""The curves of a plan: loss against size at one budget, time against accelerators, optimum against demand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hwmodel import laws
from hwmodel.economics import Z80, whole_run_log_spread
from hwmodel.solve.life import demand
from hwmodel.solve.life.demand import Life
from hwmodel.solve.run.answers import flop_convention_rate
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.records import Curves, FleetPoint, SizePoint
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.specs.intervals import CERTAIN, Ends
from hwmodel.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from hwmodel.solve.run.solved import Solved

SIZE_SPAN = 4.0
SIZE_POINTS = 41
FLEET_FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


def size_curve(model: LossModel, sized: Sized) -> list[SizePoint]:
    """Loss against size at the compute of this plan: what missing the best size costs."""
    if sized.loss is None or not laws.splits_compute(model.law):
        return []
    flop = 6.0 * sized.n * sized.d
    centre = float(laws.optimum_for_flop(model.law, flop).params)
    sizes = np.geomspace(centre / SIZE_SPAN, centre * SIZE_SPAN, SIZE_POINTS)
    losses = np.asarray(model.loss(sizes, flop / (6.0 * sizes)))
    wasted = np.asarray(laws.regret(model.law, sizes, flop))
    return [
        SizePoint(params=float(n), tokens=float(flop / (6.0 * n)), loss_nats=float(v), wasted=float(w))
        for n, v, w in zip(sizes, losses, wasted)
    ]


def fleet_curve(solved: Solved) -> list[FleetPoint]:
    """Training time against accelerators at the same size and tokens, until the critical batch leaves some idle."""
    now = solved.fleet.accelerators
    counts = sorted({max(1, int(now * factor)) for factor in FLEET_FACTORS})
    evaluation = solved.fleet.evaluate(solved.at.shape, solved.sized.n, counts)
    # What sets the plan's own speed beside the prediction (shape, a measured run, --mfu) holds for every fleet of it.
    level = value_of(solved.answer.tokens_per_s) / solved.choice.tokens_per_s
    rows = []
    for case, count in enumerate(counts):
        rate = evaluation.tokens_per_s(case) * level
        row = int(evaluation.best[case])
        used = float(evaluation.space.accelerators[row]) if row >= 0 else 0.0
        own = Fleet(solved.fleet.setting, count)
        mfu = flop_convention_rate(own, solved.at, rate) if rate else None
        days = solved.sized.d / rate / SECONDS_PER_DAY if rate else None
        doubt = CERTAIN if solved.fleet.setting.request.mfu is not None else own.doubt_of(evaluation, case)
        rows.append(
            FleetPoint(
                accelerators=count,
                train_days=None if days is None else Band.around(days, doubt),
                elapsed_days=_elapsed(own, solved, rate) if rate else None,
                mfu=None if mfu is None else Band.around(mfu, doubt.flipped),
                idle_accelerators=int(count - used) if row >= 0 else None,
                batch_cap_binds=bool(row >= 0 and used < 0.95 * count),
            )
        )
    return rows


def _elapsed(fleet: Fleet, solved: Solved, tokens_per_s: float) -> Band:
    """Days billed with doubts at their medians, with the 80 % interval of the plan's own step and of whole runs."""
    days = solved.sized.d / tokens_per_s / SECONDS_PER_DAY
    own = solved.answer.train_days
    down, up = (math.log(own.value / own.low), math.log(own.high / own.value)) if isinstance(own, Band) else (0.0, 0.0)
    spread = Z80 * float(whole_run_log_spread(solved.answer.train_flop, fleet.setting.whole_run))
    middle = days * fleet.elapsed_over_productive(solved.sized.n, CERTAIN, 0.0)
    return Band.around(middle, Ends(math.hypot(down, spread), math.hypot(up, spread)))


def curves(model: LossModel, sized: Sized, solved: Solved | None, one: Life | None) -> Curves:
    """All curves that this plan has."""
    of_size, of_fleet = size_curve(model, sized), fleet_curve(solved) if solved is not None else []
    if one is None:
        return Curves(size=of_size, accelerators=of_fleet)
    by_demand = demand.demand_curve(model, one)
    return Curves(
        size=of_size, accelerators=of_fleet, lifetime=demand.size_curve(model, one), demand=by_demand,
        flip_inference_tokens=demand.flip_demand(by_demand),
    )  # fmt: skip
