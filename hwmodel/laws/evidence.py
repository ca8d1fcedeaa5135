"""What published pairs of trainings say of an unseen one: the 80 % prediction band of the loss gap of a kind of recipe.

A gap is the share by which a low-precision training loses against 16 bits. One number stands for each source, the
median of its rows; an upper bound is the interval from 0 to the bound. Sources scatter by more than their rows, so the
band is that of a source not seen: the prediction interval of random-effects meta-analysis (Higgins, Thompson and
Spiegelhalter 2009, doi 10.1111/j.1467-985X.2008.00552.x), with the scatter of a kind drawn towards that of all kinds
(Smyth 2004, doi 10.2202/1544-6115.1027) because a kind has few sources. Arithmetic is done on sqrt(gap + resolution):
the scatter grows with the gap there about as it does in the pairs, and a gap cannot fall far below zero.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from statistics import median

import msgspec

# What a single pair can resolve: one run of marin-community/marin issue 7271 gives +0.06, +0.11 and +0.21 % on three
# sets.
RESOLUTION = 0.001
# Degrees of freedom that the scatter of all kinds is worth beside a kind's own. Of 1, 2, 4, 8 this leaves the smallest
# interval score when each source is left out in turn (tests/laws/test_evidence.py repeats it).
PRIOR_FREEDOM = 2
# Where nothing was measured along a direction but one size, the data count as if they spanned this factor.
LEAST_SPAN = 10.0
MOST_DISTANCE = 3.0  # spans beyond the data after which the band grows no more
COVERAGE = 0.80


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """One measured gap as an interval of shares of the loss (low = high where it was read), with the run's size."""

    source: str
    low: float
    high: float
    params: float | None = None
    tokens: float | None = None


class GapBand(msgspec.Struct, frozen=True, kw_only=True):
    """Predictive distribution of a gap: Student's t of `freedom` on the root scale, of which `count` sources speak."""

    centre_root: float
    scale_root: float
    freedom: int
    pairs: int
    sources: int
    largest_params: float | None
    largest_tokens: float | None
    beyond: bool  # larger or longer than every pair

    def quantile(self, probability: float) -> float:
        """The gap that a new source stays below with this probability."""
        return _unrooted(self.centre_root + student_quantile(probability, self.freedom) * self.scale_root)

    def below(self, gap: float) -> float:
        """Probability that a new source has a smaller gap."""
        return student_cdf((_root(gap) - self.centre_root) / self.scale_root, self.freedom)

    @property
    def value(self) -> float:
        """The middle of the band; a format is not expected to gain."""
        return max(self.quantile(0.5), 0.0)

    @property
    def low(self) -> float:
        return self.quantile(0.5 - COVERAGE / 2.0)

    @property
    def high(self) -> float:
        return self.quantile(0.5 + COVERAGE / 2.0)


def _root(gap: float) -> float:
    shifted = gap + RESOLUTION
    return math.copysign(math.sqrt(abs(shifted)), shifted)


def _unrooted(root: float) -> float:
    return max(math.copysign(root * root, root) - RESOLUTION, -RESOLUTION)


class _Source(msgspec.Struct, frozen=True):
    """One source on the root scale."""

    middle: float
    variance: float  # of its own figure: the width of a bound and the noise of a pair


def _noise_variance(root: float) -> float:
    """Variance that the resolution of a pair has on the root scale."""
    half: float = RESOLUTION / (2.0 * max(abs(root), math.sqrt(RESOLUTION / 2.0)))
    return half * half


def _sources(gaps: Sequence[Gap]) -> list[_Source]:
    grouped: dict[str, list[tuple[float, float]]] = {}
    for gap in gaps:
        grouped.setdefault(gap.source, []).append((_root(gap.low), _root(gap.high)))
    found = []
    for rows in grouped.values():
        middle = median(0.5 * (low + high) for low, high in rows)
        width = median(high - low for low, high in rows)
        found.append(_Source(middle, width * width / 12.0 + _noise_variance(middle)))
    return found


def _weighted(sources: Sequence[_Source], between: float) -> tuple[float, float]:
    """Weighted mean of the sources and its variance."""
    weights = [1.0 / (one.variance + between) for one in sources]
    total = sum(weights)
    return sum(w * one.middle for w, one in zip(weights, sources, strict=True)) / total, 1.0 / total


