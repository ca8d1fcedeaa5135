"""What is kept parsed: the same as parsed anew, kept in the user's cache, shipped in the wheel."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from hwmodel.catalog import speeds
from hwmodel.catalog.cache import parsed_once
from hwmodel.catalog.calibrations import kept_as, parse_calibration
from hwmodel.catalog.places import catalog_root
from hwmodel.catalog.ship import compile_into


def never() -> dict[str, float]:
    raise AssertionError("parsed again")


def test_a_file_is_parsed_once_a_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kind = dict[str, float]
    assert parsed_once("x", b"one", kind, lambda: {"a": 1.0}) == {"a": 1.0}
    assert parsed_once("x", b"one", kind, never) == {"a": 1.0}
    assert parsed_once("x", b"two", kind, lambda: {"a": 2.0}) == {"a": 2.0}


def test_what_is_damaged_is_parsed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    parsed_once("x", b"one", dict[str, float], lambda: {"a": 1.0})
    (kept,) = (tmp_path / "hwmodel").iterdir()
    kept.write_bytes(kept.read_bytes()[:-3])
    assert parsed_once("x", b"one", dict[str, float], lambda: {"a": 3.0}) == {"a": 3.0}


def test_published_speeds_are_the_columns_of_the_table() -> None:
    with (catalog_root() / speeds.TABLE).open(newline="", encoding="utf-8") as file:
        rows = [tuple(row[name] for name in speeds.COLUMNS) for row in csv.DictReader(file)]
    assert speeds.published_speeds() == rows


def test_the_wheel_holds_the_parsed_calibrations_and_speeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first run of an installed package, with a cache that cannot be written, parses neither."""
    shipped = tmp_path / "catalogs"
    shutil.copytree(catalog_root(), shipped, ignore=shutil.ignore_patterns("compiled"))
    compile_into(shipped)
    monkeypatch.setattr("hwmodel.catalog.places.catalog_root", lambda: shipped)
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/none")
    kernels = catalog_root() / "calibrations" / "kernels.yaml"
    content = kernels.read_bytes()
    found = parsed_once(kept_as(kernels), content, dict, never)
    assert found == parse_calibration(content, kernels)
    table = (shipped / speeds.TABLE).read_bytes()
    assert parsed_once(speeds.KEPT_AS, table, list, never) == [list(row) for row in speeds.columns_of(table)]
