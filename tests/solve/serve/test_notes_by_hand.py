"""What a serving answer says of a cache that may hold no request."""

from __future__ import annotations

from hwmodel.solve.run.band import Band
from hwmodel.solve.serve.notes import tight


def test_a_cache_that_may_hold_less_than_one_request() -> None:
    # By the engine's settings between eight tenths of a request and two and a half: it may hold none.
    assert tight(Band(1.5, 0.8, 2.5)) == [
        "it may not fit: the cache holds 0.8 to 2.5 requests, by the engine's settings"
    ]
    # Two digits: 0.996 stands as 1, and is less than one all the same.
    assert tight(Band(3.0, 0.996, 12.4)) == [
        "it may not fit: the cache holds 1 to 12 requests, by the engine's settings"
    ]


def test_a_cache_that_holds_one_request_in_any_case_says_nothing() -> None:
    assert tight(Band(1.2, 1.0, 1.5)) == []  # just one
    assert tight(Band(1.8, 1.5, 3.0)) == []
    assert tight(Band(200.0, 120.0, 300.0)) == []
