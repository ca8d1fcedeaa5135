"""From a fit to a law that plans can use, to predictions with their distance, and to a watch over a running loss."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from hwmodel.answers import Shown
from hwmodel.errors import InputError
from hwmodel.laws.fit_loss import LossFit, decades_beyond_runs, predict
from hwmodel.laws.fit_repeats import RepeatFit, predict_repeated
from hwmodel.laws.fit_slices import AllocationFit
from hwmodel.specs.law import LawSpec

OWN_SOURCE = "own-runs"
Fit = LossFit | AllocationFit | RepeatFit


class TakenColumn(msgspec.Struct, frozen=True, kw_only=True):
    """Which header of a file gave a quantity, in which unit ('' where it is SI as it stands)."""

    quantity: str
    header: str
    unit: str


class Fitted(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A fit with the form that was chosen, the columns it was made of, and every doubt of it."""

    __repr__ = Shown.__repr__

    fit: Fit
    form: str
    columns: tuple[TakenColumn, ...]
    params_convention: str
    notes: tuple[str, ...]  # what was left out, and why
    warnings: tuple[str, ...]


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """A loss at a target with its interval and how far beyond the fitted runs the target lies."""

    params: float | None
    tokens: float | None
    flop: float | None
    loss_nats: float
    low: float
    high: float
    level: float
    decades_outside_fit: float


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a running loss against its forecast band."""

    tokens: float
    measured: float
    forecast: float
    low: float
    high: float

    @property
    def inside(self) -> bool:
        return self.low <= self.measured <= self.high


def to_law(
    fit: LossFit | AllocationFit | RepeatFit, law_id: str, *, title: str = "", convention: str = "total"
) -> LawSpec:
    """The fit as a law of the catalog, with its covariance, so that `--law <id>` plans with it and shows bands."""
    names: tuple[str, ...]
    if isinstance(fit, AllocationFit):
        names, draws = ("log_k_params", "a_params"), fit.draws
        constants = {"k_params": fit.k_params, "a_params": fit.a_params}
        form, unit = "allocation", "none"
    elif isinstance(fit, RepeatFit):
        names, draws = (), np.empty((0, 0))  # the base's doubt is not the decays': no joint covariance
        constants, form, unit = fit.constants, "repeated", "nats_per_token"
    else:
        names, draws = fit.names, fit.draws
        constants, form, unit = fit.constants, fit.form, "nats_per_token"
        if form != "additive":  # (K, a) -> (x0, a) with K = x0^a
            constants = {"L_inf": constants["L_inf"], "a": constants["a"],
                         "x0": math.exp(fit.theta[0] / fit.theta[2])}  # fmt: skip
            names = ("log_x0", "log_L_inf", "a")
            draws = np.column_stack([draws[:, 0] / draws[:, 2], draws[:, 1], draws[:, 2]])
    covariance = np.atleast_2d(np.cov(draws.T)) if len(draws) > 1 else np.empty((0, 0))
    return LawSpec(
        id=law_id,
        title=title or f"Fitted to your own runs ({form})",
        form=form,
        source=OWN_SOURCE,
        status="derived",
        constants=constants,
        params_convention=convention,
        loss_unit=unit,
        family="own",
        fit_params=fit.ranges.get("params"),
        fit_tokens=fit.ranges.get("tokens"),
        fit_flop=fit.ranges.get("flop"),
        covariance_of=names if covariance.size else (),
        covariance=tuple(tuple(map(float, row)) for row in covariance),
        caveats="Holds for the data, tokenizer and recipe of the runs it was fitted on.",
    )


def prediction(fit: LossFit | RepeatFit, level: float = 0.8, **target: float) -> Prediction:
    """Loss at a target: params and tokens for an additive fit, unique_tokens too for repeats, else the one variable."""
    if isinstance(fit, RepeatFit):
        return _of_repeats(fit, level, target)
    needed = ("params", "tokens") if fit.form == "additive" else (fit.form.removeprefix("power_of_"),)
    if set(target) != set(needed):
        raise InputError(f"--at: this fit needs {' and '.join(needed)}")
    middle, low, high = predict(fit, level, **target)
    known = _known(target, fit.form == "additive")
    return Prediction(
        **known,
        loss_nats=float(middle[0]),
        low=float(low[0]),
        high=float(high[0]),
        level=level,
        decades_outside_fit=float(decades_beyond_runs(fit.ranges, **known)),
    )


def _known(target: dict[str, float], sized: bool) -> dict[str, float | None]:
    """The target's size, tokens and compute, as far as they follow."""
    known = {name: target.get(name) for name in ("params", "tokens", "flop")}
    if sized:
        known["flop"] = 6.0 * target["params"] * target["tokens"]
    return known


def _of_repeats(fit: RepeatFit, level: float, target: dict[str, float]) -> Prediction:
    """The loss of a run on repeated data."""
    if set(target) != {"params", "tokens", "unique_tokens"}:
        raise InputError(
            "--at: a fit of repeats needs a size, tokens and distinct tokens: write N@D/U, such as 7B@1T/100B"
        )
    known = _known(target, sized=True)
    far = float(decades_beyond_runs(fit.ranges, **known))
    middle, low, high = predict_repeated(fit, level, target["params"], target["tokens"], target["unique_tokens"], far)
    return Prediction(**known, loss_nats=middle, low=low, high=high, level=level, decades_outside_fit=far)


def watch(fit: LossFit, params: Any, tokens: Any, loss: Any, level: float = 0.95) -> list[Watched]:
    """A running loss, point by point, against the band that the fit forecasts for its size and tokens so far.

    The forecast is of a run that ends there: under a decaying learning rate an unfinished run lies above it, so
    compare losses of constant-rate runs or of decayed checkpoints.
    """
    if fit.form != "additive":
        raise InputError("--watch needs a fit in parameters and tokens (--form additive or tied)")
    middle, low, high = predict(fit, level, params=params, tokens=tokens)
    return [
        Watched(tokens=float(d), measured=float(x), forecast=float(m), low=float(lo), high=float(hi))
        for d, x, m, lo, hi in zip(tokens, loss, middle, low, high)
    ]


def watch_pattern(points: list[Watched]) -> str:
    """What a running loss does against its forecast: inside | level | closing | opening | turned.

    `level`: off by much the same share all along; `closing`: the gap shrinks; `opening`: it grows; `turned`: it was
    inside and has left. Shares are of log loss, between the first and the last third of the points.
    """
    if all(p.inside for p in points):
        return "inside"
    gaps = [math.log(p.measured / p.forecast) for p in points]
    third = max(1, len(gaps) // 3)
    early, late = sum(gaps[:third]) / third, sum(gaps[-third:]) / third
    if not points[-1].inside:
        if all(p.inside for p in points[:third]) and len(points) > 1:
            return "turned"
        if abs(late) > abs(early) + 0.25 * max(abs(early), 0.004):
            return "opening"
    return "closing" if abs(late) < 0.75 * abs(early) else "level"
