"""A small share of the campaign: 600 whole answers and 20,000 cheap inputs (`make fuzz` runs the long one)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

PLACE = Path(__file__).with_name("campaign.py")
SPEC = importlib.util.spec_from_file_location("campaign", PLACE)
assert SPEC is not None
assert SPEC.loader is not None
campaign = importlib.util.module_from_spec(SPEC)
sys.modules["campaign"] = campaign
SPEC.loader.exec_module(campaign)

SEED = 20_261_126
SHARES = [
    ("plan", 25), ("plan", 25), ("compare", 20), ("compare", 20), ("train", 255), ("serve", 255),
    ("sweep", 1), ("export", 10), ("fit", 2), ("validate", 10), ("files", 12), ("files", 12),
    ("cheap", 10_000), ("cheap", 10_000),
]  # fmt: skip


@pytest.mark.parametrize(("place", "kind", "count"), [(i, *one) for i, one in enumerate(SHARES)])
def test_no_finding(place: int, kind: str, count: int) -> None:
    tally = campaign.run(kind, SEED + 100_000 * place, count)
    assert sum(tally["ends"].values()) == count
    assert tally["ends"]["answered"] > 0
    assert tally["findings"] == {}


def test_a_finding_is_told_with_its_input() -> None:
    def broken() -> None:
        assert 1 > 2, "one above two"

    assert campaign.outcome(broken).startswith("broken invariant: one above two")
    assert campaign.outcome(lambda: 1 / 0).startswith("ZeroDivisionError")


def test_a_campaign_goes_on_where_it_ended() -> None:
    whole = campaign.run("cheap", 7, 60)
    first = campaign.run("cheap", 7, 25)
    assert campaign.run("cheap", 7, 35, first) == whole
