"""Cases searched in blocks, and what of a block may still matter once its bars have fallen: three rows by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from round_machine import SHAPE

from hwmodel.predict import fastest
from hwmodel.predict.bound import SLACK
from hwmodel.predict.compiled import _Block, _Found
from hwmodel.predict.layouts import Cases


def cases(*accelerators: float, given: bool = False) -> Cases:
    return Cases(
        shape=SHAPE, accelerators=np.array(accelerators), batch_cap_seqs=np.array(accelerators) * 2.0,
        batch_given=given, seq_len=1024.0,
    )  # fmt: skip


def test_blocks_hold_fleets_of_like_size(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(fastest, "_together", lambda cases, blocks, parts: [block.tolist() for block in blocks])
    # As many as go at once, or a batch that is given, are searched as they are.
    for whole, most in ((cases(5.0, 1.0, 3.0), 3), (cases(5.0, 1.0, 3.0, given=True), 2)):
        fastest._in_blocks(whole, most, lambda some: asked.append(some))  # type: ignore[arg-type,return-value]
        assert asked.pop() is whole
    # Else the two smallest fleets, then the two largest, each in the order of the cases, with their caps.
    blocks = fastest._in_blocks(cases(5.0, 1.0, 3.0, 7.0), 2, lambda some: asked.append(some))  # type: ignore[arg-type,return-value]
    assert blocks == [[1, 2], [0, 3]]
    assert [one.accelerators.tolist() for one in asked] == [[1.0, 3.0], [5.0, 7.0]]
    assert [one.batch_cap_seqs.tolist() for one in asked] == [[2.0, 6.0], [10.0, 14.0]]


def block(keep: int, free: tuple[bool, ...]) -> tuple[Any, list[Any]]:
    """Two kinds of one way and of two on one case: four replicas of either, batches of eight and ten, billed once and
    twice, the second with room for half as much again. The bar of the few is 0.3 s a sequence, the quickest 0.2."""
    one: Any = _Block.__new__(_Block)
    one.kind, one.ways = np.array([0, 1, 1]), np.array([1.0, 2.0])
    one.dp, one.batch = np.array([[4.0], [4.0]]), np.array([[8.0], [10.0]])
    one.bill, one.room = np.array([[1.0], [2.0]]), np.array([[1.0], [1.5]])
    one.quickest = np.array([0.2])
    one.bars = SimpleNamespace(again_s=np.array([0.5, 0.5, 0.5]))
    bar = np.array([0.3]) if keep else np.array([np.inf])
    one.wanted = SimpleNamespace(keep=keep, bar=lambda case: bar[case], points=np.zeros((1, 1, 3)), sizes=np.array([1]))
    told: list[Any] = []

    def unbeaten(kernel: Any, found: Any, seconds: Any, used: Any) -> Any:
        told.extend([seconds.tolist(), used.tolist()])
        return np.array(free)

    one._unbeaten = unbeaten
    return one, told


def found(*seconds: float) -> _Found:
    return _Found(np.array([0, 1, 2]), np.zeros(3, dtype=np.int64), np.array(seconds), np.full(3, 1e9))


def test_rows_that_may_still_be_asked_for() -> None:
    # 2.4 s of eight sequences are 0.3 each. The others are billed twice and too slow, but with half a second more for a
    # batch half as large again 1.5 s are 2 of 0.2 x 1.5 x 10, 2.5 s are all of it, 2.6 s more.
    one, _ = block(2, ())
    kernel: Any = None
    assert one.still_open(kernel, found(2.4, 1.5, 2.6)).tolist() == [0, 1]
    assert one.still_open(kernel, found(2.41, 1.51, 2.5)).tolist() == [1, 2]
    # Within rounding both count.
    assert one.still_open(kernel, found(2.4 * (1 + SLACK / 2), 9.0, 2.5 + SLACK)).tolist() == [0, 2]
    # Of a front those that none surely beats, by billed seconds a sequence and by the accelerators used.
    one, told = block(0, (True, False, False))
    assert one.still_open(kernel, found(2.4, 9.0, 2.5)).tolist() == [0, 2]
    assert told == [[pytest.approx(0.3), pytest.approx(1.8), pytest.approx(0.5)], [4.0, 8.0, 8.0]]


def test_only_what_is_surely_beaten_is_dropped() -> None:
    """A front beats a row where it is quicker by more than rounding."""
    seen: list[Any] = []

    def unbeaten(count: Any, case: Any, seconds: Any, held: Any, used: Any, *rest: Any) -> None:
        seen.extend([count.value, rest[-2].value, rest[-3].value])

    one: Any = _Block.__new__(_Block)
    one.wanted = SimpleNamespace(points=np.zeros((1, 1, 3)), sizes=np.array([1]))
    kernel: Any = SimpleNamespace(functions=SimpleNamespace(unbeaten=unbeaten))
    one._unbeaten(kernel, found(1.0, 1.0, 1.0), np.ones(3), np.ones(3))
    assert seen[:2] == [3, 1.0 + SLACK]
    assert seen[2] == 256
