"""Joint draws of a law's constants, and bands from them."""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.errors import InputError
from hwmodel.numerics import quantiles
from hwmodel.specs.law import LawSpec


def has_draws(spec: LawSpec) -> bool:
    """Whether the law has a joint covariance of its constants."""
    return bool(spec.covariance)


def draws(spec: LawSpec, count: int = 4000, seed: int = 0) -> LawSpec:
    """The law with each constant replaced by a column of `count` joint draws.

    A draw is the law's own constants plus a joint Gaussian deviation (in logs where the covariance is in logs). The
    covariance matrices of loss fits are nearly singular, so constants must never be drawn one by one.
    Raises InputError for a law without a covariance.
    """
    if not spec.covariance:
        raise InputError(f"law {spec.id} has no published covariance, so it has no band; use another law for intervals")
    import numpy as np

    values, vectors = np.linalg.eigh(np.asarray(spec.covariance))
    normal = np.random.default_rng(seed).standard_normal((count, len(values)))
    deviations = (normal * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    constants: dict[str, Any] = dict(spec.constants)
    for name, column in zip(spec.covariance_of, deviations.T):
        if name.startswith("log_"):
            constants[name[4:]] = constants[name[4:]] * np.exp(column)
        else:
            constants[name] = constants[name] + column
    return msgspec.structs.replace(spec, constants=constants)


def band(values: Any, low: float = 0.1, high: float = 0.9) -> tuple[Any, Any]:
    """The interval between two quantiles of the draws (80 % by default) along the first axis."""
    below, above = quantiles(values, (low, high))
    return below, above
