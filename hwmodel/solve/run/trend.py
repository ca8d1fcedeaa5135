"""How fast a fleet trains sizes, as a smooth trend through those that it was asked for."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

TREND_TERMS = 3


class Trend:
    """FLOP/s against the logarithm of the size: a cubic through the rungs that fit; a line between few."""

    def __init__(self, rungs: NDArray[np.float64], rates: NDArray[np.float64]) -> None:
        self.logs, self.rates = np.log(rungs), rates
        fits = rates > 1.0
        self.middle = math.log(rungs[0] * rungs[-1]) / 2.0
        self.inside, beyond = np.log(rungs[fits]), np.log(rungs[~fits])
        self.cubic: NDArray[np.float64] | None = None
        if fits.sum() >= TREND_TERMS + 2:
            self.cubic = np.polyfit(self.inside - self.middle, np.log(rates[fits]), TREND_TERMS)
            self.end = (beyond[beyond > self.inside[-1]].min(initial=math.inf) + self.inside[-1]) / 2.0

    def at(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """FLOP/s at logarithms of sizes; next to nothing beyond the last rung that fits."""
        if self.cubic is None:
            return np.interp(x, self.logs, self.rates)
        found = np.exp(np.polyval(self.cubic, np.clip(x, self.inside[0], self.inside[-1]) - self.middle))
        return np.where(x > self.end, 1.0, found)
