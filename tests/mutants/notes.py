"""Which tests call which functions, and their seconds: notes that `survey --reach` makes and others read."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.mutants.drawn import Drawn

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "mutants"
NOTES = KEPT / "reach.json"

Notes = dict[str, tuple[float, list[str]]]  # of each test: its seconds and the functions, `file|qualified name`


def read_notes() -> Notes:
    """The notes of earlier calls; none where none were made."""
    return json.loads(NOTES.read_text(encoding="utf-8")) if NOTES.exists() else {}


def calling(notes: Notes, one: Drawn) -> list[str]:
    """The tests of a fault's folders that call its function: cases by hand, then others, the quickest of each first."""
    folders = tuple(f"tests/{folder}" for folder in one.fault.tests.split())
    name = f"{one.fault.file}|{one.name}"
    found = [
        test for test, (_, called) in notes.items()
        if test.startswith(folders) and any(each == name or each.startswith(f"{name}.<locals>") for each in called)
    ]  # fmt: skip
    return sorted(found, key=lambda test: ("by_hand" not in test, notes[test][0]))


def stands(place: Path, test: str) -> bool:
    """Whether a test that was noted is still there."""
    file, _, name = test.split("[")[0].partition("::")
    path = place / file
    return path.exists() and re.search(rf"\bdef {re.escape(name.split('::')[-1])}\(", path.read_text()) is not None
