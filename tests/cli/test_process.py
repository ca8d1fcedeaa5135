"""What a command asks of the allocator, and that it asks only the C library that knows it."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from hwmodel.cli.process import keep_freed_memory, start_no_algebra


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


QUESTIONS = {
    "plan": ["plan", "--gpus", "8xH100", "--tokens", "1B", "--params", "1B", "--quiet"],
    "compare": ["compare", "--gpus", "8xH100", "--tokens", "1B", "--params", "1B", "--precision", "bf16,fp8"],
    "train": ["train", "--model", "llama-3-8b", "--gpus", "8xH100"],
    "serve": ["serve", "--model", "llama-3-8b", "--part", "h100", "--tp", "1", "--concurrency", "8"],
    "sweep": ["sweep", "no-such-space.yaml", "--out", "no-such-folder"],
    "sweep show": ["sweep", "show", "no-such-folder"],
}


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
@pytest.mark.skipif(os.cpu_count() == 1, reason="one core has one thread")
@pytest.mark.parametrize("name", QUESTIONS)
def test_commands_that_multiply_no_matrices_start_no_threads_for_it(name: str) -> None:
    """NumPy is loaded by the end, and has the command's thread alone."""
    code = (
        "import os, sys\nfrom hwmodel.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "import numpy\nprint(len(os.listdir('/proc/self/task')), file=sys.stderr)\n"
    )
    own = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code, *QUESTIONS[name]], capture_output=True, text=True, check=True, env=own
    )
    assert done.stderr.splitlines()[-1] == "1", done.stderr


def test_who_says_how_many_threads_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    start_no_algebra()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    start_no_algebra()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
