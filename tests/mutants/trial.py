"""One fault planted in a copy of the tree, and the tests of the touched folder run on it, the nearest first: those
that notes say call the function, then files that speak of it, then all others."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.mutants.drawn import Drawn
from tests.mutants.notes import ROOT, Notes, calling, read_notes, stands

COPIED = ("hwmodel", "tests", "catalogs", "pyproject.toml", "README.md", "docs", "reports", "benchmarks", "examples",
          "CHANGELOG.md", "hatch_build.py")  # fmt: skip
LONGEST_S = 600  # of the tests of one folder
NOTED = 40  # quick tests that call the function, by notes of who calls what where there are any
QUICK_S = 2.0
NEAREST = 4  # files that are tried before the others, so that these need not be read
MOST_FLAKY = 5  # tests that fail without the fault too (speeds, on a busy machine): then the trial is broken
OF_THE_FAULTS = "test_mutants.py"  # says that the planted texts stand in the sources: it would notice each of them


class Outcome(NamedTuple):
    """`dead`, `alive` or `broken` (pytest itself failed, or the test fails without the fault too), and the test that
    noticed."""

    word: str
    by: str


def copy_tree(place: Path) -> None:
    """What tests need, without caches."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        elif source.exists():
            shutil.copy(source, place / name)


def names_near(source: str, line: int) -> list[str]:
    """Names of the functions that hold a line, the innermost first."""
    holding = [
        node for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or line)
    ]  # fmt: skip
    return [node.name for node in sorted(holding, key=lambda node: -node.lineno)]


def arranged(folders: list[Path], names: list[str], module: str) -> list[Path]:
    """Test files of folders (or files), those that speak of the function or its module first, whichever folder's."""

    def distance(path: Path) -> tuple[bool, bool, bool, str]:
        text = path.read_text(encoding="utf-8")
        said = [re.search(rf"\b{re.escape(name.lstrip('_'))}\b", text) is not None for name in (*names, module)]
        return (not any(said[:-1]), "by_hand" not in path.name, not said[-1], path.as_posix())

    found = [path for one in folders for path in ([one] if one.is_file() else one.rglob("test_*.py"))]
    return sorted((path for path in found if path.name != OF_THE_FAULTS), key=distance)


def tried(place: Path, one: Drawn) -> Outcome:
    """Plants a fault in the tree at `place`, runs the tests until one notices, and takes it out again."""
    path = place / "hwmodel" / one.fault.file
    source = path.read_text(encoding="utf-8")
    files = [
        file.relative_to(place).as_posix()
        for file in arranged(
            [place / "tests" / folder for folder in one.fault.tests.split()], names_near(source, one.line), path.stem
        )
    ]
    stages = (noted(place, one, read_notes()), files[:NEAREST], files[NEAREST:])
    flaky: list[str] = []
    while len(flaky) < MOST_FLAKY:
        path.write_text(one.text, encoding="utf-8")
        try:
            noticed = first_failure(place, stages, flaky)
        except subprocess.TimeoutExpired:
            return Outcome("alive", f"nothing noticed it in {LONGEST_S} s")
        finally:
            path.write_text(source, encoding="utf-8")
        if noticed.word != "dead" or passes(place, noticed.by):
            return noticed
        flaky.append(noticed.by)
    return Outcome("broken", f"{flaky[-1]} fails without the fault")


def noted(place: Path, one: Drawn, notes: Notes) -> list[str]:
    """Quick tests of the folder that call the function, by the notes."""
    called = [test for test in calling(notes, one) if notes[test][0] < QUICK_S and OF_THE_FAULTS not in test]
    return [test for test in called if stands(place, test)][:NOTED]


def first_failure(place: Path, stages: Sequence[list[str]], without: Sequence[str] = ()) -> Outcome:
    """The first test that fails, those of the first stages before the others."""
    for some in stages:
        done = run_tests(place, some, without) if some else None
        if done is not None and done.returncode != 0:
            noticed = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(\S+)", done.stdout, re.MULTILINE)
            test = noticed.group(1).split("[")[0] if noticed else f"exit {done.returncode}"
            return Outcome("dead" if done.returncode in (1, 2) and noticed else "broken", test)
    return Outcome("alive", "all pass")


@cache
def passes(place: Path, test: str) -> bool:
    """Whether a test passes on the tree as it is."""
    return run_tests(place, [f"tests/{test}"]).returncode == 0


def run_tests(place: Path, tests: list[str], without: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    """Pytest on a copy of the tree, up to the first failure."""
    left = [f"--deselect=tests/{test}" for test in without]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=no", *left, *tests],
        cwd=place, env={**os.environ, "PYTHONPATH": str(place)}, capture_output=True, text=True, timeout=LONGEST_S,
    )  # fmt: skip
