"""Decay constants of repeated data: R_D* and R_N* of Muennighoff et al. 2023 on runs with few distinct tokens."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from hwmodel.errors import InputError
from hwmodel.laws.data import repeated_loss
from hwmodel.laws.fit_beyond import form_miss
from hwmodel.laws.fitting import DELTA, Array
from hwmodel.laws.forms import Constants

REPEATS = 1.5  # epochs from which a run says something about repeats
SIDE, COARSE = 21, 41  # cells of a grid's side: of the search, and of the grid that resamples are weighed on
REACH = 5.0  # natural logs around ten epochs that resamples look in: 0.07 to 1,500 epochs
LARGEST = 1e4  # epochs: a decay beyond is none that any run could show


class RepeatFit(msgspec.Struct, frozen=True, kw_only=True):
    """How fast repeats (of data, of excess parameters) lose their worth, on a fixed single-epoch base."""

    base: dict[str, float]
    rd_star: float
    rn_star: float
    objective: float
    points: int
    repeating: int  # runs that see their data more than 1.5 times
    draws: Array  # resampled runs x (R_D*, R_N*); empty without bootstraps
    residuals: Array  # log of fitted over measured loss, a run each
    ranges: dict[str, tuple[float, float]]

    @property
    def residual_sd(self) -> float:
        """Robust spread of the residuals about their median."""
        return float(1.4826 * np.median(np.abs(self.residuals - np.median(self.residuals))))

    @property
    def constants(self) -> dict[str, float]:
        """The base's constants and the two decays, as a law of repeats has them."""
        return {**self.base, "RD_star": self.rd_star, "RN_star": self.rn_star}

    @property
    def intervals(self) -> dict[str, tuple[float | None, float | None]]:
        """80 % intervals of the decays; an end at the bound of the search is None: the runs do not set it."""
        lowest, highest = 10.0 * float(np.exp(-REACH)), 10.0 * float(np.exp(REACH))
        found: dict[str, tuple[float | None, float | None]] = {}
        for name, column in zip(("RD_star", "RN_star"), self.draws.T):
            low, high = (float(v) for v in np.quantile(column, (0.1, 0.9)))
            found[name] = (low if low > 1.01 * lowest else None, high if high < 0.99 * highest else None)
        return found


def fit_repeats(
    base: Constants, params: Array, tokens: Array, unique_tokens: Array, loss: Array, *,
    bootstraps: int = 0, seed: int = 42,
) -> RepeatFit:  # fmt: skip
    """Least summed Huber loss of log L over (log R_D*, log R_N*): a grid, then a shrinking one around the best.

    `bootstraps` resamples of the runs give 80 % intervals (the base stays as it is, so they hold for this base).
    Raises InputError when no run repeats its data (the constants would be free).
    """
    repeating = int(np.sum(tokens > REPEATS * unique_tokens))
    if not repeating:
        raise InputError("no run repeats its data: R_D* and R_N* cannot be fitted; give runs of two epochs and more")
    runs = (base, params, tokens, unique_tokens, loss)
    centre, width = np.log(np.array([10.0, 10.0])), 3.0
    best = np.inf
    for _ in range(14):
        rd, rn = _grid(centre, width, SIDE)
        value = _huber(_residuals(rd, rn, *runs)).sum(axis=1)
        least = int(np.argmin(value))
        centre, best = np.log(np.array([rd[least], rn[least]])), float(value[least])
        width *= 0.35
    keep = ("E", "A", "B", "alpha", "beta")
    return RepeatFit(
        base={name: float(base[name]) for name in keep},
        rd_star=float(np.exp(centre[0])),
        rn_star=float(np.exp(centre[1])),
        objective=best,
        points=len(loss),
        repeating=repeating,
        draws=_resampled(runs, bootstraps, seed) if bootstraps else np.empty((0, 2)),
        residuals=_residuals(np.exp(centre[:1]), np.exp(centre[1:]), *runs)[0],
        ranges={name: (float(v.min()), float(v.max())) for name, v in
                (("params", params), ("tokens", tokens), ("flop", 6.0 * params * tokens))},
    )  # fmt: skip


