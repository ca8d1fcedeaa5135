"""Parametric fits: L = E + A/N^alpha + B/D^beta, and L = L_inf + (K / x)^a in one variable, with their doubts."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from hwmodel.errors import InputError
from hwmodel.laws.fit_beyond import CENTRE, SPREAD, form_miss
from hwmodel.laws.fit_floor import FloorInterval, floor_profile
from hwmodel.laws.fitting import Array, LogSum, minimise, resampler
from hwmodel.ops import Num

Progress = Callable[[str, int, int], None]
THINNED_STARTS = 11  # every so many of the starts are used for a fit to a part of the runs
HELD_OUT = 0.3  # share of the runs, the dearest, that the rest predicts
MANY = 1500  # points beyond which the grid of starts runs on a random part of them
FEWEST = 20  # draws below which one may well make most of a spread
THIN = 0.1  # natural-log spread off the best line below which runs count as lying on one line


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """How the cheaper runs, fitted alone, predict the dearest ones."""

    runs: int
    covered: float  # share inside the interval
    level: float  # what the interval promises
    median_error: float  # of the loss, as a share
    decades: float  # from the dearest run fitted to the dearest predicted


class LossFit(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted law with everything that says how far to trust it. Draws and covariance are in `names` (logs)."""

    form: str  # additive | power_of_flop | power_of_params | power_of_tokens
    names: tuple[str, ...]
    theta: Array
    objective: float
    draws: Array  # bootstrap rows x names
    residuals: Array  # log of fitted over measured loss, a run each
    residual_sd: float  # of them, robust
    points: int
    starts: int
    minima: int  # starts that reached the best objective
    floor_interval: FloorInterval  # profile likelihood, 80 %
    ranges: dict[str, tuple[float, float]]
    warnings: tuple[str, ...]
    held_out: HeldOut | None = None

    @property
    def discrepancy(self) -> float:
        """Standard deviation of log loss that the first decade beyond the runs adds: the form may be wrong there."""
        return SPREAD * self.residual_sd

    @property
    def discrepancy_centre(self) -> float:
        """Where that doubt is centred, in log loss: dearer runs mostly come in below the forecast of cheaper ones."""
        return CENTRE * self.residual_sd

    @property
    def constants(self) -> dict[str, float]:
        """Linear constants by name."""
        return {n.removeprefix("log_"): _linear(n, v) for n, v in zip(self.names, self.theta.tolist())}

    @property
    def covariance(self) -> Array:
        """Joint covariance of the bootstrap draws, in `names`."""
        return np.cov(self.draws.T)

    @property
    def intervals(self) -> dict[str, tuple[float | None, float | None]]:
        """80 % intervals of the linear constants: quantiles of the draws (A and B are skewed, so no plus-minus).

        An end is None where a tenth of the resamples run away beyond any number: the runs leave it open.
        """
        low, high = np.quantile(self.draws, (0.1, 0.9), axis=0)
        return {
            n.removeprefix("log_"): (_held(_linear(n, float(a))), _held(_linear(n, float(b))))
            for n, a, b in zip(self.names, low, high)
        }

    @property
    def standard_errors(self) -> dict[str, float | None]:
        """Bootstrap standard errors of the linear constants; None where a single resample makes most of one.

        A constant whose logarithm is fitted has no linear spread when some resamples run away (B and beta grow
        together without end where few runs show the data term): its interval is what can be read.
        """
        return {n.removeprefix("log_"): _spread(n, column) for n, column in zip(self.names, self.draws.T)}


def _linear(name: str, value: float) -> float:
    """A constant itself, also where its logarithm is fitted; infinite beyond the largest number."""
    if not name.startswith("log_"):
        return value
    return math.exp(value) if value < math.log(sys.float_info.max) else math.inf


def _held(value: float) -> float | None:
    """A finite figure, or None: infinity is no figure of JSON."""
    return value if math.isfinite(value) else None


