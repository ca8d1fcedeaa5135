"""From a fit to a law that plans can use, to predictions with their distance, and to a watch over a running loss."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from hwmodel.errors import InputError
from hwmodel.laws.fit_loss import LossFit, predict
from hwmodel.laws.fit_slices import AllocationFit
from hwmodel.specs.law import LawSpec

OWN_SOURCE = "own-runs"


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


def to_law(fit: LossFit | AllocationFit, law_id: str, *, title: str = "", convention: str = "total") -> LawSpec:
    """The fit as a law of the catalog, with its covariance, so that `--law <id>` plans with it and shows bands."""
    names: tuple[str, ...]
    if isinstance(fit, AllocationFit):
        names, draws = ("log_k_params", "a_params"), fit.draws
        constants = {"k_params": fit.k_params, "a_params": fit.a_params}
        form, unit = "allocation", "none"
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


def outside(ranges: dict[str, tuple[float, float]], **values: float | None) -> float:
    """Decades beyond the runs, over the quantities given."""
    far = 0.0
    for name, value in values.items():
        if value is not None and name in ranges:
            low, high = ranges[name]
            far = max(far, math.log10(value / high), math.log10(low / value))
    return far


def prediction(fit: LossFit, level: float = 0.8, **target: float) -> Prediction:
    """Loss at a target: params and tokens for an additive fit, the one variable otherwise."""
    needed = ("params", "tokens") if fit.form == "additive" else (fit.form.removeprefix("power_of_"),)
    if set(target) != set(needed):
        raise InputError(f"--at: this fit needs {' and '.join(needed)}")
    middle, low, high = predict(fit, level, **target)
    known: dict[str, Any] = {"params": target.get("params"), "tokens": target.get("tokens"), "flop": target.get("flop")}
    if fit.form == "additive":
        known["flop"] = 6.0 * target["params"] * target["tokens"]
    return Prediction(
        **known,
        loss_nats=float(middle[0]),
        low=float(low[0]),
        high=float(high[0]),
        level=level,
        decades_outside_fit=outside(fit.ranges, **known),
    )


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
