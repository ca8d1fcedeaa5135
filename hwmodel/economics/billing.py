"""Hours billed: the steady hours of a run, its failures, and what published runs cost beyond both."""

from __future__ import annotations

from statistics import NormalDist

from hwmodel.ops import Num, exp, log, maximum
from hwmodel.specs.economics import WholeRunConstants

_LN2 = 0.6931471805599453
_NORMAL = NormalDist()
# Half-width of an 80 % interval over the standard deviation, both in natural logs of a log-normal quantity.
Z80 = _NORMAL.inv_cdf(0.9)


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


def elapsed_over_productive(goodput: Num, log_factor: Num, z: Num, log_sd: Num) -> Num:
    """Elapsed over steady time at the quantile of `z` of a log-normal with standard deviation `log_sd`."""
    return exp(log_factor + z * log_sd) / goodput
