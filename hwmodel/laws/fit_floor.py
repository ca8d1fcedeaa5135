"""How far the runs fix the floor of a law: a profile likelihood that does not take the scatter to be Laplace's."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from hwmodel.laws.fitting import DELTA, Array, LogSum, minimise

EXACT = 1e-20  # an objective below this means losses without scatter
# Natural logs below the best floor to look (one above it): a floor twelve times lower is no floor of these runs.
DEPTH = 2.5


class FloorInterval(msgspec.Struct, frozen=True, kw_only=True):
    """The floors that the runs allow; an end that they do not set is None."""

    low: float | None
    high: float | None

    @property
    def identified(self) -> bool:
        """Whether the runs bound the floor from below: an upper bound alone is the least loss measured."""
        return self.low is not None

    def said(self) -> str:
        """The interval in words."""
        if self.low is not None and self.high is not None:
            return f"{self.low:.4f} to {self.high:.4f}"
        return "not identified" if self.high is None else f"not identified (only: below {self.high:.4f})"


def floor_profile(model: LogSum, theta: Array, least: float, floor: int, level: float = 0.8) -> FloorInterval:
    """Interval of the floor: it is fixed on a grid, all else is refitted, and what the objective loses is weighed.

    Twice the loss of a Huber objective is no chi-square: its scale is V / H, the variance of the score of a residual
    over the mean curvature (Huber 1981, chapter 6.3: the sandwich), where Laplace's likelihood takes it from
    the size of the residuals alone and covers 47 to 80 % where it promises 80. The quantile is F's with one and n - p
    degrees of freedom; `benchmarks/fit_coverage.py` measures what that covers.
    """
    from scipy.special import stdtrit  # F's quantile with one degree of freedom is Student's, squared

    below, above = np.linspace(-1.0, 0.0, 101) ** 3 * DEPTH, np.linspace(0.0, 1.0, 101)[1:] ** 3
    grid = theta[floor] + np.concatenate([below, above])  # dense near the optimum
    starts = np.repeat(theta[None, :], len(grid), axis=0)
    starts[:, floor] = grid
    _, values = minimise(model, starts, fixed=(floor,))
    residual = model.shares(theta[None, :])[1][0]
    freedom = max(1, len(residual) - len(theta))
    allowed = score_scale(residual, freedom) * float(stdtrit(freedom, 0.5 + level / 2)) ** 2
    inside = np.flatnonzero(2.0 * (values - least) <= max(allowed, EXACT))
    return FloorInterval(
        low=_edge(grid, values - least, int(inside.min()), allowed, -1),
        high=_edge(grid, values - least, int(inside.max()), allowed, 1),
    )


def _edge(grid: Array, rise: Array, last: int, allowed: float, step: int) -> float | None:
    """The floor where the profile crosses what is allowed, between the last grid point inside and the next one."""
    beyond = last + step
    if not 0 <= beyond < len(grid):
        return None
    inner, outer = (max(0.0, float(rise[i])) ** 0.5 for i in (last, beyond))  # its root is nearly straight
    share = (max(0.5 * allowed, 0.0) ** 0.5 - inner) / max(outer - inner, 1e-300)
    return math.exp(float(grid[last] + min(1.0, max(0.0, share)) * (grid[beyond] - grid[last])))


def score_scale(residual: Array, freedom: int) -> float:
    """V / H of the Huber objective: variance of a residual's score over the mean curvature at a residual.

    Few residuals lie in the quadratic zone (0.001 of the loss), so their share is smoothed with a normal kernel of
    Silverman's width.
    """
    from scipy.special import ndtr

    points = len(residual)
    spread = min(float(residual.std()), 1.4826 * float(np.median(np.abs(residual))))
    width = max(1.06 * spread * points**-0.2, 1e-12)
    curvature = float(np.mean(ndtr((DELTA - residual) / width) - ndtr((-DELTA - residual) / width)))
    score = np.clip(residual, -DELTA, DELTA)
    return float(score @ score) / freedom / max(curvature, 1e-12)
