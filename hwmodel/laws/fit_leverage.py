"""Which few runs a fit hangs on: leaving out the k of the most weight on a constant, and fitting again.

After Broderick, Giordano and Meager (arXiv 2011.14999): the set whose absence moves a constant most is, to first
order, that of the runs with the largest single influence in one direction. It is then left out in fact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.laws.fitting import Array, LogSum, minimise

SHARE = 0.02  # of the runs that are left out together, at least one
MANY = 600  # runs beyond which single influences come from those with the largest residuals and the rarest settings
MOVED = 0.10  # a constant that moves by more than this share hangs on those runs


class Leverage(msgspec.Struct, frozen=True, kw_only=True):
    """A constant and the runs whose absence moves it most."""

    name: str
    runs: tuple[int, ...]  # places of the runs left out
    value: float
    without: float

    @property
    def moved(self) -> float:
        """By which share of itself the constant moves."""
        return abs(self.without / self.value - 1.0)


def leverage(model: LogSum, theta: Array, names: Sequence[int]) -> list[Leverage]:
    """For each of the constants (indices of `names`), the few runs that it hangs on most, and its value without."""
    points = len(model.target)
    count = max(1, math.ceil(SHARE * points))
    rows = _candidates(model, theta)
    weights = np.ones((len(rows), points))
    weights[np.arange(len(rows)), rows] = 0.0
    single, _ = minimise(model, np.repeat(theta[None, :], len(rows), axis=0), weights, tolerance=1e-9, iterations=40)
    sets = []
    for index in names:
        order = np.argsort(single[:, index])
        sets += [(index, rows[order[:count]]), (index, rows[order[-count:]])]
    weights = np.ones((len(sets), points))
    for i, (_, left_out) in enumerate(sets):
        weights[i, left_out] = 0.0
    joint, _ = minimise(model, np.repeat(theta[None, :], len(sets), axis=0), weights)
    found = []
    for k, index in enumerate(names):
        worst = max((2 * k, 2 * k + 1), key=lambda i: abs(joint[i, index] - theta[index]))
        found.append(
            Leverage(name=model.names[index].removeprefix("log_"), runs=tuple(sorted(sets[worst][1].tolist())),
                     value=_linear(model, index, theta), without=_linear(model, index, joint[worst]))
        )  # fmt: skip
    return found


def _linear(model: LogSum, index: int, theta: Array) -> float:
    """A constant itself, also where its logarithm is fitted."""
    value = float(theta[index])
    return math.exp(value) if model.names[index].startswith("log_") else value


def _candidates(model: LogSum, theta: Array) -> NDArray[np.intp]:
    """All runs, or the MANY of the largest gradient where there are more."""
    points = len(model.target)
    if points <= MANY:
        return np.arange(points)
    parts, residual = model.shares(theta[None, :])
    jacobian = model.jacobian(parts, ())[0]
    hessian = jacobian @ jacobian.T + 1e-12 * np.eye(len(jacobian))
    weight = np.einsum("ip,ip->p", jacobian, np.linalg.solve(hessian, jacobian)) * np.abs(residual[0])
    chosen: NDArray[np.intp] = np.argsort(weight)[-MANY:]
    return chosen


def said(found: Sequence[Leverage], lines: Sequence[int] = ()) -> list[str]:
    """Warnings of the constants that hang on a few runs, with the lines of these runs where they are known."""
    return [
        f"{one.name} hangs on {len(one.runs)} runs{_where(one.runs, lines)}: {one.value:.3g} with "
        f"them, {one.without:.3g} without"
        for one in found
        if one.moved > MOVED
    ]


def _where(runs: Sequence[int], lines: Sequence[int]) -> str:
    if not lines:
        return ""
    some = ", ".join(str(lines[i]) for i in runs[:6])
    return f" (lines {some}{' ...' if len(runs) > 6 else ''})"
