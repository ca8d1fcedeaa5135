"""What was found sound is not read again until it is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import hwmodel as hm
from hwmodel.solve.sweep import folder as folders
from hwmodel.solve.sweep import seen
from hwmodel.solve.sweep.folder import Folder
from hwmodel.solve.sweep.show import Rows

from .conftest import SMALL


@pytest.fixture
def swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished sweep whose files lie there for longer than a tick, and a cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(seen, "TICK_NS", 0)
    hm.sweep(SMALL, tmp_path / "out")
    return tmp_path / "out"


def read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many files are read whole to be shown."""
    read: list[Path] = []
    true = folders._sound
    with monkeypatch.context() as patched:
        patched.setattr(folders, "_sound", lambda path, seal: read.append(path) or true(path, seal))
        Rows(folder)
    return len(read)


def test_files_are_read_whole_once(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_again(swept, monkeypatch) == 0  # the sweep read them for its summary
    path = sorted((swept / "shards").iterdir())[4]
    os.utime(path)
    assert read_again(swept, monkeypatch) == 1
    assert read_again(swept, monkeypatch) == 0


def test_a_file_that_is_spoilt_later_is_not_shown(swept: Path) -> None:
    rows = len(Rows(swept).best(100).rows)
    path = sorted((swept / "shards").iterdir())[0]
    data, times = path.read_bytes(), path.stat()
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # the disk still knows when it was changed
    assert len(Rows(swept).best(100).rows) == rows - 1
    assert len(Folder(swept).whole()) == 35


def test_a_spoilt_note_is_no_note(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen._place(swept, Folder(swept).identity).write_bytes(b"\xff nonsense")
    assert read_again(swept, monkeypatch) == 36


def test_files_of_the_last_second_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(seen, "TICK_NS", 10**12)
    hm.sweep(SMALL, tmp_path / "out")
    assert read_again(tmp_path / "out", monkeypatch) == 36