def _spread(name: str, column: Array) -> float | None:
    """Standard deviation of the draws of a constant, or None where one draw makes more than half of its square."""
    drawn = np.array([_linear(name, float(v)) for v in column])
    largest = float(np.abs(drawn).max())
    if not 0.0 < largest < math.inf:
        return None if largest else 0.0
    scaled = drawn / largest  # squares of large numbers overflow
    squares = (scaled - scaled.mean()) ** 2
    alone = len(drawn) >= FEWEST and float(squares.max()) > 0.5 * float(squares.sum()) > 0.0
    return None if alone else float(np.sqrt(squares.mean())) * largest


def additive_model(params: Array, tokens: Array, loss: Array) -> LogSum:
    """log L as a log-sum-exp of (log_A - alpha log N, log_B - beta log D, log_E)."""
    names = ("log_A", "log_B", "log_E", "alpha", "beta")
    terms = (((0, 1.0), (3, -np.log(params))), ((1, 1.0), (4, -np.log(tokens))), ((2, 1.0),))
    return LogSum(names=names, terms=terms, target=np.log(loss))


def tied_model(params: Array, tokens: Array, loss: Array) -> LogSum:
    """The same with one exponent for size and data (Muennighoff 2023, Kumar 2024, Gadre 2024)."""
    names = ("log_A", "log_B", "log_E", "alpha")
    terms = (((0, 1.0), (3, -np.log(params))), ((1, 1.0), (3, -np.log(tokens))), ((2, 1.0),))
    return LogSum(names=names, terms=terms, target=np.log(loss))


def power_model(x: Array, loss: Array) -> LogSum:
    """log L as a log-sum-exp of (log_K - a log x, log_L_inf)."""
    terms = (((0, 1.0), (2, -np.log(x))), ((1, 1.0),))
    return LogSum(names=("log_K", "log_L_inf", "a"), terms=terms, target=np.log(loss))


def additive_starts() -> Array:
    """The 4,500 starts of the replication: log A, log B 0..25 by 5; log E -1..1 by 0.5; alpha, beta 0..2 by 0.5."""
    wide, floor, power = np.arange(0.0, 30.0, 5.0), np.arange(-1.0, 1.25, 0.5), np.arange(0.0, 2.25, 0.5)
    return np.array(list(itertools.product(wide, wide, floor, power, power)))


def tied_starts() -> Array:
    """The same grid with one exponent: 900 starts."""
    wide, floor, power = np.arange(0.0, 30.0, 5.0), np.arange(-1.0, 1.25, 0.5), np.arange(0.0, 2.25, 0.5)
    return np.array(list(itertools.product(wide, wide, floor, power)))


def power_starts() -> Array:
    """300 starts: log K 0..25 by 5, log floor -1..1 by 0.5, exponent 0.05..2."""
    return np.array(
        list(itertools.product(np.arange(0.0, 30.0, 5.0), np.arange(-1.0, 1.25, 0.5), np.geomspace(0.05, 2.0, 10)))
    )


def fit_additive(
    params: Array, tokens: Array, loss: Array, *, tied: bool = False, bootstraps: int = 4000, seed: int = 42,
    held_out: bool = True, progress: Progress | None = None,
) -> LossFit:  # fmt: skip
    """Chinchilla's form on runs of N parameters and D tokens; `tied` gives size and data one exponent.

    `held_out` also fits the cheaper runs alone and says how they predict the dearest.
    Raises InputError for too few runs, runs on one line in log N and log D, and constants that the runs do not fix.
    """
    _identifiable(params, tokens, loss)
    model = (tied_model if tied else additive_model)(params, tokens, loss)
    starts = (tied_starts() if tied else additive_starts())[:: 1 if held_out else THINNED_STARTS]
    ranges = {"params": _range(params), "tokens": _range(tokens), "flop": _range(6.0 * params * tokens)}
    fit = _fit(model, "additive", starts, bootstraps, seed, 2, ranges, progress)
    if tied:  # written out as alpha and beta, which then move together in every draw
        fit = msgspec.structs.replace(
            fit,
            names=(*fit.names, "beta"),
            theta=np.append(fit.theta, fit.theta[3]),
            draws=np.column_stack([fit.draws, fit.draws[:, 3]]),
        )
    if not all(map(math.isfinite, fit.constants.values())):
        raise InputError("these runs do not identify the law: one of its terms runs away (too few runs show it)")
    if min(fit.theta[3], fit.theta[4]) <= 0.0:
        raise InputError("these runs do not identify the law: the best exponent of size or data is not positive")
    if not held_out:
        return fit
    return msgspec.structs.replace(fit, held_out=predict_the_dearest(params, tokens, loss, tied=tied, seed=seed))


