"""Decay constants of repeated data: R_D* and R_N* of Muennighoff et al. 2023 on runs with few distinct tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from hwmodel.errors import InputError
from hwmodel.laws.data import repeated_loss
from hwmodel.laws.fitting import DELTA, Array


class RepeatFit(msgspec.Struct, frozen=True, kw_only=True):
    """How fast repeats (of data, of excess parameters) lose their worth, on a fixed single-epoch base."""

    rd_star: float
    rn_star: float
    objective: float
    points: int


def fit_repeats(base: Mapping[str, Any], params: Array, tokens: Array, unique_tokens: Array, loss: Array) -> RepeatFit:
    """Minimise the summed Huber loss of log L over (log R_D*, log R_N*): a grid, then a shrinking one around the best.

    Raises InputError when no run repeats its data (the constants would be free).
    """
    if not np.any(tokens > 1.5 * unique_tokens):
        raise InputError("no run repeats its data: R_D* and R_N* cannot be fitted; give runs of two epochs and more")
    centre, width = np.log(np.array([10.0, 10.0])), 3.0
    best = np.inf
    for _ in range(14):
        axis = np.linspace(-width, width, 21)
        d_star, n_star = (g.ravel()[:, None] for g in np.meshgrid(np.exp(centre[0] + axis), np.exp(centre[1] + axis)))
        decay = {"RD_star": d_star, "RN_star": n_star}
        residual = np.log(repeated_loss(base, decay, params, tokens, unique_tokens)["loss_nats"]) - np.log(loss)
        size = np.abs(residual)
        value = np.where(size < DELTA, 0.5 * size * size, DELTA * (size - 0.5 * DELTA)).sum(axis=1)
        least = int(np.argmin(value))
        centre, best = np.log(np.array([d_star[least, 0], n_star[least, 0]])), float(value[least])
        width *= 0.35
    return RepeatFit(
        rd_star=float(np.exp(centre[0])), rn_star=float(np.exp(centre[1])), objective=best, points=len(loss)
    )
