"""A sweep's bytes do not depend on whether its searches are compiled."""

from __future__ import annotations

import pytest

from hwmodel.predict import compiler
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
    plain = [Sweeper(space).shard(number) for number in range(space.shards)]
    asked = []
    original = searching.fastest

    def told(*given, compiled):
        asked.append(compiled)
        return original(*given, compiled=compiled)

    monkeypatch.setattr(searching, "fastest", told)
    monkeypatch.setattr(searching, "COMPILED_AFTER", -1)
    assert [Sweeper(space).shard(number) for number in range(space.shards)] == plain
    assert asked
    assert all(asked)