def between_variance(sources: Sequence[_Source]) -> float:
    """Variance between sources beyond their own (Paule and Mandel 1982, doi 10.6028/jres.087.022)."""
    freedom = len(sources) - 1

    def excess(between: float) -> float:
        """Weighted sum of squares minus what chance gives."""
        mean, _ = _weighted(sources, between)
        return sum((one.middle - mean) ** 2 / (one.variance + between) for one in sources) - freedom

    if freedom < 1 or excess(0.0) <= 0.0:
        return 0.0
    low, high = 0.0, max((a.middle - b.middle) ** 2 for a in sources for b in sources) + 1e-12
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) > 0.0 else (low, middle)
    return 0.5 * (low + high)


def common_variance(kinds: Mapping[str, Sequence[Gap]]) -> float:
    """Variance between sources over all kinds of recipe, each weighted by its sources beyond the first."""
    found = [_sources(gaps) for gaps in kinds.values()]
    freedom = sum(len(sources) - 1 for sources in found)
    if freedom < 1:
        return 0.0
    return sum((len(sources) - 1) * between_variance(sources) for sources in found) / freedom


def gap_band(kinds: Mapping[str, Sequence[Gap]], kind: str, params: float, tokens: float) -> GapBand | None:
    """Band of the gap of a recipe of this kind for a run of this size; None where no pair of the kind counts.

    Beyond the largest run the variance grows by the squared distance over the span of the data, in logs.
    """
    gaps = kinds.get(kind, ())
    if not gaps:
        return None
    sources = _sources(gaps)
    own = len(sources) - 1
    freedom = own + PRIOR_FREEDOM
    between = (own * between_variance(sources) + PRIOR_FREEDOM * common_variance(kinds)) / freedom
    centre, mean_variance = _weighted(sources, between)
    distances = [
        _distance([gap.params for gap in gaps], params),
        _distance([gap.tokens for gap in gaps], tokens),
    ]
    variance = (between + mean_variance + _noise_variance(centre)) * (1.0 + sum(d * d for d in distances))
    return GapBand(
        centre_root=centre, scale_root=math.sqrt(variance), freedom=freedom, pairs=len(gaps), sources=len(sources),
        largest_params=max((g.params for g in gaps if g.params), default=None),
        largest_tokens=max((g.tokens for g in gaps if g.tokens), default=None),
        beyond=any(d > 0.0 for d in distances),
    )  # fmt: skip


def _distance(measured: Sequence[float | None], asked: float) -> float:
    """How far `asked` lies above what was measured, in spans of the data on the log scale."""
    known = [value for value in measured if value]
    if not known:
        return MOST_DISTANCE
    span = max(math.log(max(known) / min(known)), math.log(LEAST_SPAN))
    return min(max(math.log(asked / max(known)), 0.0) / span, MOST_DISTANCE)


# --- Student's t for whole degrees of freedom (Abramowitz and Stegun 26.7.3, 26.7.4) ---------------------------


def student_cdf(t: float, freedom: int) -> float:
    """P(T <= t) with `freedom` degrees of freedom."""
    theta = math.atan(t / math.sqrt(freedom))
    cos2 = math.cos(theta) ** 2
    even = freedom % 2 == 0
    term = math.sin(theta) if even else math.sin(theta) * math.cos(theta)
    total = 0.0 if freedom == 1 else term
    for k in range(2 if even else 3, freedom - 1, 2):
        term *= cos2 * (k - 1) / k
        total += term
    inside = total if even else 2.0 / math.pi * (theta + total)
    return 0.5 + 0.5 * inside


@functools.cache
def student_quantile(probability: float, freedom: int) -> float:
    """t with P(T <= t) = probability, by bisection."""
    if not 0.0 < probability < 1.0:
        raise ValueError("a probability between 0 and 1 is needed")
    low, high = -1.0, 1.0
    while student_cdf(low, freedom) > probability:
        low *= 2.0
    while student_cdf(high, freedom) < probability:
        high *= 2.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if student_cdf(middle, freedom) < probability else (low, middle)
    return 0.5 * (low + high)
