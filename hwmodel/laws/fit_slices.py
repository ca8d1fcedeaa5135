"""Allocation from runs without a parametric loss: iso-FLOP slices (approach 2) and the lower envelope (approach 1)."""

from __future__ import annotations

import msgspec
import numpy as np

from hwmodel.errors import InputError
from hwmodel.laws.fitting import Array

NEAR = 2.5


class AllocationFit(msgspec.Struct, frozen=True, kw_only=True):
    """N* = k_params C^a_params through the optima found, with a bootstrap of the exponent."""

    approach: str  # isoflop | envelope
    k_params: float
    a_params: float
    a_params_low: float  # 80 %
    a_params_high: float
    draws: Array  # bootstrap rows x (log k_params, a_params)
    optima: tuple[tuple[float, float, float], ...]  # (FLOP, N*, loss at it)
    slices_dropped: int
    ranges: dict[str, tuple[float, float]]


def fit_isoflop(params: Array, flop: Array, loss: Array, *, bootstraps: int = 1000, seed: int = 42) -> AllocationFit:
    """A parabola in log N through each budget's best runs, its minimum, and a power law through the minima.

    Runs within 2 % of a budget form a slice; slices of fewer than four runs or without an interior minimum are
    dropped. Raises InputError when fewer than two slices remain.
    """
    groups = _slices(flop)
    kept, dropped = [], 0
    for group in groups:
        found = _parabola(np.log(params[group]), loss[group]) if len(group) >= 4 else None
        if found is None:
            dropped += 1
        else:
            kept.append((group, found))
    if len(kept) < 2:
        raise InputError(
            f"iso-FLOP fit: {len(kept)} budgets have at least four runs and an interior minimum; at least 2 are needed"
        )
    log_c = np.array([np.log(flop[g]).mean() for g, _ in kept])
    log_n = np.array([found[0] for _, found in kept])
    lines = _resampled(params, loss, [g for g, _ in kept], log_c, bootstraps, seed)
    return _allocation("isoflop", log_c, log_n, np.array([f[1] for _, f in kept]), lines, dropped, params, flop)


def fit_envelope(params: Array, flop: Array, loss: Array, *, bins: int = 40, bootstraps: int = 1000,
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
    rng = np.random.RandomState(seed)
    picks = rng.choice(len(chosen), size=(bootstraps, len(chosen)))
    lines = np.array([np.polyfit(x[p], y[p], 1) for p in picks if np.ptp(x[p]) > 0.0])
    return _allocation("envelope", x, y, loss[chosen], lines, 0, params, flop)


def _slices(flop: Array) -> list[Array]:
    order = np.argsort(flop)
    cuts = np.flatnonzero(np.diff(np.log(flop[order])) > 0.02) + 1
    return list(np.split(order, cuts))


def _parabola(log_n: Array, loss: Array) -> tuple[float, float] | None:
    """(log N*, loss there) of the parabola through the runs near the best one, or None without an interior minimum.

    Near: within a factor of NEAR in size, at least five runs. Loss curves are no parabolas far from their minimum.
    """
    best = float(log_n[np.argmin(loss)])
    sizes = np.unique(log_n)
    if best in (log_n.min(), log_n.max()) or len(sizes) < 4:
        return None
    fifth = np.sort(np.abs(sizes - best))[min(4, len(sizes) - 1)]
    near = np.abs(log_n - best) <= max(np.log(NEAR), fifth)
    a, b, c = np.polyfit(log_n[near] - best, loss[near], 2)
    if a <= 0.0:
        return None
    place = -b / (2.0 * a)
    if not log_n.min() < place + best < log_n.max():
        return None
    return float(place + best), float(c - b * b / (4.0 * a))


def _resampled(params: Array, loss: Array, groups: list[Array], log_c: Array, count: int, seed: int) -> Array:
    """(exponent, log prefactor) of refits with the runs of each slice drawn again."""
    rng = np.random.RandomState(seed)
    lines = []
    for _ in range(count):
        xs, ys = [], []
        for group, c in zip(groups, log_c):
            pick = group[rng.choice(len(group), size=len(group))]
            found = _parabola(np.log(params[pick]), loss[pick])
            if found is not None:
                xs.append(c)
                ys.append(found[0])
        if len(xs) >= 2 and np.ptp(xs) > 0.0:
            lines.append(np.polyfit(xs, ys, 1))
    return np.array(lines).reshape(-1, 2)


def _allocation(approach: str, log_c: Array, log_n: Array, losses: Array, lines: Array, dropped: int,
                params: Array, flop: Array) -> AllocationFit:  # fmt: skip
    slope, offset = np.polyfit(log_c, log_n, 1)
    low, high = np.quantile(lines[:, 0], (0.1, 0.9)) if len(lines) else (slope, slope)
    return AllocationFit(
        approach=approach,
        k_params=float(np.exp(offset)),
        a_params=float(slope),
        a_params_low=float(low),
        a_params_high=float(high),
        draws=lines[:, ::-1],
        optima=tuple((float(np.exp(c)), float(np.exp(n)), float(v)) for c, n, v in zip(log_c, log_n, losses)),
        slices_dropped=dropped,
        ranges={
            "params": (float(params.min()), float(params.max())),
            "flop": (float(flop.min()), float(flop.max())),
        },
    )
