"""Hours billed: the steady hours of a run, its failures, and what published runs cost beyond both."""

from __future__ import annotations

from statistics import NormalDist

from hwmodel.ops import Num, exp, hypot, log, maximum
from hwmodel.specs.economics import WholeRunConstants
from hwmodel.specs.intervals import Z80

_LN2, _LN10 = 0.6931471805599453, 2.302585092994046  # the natural logarithms of 2 and 10
_NORMAL = NormalDist()


def quantile_z(share: float) -> float:
    """Standard normal quantile: 0 at 0.5, 0.84 at 0.8."""
    return _NORMAL.inv_cdf(share)


def share_below(z: float) -> float:
    """Share of a standard normal below z."""
    return _NORMAL.cdf(z)


def whole_run_log_factor(accelerators: Num, year: Num, c: WholeRunConstants) -> Num:
    """Median of ln(hours billed / (steady hours / goodput)): rewinds, evaluations, slow stretches, waits, spares.

    Fitted on whole published runs (`hwmodel calibrate --runs catalogs/runs/whole.csv`). Runs of earlier years had
    older software and less practice; later ones than those measured are not credited with more.
    """
    earlier = maximum(c.year - year, 0.0)
    return c.log_factor + c.per_year * earlier + c.per_doubling * log(accelerators / c.accelerators) / _LN2


def whole_run_log_spread(train_flop: Num, c: WholeRunConstants) -> Num:
    """Standard deviation of ln(hours billed) between whole runs of so many FLOP."""
    decades = maximum(log(c.spread_flop / train_flop) / _LN10, 0.0)
    return hypot(c.log_spread, c.repeated * hypot(c.repeated_log_sd, c.repeated_per_decade * decades))


def elapsed_over_productive(goodput: Num, log_factor: Num, z: Num, log_sd: Num) -> Num:
    """Elapsed over steady time at the quantile of `z` of a log-normal with standard deviation `log_sd`."""
    return exp(log_factor + z * log_sd) / goodput


__all__ = [
    "Z80",
    "elapsed_over_productive",
    "quantile_z",
    "share_below",
    "whole_run_log_factor",
    "whole_run_log_spread",
]
