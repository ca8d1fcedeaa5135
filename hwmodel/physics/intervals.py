"""The ends of a prediction's 80 % interval, from how familiar the case is (pure arithmetic, numbers or columns).

Doubts are independent and each is propagated alone through the prediction: seconds of a mechanism that make up a share
of a step and may be `d` (natural log) longer or shorter make the step ln(1 + share (e^d - 1)) longer, or
-ln(1 - share (1 - e^-d)) shorter; a doubt of the whole moves the whole. They add in quadrature, each side for itself:
little can be saved on a small part, and much lost.
"""

from __future__ import annotations

from typing import Any

from hwmodel.ops import exp, log, maximum, minimum, sqrt
from hwmodel.specs.intervals import Z80, Ends, Familiarity, IntervalConstants

MOST = 3.0  # natural log: beyond a factor of 20 an end says no more


def ends(f: Familiarity, c: IntervalConstants) -> Ends:
    """Lower and upper end as natural logs of predicted over low and of high over predicted."""
    kept = 1.0 - f.known * (1.0 - c.known)  # of every doubt but that of the row
    plain = (Z80 * c.row) ** 2 + (Z80 * kept * c.level) ** 2
    for name, doubt in c.distances.items():
        plain = plain + (Z80 * kept * doubt * f.distances.get(name, 0.0)) ** 2
    down, up = plain, plain
    for name, doubt in c.shares.items():
        share = minimum(maximum(f.shares.get(name, 0.0), 0.0), 1.0)
        longer = exp(Z80 * kept * doubt)
        up = up + log(1.0 + share * (longer - 1.0)) ** 2
        down = down + log(1.0 - share * (1.0 - 1.0 / longer)) ** 2
    scale = c.scale + f.known * (c.scale_known - c.scale)
    return Ends(minimum(scale * sqrt(down), MOST), minimum(scale * sqrt(up), MOST))


def around(value: Any, found: Ends) -> tuple[Any, Any]:
    """Low and high of a value whose interval has these ends."""
    return value * exp(-found.down), value * exp(found.up)
