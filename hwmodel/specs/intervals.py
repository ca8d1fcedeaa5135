"""How wide a prediction's interval is, and what makes it wider."""

from __future__ import annotations

import msgspec

from hwmodel.ops import Num


class Familiarity(msgspec.Struct, frozen=True, kw_only=True):
    """How far a case lies from what was measured; each field is 0 (measured) to 1 (never), or a number of factors.

    `source` 1: no run of the same source or cluster was measured. `stack`, `family`, `part`, `number_format`: 0 or 1.
    `kind`: 1 for a mixture of experts, half more where the stack was never measured with one. `settings`: share of
    settings that were searched because nobody stated them. `scale`: natural log of the accelerators beyond the largest
    measured fleet. `level`: 1 where a measurement of the same source or cluster set the level.
    """

    source: Num = 0.0
    stack: Num = 0.0
    family: Num = 0.0
    part: Num = 0.0
    number_format: Num = 0.0
    kind: Num = 0.0
    settings: Num = 0.0
    scale: Num = 0.0
    level: Num = 0.0


class IntervalConstants(msgspec.Struct, frozen=True, kw_only=True):
    """Half-width of the 80 % interval of a fully measured case, in natural logs, and factors on it."""

    seen: float = 0.13
    source: float = 1.6
    stack: float = 1.3
    family: float = 1.6
    part: float = 1.15
    number_format: float = 1.3
    kind: float = 1.3
    settings: float = 1.3
    scale: float = 1.1
    level: float = 1.1
    most: float = 1.2


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
