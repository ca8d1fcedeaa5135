"""From a rate of training to days, hours, money and energy: one run as numbers, or many as columns."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.economics import (
    Z80,
    elapsed_over_productive,
    energy,
    goodput,
    quantile_z,
    rent,
    whole_run_log_factor,
    whole_run_log_spread,
)
from hwmodel.ops import Num, exp
from hwmodel.physics.shape import parameters
from hwmodel.solve.question.setting import Fleeted, Setting
from hwmodel.solve.run.result import Band
from hwmodel.specs import ReliabilityFacts, Shape
from hwmodel.specs.economics import WholeRunConstants
from hwmodel.specs.intervals import Ends
from hwmodel.units import SECONDS_PER_DAY

QUANTILES = (0.5, 0.8, 0.9)
# Mean draw of servers in training runs spans 0.6 to 0.9 of their rating around the 0.76 of arXiv 2506.14551.
ENERGY_LOG_HALF_WIDTH = math.log(0.9 / 0.76)


class BilledHours(msgspec.Struct, frozen=True, kw_only=True):
    """Hours billed over steady ones of jobs on so many accelerators each, but for a factor that they share."""

    params: float
    reliability: ReliabilityFacts
    whole_run: WholeRunConstants
    year: float

    def __call__(self, accelerators: NDArray[np.float64]) -> NDArray[np.float64]:
        factor = np.exp(whole_run_log_factor(accelerators, self.year, self.whole_run))
        return np.asarray(factor / goodput(accelerators, self.params, self.reliability).goodput)


def billed_hours(setting: Setting, shape: Shape) -> BilledHours:
    """What a search weighs its layouts with: a step hardly faster on many more accelerators fails more often."""
    return BilledHours(
        params=float(parameters(shape).total), reliability=setting.reliability, whole_run=setting.whole_run,
        year=setting.request.year or setting.whole_run.year,
    )  # fmt: skip


class Rated(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one setting at a known rate; numbers or columns. `doubt`: ends of the 80 % interval of their seconds."""

    accelerators: Num  # billed
    used: Num  # of them, those that train: the others are idle, and fail nobody
    params: Num  # all of them: what a checkpoint writes
    tokens: Num
    six_nd_per_token: Num  # FLOP that 6 N D counts a token: the draw of power goes by them
    mfu_flop_per_token: Num  # FLOP a token in the convention that MFU is printed in
    tokens_per_s: Num
    doubt: Ends
    peak_flop_per_s: float  # of one accelerator, in the format of the products


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What the runs take; bands with their value at the confidence asked (`median_`: at one half)."""

    train_days: Band
    elapsed_days: Band
    gpu_hours: Band
    mfu: Band
    tokens_per_s: Band
    cost_usd: Band | None
    energy_mwh: Band
    co2e_t: Band
    goodput: Num
    whole_run_factor: Band
    median_elapsed_days: Band
    median_gpu_hours: Band
    median_cost_usd: Band | None


def steady_days(tokens: Num, tokens_per_s: Num) -> Num:
    """Days that tokens take at a rate, without failures."""
    return tokens / tokens_per_s / SECONDS_PER_DAY


def utilisation(tokens_per_s: Num, flop_per_token: Num, accelerators: Num, peak_flop_per_s: Num) -> Num:
    """MFU: FLOP counted a second over the dense peak of all accelerators."""
    return tokens_per_s * flop_per_token / (accelerators * peak_flop_per_s)


def speedup(tokens_per_s: Num, reference_tokens_per_s: Num) -> Num:
    """How many times as fast as the reference a format trains, each in its own best layout."""
    return tokens_per_s / reference_tokens_per_s


def billed_hours_of(elapsed_days: Num, accelerators: Num) -> Num:
    """Accelerator-hours of a fleet over so many days."""
    return elapsed_days * (24.0 * accelerators)


def bill(setting: Fleeted, run: Rated) -> Bill:
    """Steady days as days billed, with failures and the whole-run factor; the rate's interval carries through."""
    whole = setting.whole_run
    days = Band.around(steady_days(run.tokens, run.tokens_per_s), run.doubt)
    factor = whole_run_log_factor(run.used, setting.request.year or whole.year, whole)
    share = goodput(run.used, run.params, setting.reliability).goodput
    spread = Z80 * whole_run_log_spread(run.six_nd_per_token * run.tokens, whole)
    billed = Band.around(elapsed_over_productive(share, factor, 0.0, 0.0), spread)
    elapsed = days.times(billed)
    hours = elapsed.scaled(billed_hours_of(1.0, run.accelerators))
    cost = _cost(setting, hours, elapsed.value * SECONDS_PER_DAY)
    z = quantile_z(setting.request.confidence)
    fleet = (run.accelerators, run.peak_flop_per_s)
    six_nd_mfu = utilisation(run.tokens_per_s, run.six_nd_per_token, *fleet)
    used = energy(1.0, setting.part, setting.system, setting.energy, six_nd_mfu)
    kwh: Any = used.total_kwh
    drawn = Band.around(kwh / 1e3, ENERGY_LOG_HALF_WIDTH).times(hours.at(z))
    return Bill(
        train_days=days,
        elapsed_days=elapsed.at(z),
        gpu_hours=hours.at(z),
        mfu=Band.around(utilisation(run.tokens_per_s, run.mfu_flop_per_token, *fleet), run.doubt.flipped),
        tokens_per_s=Band.around(run.tokens_per_s, run.doubt.flipped),
        cost_usd=cost.at(z) if cost is not None else None,
        energy_mwh=drawn,
        co2e_t=drawn.scaled(used.kg_co2e / kwh),
        goodput=share,
        whole_run_factor=Band.around(exp(factor), spread),
        median_elapsed_days=elapsed,
        median_gpu_hours=hours,
        median_cost_usd=cost,
    )


def quantiles(found: Bill) -> dict[str, dict[str, float | None]]:
    """Hours, days and money of one run at the confidences of QUANTILES."""
    cost = found.median_cost_usd
    return {
        f"p{100 * share:.0f}": {
            "gpu_hours": found.median_gpu_hours.at(z).value,
            "elapsed_days": found.median_elapsed_days.at(z).value,
            "cost_usd": cost.at(z).value if cost is not None else None,
        }
        for share, z in ((share, quantile_z(share)) for share in QUANTILES)
    }


def _cost(setting: Setting, hours: Band, elapsed_s: Num) -> Band | None:
    if setting.price is None:
        return None
    one: Any = rent(1.0, setting.price, elapsed_s)
    return hours.times(Band(one.median_usd, one.low_usd, one.high_usd))
