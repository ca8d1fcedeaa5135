"""The ends of a prediction's 80 % interval, from how familiar the case is (pure arithmetic, numbers or columns).

Doubts are independent and each is propagated alone through the prediction: seconds of a mechanism that make up a share
of a step and may be `d` (natural log) longer or shorter make the step ln(1 + share (e^d - 1)) longer, or
-ln(1 - share (1 - e^-d)) shorter; a doubt of the whole moves the whole. They add in quadrature, each side for itself:
little can be saved on a small part, and much lost.
"""

from __future__ import annotations

from typing import Any

from hwmodel.ops import Num, exp, log, maximum, minimum, sqrt
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
    scale = _scale(f.known, c)
    return Ends(minimum(scale * sqrt(down), MOST), minimum(scale * sqrt(up), MOST))


def _scale(known: Num, c: IntervalConstants) -> Num:
    """The factor with which intervals hold at sources left out of the fit, or at known ones."""
    return c.scale + known * (c.scale_known - c.scale)


def around(value: Any, found: Ends) -> tuple[Any, Any]:
    """Low and high of a value whose interval has these ends."""
    return value * exp(-found.down), value * exp(found.up)


def ratio_ends(over: Familiarity, under: Familiarity, c: IntervalConstants) -> Ends:
    """Ends of the ratio of two predictions of one source: `over` divided by `under`.

    The error of the source is common and cancels, and so does what both lie alike from measured runs; the scatter of
    rows strikes each. Seconds of a mechanism are longer or shorter in both, and move the ratio by what their shares
    differ. Of pairs of published runs of one model on one fleet such ends hold 84 %, the mean
    of 8 sources (tests/validation/test_pairs_of_runs.py).
    """
    known = maximum(over.known, under.known)
    kept = 1.0 - known * (1.0 - c.known)
    plain = 2.0 * (Z80 * c.row) ** 2
    for name, doubt in c.distances.items():
        apart = over.distances.get(name, 0.0) - under.distances.get(name, 0.0)
        plain = plain + (Z80 * kept * doubt * apart) ** 2
    down, up = plain, plain
    for name, doubt in c.shares.items():
        first, second = (minimum(maximum(of.shares.get(name, 0.0), 0.0), 1.0) for of in (over, under))
        longer = exp(Z80 * kept * doubt)
        if_longer = log(1.0 + first * (longer - 1.0)) - log(1.0 + second * (longer - 1.0))
        if_shorter = log(1.0 - first * (1.0 - 1.0 / longer)) - log(1.0 - second * (1.0 - 1.0 / longer))
        up = up + maximum(maximum(if_longer, if_shorter), 0.0) ** 2
        down = down + minimum(minimum(if_longer, if_shorter), 0.0) ** 2
    scale = _scale(known, c)
    return Ends(minimum(scale * sqrt(down), MOST), minimum(scale * sqrt(up), MOST))
