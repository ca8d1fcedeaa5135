"""Many faults, drawn over all files with formulas, in forks of one process: `python -m tests.mutants.survey`.

`--reach` notes first which tests call which functions (`build/mutants/reach.json`); a fault is then tried on the tests
of its folder that call its function, quickest first. What was seen is kept in `build/mutants/survey-SEED.json`.
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.inside import Reach, exchange, forget, forked, import_all
from tests.mutants.kinds import Place, places
from tests.mutants.trial import ROOT

PACKAGE = ROOT / "hwmodel"
KEPT = ROOT / "build" / "mutants"
FOLDERS = ("physics", "economics", "predict", "laws", "solve")
OUT_OF_TIME = 3
LONGEST_REACH_S = 3000.0


def tests_of(file: str) -> tuple[str, ...]:
    """Whose tests must notice a fault in a file: those of its folder, and of the serving where it serves."""
    folder = file.split("/")[0]
    if file == "numerics.py":
        return ("test_numerics.py",)
    serves = file.startswith(("physics/serving", "predict/service", "solve/serve"))
    return (folder, "serving") if serves else (folder,)


def formula_files() -> list[str]:
    """Files below the package whose functions compute."""
    found = [PACKAGE / "numerics.py"] + [path for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py")]
    return sorted(path.relative_to(PACKAGE).as_posix() for path in found)


class Drawn:
    """A fault drawn: a file, the place in it, the function that holds it, and the two lines to show."""

    def __init__(self, file: str, text: str, place: Place) -> None:
        data = text.encode()
        line = data.rfind(b"\n", 0, place.start) + 1
        stop = data.find(b"\n", place.end)
        self.file, self.kind = file, place.kind
        self.text = (data[: place.start] + place.wrong.encode() + data[place.end :]).decode()
        self.right = data[line:stop].decode()
        self.wrong = (data[line : place.start] + place.wrong.encode() + data[place.end : stop]).decode()
        self.line = data[: place.start].count(b"\n") + 1
        self.name = holder(text, self.line)

    @property
    def key(self) -> str:
        """What tells it from others."""
        return f"{self.file}:{self.line}|{self.right}|{self.wrong}"


def holder(text: str, line: int) -> str:
    """The qualified name of the outermost function that holds a line."""
    for node in ast.parse(text).body:
        if node.lineno <= line <= (node.end_lineno or line):
            if isinstance(node, ast.ClassDef):
                inner = [one for one in node.body if isinstance(one, ast.FunctionDef)
                         and one.lineno <= line <= (one.end_lineno or line)]  # fmt: skip
                return f"{node.name}.{inner[0].name}" if inner else node.name
            return getattr(node, "name", "")
    return ""


def drawn(files: list[str], seed: int, count: int) -> list[Drawn]:
    """`count` faults, the same for the same seed and sources: a file by its number of places, at most one a place."""
    texts = {file: (PACKAGE / file).read_text(encoding="utf-8") for file in files}
    found = [(file, place) for file in files for place in dict.fromkeys(places(texts[file]))]
    chosen = random.Random(seed).sample(found, min(count, len(found)))
    return [Drawn(file, texts[file], place) for file, place in chosen]


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
            def go(item: Any = item, following: Any = following) -> None:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

            if each is None:
                go()
            else:
                each(item, go)


def reach(survey: Survey) -> None:
    """Notes the functions that each test calls, and its seconds."""
    watch = Reach(PACKAGE)

    def work(say: Callable[[Any], None]) -> None:
        last = ""

        def each(item: Any, go: Callable[[], None]) -> None:
            nonlocal last
            if item.path != last:
                forget("hwmodel")
            last = item.path
            watch.on()
            begin = time.process_time()
            go()
            seconds = time.process_time() - begin
            say([item.nodeid, seconds, sorted("|".join(one) for one in watch.off())])

        survey.run(survey.items, each)

    path = KEPT / "reach.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def heard(said: Any) -> None:
        known[said[0]] = [said[1], said[2]]
        path.write_text(json.dumps(known), encoding="utf-8")

    forked(work, LONGEST_REACH_S, heard)


class Planter:
    """Plants faults one at a time on the tests that reach them."""

    def __init__(self, survey: Survey, known: dict[str, Any]) -> None:
        self.survey, self.known = survey, known
        self.sound: dict[str, bool] = {}

    def ordered(self, fault: Drawn) -> list[Any]:
        """The tests of the folder that call the function, quickest first."""
        folders = tuple(f"tests/{one}" for one in tests_of(fault.file))
        name = f"{fault.file}|{fault.name}"
        calling = [
            item for item in self.survey.items
            if item.nodeid.startswith(folders)
            and any(one == name or one.startswith(f"{name}.<locals>") for one in self.known.get(item.nodeid, (0, []))[1])
        ]  # fmt: skip
        return sorted(calling, key=lambda item: self.known.get(item.nodeid, (1e3, []))[0])

    def tried(self, fault: Drawn) -> list[str]:
        """Its outcome and by what."""
        items = self.ordered(fault)
        if not items:
            return ["alive", "no test of the folder calls it"]

        def work(say: Callable[[Any], None]) -> None:
            if not exchange(PACKAGE / fault.file, fault.text):
                say("broken: nothing differs")
                return
            forget("hwmodel")
            self.first(items, say)

        while True:
            said = forked(work)
            word = str(said[-1]) if said else "silent"
            if word in ("all pass", "late") or word.startswith("broken"):
                return ["alive" if word in ("all pass", "late") else "broken", f"{word} of {len(items)}"]
            if self.passes(word):
                return ["dead", word]
            items = [one for one in items if one.nodeid != word]

    def first(self, items: list[Any], say: Callable[[Any], None]) -> None:
        """Run up to the first failure."""
        import os

        def failed(name: str) -> None:
            say(name)
            os._exit(0)

        self.survey.failed = failed
        self.survey.run(items)
        say("all pass")

    def passes(self, name: str) -> bool:
        """Whether a test passes without any fault."""
        if name not in self.sound:
            items = [one for one in self.survey.items if one.nodeid == name]
            self.sound[name] = forked(lambda say: self.first(items, say))[-1:] == ["all pass"]
        return self.sound[name]


def main() -> int:
    """Draw, plant, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--minutes", type=float, default=9.0, help="end between two faults after so long")
    parser.add_argument("--reach", nargs="+", metavar="FOLDER", help="note which tests of these call which functions")
    parser.add_argument("--files", default="", help="only files whose path begins so (several apart by a comma)")
    parser.add_argument("--again", action="store_true", help="try the survivors again")
    asked = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    files = [one for one in formula_files() if one.startswith(tuple(asked.files.split(",")))]
    import_all(PACKAGE, formula_files())
    if asked.reach:
        work, folders = reach, [f"tests/{one}" for one in asked.reach]
    else:
        wanted = {f"tests/{one}" for file in files for one in tests_of(file)}
        known = json.loads((KEPT / "reach.json").read_text(encoding="utf-8"))
        folders = sorted({name.split("::")[0] for name in known if name.startswith(tuple(wanted))})
        work = lambda survey: plant(survey, files, asked)  # noqa: E731
    return int(pytest.main(["-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:terminal", "-p", "no:xdist", *folders], plugins=[Survey(work)]))


def plant(survey: Survey, files: list[str], asked: argparse.Namespace) -> None:
    """Try the faults of a seed and keep what was seen."""
    path = KEPT / f"survey-{asked.seed}.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known = json.loads((KEPT / "reach.json").read_text(encoding="utf-8"))
    planter, stop = Planter(survey, known), time.monotonic() + 60.0 * asked.minutes
    faults = drawn(files, asked.seed, asked.count)
    for fault in faults:
        if time.monotonic() > stop:
            break
        if kept.get(fault.key, ["alive"])[0] == "dead" or (fault.key in kept and not asked.again):
            continue
        kept[fault.key] = [*planter.tried(fault), fault.name, fault.kind]
        if kept[fault.key][0] != "dead":
            print(*kept[fault.key], f"\n  {fault.file}:{fault.line}\n  - {fault.right.strip()}\n  + {fault.wrong.strip()}", flush=True)
        path.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    words = Counter((one.file.split("/")[0], kept[one.key][0]) for one in faults if one.key in kept)
    print(dict(words))


if __name__ == "__main__":
    sys.exit(main())
