"""The one root finder, the one minimiser in one variable, the one robust fit and the one quantile of draws.

Tests hold them against SciPy and NumPy.

They work elementwise on floats or arrays, so that a column of questions is answered at once, and import nothing heavy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hwmodel import ops

GOLDEN = (5.0**0.5 - 1.0) / 2.0
ROUNDS = 70  # halvings: beyond the digits of a float for any interval that is asked here
NARROWINGS = 48


def falls_at(above: Callable[[Any], Any], low: Any, high: Any, rounds: int = ROUNDS) -> Any:
    """Where `above` turns from true to false between two ends, by bisection; elementwise."""
    for _ in range(rounds):
        middle = 0.5 * (low + high)
        still = above(middle)
        low, high = ops.where(still, middle, low), ops.where(still, high, middle)
    return 0.5 * (low + high)


def falls_at_log(above: Callable[[float], bool], low: float, high: float, rounds: int = ROUNDS) -> float:
    """`falls_at` between two positive ends on the log scale."""
    return math.exp(falls_at(lambda x: above(math.exp(x)), math.log(low), math.log(high), rounds))


def least(
    cost: Callable[[Any], Any],
    low: float,
    high: float,
    points: int,
    narrowings: int = NARROWINGS,
    shape: tuple[int, ...] | None = None,
) -> Any:
    """Argument of the least cost between two ends, elementwise: a grid, then golden section around its best point.

    `cost` takes a number or an array of arguments and returns costs that broadcast with it (infinite where there is
    none). The grid's own best point wins where a jump in the cost made the refinement land beside it. `shape`: that of
    one argument's costs, found by asking for one where it is not given.
    """
    import numpy as np

    shape = np.shape(cost(0.5 * (low + high))) if shape is None else shape
    grid = np.linspace(low, high, points)
    values = cost(grid.reshape((points,) + (1,) * len(shape)))
    middle = grid[np.argmin(values, axis=0)]
    step = (high - low) / (points - 1)
    left, right = np.maximum(middle - step, low), np.minimum(middle + step, high)
    inner, outer = right - GOLDEN * (right - left), left + GOLDEN * (right - left)
    f_inner, f_outer = cost(inner), cost(outer)
    for _ in range(narrowings):
        keep_left = f_inner < f_outer
        left, right = np.where(keep_left, left, inner), np.where(keep_left, outer, right)
        fresh = np.where(keep_left, right - GOLDEN * (right - left), left + GOLDEN * (right - left))
        f_fresh = cost(fresh)
        inner, outer = np.where(keep_left, fresh, outer), np.where(keep_left, inner, fresh)
        f_inner, f_outer = np.where(keep_left, f_fresh, f_outer), np.where(keep_left, f_inner, f_fresh)
    ends = np.stack([np.asarray(0.5 * (left + right)), np.asarray(middle)])
    pick = np.argmin(np.stack([np.asarray(cost(end)) for end in ends]), axis=0)
    result = np.take_along_axis(ends, pick[None], axis=0)[0]
    return float(result) if np.ndim(result) == 0 else result


def quantiles(values: Any, shares: Sequence[float]) -> list[Any]:
    """Values below which these shares of draws lie, along the first axis and linear between draws, as `numpy.quantile`.

    That one would import masked arrays, a fortieth of the time of `plan`.
    """
    import numpy as np

    ordered = np.sort(np.asarray(values), axis=0)
    return [_quantile(ordered, share) for share in shares]


def _quantile(ordered: Any, share: float) -> Any:
    place = share * (len(ordered) - 1)
    below = int(place)
    low, high = ordered[below], ordered[min(below + 1, len(ordered) - 1)]
    beyond, gap = place - below, high - low
    value = low + beyond * gap if beyond < 0.5 else high - (1.0 - beyond) * gap  # exact at either end
    return float(value) if value.ndim == 0 else value


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A robust least-squares problem: sum of weight * log(1 + z^2) + sum of (pull * (x - prior))^2 is made small.

    `errors` gives the scaled errors z of all rows at x, `jacobian` their derivatives given x and z there.
    """

    errors: Callable[[Any], Any]
    jacobian: Callable[[Any, Any], Any]
    prior: Any
    pull: Any  # weight of each parameter's distance from its prior
    weight: Any  # of each row
    low: Any
    high: Any
    longest: float  # bound on one step of a parameter


class Solution(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters, their scaled errors, and the loss there."""

    x: Any
    errors: Any
    loss: float


def _loss(problem: Problem, z: Any, x: Any) -> float:
    import numpy as np

    return float((problem.weight * np.log1p(z * z)).sum() + ((problem.pull * (x - problem.prior)) ** 2).sum())


def gauss_newton(
    problem: Problem, rounds: int, tolerance: float, progress: Callable[[int, float], None] | None = None
) -> Solution:
    """Damped Gauss-Newton under a Cauchy loss, from the priors: each round moves downhill or the fit has ended."""
    import numpy as np

    x = np.array(problem.prior, dtype=float)
    z = problem.errors(x)
    loss, damping = _loss(problem, z, x), 1e-3
    for number in range(rounds):
        jacobian = problem.jacobian(x, z)
        robust = problem.weight / (1.0 + z * z)
        normal = jacobian.T @ (jacobian * robust[:, None]) + np.diag(problem.pull**2 + 0.0 * x)
        slope = jacobian.T @ (robust * z) + problem.pull**2 * (x - problem.prior)
        before = loss
        for _ in range(6):
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), slope)
            trial = np.clip(x - np.clip(step, -problem.longest, problem.longest), problem.low, problem.high)
            found = problem.errors(trial)
            then = _loss(problem, found, trial)
            if then < loss:
                x, z, loss = trial, found, then
                damping = max(damping / 5.0, 1e-6)
                break
            damping *= 5.0
        if progress is not None:
            progress(number, loss)
        if before - loss < tolerance * loss:
            break
    return Solution(x=x, errors=z, loss=loss)
