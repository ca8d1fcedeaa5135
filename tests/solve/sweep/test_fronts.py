"""Pareto fronts of many rows against every pair of rows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hwmodel.solve.sweep.fronts import _swept, front_rows, rounded, unbeaten
from hwmodel.solve.sweep.stairs import CLEARLY, Stairs
from hwmodel.solve.sweep.tree import Tree, compiled, readied

from .conftest import COMPILES


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dimensions", [2, 3, 4])
def test_fronts_of_many_rows_are_those_of_all_pairs(dimensions: int) -> None:
    """Many are thinned by a few; costs that differ by rounding alone stay equal, and the first of them is kept."""
    draw = np.random.default_rng(dimensions)
    costs = 1.0 + draw.random((5000, dimensions)) * [1e12, 1.0, 1.0, 1e-6][:dimensions]
    costs[2500:] = costs[:2500] * (1.0 + 1e-13 * draw.random((2500, dimensions)))
    few = _swept(columns(rounded(costs)))
    assert np.array_equal(front_rows(costs), few)
    assert len(few) > 5
    assert few.max() < 2500


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dimensions", [2, 3, 4])
def test_fronts_against_all_pairs(dimensions: int) -> None:
    draw = np.random.default_rng(dimensions)
    costs = np.round(draw.random((9000 if dimensions == 2 else 5000, dimensions)), 2)  # ties and equal rows among them
    costs[7, 0] = math.nan
    found = set(front_rows(costs).tolist())
    unique = {tuple(costs[row]) for row in found}
    assert len(unique) == len(found)
    assert 7 not in found
    front = costs[sorted(found)]
    for row in draw.choice(len(costs), 400, replace=False):
        if row != 7:
            assert (row in found) or np.any(np.all(front <= costs[row], axis=1))
    for row in found:
        assert not np.any(np.all(costs <= costs[row], axis=1) & np.any(costs < costs[row], axis=1))


def columns(costs: np.ndarray) -> list[np.ndarray]:
    return [np.ascontiguousarray(column) for column in costs.T]


DRAWS = {
    "of both signs": lambda draw, shape: draw.uniform(-2.0, 2.0, shape),
    "more is better": lambda draw, shape: -draw.uniform(0.1, 0.6, shape),
    "of many decades": lambda draw, shape: 10.0 ** draw.uniform(-30.0, 30.0, shape),
    "few values": lambda draw, shape: draw.integers(0, 5, shape).astype(float),
    "one value": lambda draw, shape: np.full(shape, 7.0),
    "alike but for rounding": lambda draw, shape: 3.0 * (1.0 + 1e-12 * draw.integers(0, 9, shape)),
    "neighbours alike": lambda draw, shape: (1 + np.arange(shape[0]) // 200)[:, None] * draw.uniform(1.0, 1.01, shape),
    "beyond single precision": lambda draw, shape: 10.0 ** draw.uniform(-300.0, 300.0, shape),
}


ALIKE = ("alike but for rounding", "beyond single precision")  # too much so to be told apart by a table


@pytest.mark.parametrize("dimensions", [2, 3, 4])
@pytest.mark.parametrize("kind", DRAWS)
def test_stairs_leave_the_whole_front_and_little_else(dimensions: int, kind: str) -> None:
    """None of the front is left out; who is beaten with a step to spare in every cost is."""
    draw = np.random.default_rng(dimensions)
    costs = DRAWS[kind](draw, (30_000, dimensions))
    strong = costs[:300]
    left = unbeaten(Stairs(columns(strong)), columns(costs))
    assert set(front_rows(costs).tolist()) <= set(left.tolist())
    for row in np.setdiff1d(np.arange(len(costs)), left)[::200]:
        no_more = np.all(strong <= costs[row], axis=1)
        assert np.any(no_more & (strong[:, -1] < costs[row, -1]))
    ranks = np.stack([np.searchsorted(np.sort(column), column) for column in costs.T], axis=1)
    for row in left[::20] if kind not in ALIKE else ():
        assert not np.any(np.all(ranks[:300] + 500 < ranks[row], axis=1))


@COMPILES
@pytest.mark.parametrize("dimensions", [2, 3, 4])
@pytest.mark.parametrize("kind", DRAWS)
def test_a_tree_beats_what_one_of_its_rows_does_and_nothing_else(dimensions: int, kind: str) -> None:
    """Trees of one block and of three levels, against every pair; of equal rows none beats the other. Rows that lack a
    cost or have one without end are told one by one where their neighbours are beaten together."""
    assert readied()
    library, draw = compiled(), np.random.default_rng(dimensions)
    assert library is not None
    costs = DRAWS[kind](draw, (2000, dimensions))
    costs[100:200] = costs[:100]
    costs[300, 0], costs[400, 1], costs[500, 0] = math.nan, math.inf, -math.inf
    for planted in (1, 15, 16, 17, 256, 257, 300):
        some = costs[:planted]
        for share in (CLEARLY, 0.0):
            no_more = np.all(some[:, None] <= costs, axis=2)
            less = np.any(some[:, None] + share * np.abs(some[:, None]) < costs, axis=2)
            expected = np.flatnonzero(~np.any(no_more & less, axis=0))
            assert np.array_equal(Tree(library, columns(some), share).unbeaten(columns(costs)), expected)
    assert Tree(library, columns(costs[:0])).unbeaten(columns(costs)).tolist() == list(range(2000))


@pytest.mark.usefixtures("way")
def test_a_row_on_which_costs_do_not_agree_is_beaten_by_one_of_many() -> None:
    """Who lacks a cost neither beats nor is kept, however the rest of its costs are."""
    costs = np.random.default_rng(0).uniform(1.0, 2.0, (20_000, 3))
    costs[::2, 0] = math.nan
    costs[0] = math.nan, 0.0, 0.0
    costs[1] = 0.5, 0.5, 0.5
    assert front_rows(costs).tolist() == [1]


def test_stairs_of_no_rows_beat_none_and_lacking_costs_beat_nothing() -> None:
    some = [np.array([1.0, np.nan, -3.0, np.inf]), np.array([1.0, 2.0, np.nan, -np.inf])]
    assert unbeaten(Stairs([np.empty(0)] * 2), some).tolist() == [0, 1, 2, 3]
    assert 0 in unbeaten(Stairs([np.array([0.0, 2.0])] * 2), [np.array([-1.0]), np.array([5.0])])
    unbeaten(Stairs([np.array([-1.0, 2.0])] * 2), some)  # of both signs, where nan has no cell


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dimensions", [3, 4])
@pytest.mark.parametrize("values", [2, 7, 1000])
def test_many_equal_costs(dimensions: int, values: int) -> None:
    """Cuts through equal values part them; what is equal in some costs may still beat."""
    costs = np.random.default_rng(values).integers(1, values + 1, (1200, dimensions)).astype(float)
    no_more = np.all(costs[:, None] <= costs[None], axis=2)
    beaten = (no_more & np.any(costs[:, None] < costs[None], axis=2)).any(axis=0)
    repeated = np.triu(no_more & no_more.T, 1).any(axis=0)
    assert np.array_equal(front_rows(costs), np.flatnonzero(~beaten & ~repeated))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dimensions", [3, 4])
def test_a_front_of_all_rows(dimensions: int) -> None:
    """On a sphere none beats another, whichever are looked at first."""
    draw = np.abs(np.random.default_rng(3).normal(size=(20_000, dimensions)))
    costs = 2.0 - draw / np.linalg.norm(draw, axis=1)[:, None]
    assert len(front_rows(costs)) > 19_900


def test_the_front_of_few_and_of_none() -> None:
    assert front_rows(np.empty((0, 3))).tolist() == []
    assert front_rows(np.array([[1.0, 2.0, 3.0]])).tolist() == [0]
    assert front_rows(np.array([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [math.nan, 0.0]])).tolist() == [0, 2]
