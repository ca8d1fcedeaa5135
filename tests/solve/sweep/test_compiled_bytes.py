"""A sweep's bytes do not depend on whether its searches are compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

import hwmodel as hm
from hwmodel.predict import compiler, kernel
from hwmodel.predict import fastest as searches
from hwmodel.solve.plan.solver import prepare, setting_of
from hwmodel.solve.run import fleet
from hwmodel.solve.sweep import searching
from hwmodel.solve.sweep.shard import Sweeper
from hwmodel.solve.sweep.space import read_space

SPACE = {
    "base": {"tokens": "2T"},
    "axes": {
        "gpus": ["8xH100", "64xH100", "100xH100", "256xH100", "512xH100", "1000xH100", "2048xH100", "4096xH100"],
        "params": ["7B", "70B", "400B"], "precision": ["bf16", "fp8"],
    },
}  # fmt: skip


@pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler on this machine")
def test_compiled_and_plain_shards_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    space = read_space(SPACE)
    original, asked = searching.fastest, []
    monkeypatch.setattr(searching, "fastest", lambda *given, **how: original(*given, **{**how, "compiled": False}))
    plain = [Sweeper(space).shard(number) for number in range(space.shards)]

    def told(*given, compiled, make):
        found = original(*given, compiled=compiled, make=make)
        asked.append(found.by_kernel)
        return found

    monkeypatch.setattr(searching, "fastest", told)
    monkeypatch.setattr(searches, "COMPILED_AFTER", -1)
    assert [Sweeper(space).shard(number) for number in range(space.shards)] == plain
    assert asked
    assert all(asked)


@pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler on this machine")
def test_a_kernel_that_is_kept_is_taken_from_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    space = read_space({**SPACE, "axes": {**SPACE["axes"], "params": ["7B"], "precision": ["bf16"]}})
    original, by_kernel = searching.fastest, []

    def told(*given, **how):
        found = original(*given, **how)
        by_kernel.append(found.by_kernel)
        return found

    monkeypatch.setattr(searching, "fastest", told)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(kernel, "_KEPT", kernel.KeptKernels())
    Sweeper(space).shard(0)  # none is kept, and the sweep is short: nothing is compiled
    assert not any(by_kernel)
    assert not list(tmp_path.rglob("*.so"))
    monkeypatch.setattr(searches, "COMPILED_AFTER", -1)
    Sweeper(space).shard(0)
    assert all(by_kernel[len(by_kernel) // 2 :])
    assert list(tmp_path.rglob("*.so"))
    monkeypatch.setattr(searches, "COMPILED_AFTER", 10**12)
    monkeypatch.setattr(kernel, "_KEPT", kernel.KeptKernels())  # as in another process
    count = len(by_kernel)
    Sweeper(space).shard(0)
    assert by_kernel[count:]
    assert all(by_kernel[count:])


FLEETS = ["16xH100", "1000xH100"]
CLOSED = {
    "time": {"base": {}, "axes": {"gpus": FLEETS, "time": ["20d"]}},
    "money": {"base": {}, "axes": {"gpus": FLEETS, "budget": ["300k"]}},
    "tokens": {"base": {"time": "20d", "budget": "3M"}, "axes": {"gpus": FLEETS, "tokens": ["100B", "2T"]}},
    "demand": {"base": {"inference_tokens": "1T", "time": "30d"}, "axes": {"gpus": FLEETS}},
    "fleet": {"base": {"gpus": "H100", "time": "45d"}, "axes": {"params": ["3B", "30B"], "tokens": ["300B"]}},
    "certain": {"base": {"confidence": "90%"}, "axes": {"gpus": ["96xH100"], "budget": ["200k"]}},
}  # fmt: skip


@pytest.mark.skipif(compiler.compiler() is None, reason="no C compiler on this machine")
@pytest.mark.parametrize("kind", CLOSED)
def test_points_closed_by_searching_are_plans_and_take_a_kernel(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """What time and money close has the bytes of a sweep without kernels, and the size and tokens of a plan's."""
    space, by_kernel, original = read_space(CLOSED[kind]), [], fleet.fastest
    monkeypatch.setattr(fleet, "fastest", lambda *given, **_: original(*given))
    plain = [Sweeper(space).shard(number) for number in range(space.shards)]

    def told(*given, **how):
        found = original(*given, **how)
        by_kernel.append(found.by_kernel)
        return found

    monkeypatch.setattr(fleet, "fastest", told)
    monkeypatch.setattr(searches, "COMPILED_AFTER", -1)
    sweeper = Sweeper(space)
    assert [sweeper.shard(number) for number in range(space.shards)] == plain
    assert all(by_kernel)
    assert len(by_kernel) > space.points
    for row in hm.sweep(CLOSED[kind]).to_table().to_pylist():
        if row["status"] == "ok":
            closed = prepare(setting_of(**space.plan_at(space.places_of(row["point"])))).sized
            assert (row["params"], row["tokens"]) == (closed.n, closed.d)


def test_plans_go_without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """One question is answered before a compiler has started; it asks for none."""
    monkeypatch.setattr(searches.Kernels, "search", lambda *_: pytest.fail("a kernel was asked for"))
    assert hm.plan(gpus="64xH100", time="20d").answer.params.value > 1e9
