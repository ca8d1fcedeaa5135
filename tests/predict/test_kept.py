"""What is kept of what was made: the last asked for, never too many rows."""

from __future__ import annotations

from hwmodel.predict.kept import KeptByRows


def test_the_last_asked_for_stay() -> None:
    # Ten rows at most: of tables of 4, 3 and 5 the second goes, for the first was asked for after it.
    kept: KeptByRows[str] = KeptByRows(10, len)
    assert kept.get("a") is None
    kept.keep("a", "four")
    kept.keep("b", "two")
    assert kept.get("a") == "four"
    kept.keep("c", "three")
    assert [kept.get(key) for key in ("a", "b", "c")] == ["four", None, "three"]
    # 4 + 5 are nine: one row more stays, two push out the first.
    kept.keep("d", "1")
    assert kept.get("a") == "four"
    kept.keep("e", "2")
    assert [kept.get(key) for key in ("a", "c", "d", "e")] == ["four", None, "1", "2"]


def test_one_that_is_larger_than_all_stays_alone() -> None:
    kept: KeptByRows[str] = KeptByRows(3, len)
    kept.keep("a", "one")
    kept.keep("b", "thousands")
    assert kept.get("a") is None
    assert kept.get("b") == "thousands"
    kept.keep("c", "one")
    assert kept.get("b") is None
    assert kept.get("c") == "one"
