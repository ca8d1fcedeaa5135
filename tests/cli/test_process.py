"""What a command asks of the allocator, and that it asks only the C library that knows it."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace

import pytest

from hwmodel.cli.process import keep_freed_memory


def asked_of(library: object, monkeypatch: pytest.MonkeyPatch, platform: str = "linux") -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(sys, "platform", platform)
    keep_freed_memory()


def test_glibc_keeps_64_mib_and_takes_16_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda parameter, size: seen.append((parameter, size)))
    asked_of(library, monkeypatch)
    assert seen == [(-1, 67_108_864), (-2, 16_777_216)]  # M_TRIM_THRESHOLD, M_TOP_PAD
    asked_of(library, monkeypatch, platform="darwin")
    assert len(seen) == 2


def test_a_library_without_mallopt_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    library = SimpleNamespace(malloc_trim=lambda size: pytest.fail("nothing else is asked for"))
    asked_of(library, monkeypatch)
    assert list(vars(library)) == ["malloc_trim"]