def predict_the_dearest(
    params: Array, tokens: Array, loss: Array, *, tied: bool = False, seed: int = 42, level: float = 0.8,
    share: float = HELD_OUT,
) -> HeldOut | None:  # fmt: skip
    """The dearest `share` of the runs as predicted by the others alone; None where those do not identify the law."""
    order = np.argsort(params * tokens)
    known, later = np.split(order, [round((1.0 - share) * len(order))])
    if len(known) < 12 or len(later) < 3:
        return None
    try:
        part = fit_additive(
            params[known], tokens[known], loss[known], tied=tied, bootstraps=200, seed=seed, held_out=False
        )
    except InputError:
        return None
    middle, low, high = predict(part, level, params=params[later], tokens=tokens[later])
    flop = params * tokens
    return HeldOut(
        runs=len(later),
        covered=float(np.mean((low <= loss[later]) & (loss[later] <= high))),
        level=level,
        median_error=float(np.median(middle / loss[later] - 1.0)),
        decades=float(np.log10(flop[later].max() / flop[known].max())),
    )


def fit_power(
    x: Array, loss: Array, variable: str, *, bootstraps: int = 4000, seed: int = 42, progress: Progress | None = None
) -> LossFit:
    """A power law above a floor in one variable (`flop`, `params` or `tokens`). Raises InputError as above."""
    if len(np.unique(x)) < 4:
        raise InputError(f"a power law with a floor has three constants: give at least 4 distinct values of {variable}")
    ranges = {variable: _range(x)}
    fit = _fit(power_model(x, loss), f"power_of_{variable}", power_starts(), bootstraps, seed, 1, ranges, progress)
    if fit.theta[2] <= 0.0:
        raise InputError(f"the loss does not fall with {variable} in these runs: no power law fits")
    if np.ptp(np.log(loss)) < 0.01:
        raise InputError("the losses differ by less than 1 %: nothing to fit")
    return fit


def _identifiable(params: Array, tokens: Array, loss: Array) -> None:
    """Refuse what cannot fix five constants, before any number is shown."""
    distinct = len({(n, d) for n, d in zip(params.tolist(), tokens.tolist())})
    if distinct < 6:
        raise InputError(f"{distinct} distinct runs cannot fix five constants; give at least 6, better 20")
    points = np.stack([np.log(params), np.log(tokens)])
    spread = np.linalg.svd(points - points.mean(axis=1, keepdims=True), compute_uv=False) / np.sqrt(len(params))
    if spread[1] < THIN:
        raise InputError(
            "these runs do not identify the law: all lie on one line in log N and log D (one ratio of tokens to "
            "parameters, or one budget), where size and data cannot be told apart; vary the ratio at several sizes"
        )
    if np.ptp(np.log(loss)) < 0.01:
        raise InputError("the losses differ by less than 1 %: nothing to fit")


def _fit(
    model: LogSum, form: str, starts: Array, bootstraps: int, seed: int, floor: int,
    ranges: dict[str, tuple[float, float]], progress: Progress | None,
) -> LossFit:  # fmt: skip
    """Descend from every start, resample for the uncertainty, profile the floor."""

    def tell(stage: str) -> Callable[[int, int], None] | None:
        """The bar of one stage."""
        return None if progress is None else lambda done, of: progress(stage, done, of)

    points = len(model.target)
    rough = _thinned(model, seed)
    found, values = minimise(rough, starts, iterations=150, progress=tell("starts"))
    values = np.where(np.isfinite(values), values, np.inf)
    order = np.argsort(values)[: 1 if rough is model else 20]
    best, least = minimise(model, found[order], tolerance=1e-15)
    keep = int(np.argmin(least))
    best, least = best[[keep]], least[[keep]]
    lowest = values.min()
    draws, _ = minimise(
        model, np.repeat(best, bootstraps, axis=0), resampler(points, seed), progress=tell("bootstraps")
    )
    residual = model.shares(best)[1][0]
    interval = floor_profile(model, best[0], float(least[0]), floor)
    return LossFit(
        form=form,
        names=model.names,
        theta=best[0],
        objective=float(least[0]),
        draws=draws,
        residuals=residual,
        residual_sd=float(1.4826 * np.median(np.abs(residual))),
        points=points,
        starts=len(starts),
        minima=int((values < lowest * (1.0 + 1e-6)).sum()),
        floor_interval=interval,
        ranges=ranges,
        warnings=_doubts(model, best[0], draws, interval),
    )


