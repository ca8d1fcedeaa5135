"""Accelerators that would be enough, each case worked out in its comment."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from hwmodel.solve.budget import enough as enoughs
from hwmodel.solve.budget.enough import accelerators_enough
from hwmodel.solve.plan.solver import prepare
from hwmodel.solve.run.solved import Solved
from tests.solve.quiet import quiet

Z90 = 1.2815515655446008  # normal quantile of 0.9

# 1T tokens at 1e5 tokens/s an accelerator are 1e7 accelerator-seconds: a limit of 1e7 / c s asks for c accelerators.
WORK_S = 1e7


def _solved(gpus: str, log_spread: float = 0.0) -> Solved:
    found = prepare(quiet(gpus, "1T", log_spread)).solved
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("gpus", "asked", "enough"),
    [
        ("64xH100", 163.2, 168),  # 20.4 nodes of 8: 21 of them
        ("64xH100", 63.0, 64),  # the fleet as it is would do
        ("64xH100", 511.0, 512),  # 8 x 64, the most that is tried
        ("64xH100", 513.0, None),
        ("100xH100", 90.0, 104),  # 100 are no whole nodes: the fewest from there on are 13
        ("4xH100", 5.5, 6),  # below a node one at a time
        ("8xH100", 9.0, 16),  # a whole node: one more node
        # 211.2 nodes: of 24 fleets, each 8^(1/23) = 1.0946 of the one before, 512 x 1.0946^13 = 1,658 (207 nodes) is
        # too few and 512 x 1.0946^14 = 1,815 (227) is not; the 20 nodes between are tried one by one.
        ("512xH100", 1689.6, 1696),
        # 437.5 nodes, between the last but two (427) and the last but one (468): 24 fleets are 41 / 23 = 1.78 nodes
        # apart: of them 436 are too few (435.9) and 438 are not (437.7).
        ("512xH100", 3500.0, 3504),
    ],
)
def test_fewest_whole_nodes_that_end_in_time(gpus: str, asked: float, enough: int | None) -> None:
    assert accelerators_enough(_solved(gpus), WORK_S / asked, 0.5) == enough


def test_more_certainty_asks_for_more() -> None:
    # A run in ten takes 1.5 times as long: 100 accelerators do in the median (13 nodes), 150 in nine of ten (19).
    solved = _solved("64xH100", math.log(1.5) / Z90)
    assert accelerators_enough(solved, WORK_S / 100.0, 0.5) == 104
    assert accelerators_enough(solved, WORK_S / 100.0, 0.9) == 152
    # 210 x 1.5 = 315 are 39.4 nodes, between 37 and 41 of the fleets tried at first.
    assert accelerators_enough(solved, WORK_S / 210.0, 0.9) == 320
    # 400 x 1.5 = 600 are beyond 8 x 64.
    assert accelerators_enough(solved, WORK_S / 400.0, 0.9) is None


def test_fleets_whose_speed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan runs at twice what is predicted of it, which then holds for every fleet: 16 accelerators at 3,200 tokens
    a second for ten days. Failures make it half as long again, at P90 twice."""

    def fleet(setting: str, count: int, *_crew: str) -> Any:
        longer, own = {"P50": 1.5, "P90": 2.0}, (setting, count, counts.index(count))
        return SimpleNamespace(
            given_rate=lambda params, shape: None, doubt_of=lambda evaluation, case: (setting, count, case),
            elapsed_over_productive=lambda n, doubt, z: longer[z] if (n, doubt) == (1e9, own) else 9.0,
        )  # fmt: skip

    day, counts = 86400.0, [8, 16, 24, 32]
    monkeypatch.setattr(enoughs, "Fleet", fleet)
    monkeypatch.setattr(enoughs, "quantile_z", lambda share: f"P{100 * share:.0f}")

    def evaluate(shape: str, n: float, counts: list[int]) -> Any:
        """A hundred tokens a second of an accelerator; on eight nothing fits."""
        return SimpleNamespace(tokens_per_s=lambda case: 100.0 * counts[case] if counts[case] != 8 else 0.0)

    solved: Any = SimpleNamespace(
        fleet=SimpleNamespace(setting="s", precision="p", machine="m", evaluate=evaluate),
        at=SimpleNamespace(shape="x", flop_params=1e9), sized=SimpleNamespace(n=1e9),
        answer=SimpleNamespace(tokens_per_s=3200.0, train_days=10.0), choice=SimpleNamespace(tokens_per_s=1600.0),
    )  # fmt: skip
    for days, share, first in (
        # 15 days on 16, 10 on 24, 7.5 on 32; at P90 20, 13.3 and 10.
        (15.1, 0.5, 16), (14.9, 0.5, 24), (9.9, 0.5, 32), (7.4, 0.5, None), (20.1, 0.9, 16), (19.9, 0.9, 24),
        (13.3, 0.9, 32), (1000.0, 0.5, 16),
    ):  # fmt: skip
        assert enoughs._first_inside(solved, counts, days * day, share) == first
    assert enoughs._first_inside(solved, [], 1e9, 0.5) is None
