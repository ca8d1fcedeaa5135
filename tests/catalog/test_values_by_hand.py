"""What the catalog's readers say of a key that is none, and give of a pipe."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from hwmodel.catalog import reading
from hwmodel.catalog.values import near
from hwmodel.errors import InputError

KNOWN = ("bandwidth", "capacity", "type")


def test_a_misspelt_key_is_told_the_nearest() -> None:
    # Eight letters of 8 and of 9 agree, 16 of 17; of `cap` and `capacity` 6 of 11; at most two are told.
    assert near("bandwith", KNOWN) == "; nearest: bandwidth"
    assert near("cap", KNOWN) == "; nearest: capacity"
    assert near("zzz", KNOWN) == ""
    assert near("aaaa", ("aaab", "aaba", "abaa")).count(",") == 1


def test_a_pipe_gives_its_text_once_and_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_PIPES", {})
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("a,b",))
    writer.start()
    assert reading.text_of(pipe) == "a,b"
    writer.join()
    assert reading.text_of(pipe) == "a,b"  # nobody writes any more: it would wait without end


def test_files_up_to_their_most_letters(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("abc")
    assert reading.text_of(file, most=3) == "abc"
    with pytest.raises(InputError):
        reading.text_of(file, most=2)
    with pytest.raises(InputError, match="it is a folder; name a file in it"):
        reading.text_of(tmp_path)
