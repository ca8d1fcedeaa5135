"""Files that a sweep names are read once a process, and again when the disk says that they changed."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

import hwmodel as hm
from hwmodel.errors import InputError
from hwmodel.solve.sweep import origin, seen
from hwmodel.solve.sweep.space import Space, read_space

from .conftest import SMALL

AXES = {"gpus": ["64xH100"], "params": ["7B"], "tokens": ["1T"]}


def space_naming(folder: Path) -> Space:
    return read_space({"base": {"catalogs": [str(folder)]}, "axes": AXES})


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[: origin.DIGEST_LETTERS]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read, as they are."""
    found: list[str] = []
    whole = hashlib.file_digest

    def told(stream, kind):
        found.append(Path(stream.name).name)
        return whole(stream, kind)

    monkeypatch.setattr(origin.hashlib, "file_digest", told)
    return found


def test_a_file_is_read_once_until_it_changes(
    tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it keeps its length and its time is set back."""
    (tmp_path / "prices").mkdir()
    one, other = tmp_path / "prices" / "one.csv", tmp_path / "prices" / "other.csv"
    one.write_text("2.5")
    other.write_text("7")
    monkeypatch.setattr(seen, "TICK_NS", 10_000_000)
    time.sleep(0.05)
    space, was = space_naming(tmp_path), one.stat()
    expected = {str(one): digest("2.5"), str(other): digest("7")}
    assert [origin.files_of(space) for _ in range(3)] == [expected] * 3
    assert sorted(reads) == ["one.csv", "other.csv"]
    one.write_text("3.5")
    os.utime(one, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert origin.files_of(space) == {**expected, str(one): digest("3.5")}
    assert sorted(reads) == ["one.csv", "one.csv", "other.csv"]
    other.unlink()
    assert origin.files_of(space) == {str(one): digest("3.5")}


def test_a_file_that_changed_just_now_is_read_again(tmp_path: Path, reads: list[str]) -> None:
    """A second change within a tick of the disk's clock has the same time."""
    one = tmp_path / "one.csv"
    one.write_text("2.5")
    origin.files_of(space_naming(tmp_path))
    assert origin.files_of(space_naming(tmp_path)) == {str(one): digest("2.5")}
    assert reads == ["one.csv", "one.csv"]


@pytest.mark.parametrize(("name", "moves"), [("rows.py", True), ("search.c", True), ("notes.md", False)])
def test_every_text_that_computes_rows_is_part_of_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, moves: bool
) -> None:
    for one in ("__init__.py", "rows.py", "search.c", "notes.md"):
        (tmp_path / one).write_text("one")
    monkeypatch.setattr(origin.package, "__file__", str(tmp_path / "__init__.py"))
    before = origin.code_digest.__wrapped__()
    (tmp_path / name).write_text("other")
    assert (origin.code_digest.__wrapped__() != before) is moves


def test_a_folder_of_other_things_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files \(notes.txt\)"):
        hm.sweep(SMALL, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["notes.txt"]


def test_nothing_unfinished_stays_where_the_summary_stood(tmp_path: Path) -> None:
    """A shard is computed again, and the summary is what it was."""
    hm.sweep(SMALL, tmp_path / "out")
    next((tmp_path / "out" / "shards").iterdir()).write_bytes(b"damaged")
    hm.sweep(SMALL, tmp_path / "out", resume=True)
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["shards", "space.json", "summary.json"]
