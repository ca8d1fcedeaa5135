"""Plant faults one at a time, run the tests of the touched folder: `python -m tests.mutants [--seed 0] [--drawn 20]`.

A fault that the tests let live is a hole in them: the exit status is 1, and the table names it. Not a part of CI.
Where there are notes of which tests call which functions (`python -m tests.mutants.survey --reach FOLDER...`), faults
are tried first in forks of one process; those that no test notices there are planted in a copy of the tree.
What was run is kept in `build/mutants`; with `--minutes` a run ends between two faults (exit status 3) and the next one
goes on with those that did not die: after a change of the sources, `--again` forgets the dead too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hwmodel.report import tables
from tests.mutants.drawn import Drawn, by_hand, drawn
from tests.mutants.notes import KEPT, NOTES, ROOT
from tests.mutants.planted import Fault
from tests.mutants.trial import Outcome, copy_tree, tried

UNFINISHED = 3
LONGEST_FORKS = 60.0  # minutes
PACKAGE = ROOT / "hwmodel"


def shown(fault: Fault) -> str:
    """The fault in a cell: what differs, with a little on both sides."""
    right, wrong = (" ".join(text.split()) for text in (fault.right, fault.wrong))
    first = next((i for i, pair in enumerate(zip(right, wrong, strict=False)) if pair[0] != pair[1]), 0)
    start = max(0, first - 30)
    cut = [text[start : start + 70] for text in (right, wrong)]
    return f"`{cut[0]}` -> `{cut[1]}`"


def table(results: list[tuple[Drawn, Outcome]], seed: int) -> str:
    """What was run, in Markdown."""
    rows = []
    for one, got in results:
        fault = one.fault
        outcome = f"{got.word} ({got.by})"
        rows.append([shown(fault), f"{fault.file}:{one.line}", one.kind, f"tests/{fault.tests}", outcome])
    lines = tables.table(["fault", "in", "kind", "tests", "outcome"], rows).splitlines()
    dead = sum(got.word == "dead" for _, got in results)
    return "\n".join([*lines, "", f"{dead} of {len(results)} dead, seed {seed}"])


def read_kept(path: Path) -> dict[str, Outcome]:
    """The dead of earlier turns; who lived is tried again."""
    if not path.exists():
        return {}
    kept = {key: Outcome(*one) for key, one in json.loads(path.read_text(encoding="utf-8")).items()}
    return {key: one for key, one in kept.items() if one.word == "dead"}


def dead_in_forks(asked: argparse.Namespace) -> dict[str, Outcome]:
    """The faults that the survey sees die, with the tests that noticed (and pass without the fault)."""
    path = KEPT / f"survey-{asked.seed}.json"
    if asked.again:
        path.unlink(missing_ok=True)
    said = [f"--seed={asked.seed}", f"--count={asked.drawn}", f"--minutes={min(asked.minutes, LONGEST_FORKS)}"]
    whole = [sys.executable, "-m", "tests.mutants.survey", "--planted", *said]
    subprocess.run(whole, cwd=ROOT, check=False, stdout=sys.stderr)
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {key: Outcome("dead", by.removeprefix("tests/")) for key, (word, by, *_) in found.items() if word == "dead"}


def main() -> int:
    """Plant, run, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--drawn", type=int, default=20)
    parser.add_argument("--only", choices=("planted", "drawn"))
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end between two faults after so long")
    parser.add_argument("--again", action="store_true", help="forget what was run before")
    asked = parser.parse_args()
    faults = [] if asked.only == "drawn" else by_hand(PACKAGE)
    faults += [] if asked.only == "planted" else drawn(PACKAGE, asked.seed, asked.drawn)
    path = KEPT / f"seed-{asked.seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    stop = time.monotonic() + 60.0 * asked.minutes
    kept = {} if asked.again else read_kept(path)
    if NOTES.exists():
        kept |= dead_in_forks(asked)
        path.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        copy_tree(Path(folder))
        for one in faults:
            if one.key in kept:
                continue
            if time.monotonic() > stop:
                print(f"{len(kept)} faults run; the same command goes on", file=sys.stderr)
                return UNFINISHED
            kept[one.key] = tried(Path(folder), one)
            print(kept[one.key].word, shown(one.fault), file=sys.stderr, flush=True)
            path.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    results = [(one, kept[one.key]) for one in faults]
    print(table(results, asked.seed))
    return int(any(got.word != "dead" for _, got in results))


if __name__ == "__main__":
    sys.exit(main())
