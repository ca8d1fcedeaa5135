"""Half-width of a prediction's 80 % interval from how familiar the case is (pure arithmetic, numbers or columns)."""

from __future__ import annotations

from typing import Any

from hwmodel.ops import Num, exp, log, maximum, minimum
from hwmodel.specs.intervals import Familiarity, IntervalConstants


def log_half_width(f: Familiarity, c: IntervalConstants) -> Num:
    """Natural log of high over predicted (and of predicted over low): factors multiply, up to a bound."""
    # A measurement of the same cluster stands for the source.
    spread = log(c.seen) + f.source * (1.0 - f.level) * log(c.source) + f.stack * (1.0 - f.level) * log(c.stack)
    spread = spread + f.family * log(c.family) + f.part * log(c.part)
    spread = spread + f.number_format * log(c.number_format) + f.kind * log(c.kind) + f.settings * log(c.settings)
    spread = spread + maximum(f.scale, 0.0) * log(c.scale) + f.level * log(c.level)
    return minimum(exp(spread), c.most)


def around(value: Num, half_width: Num) -> tuple[Any, Any]:
    """The ends value * exp(-w) and value * exp(+w) of an interval of half-width w (natural log)."""
    return value * exp(-half_width), value * exp(half_width)
