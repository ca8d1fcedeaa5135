"""Files that appear whole or not at all: links, permissions, devices, folders, and what is refused."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import msgspec
import pytest

from hwmodel.catalog import load_catalog, writing
from hwmodel.catalog.calibrations import calibrations_dir, writable_dir
from hwmodel.catalog.laws import MOST_LETTERS, check_free, check_id, read_law, write_law
from hwmodel.catalog.places import catalog_root
from hwmodel.catalog.topics import read_history, text_stock
from hwmodel.catalog.writing import check_target, is_special, refusal, write_files, write_folder, write_whole
from hwmodel.errors import InputError


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_what_the_umask_leaves_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "new", "text")
    finally:
        assert os.umask(before) == 0o027
    assert mode(tmp_path / "new") == 0o640
    (tmp_path / "new").chmod(0o600)
    write_whole(tmp_path / "new", b"bytes")
    assert (tmp_path / "new").read_bytes() == b"bytes"
    assert mode(tmp_path / "new") == 0o600
    assert os.listdir(tmp_path) == ["new"]


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    with pytest.raises(InputError, match="symbolic links"):
        write_whole(tmp_path / "one", "text")


def test_a_pipe_is_written_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert is_special(pipe)
    assert not is_special(tmp_path)
    assert not is_special(tmp_path / "none")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, "through")
    reader.join(10.0)
    assert read == [b"through"]
    assert is_special(pipe)
    # Nobody reads it: refused, once the wait is over.
    monkeypatch.setattr(writing, "PIPE_WAIT_S", 0.05)
    with pytest.raises(InputError, match="cannot write --out"):
        write_whole(pipe, "nobody")


def test_refusals_name_at_most_two_hundred_letters() -> None:
    whole, long = "a" * 200, "b" * 201
    error = OSError(13, "Permission denied")
    assert f"'{whole}': Permission denied" in str(refusal(whole, error))
    assert f"'{'b' * 197}...': Permission denied" in str(refusal(long, error))
    assert "cannot write --save 'x': no path of this system" in str(refusal("x", ValueError("null byte"), "--save"))


def test_several_files_or_none(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    texts = {tmp_path / "old": "new", tmp_path / "fresh": "text", tmp_path / "no" / "folder": "text"}
    with pytest.raises(InputError):
        write_files(texts)
    # What came into being is taken away; what stood there stays (with its new text).
    assert sorted(os.listdir(tmp_path)) == ["old"]
    write_folder(tmp_path / "folder", {"a": "1", "deep/b": "2"})
    assert (tmp_path / "folder" / "deep" / "b").read_text() == "2"
    with pytest.raises(InputError, match="cannot make the folder"):
        write_folder(tmp_path / "old", {"a": "1"})


def test_targets_are_checked_before_any_work(tmp_path: Path) -> None:
    check_target(None)
    check_target(tmp_path / "new")
    assert os.listdir(tmp_path) == []
    with pytest.raises(InputError, match="it is a folder; name a file in it"):
        check_target(tmp_path)
    with pytest.raises(InputError, match=f"cannot write --html .*: no folder {tmp_path / 'none'}"):
        check_target(tmp_path / "none" / "new", "--html")


def test_ids_of_laws_of_one_s_own(tmp_path: Path) -> None:
    check_id("a-b_3")
    check_id("a" * MOST_LETTERS)
    for wrong in ("a b", "", "ä", "a/b", "-"):
        with pytest.raises(InputError, match="use letters, digits"):
            check_id(wrong)
    with pytest.raises(InputError, match=f"at most {MOST_LETTERS} letters, not {MOST_LETTERS + 1}"):
        check_id("a" * (MOST_LETTERS + 1))
    spec = msgspec.structs.replace(read_law([catalog_root()], "besiroglu_2024"), id="mine")
    check_free(tmp_path, "mine")
    assert write_law(tmp_path, spec) == tmp_path / "laws" / "mine.yaml"
    assert read_law([tmp_path], "mine").constants == spec.constants
    with pytest.raises(InputError, match="exists; choose another id"):
        check_free(tmp_path, "mine")


def test_what_a_name_means_or_nothing() -> None:
    catalog = load_catalog()
    assert catalog.part_id("H 100") == catalog.part_id("h100") != ""
    assert catalog.part_id("no such part") == ""


def test_where_calibrations_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).resolve().parents[2]
    for inside in (root, root / "hwmodel"):
        monkeypatch.chdir(inside)
        assert writable_dir() == calibrations_dir()
    monkeypatch.chdir(tmp_path)
    assert writable_dir() is None


def test_topics_and_history() -> None:
    stock = text_stock()
    assert stock.low is not None
    assert stock.high is not None
    assert stock.low < stock.value < stock.high
    assert len(read_history()) > 10


def test_printed_points_of_a_law_belong_to_its_default_variant(tmp_path: Path) -> None:
    spec = msgspec.structs.replace(read_law([catalog_root()], "besiroglu_2024"), id="mine", test_points=())
    path = write_law(tmp_path, spec)
    path.write_text(
        path.read_text()
        + "default_variant: second\n"
        + "test_points: [{text: of the paper, status: cannot, reason: none}]\n"
        + "variants:\n  first: {title: one}\n"
        + "  second: {title: two, test_points: [{text: of the variant, status: cannot, reason: none}]}\n"
    )
    points = {name: [one.text for one in read_law([tmp_path], name).test_points] for name in ("mine", "mine/first")}
    assert points == {"mine": ["of the paper", "of the variant"], "mine/first": []}
    assert read_law([tmp_path], "mine").id == "mine/second"
