"""A sweep's bytes do not depend on whether its searches are compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodel.predict import compiler, kernel
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
    monkeypatch.setattr(searching, "COMPILED_AFTER", -1)
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
    monkeypatch.setattr(kernel, "_KERNELS", {})
    Sweeper(space).shard(0)  # none is kept, and the sweep is short: nothing is compiled
    assert not any(by_kernel)
    assert not list(tmp_path.rglob("*.so"))
    monkeypatch.setattr(searching, "COMPILED_AFTER", -1)
    Sweeper(space).shard(0)
    assert all(by_kernel[len(by_kernel) // 2 :])
    assert list(tmp_path.rglob("*.so"))
    monkeypatch.setattr(searching, "COMPILED_AFTER", 10**12)
    monkeypatch.setattr(kernel, "_KERNELS", {})  # as in another process
    count = len(by_kernel)
    Sweeper(space).shard(0)
    assert by_kernel[count:]
    assert all(by_kernel[count:])
