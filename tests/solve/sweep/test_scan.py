"""Fronts over many files against every pair of their rows."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from hwmodel.solve.sweep.columns import ShardColumns
from hwmodel.solve.sweep.expression import Expression, read_expression
from hwmodel.solve.sweep.fronts import ordered, rounded
from hwmodel.solve.sweep.names import KnownName
from hwmodel.solve.sweep.scan import Placed, _spread, front_of
from hwmodel.solve.sweep.stairs import evenly

NAMES = ("cost", "days", "loss", "memory")


class Drawn:
    """A file whose answered rows are drawn: each third row has none."""

    def __init__(self, costs: NDArray[np.float64]) -> None:
        self.costs = costs
        self.answered = np.flatnonzero(np.arange(2 * len(costs)) % 3)[: len(costs)]

    def answers(self, name: str) -> NDArray[np.float64]:
        """A column, written anew: who asks may not change it for others."""
        return self.costs[:, NAMES.index(name)].copy()

    def holds(self, condition: Expression, named: dict[str, str], kept: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows that meet a condition over the columns as they are named."""
        columns = {name: self.answers(named.get(name, name))[kept] for name in condition.names}
        return kept[condition.holds(columns, len(kept))]


def drawn(files: int, dimensions: int, neighbours: bool) -> list[Drawn]:
    """Files of 150 to 250 rows; neighbours: of points that follow each other, so that whole runs of them are beaten."""
    draw = np.random.default_rng(files + dimensions)
    found = []
    for _ in range(files):
        rows = int(draw.integers(150, 250))
        costs = draw.uniform(1.0, 2.0, (rows, dimensions))
        if neighbours:
            rising = np.linspace(1.0, 2.0, rows)[:, None]
            costs = draw.uniform(1.0, 4.0) * np.hstack([rising, 3.0 - np.repeat(rising, dimensions - 1, axis=1)])
            costs *= draw.uniform(1.0, 1.02, costs.shape)
        costs[draw.integers(0, rows, 5), draw.integers(0, dimensions, 5)] = np.nan
        costs[draw.integers(0, rows, 9)] = costs[0]
        found.append(Drawn(costs))
    return found


def asked(files: list[Drawn], signs: list[float], condition: Expression | None = None) -> Placed:
    """The front over files, with another name for one of the columns."""
    opened: Any = files.__getitem__
    answers = list(zip(NAMES, signs))
    return front_of(lambda at: cast("ShardColumns", opened(at)), len(files), answers, condition, {"price": "cost"})


def of_pairs(files: list[Drawn], signs: list[float], dearest: float = np.inf) -> list[tuple[int, int]]:
    """The places of rows that none of all beats, of equal ones the first."""
    rows = [(file, row, cost) for file, one in enumerate(files) for row, cost in zip(one.answered, one.costs)]
    rows = [row for row in rows if np.isfinite(row[2]).all() and row[2][0] < dearest]
    costs = rounded(np.array([row[2] for row in rows]) * signs)
    found = []
    for at, one in enumerate(costs):
        no_more = np.all(costs <= one, axis=1)
        if not np.any(no_more & np.any(costs < one, axis=1)) and np.flatnonzero(np.all(costs == one, axis=1))[0] == at:
            found.append((rows[at][0], int(rows[at][1])))
    return found


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("neighbours", [False, True])
@pytest.mark.parametrize("dimensions", [2, 3, 4])
@pytest.mark.parametrize("files", [1, 2, 9])
def test_the_front_of_files_is_that_of_all_pairs(files: int, dimensions: int, neighbours: bool) -> None:
    """Of one batch and of several, in the order of places, with what they cost."""
    some, signs = drawn(files, dimensions, neighbours), [1.0, -1.0, 1.0, -1.0][:dimensions]
    found = asked(some, signs)
    assert list(map(tuple, found.place.T.tolist())) == of_pairs(some, signs)
    for name, sign, column in zip(NAMES, signs, found.costs):
        of = {(file, row): sign * one.answers(name)[at] for file, one in enumerate(some)
              for at, row in enumerate(one.answered.tolist())}  # fmt: skip
        assert column.tolist() == [of[place] for place in map(tuple, found.place.T.tolist())]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dimensions", [2, 4])
def test_what_a_condition_leaves_out_beats_nothing(dimensions: int) -> None:
    some, signs = drawn(9, dimensions, neighbours=True), [-1.0, 1.0, 1.0, 1.0][:dimensions]
    found = asked(some, signs, read_expression("price < 3", {"price": KnownName()}))
    assert list(map(tuple, found.place.T.tolist())) == of_pairs(some, signs, dearest=3.0)


@pytest.mark.usefixtures("way")
def test_files_without_a_row_that_answers() -> None:
    empty = [Drawn(np.full((5, 3), np.nan)), Drawn(np.empty((0, 3)))]
    assert asked(empty, [1.0] * 3).place.shape == (2, 0)
    assert asked([*empty, *drawn(1, 3, neighbours=False)], [1.0] * 3).place[0].min() == 2


@pytest.mark.parametrize("values", [1, 3, 40, 10**6])
def test_rows_in_order_are_those_of_a_sort_by_all_columns(values: int) -> None:
    """Equal in the first column or in all of them, the earlier stays first."""
    draw = np.random.default_rng(values)
    columns = [draw.integers(-values, values, 5000).astype(float) for _ in range(3)]
    columns[0][::7] = -0.0  # no less than 0
    assert ordered(columns).tolist() == np.lexsort(columns[::-1]).tolist()
    assert ordered([column[:0] for column in columns]).tolist() == []


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 1000])
def test_files_are_looked_at_in_an_order_that_lies_over_all(count: int) -> None:
    order = list(_spread(count))
    assert sorted(order) == list(range(count))
    for some in (16, 100, 500):
        if some <= count:  # gaps between the first of them: none more than a few times as wide as the mean
            assert np.diff(sorted(order[:some])).max() <= 4 * count / some


def test_rows_from_end_to_end() -> None:
    # Of 10 rows 4: at 0, 3, 6, 9. Of 3 rows 7: 0, 1/3, 2/3, 1, 4/3, 5/3, 2 round to 0, 1 and 2, each once.
    assert evenly(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly(3, 7).tolist() == [0, 1, 2]
    assert evenly(1, 1).tolist() == [0]
