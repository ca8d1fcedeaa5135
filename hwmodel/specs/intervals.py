"""How wide a prediction's interval is, and what makes it wider."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from hwmodel.ops import Num

Z80 = 1.2815515655446008  # normal quantile of 0.9: half-width of an 80 % interval over its standard deviation


class Ends(NamedTuple):
    """Natural-log distances of the lower and the upper end of an 80 % interval from the prediction."""

    down: Num
    up: Num

    @property
    def flipped(self) -> Ends:
        """The ends of the inverse: of a rate where these are of a time."""
        return Ends(self.up, self.down)

    @property
    def half_width(self) -> Num:
        """Half of the whole width."""
        return 0.5 * (self.down + self.up)


CERTAIN = Ends(0.0, 0.0)


class Familiarity(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a prediction before it is measured, and its error goes by.

    `shares`: parts of the predicted quantity (0 to 1) that doubtful mechanisms make up: host, network, queue.
    `distances`: how far the case lies from what was measured: 0 or 1, or a number of doublings. `known` 1: runs of its
    source (or a measurement of its cluster) stand behind the prediction.
    """

    shares: dict[str, Num]
    distances: dict[str, Num]
    known: Num = 0.0


class IntervalConstants(msgspec.Struct, frozen=True, kw_only=True):
    """Doubts of one kind of quantity as standard deviations of natural logs.

    `row`: scatter of runs of one source. `level`: of sources. `shares`: of the seconds (or bytes) of a mechanism.
    `distances`: what each unit of distance adds. `known`: share of all but `row` that is left at a known source.
    `scale`, `scale_known`: factors on both ends with which intervals of left-out sources, and of known ones, hold.
    """

    row: float
    level: float
    shares: dict[str, float]
    distances: dict[str, float]
    known: float = 0.5
    scale: float = 1.0
    scale_known: float = 1.0


class FitConstants(msgspec.Struct, frozen=True, kw_only=True):
    """Constants of the probability that a layout fits (see `fits_probability`).

    `other`: share of layouts that fail for another cause; `least`: the probability that a plan asks for.
    """

    middle: float = 1.0
    width: float = 0.1
    other: float = 0.0
    least: float = 0.7

    @property
    def most_full(self) -> float:
        """Fill [share of the memory] at which the probability of fitting is `least`."""
        return self.middle * (1.0 / self.least - 1.0) ** self.width


def fits_probability(full: Num, c: FitConstants) -> Num:
    """Probability that memory lets a layout start whose predicted peak is `full` of what the part has."""
    return 1.0 / (1.0 + (full / c.middle) ** (1.0 / c.width))
