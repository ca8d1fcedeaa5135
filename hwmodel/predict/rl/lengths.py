"""Lengths of responses: a histogram as given, or the one that a mean and a limit stand for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from hwmodel.errors import InputError
from hwmodel.numerics import falls_at
from hwmodel.specs.rl import ResponseLengths

BUCKETS = 48  # equal shares of the rollouts; the longest stands apart
MOST_TOKENS = 1e7


def lengths_of(mean: float, limit: float | None, log_sd: float, count: float) -> ResponseLengths:
    """Lengths of `count` responses of a mean [tokens]: log-normal, those beyond the limit cut there.

    The last bucket is the longest of them, at its median: it sets the time of a step that waits for all. Raises
    InputError for a mean that the limit does not allow.
    """
    if limit is not None and mean > limit:
        raise InputError(f"a mean response of {mean:,.0f} tokens is beyond the limit of {limit:,.0f}")
    top = min(limit or MOST_TOKENS, MOST_TOKENS)
    count = max(count, 2.0)
    normal = NormalDist()
    places = [normal.inv_cdf((i + 0.5) / BUCKETS) for i in range(BUCKETS)]
    places.append(max(normal.inv_cdf(0.5 ** (1.0 / count)), places[-1]))
    shares = [(1.0 - 1.0 / count) / BUCKETS] * BUCKETS + [1.0 / count]

    def at(middle: float) -> list[float]:
        return [min(math.exp(middle + log_sd * z), top) for z in places]

    def short(middle: float) -> bool:
        return sum(t * s for t, s in zip(at(middle), shares)) < mean

    tokens = at(float(falls_at(short, math.log(mean) - 8.0 * log_sd, math.log(top) + 8.0 * log_sd)))
    return ResponseLengths(tokens=tuple(tokens), shares=tuple(shares))


def lengths_from_histogram(pairs: Sequence[tuple[float, float]]) -> ResponseLengths:
    """Lengths from (tokens, weight) pairs. Raises InputError for an empty or negative histogram."""
    kept = sorted((float(t), float(w)) for t, w in pairs if w > 0)
    if not kept or kept[0][0] < 1.0 or any(w < 0 for _, w in pairs):
        raise InputError("a histogram of lengths needs pairs of tokens (1 or more) and weight (above zero)")
    total = math.fsum(w for _, w in kept)
    return ResponseLengths(tokens=tuple(t for t, _ in kept), shares=tuple(w / total for _, w in kept))
