"""Lengths of sampled responses and the share that adapters add, worked out in the comments."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from hwmodel.errors import InputError
from hwmodel.predict.rl import lengths_from_histogram, lengths_of
from hwmodel.predict.states import adapter_fraction
from hwmodel.specs import Block, Shape

NORMAL = NormalDist()
# The middles of 48 slices of equal probability.
MIDDLES = [NORMAL.inv_cdf((2 * i + 1) / 96) for i in range(48)]


@pytest.mark.parametrize("count", [2.0, 1024.0, 1e6])
def test_lengths_are_log_normal_and_the_longest_stands_apart(count: float) -> None:
    # Of n responses the longest is below q with probability q^n: its median is the quantile 2^(-1 / n), where that lies
    # beyond the last slice (2^-0.5 does not). It is one of n, the others have equal shares of the rest.
    places = [*MIDDLES, max(NORMAL.inv_cdf(2 ** (-1 / count)), MIDDLES[-1])]
    shares = [(1 - 1 / count) / 48] * 48 + [1 / count]
    factors = [math.exp(0.5 * z) for z in places]
    mean = sum(f * s for f, s in zip(factors, shares, strict=True))
    found = lengths_of(1000.0, None, 0.5, count)
    assert found.shares == pytest.approx(shares)
    assert found.tokens == pytest.approx([1000 * f / mean for f in factors], rel=1e-6)
    assert found.mean == pytest.approx(1000.0, rel=1e-6)


def test_a_single_response_counts_as_two() -> None:
    assert lengths_of(500.0, None, 0.8, 1.0) == lengths_of(500.0, None, 0.8, 2.0)


def test_lengths_without_spread_and_at_their_limit() -> None:
    assert lengths_of(700.0, None, 0.0, 100.0).tokens == pytest.approx([700.0] * 49, rel=1e-6)
    # Half of 600 at a limit of 1,000: the longer ones are cut there, and the others make up for it.
    found = lengths_of(600.0, 1000.0, 1.0, 64.0)
    assert max(found.tokens) == 1000.0
    below = [t for t in found.tokens if t < 1000.0]
    assert 0 < len(below) < 48
    assert [math.log(t / below[0]) for t in below] == pytest.approx([z - MIDDLES[0] for z in MIDDLES[: len(below)]])
    assert found.mean == pytest.approx(600.0, rel=1e-6)
    # A mean at the limit is the limit of all; none is longer than ten million tokens.
    assert lengths_of(1000.0, 1000.0, 1.0, 64.0).tokens == pytest.approx([1000.0] * 49, rel=1e-4)
    assert max(lengths_of(9e6, None, 2.0, 64.0).tokens) == 1e7
    with pytest.raises(InputError, match=r"a mean response of 1,001 tokens is beyond the limit of 1,000"):
        lengths_of(1001.0, 1000.0, 1.0, 64.0)


def test_lengths_as_they_were_counted() -> None:
    # Three of 100, one of 500: 200 on the mean; nobody's are left out.
    found = lengths_from_histogram([(500.0, 1.0), (100.0, 3.0), (900.0, 0.0)])
    assert (found.tokens, found.shares) == ((100.0, 500.0), (0.75, 0.25))
    assert (found.mean, found.longest) == (200.0, 500.0)
    assert lengths_from_histogram([(1.0, 2.0)]).shares == (1.0,)
    for wrong in ([], [(0.5, 1.0)], [(100.0, -1.0), (200.0, 2.0)], [(100.0, 0.0)]):
        with pytest.raises(InputError):
            lengths_from_histogram(wrong)


def test_adapters_stand_on_every_expert_and_on_no_router() -> None:
    # Three layers of four experts: queries, keys and values 64 + 2 x 64 from 64, the output 64 from 64; each expert 32
    # from 64 and 64 from 32. Of rank 2: 2 (n + k) for each matrix.
    block = Block(count=3.0, n_heads=4.0, n_kv_heads=4.0, head_dim=16.0, d_ff=32.0, gated=0.0, n_experts=4.0, top_k=1.0)
    shape = Shape(name="m", d_model=64.0, vocab=100.0, blocks=(block,))
    added = 3 * 2 * ((192 + 64) + (64 + 64) + 4 * ((32 + 64) + (64 + 32)))
    # Two vocabularies and a last norm; a layer's matrices, its router of four columns and two norms.
    total = 2 * 6400 + 64 + 3 * (192 * 64 + 64 * 64 + 4 * 2 * 32 * 64 + 4 * 64 + 2 * 64)
    assert adapter_fraction(shape, 2) == pytest.approx(added / total, rel=1e-12)
    assert adapter_fraction(shape, 1) == pytest.approx(added / 2 / total, rel=1e-12)
    for rank in (0, 1.5):
        with pytest.raises(InputError, match="whole number of one or more"):
            adapter_fraction(shape, rank)
