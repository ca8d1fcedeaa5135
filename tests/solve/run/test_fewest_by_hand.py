"""The fewest whole nodes of an open fleet, each case worked out in its comment."""

from __future__ import annotations

import msgspec
import pytest

from hwmodel.physics.shape import shape_for_params
from hwmodel.solve.run import fleet as fleets
from hwmodel.solve.run.fleet import fleet_size
from tests.solve.quiet import RATE, quiet

LIMIT_S = 1e6
MOST_ROUNDS = 6  # three are enough below; more is a search that does not end


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The fleets that each round of the search tries, in nodes of 8."""
    tried: list[list[int]] = []
    first = fleets._Within.first

    def counted(within: fleets._Within, counts: list[int]) -> int | None:
        assert len(tried) < MOST_ROUNDS, "the search does not end"
        tried.append([count // 8 for count in counts])
        return first(within, counts)

    monkeypatch.setattr(fleets._Within, "first", counted)
    return tried


def _size(asked: float) -> int:
    """The fleet for a run that just `asked` accelerators would finish in time."""
    setting = quiet("8xH100", "1T")
    setting = msgspec.structs.replace(setting, request=msgspec.structs.replace(setting.request, time_s=LIMIT_S))
    return fleet_size(setting, shape_for_params(1e9), 1e9, asked * RATE * LIMIT_S, 1e9)


# Fleets a sixth apart go ... 84, 100, 119, 142 nodes. The first round of 12 is 120, 122 ... 142.
TWO_APART = list(range(120, 143, 2))


@pytest.mark.parametrize(
    ("asked", "nodes", "after"),
    [
        # 125.2 nodes: 124 are too few, 126 are not; of 125 and 126 the second.
        (1001.5, 126, [TWO_APART, [125, 126]]),
        # 124.9: the same round, then the first of the two.
        (999.5, 125, [TWO_APART, [125, 126]]),
        # 119.1: 120 are the first of the round and one more than 119: nothing lies between.
        (953.0, 120, [TWO_APART]),
        # 141.9: 142 are the last of the round, and 140 too few.
        (1135.0, 142, [TWO_APART, [141, 142]]),
        # 8.9 nodes: 8 are too few, 10 are not.
        (71.0, 9, [[9, 10]]),
        # 4.9: 4 are too few and 5 one more.
        (39.0, 5, []),
        # 7 accelerators: a node, of which there are no parts but 1, 2 and 4.
        (7.0, 1, []),
    ],
)
def test_whole_nodes_between_one_fleet_and_the_next(
    rounds: list[list[int]], asked: float, nodes: int, after: list[list[int]]
) -> None:
    assert _size(asked) == 8 * nodes
    assert rounds[1:] == after


def test_below_a_node_by_powers_of_two(rounds: list[list[int]]) -> None:
    assert _size(2.5) == 4
    assert len(rounds) == 1