def _thinned(model: LogSum, seed: int) -> LogSum:
    """The model on at most MANY of its points: enough to find the basin that all points are then fitted in."""
    points = len(model.target)
    if points <= MANY:
        return model
    chosen = np.sort(np.random.RandomState(seed).choice(points, MANY, replace=False))

    def thin(column: Any) -> Any:
        """The chosen rows of a column; a scalar stays."""
        return column[chosen] if np.ndim(column) else column

    terms = tuple(tuple((index, thin(column)) for index, column in term) for term in model.terms)
    return LogSum(names=model.names, terms=terms, target=model.target[chosen])


def _doubts(model: LogSum, theta: Array, draws: Array, interval: FloorInterval) -> tuple[str, ...]:
    """What these runs say too little about, in sentences."""
    names, points = model.names, len(model.target)
    notes = []
    if points < 3 * len(names):
        notes.append(f"{points} runs for {len(names)} constants: the bootstrap understates the doubt")
    spread = draws.std(axis=0)
    for i, name in enumerate(names):
        if not name.startswith("log_") and spread[i] > 0.5 * abs(theta[i]):
            notes.append(f"{name} is weakly identified: {theta[i]:.3g} with a standard error of {spread[i]:.2g}")
    for name, column in zip(names, draws.T):
        if _spread(name, column) is None:
            notes.append(f"{name.removeprefix('log_')} has no standard error: single resamples run away with it, for "
                         "few runs show its term; read its interval")  # fmt: skip
    if not interval.identified:
        notes.append("the floor is not identified by these runs: do not read losses far beyond them")
    return tuple(notes)


def _range(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def decades_beyond_runs(ranges: dict[str, tuple[float, float]], **values: Num | None) -> Any:
    """Decades beyond the runs, over the quantities given: numbers or arrays; 0 inside."""
    far: Any = 0.0
    for name, value in values.items():
        if value is not None and name in ranges:
            low, high = ranges[name]
            far = np.maximum(far, np.maximum(np.log10(value / high), np.log10(low / value)))
    return far


def predict(
    fit: LossFit, level: float = 0.8, *, params: Any = None, tokens: Any = None, flop: Any = None
) -> tuple[Array, Array, Array]:
    """(loss, low, high) of new runs: joint draws of the constants, the runs' scatter, and what the form may miss.

    The last grows with the decades beyond the runs (see `fit_beyond`): a bootstrap knows nothing of a wrong form.
    """
    given = {"params": params, "tokens": tokens, "flop": flop}
    if fit.form == "additive":
        model = additive_model(np.atleast_1d(params), np.atleast_1d(tokens), np.ones(np.size(params)))
        given["flop"] = 6.0 * np.asarray(params) * np.asarray(tokens)
    else:
        x = given[fit.form.removeprefix("power_of_")]
        model = power_model(np.atleast_1d(x), np.ones(np.size(x)))
    middle = model.shares(fit.theta[None, :])[1][0]  # the target is log 1: the residual is the log loss
    drawn = model.shares(fit.draws)[1]
    # a fit's residuals are smaller than the scatter
    scale = np.sqrt(fit.points / max(1.0, fit.points - len(fit.names)))
    rng = np.random.default_rng(0)
    noise = rng.choice(-fit.residuals * scale, size=drawn.shape)
    far = np.atleast_1d(decades_beyond_runs(fit.ranges, **given))
    form = form_miss(fit.residual_sd, far, rng.standard_normal((len(drawn), 1)))
    low, high = np.quantile(drawn - drawn.mean(axis=0) + noise + form, (0.5 - level / 2, 0.5 + level / 2), axis=0)
    return np.exp(middle), np.exp(middle + low), np.exp(middle + high)
