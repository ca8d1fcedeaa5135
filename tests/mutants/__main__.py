"""Plant faults one at a time, run the tests of the touched folder: `python -m tests.mutants [--seed 0] [--drawn 20]`.

A fault that the tests let live is a hole in them: the exit status is 1, and the table names it. Not a part of CI.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.drawn import drawn
from tests.mutants.planted import PLANTED, Fault

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("hwmodel", "tests", "catalogs", "pyproject.toml", "README.md", "docs", "reports", "benchmarks", "examples",
          "CHANGELOG.md", "hatch_build.py")  # fmt: skip


def copy_tree(place: Path) -> None:
    """What tests need, without caches."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        elif source.exists():
            shutil.copy(source, place / name)


def dies(place: Path, fault: Fault) -> tuple[str, float]:
    """`dead`, `alive` or `stale` (the right text is gone or not unique), and seconds."""
    path = place / "hwmodel" / fault.file
    source = path.read_text(encoding="utf-8")
    if source.count(fault.right) != 1:
        return "stale", 0.0
    path.write_text(source.replace(fault.right, fault.wrong), encoding="utf-8")
    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{fault.tests}"],
            cwd=place, env={**os.environ, "PYTHONPATH": str(place)}, capture_output=True, timeout=1800,
        )  # fmt: skip
    finally:
        path.write_text(source, encoding="utf-8")
    return ("dead" if done.returncode == 1 else "alive" if done.returncode == 0 else "broken"), time.monotonic() - began


def shown(fault: Fault) -> str:
    """The fault in a cell."""
    cut = [" ".join(text.split()).replace("|", "\\|")[:70] for text in (fault.right, fault.wrong)]
    return f"`{cut[0]}` -> `{cut[1]}`"


def main() -> int:
    """Plant, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drawn", type=int, default=20)
    parser.add_argument("--only", default="", help="planted or drawn alone")
    asked = parser.parse_args()
    faults = [("planted", one) for one in PLANTED if asked.only != "drawn"]
    faults += [("drawn", one) for one in drawn(ROOT / "hwmodel", asked.seed, asked.drawn) if asked.only != "planted"]
    lived = 0
    print("| fault | in | kind | tests | outcome |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        copy_tree(place)
        for kind, fault in faults:
            outcome, seconds = dies(place, fault)
            lived += outcome != "dead"
            print(
                f"| {shown(fault)} | {fault.file} | {kind} | tests/{fault.tests} | {outcome} ({seconds:.0f} s) |",
                flush=True,
            )
    print(f"\n{len(faults) - lived} of {len(faults)} dead, seed {asked.seed}")
    return 1 if lived else 0


if __name__ == "__main__":
    sys.exit(main())
