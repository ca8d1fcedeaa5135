"""Allocation from runs without a parametric loss: iso-FLOP slices (approach 2) and the lower envelope (approach 1)."""

from __future__ import annotations

import msgspec
import numpy as np

from hwmodel.errors import InputError
from hwmodel.laws.fitting import Array

NEAR = 2.5


class AllocationFit(msgspec.Struct, frozen=True, kw_only=True):
    """N* = k_params C^a_params through the optima found, with the doubt of the line through them."""

    approach: str  # isoflop | envelope
    k_params: float
    a_params: float
    a_params_low: float  # 80 %
    a_params_high: float
    draws: Array  # joint draws: rows x (log k_params, a_params)
    optima: tuple[tuple[float, float, float], ...]  # (FLOP, N*, loss at it)
    slices_dropped: int
    ranges: dict[str, tuple[float, float]]


class Vertex(msgspec.Struct, frozen=True, kw_only=True):
    """The minimum of a parabola in log N, and what its runs say about how well it is known."""

    log_n: float
    loss: float
    lever: float  # variance of log_n a unit of residual variance
    squares: float  # sum of squared residuals
    freedom: int


def fit_isoflop(
    params: Array, flop: Array, loss: Array, *, budget: Array | None = None, draws: int = 1000, seed: int = 42
) -> AllocationFit:
    """A parabola in log N through each budget's best runs, its minimum, and a power law through the minima.

    Runs of one `budget` (or, without budgets, within 2 % in compute) form a slice; slices of fewer than four runs or
    without an interior minimum are dropped. Raises InputError when fewer than two slices remain.
    """
    kept: list[tuple[Array, Vertex]] = []
    groups = _slices(flop if budget is None else budget)
    for group in groups:
        found = _parabola(np.log(params[group]), loss[group]) if len(group) >= 4 else None
        if found is not None:
            kept.append((group, found))
    if len(kept) < 2:
        raise InputError(
            f"iso-FLOP fit: {len(kept)} budgets have at least four runs and an interior minimum; at least 2 are needed"
        )
    vertices = [vertex for _, vertex in kept]
    log_c = np.array([np.log(flop[g]).mean() for g, _ in kept])
    log_n = np.array([v.log_n for v in vertices])
    freedom = sum(v.freedom for v in vertices)
    noise = sum(v.squares for v in vertices) / max(1, freedom) * float(np.mean([v.lever for v in vertices]))
    line = _line(log_c, log_n, noise, freedom, draws, seed)
    losses = np.array([v.loss for v in vertices])
    return _allocation("isoflop", log_c, log_n, losses, line, len(groups) - len(kept), params, flop)


def fit_envelope(params: Array, flop: Array, loss: Array, *, bins: int = 40, draws: int = 1000,
                 seed: int = 42) -> AllocationFit:  # fmt: skip
    """The run of least loss in each of `bins` intervals of log C that lies on the falling envelope, and a power law.

    With final runs only (no training curves) an envelope is coarse; a bin counts when no cheaper run is better.
    Raises InputError with fewer than four such runs.
    """
    log_c = np.log(flop)
    edges = np.linspace(log_c.min(), log_c.max() + 1e-9, bins + 1)
    place = np.digitize(log_c, edges) - 1
    chosen: list[int] = []
    least = np.inf
    for i in range(bins):
        members = np.flatnonzero(place == i)
        if len(members) and loss[members].min() < least:
            best = int(members[np.argmin(loss[members])])
            chosen.append(best)
            least = float(loss[best])
    if len(chosen) < 4:
        raise InputError(f"envelope fit: only {len(chosen)} runs lie on the lower envelope; at least 4 are needed")
    x, y = log_c[chosen], np.log(params[chosen])
    return _allocation("envelope", x, y, loss[chosen], _line(x, y, 0.0, 0, draws, seed), 0, params, flop)


class FittedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A least-squares line with its 80 % interval of the slope and joint draws (offset, slope)."""

    slope: float
    offset: float
    low: float
    high: float
    draws: Array


def _line(x: Array, y: Array, noise: float, freedom: int, count: int, seed: int) -> FittedLine:
    """A line through (x, y) whose doubt is the scatter about it, or `noise` (variance of a y) where that is larger.

    Resampling the runs of a slice moves its window and its minimum, so that a bootstrap centres elsewhere than the
    estimate; Student's t about the estimate does not. Two points have no scatter: `noise` and its `freedom` decide.
    """
    from scipy.special import stdtrit

    slope, offset = np.polyfit(x, y, 1)
    rest = len(x) - 2
    scatter = float(np.sum((y - offset - slope * x) ** 2)) / rest if rest else 0.0
    variance, degrees = max(scatter, noise), rest if rest else max(1, freedom)
    design = np.stack([np.ones_like(x), x])
    covariance = variance * np.linalg.inv(design @ design.T)
    half = float(stdtrit(degrees, 0.9)) * float(covariance[1, 1]) ** 0.5
    rng = np.random.default_rng(seed)
    normal = rng.multivariate_normal(np.zeros(2), covariance, size=count, method="eigh")
    heavy = np.sqrt(degrees / rng.chisquare(degrees, size=(count, 1)))
    drawn = np.array([offset, slope]) + normal * heavy
    return FittedLine(
        slope=float(slope), offset=float(offset), low=float(slope) - half, high=float(slope) + half, draws=drawn
    )


def _slices(flop: Array) -> list[Array]:
    """Places of the runs of each budget, by gaps of 2 %."""
    order = np.argsort(flop)
    cuts = np.flatnonzero(np.diff(np.log(flop[order])) > 0.02) + 1
    return list(np.split(order, cuts))


def _parabola(log_n: Array, loss: Array) -> Vertex | None:
    """The minimum of the parabola through the runs near the best one, or None without an interior minimum.

    Near: within a factor of NEAR in size, at least five runs. Loss curves are no parabolas far from their minimum.
    """
    best = float(log_n[np.argmin(loss)])
    sizes = np.unique(log_n)
    if best in (log_n.min(), log_n.max()) or len(sizes) < 4:
        return None
    fifth = np.sort(np.abs(sizes - best))[min(4, len(sizes) - 1)]
    near = np.abs(log_n - best) <= max(np.log(NEAR), fifth)
    x = log_n[near] - best
    a, b, c = np.polyfit(x, loss[near], 2)
    if a <= 0.0:
        return None
    place = -b / (2.0 * a)
    if not log_n.min() < place + best < log_n.max():
        return None
    design = np.stack([x * x, x, np.ones_like(x)], axis=1)
    slope = np.array([b / (2.0 * a * a), -1.0 / (2.0 * a), 0.0])  # of the minimum's place by (a, b, c)
    return Vertex(
        log_n=float(place + best),
        loss=float(c - b * b / (4.0 * a)),
        lever=float(slope @ np.linalg.pinv(design.T @ design) @ slope),
        squares=float(np.sum((design @ np.array([a, b, c]) - loss[near]) ** 2)),
        freedom=max(0, len(x) - 3),
    )


def _allocation(approach: str, log_c: Array, log_n: Array, losses: Array, line: FittedLine, dropped: int,
                params: Array, flop: Array) -> AllocationFit:  # fmt: skip
    return AllocationFit(
        approach=approach,
        k_params=float(np.exp(line.offset)),
        a_params=line.slope,
        a_params_low=line.low,
        a_params_high=line.high,
        draws=line.draws,
        optima=tuple((float(np.exp(c)), float(np.exp(n)), float(v)) for c, n, v in zip(log_c, log_n, losses)),
        slices_dropped=dropped,
        ranges={
            "params": (float(params.min()), float(params.max())),
            "flop": (float(flop.min()), float(flop.max())),
        },
    )
