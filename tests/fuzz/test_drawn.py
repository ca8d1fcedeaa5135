"""A small share of the campaign (`make fuzz` runs the long one)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("drawn", Path(__file__).with_name("drawn.py"))
assert SPEC is not None
assert SPEC.loader is not None
drawn = importlib.util.module_from_spec(SPEC)
sys.modules["drawn"] = drawn
SPEC.loader.exec_module(drawn)


@pytest.mark.parametrize(("kind", "count"), [("plan", 60), ("train", 200), ("serve", 340), ("cheap", 20_000)])
def test_no_finding(kind: str, count: int) -> None:
    ends, findings = drawn.run(kind, 20_261_126, count)
    assert sum(ends.values()) == count
    assert findings == {}