def predict_repeated(
    fit: RepeatFit, level: float, params: float, tokens: float, unique_tokens: float, decades: float
) -> tuple[float, float, float]:
    """(loss, low, high) of one run on repeated data: resampled decays, the runs' scatter about the base, and the form.

    What the form misses `decades` beyond the runs is that of `fit_loss.predict`. The level of the base is moved to
    that of the runs (their median residual): levels do not transfer, ratios do.
    """
    rd, rn = fit.draws.T if len(fit.draws) else np.array([[fit.rd_star], [fit.rn_star]])
    drawn = _predicted(fit.base, rd, rn, params, tokens, unique_tokens)
    middle = float(
        _predicted(fit.base, np.array([fit.rd_star]), np.array([fit.rn_star]), params, tokens, unique_tokens)[0]
    )
    rng = np.random.default_rng(0)
    shift = float(np.median(fit.residuals))
    off = drawn - float(np.median(drawn)) - rng.choice(fit.residuals - shift, size=(400, len(drawn)))
    off = off + form_miss(fit.residual_sd, decades, rng.standard_normal(off.shape))
    low, high = np.quantile(off, (0.5 - level / 2, 0.5 + level / 2))
    level_of_runs = middle - shift
    return float(np.exp(level_of_runs)), float(np.exp(level_of_runs + low)), float(np.exp(level_of_runs + high))


def _predicted(base: Constants, rd: Array, rn: Array, params: float, tokens: float, unique: float) -> Array:
    """Log loss of one run for each pair of decays."""
    found: Array = np.log(repeated_loss(base, {"RD_star": rd, "RN_star": rn}, params, tokens, unique)["loss_nats"])
    return found


def _grid(centre: Array, width: float, side: int) -> tuple[Array, Array]:
    """(R_D*, R_N*) of the cells of a square grid in logs."""
    axis = np.linspace(-width, width, side)
    rd, rn = np.meshgrid(np.exp(centre[0] + axis), np.exp(centre[1] + axis))
    return np.minimum(rd.ravel(), LARGEST), np.minimum(rn.ravel(), LARGEST)


def _residuals(
    rd: Array, rn: Array, base: Constants, params: Array, tokens: Array, unique_tokens: Array, loss: Array
) -> Array:
    """Log of fitted over measured loss, cells x runs."""
    decay = {"RD_star": rd[:, None], "RN_star": rn[:, None]}
    fitted = repeated_loss(base, decay, params, tokens, unique_tokens)["loss_nats"]
    log_ratio: Array = np.log(fitted) - np.log(loss)
    return log_ratio


def _huber(residual: Array) -> Array:
    size = np.abs(residual)
    return np.where(size < DELTA, 0.5 * size * size, DELTA * (size - 0.5 * DELTA))


def _resampled(runs: Any, count: int, seed: int) -> Array:
    """(R_D*, R_N*) of each resample of the runs: the best cell of a wide grid, refined by a parabola a side."""
    rd, rn = _grid(np.log(np.array([10.0, 10.0])), REACH, COARSE)
    cells = _huber(_residuals(rd, rn, *runs))
    points = cells.shape[1]
    chosen = np.random.RandomState(seed).multinomial(points, np.full(points, 1.0 / points), size=count)
    values = (chosen.astype(np.float64) @ cells.T).reshape(count, COARSE, COARSE)
    row, column = np.divmod(values.reshape(count, -1).argmin(axis=1), COARSE)
    each = np.arange(count)
    step = 2.0 * REACH / (COARSE - 1)
    found = []
    for place, along in ((column, values[each, row]), (row, values[each, :, column])):
        inner = np.clip(place, 1, COARSE - 2)
        left, middle, right = (along[each, inner + shift] for shift in (-1, 0, 1))
        bend = left - 2.0 * middle + right
        shift = np.where(bend > 0.0, 0.5 * (left - right) / np.maximum(bend, 1e-300), 0.0)
        refined = place + np.where(place == inner, np.clip(shift, -0.5, 0.5), 0.0)
        found.append(10.0 * np.exp(refined * step - REACH))
    return np.stack(found, axis=1)
