"""Many faults in forks of one process: `python -m tests.mutants.survey --seed 13 --planted` (quick, for survivors).

`--reach FOLDER...` notes first which tests call which functions (`build/mutants/reach.json`); a fault is then tried on
the tests of its folder that call its function, cases by hand first. What was seen is kept in `build/mutants`, by seed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.drawn import FOLDERS, NAMED, Drawn, by_hand, counted, drawn, formula_files
from tests.mutants.inside import Reach, exchange, forget, forked, import_all
from tests.mutants.notes import KEPT, NOTES, ROOT, Notes, calling, read_notes

PACKAGE = ROOT / "hwmodel"
SURVEYED = (*FOLDERS, *NAMED)
LONGEST_REACH_S = 3000.0
Say = Callable[[Any], None]


class Survey:
    """A plugin that, once tests are collected, does something else than running them."""

    def __init__(self, work: Callable[[Survey], None]) -> None:
        self.work, self.items = work, list[Any]()
        self.failed: Callable[[str], None] | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of the tests."""
        self.items = list(session.items)
        self.work(self)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Says the first failure."""
        if report.failed and self.failed is not None:
            self.failed(report.nodeid)

    def run(self, items: list[Any], each: Callable[[Any, Callable[[], None]], None] | None = None) -> None:
        """Run tests in this process."""
        for item, following in zip(items, [*items[1:], None]):
            go = partial(item.config.hook.pytest_runtest_protocol, item=item, nextitem=following)
            if each is None:
                go()
            else:
                each(item, go)

    def first(self, items: list[Any], say: Say) -> None:
        """Run tests up to the first failure, and say which."""

        def failed(name: str) -> None:
            say(name)
            os._exit(0)

        self.failed = failed
        self.run(items)
        say("all pass")


def reach(survey: Survey) -> None:
    """Notes the functions that each test calls, and its seconds."""
    watch, known = Reach(PACKAGE, formula_files(PACKAGE, SURVEYED)), read_notes()

    def work(say: Say) -> None:
        last: list[Any] = [None]

        def each(item: Any, go: Callable[[], None]) -> None:
            if item.path != last[0]:
                forget("hwmodel")
            last[0] = item.path
            watch.on()
            begin = time.process_time()
            go()
            seconds = time.process_time() - begin
            say([item.nodeid, seconds, sorted(watch.seen)])

        survey.run(survey.items, each)

    def heard(said: Any) -> None:
        if isinstance(said, list):
            known[said[0]] = (said[1], said[2])

    print(*forked(work, LONGEST_REACH_S, heard)[-1:])
    NOTES.write_text(json.dumps(known), encoding="utf-8")


class Planter:
    """Plants faults one at a time on the tests that reach them."""

    def __init__(self, survey: Survey, known: Notes) -> None:
        self.survey, self.known = survey, known
        self.sound: dict[str, bool] = {}

    def ordered(self, one: Drawn) -> list[Any]:
        """The tests of the folder that call the function, the nearest first."""
        items = {item.nodeid: item for item in self.survey.items}
        return [items[test] for test in calling(self.known, one) if test in items]

    def tried(self, one: Drawn) -> list[str]:
        """Its outcome and by what."""
        if not one.name:
            return ["outside", "stands outside functions: python -m tests.mutants plants it in a copy"]
        items = self.ordered(one)
        while items:
            said = forked(partial(self.planted, one, items))
            word = str(said[-1]) if said else "silent"
            if word in ("all pass", "late") or word.startswith("broken"):
                return ["broken" if word.startswith("broken") else "alive", f"{word} of {len(items)}"]
            if self.passes(word):
                return ["dead", word]
            items = [item for item in items if item.nodeid != word]
        return ["alive", "no test of the folder calls it"]

    def planted(self, one: Drawn, items: list[Any], say: Say) -> None:
        """In a fork: exchange the code, run the tests."""
        if not exchange(PACKAGE / one.fault.file, one.text):
            say("broken: nothing differs")
            return
        forget("hwmodel")
        self.survey.first(items, say)

    def passes(self, name: str) -> bool:
        """Whether a test passes without any fault."""
        if name not in self.sound:
            items = [item for item in self.survey.items if item.nodeid == name]
            self.sound[name] = forked(partial(self.survey.first, items))[-1:] == ["all pass"]
        return self.sound[name]


def asked_for(asked: argparse.Namespace) -> list[Drawn]:
    """The faults of a call."""
    begin = tuple(asked.files.split(","))
    return [*(by_hand(PACKAGE) if asked.planted else ()), *drawn(PACKAGE, asked.seed, asked.count, begin)]


def plant(asked: argparse.Namespace, survey: Survey) -> None:
    """Try the faults of a seed and keep what was seen."""
    path = KEPT / f"survey-{asked.seed}.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    planter, stop = Planter(survey, read_notes()), time.monotonic() + 60.0 * asked.minutes
    faults = asked_for(asked)
    for one in faults:
        seen = kept.get(one.key, [""])[0]
        if time.monotonic() < stop and (not seen or (asked.again and seen != "dead")):
            kept[one.key] = [*planter.tried(one), one.name, one.kind]
            path.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    show([(one, kept[one.key]) for one in faults if one.key in kept])


def show(results: list[tuple[Drawn, list[str]]]) -> None:
    """Survivors, and how many died by folder."""
    for one, (word, by, *_) in results:
        if word != "dead":
            print(f"{word} ({by}): {one.name}, {one.kind}, {one.fault.file}:{one.line}")
            print(f"  - {one.fault.right.strip()}\n  + {one.fault.wrong.strip()}")
    words = Counter((one.fault.file.split("/")[0], outcome[0]) for one, outcome in results)
    for (folder, word), count in sorted(words.items()):
        print(folder, word, count)


def main() -> int:
    """Draw, plant, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--planted", action="store_true", help="those by hand too")
    parser.add_argument("--minutes", type=float, default=9.0, help="end between two faults after so long")
    parser.add_argument("--reach", nargs="+", metavar="FOLDER", help="note which tests of these call which functions")
    parser.add_argument("--files", default="", help="only files whose path begins so (several apart by a comma)")
    parser.add_argument("--again", action="store_true", help="try those again that did not die")
    parser.add_argument("--candidates", action="store_true", help="say how many faults each folder has room for")
    asked = parser.parse_args()
    if asked.candidates:
        print(counted(PACKAGE))
        return 0
    KEPT.mkdir(parents=True, exist_ok=True)
    import_all(PACKAGE, formula_files(PACKAGE, SURVEYED))
    work = reach if asked.reach else partial(plant, asked)
    found = [f"tests/{one}" for one in asked.reach or reached(asked)]
    options = ["-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:terminal"]
    return int(pytest.main([*options, *found], plugins=[Survey(work)]))


def reached(asked: argparse.Namespace) -> list[str]:
    """Test files that are known to call something of what is asked for."""
    wanted = tuple({f"tests/{folder}" for one in asked_for(asked) for folder in one.fault.tests.split()})
    files = {name.split("::")[0] for name in read_notes() if name.startswith(wanted)}
    return sorted(Path(file).relative_to("tests").as_posix() for file in files if (ROOT / file).exists())


if __name__ == "__main__":
    sys.exit(main())
