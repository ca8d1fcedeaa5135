"""Faults drawn by a seed from every file whose functions compute."""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.mutants.kinds import Place, places
from tests.mutants.planted import PLANTED, Fault

FOLDERS = ("physics", "economics", "predict", "laws", "solve")  # whose functions compute
NAMED = ("catalog", "specs", "validation", "report", "interop", "units.py")  # read, check, score, print: where named
ALONE = {"numerics.py": ("test_numerics.py",), "units.py": ("units",)}  # modules in no folder, and who tests them


def folders_of(file: str) -> tuple[str, ...]:
    """Whose tests must notice a fault in a file: those of its folder, of serving where it serves, of the laws where
    it asks them; of records that all share and of texts also those of who uses them."""
    if file in ALONE:
        return ALONE[file]
    if file.startswith("specs/"):
        return ("specs", "physics", "economics", "laws", "predict", "catalog", "serving")
    if file.startswith("report/"):
        return ("report", "solve", "serving", "cli", "api")
    serves = file.startswith(("physics/serving", "predict/service", "solve/serve", "validation", "interop/export"))
    return (file.split("/")[0], *(("serving",) if serves else ()), *(("laws",) if "/law/" in file else ()))


def formula_files(package: Path, folders: tuple[str, ...] = FOLDERS) -> list[str]:
    """Files below the package whose functions compute."""
    alone = [package / "numerics.py", *(package / one for one in folders if one in ALONE)]
    found = alone + [path for folder in folders for path in (package / folder).rglob("*.py")]
    return sorted(path.relative_to(package).as_posix() for path in found)


class Drawn(NamedTuple):
    """A fault in its file: what kind, the function around it, the whole wrong text, and the lines to show."""

    kind: str
    name: str  # qualified, of the outermost function
    line: int
    text: str
    fault: Fault

    @property
    def key(self) -> str:
        """What tells it from others."""
        return f"{self.fault.file}:{self.line}|{self.fault.right}|{self.fault.wrong}"


def drawn_at(file: str, source: str, place: Place) -> Drawn:
    """The fault at one place of a source."""
    data = source.encode()
    first, stop = data.rfind(b"\n", 0, place.start) + 1, data.find(b"\n", place.end)
    wrong = data[first : place.start] + place.wrong.encode() + data[place.end : stop]
    fault = Fault(file, data[first:stop].decode(), wrong.decode(), " ".join(folders_of(file)))
    text = (data[: place.start] + place.wrong.encode() + data[place.end :]).decode()
    line = data[: place.start].count(b"\n") + 1
    return Drawn(place.kind, holder(source, line), line, text, fault)


def planted_at(source: str, fault: Fault) -> Drawn:
    """A fault planted by hand, in the same form; `ValueError` unless its right text stands once in the source."""
    if source.count(fault.right) != 1:
        raise ValueError(f"{fault.file}: {fault.right!r} stands {source.count(fault.right)} times")
    line = source[: source.index(fault.right)].count("\n") + 1
    return Drawn("by hand", holder(source, line), line, source.replace(fault.right, fault.wrong), fault)


def by_hand(package: Path) -> list[Drawn]:
    """The faults planted by hand, in today's sources."""
    return [planted_at((package / one.file).read_text(encoding="utf-8"), one) for one in PLANTED]


def holder(text: str, line: int) -> str:
    """The qualified name of the outermost function that holds a line."""
    for node in ast.parse(text).body:
        if node.lineno <= line <= (node.end_lineno or line):
            held = [
                one.name for one in getattr(node, "body", ())
                if isinstance(one, ast.FunctionDef) and one.lineno <= line <= (one.end_lineno or line)
            ] if isinstance(node, ast.ClassDef) else []  # fmt: skip
            return ".".join([getattr(node, "name", ""), *held])
    return ""


def drawn(package: Path, seed: int, count: int, begin: tuple[str, ...] = ("",)) -> list[Drawn]:
    """`count` faults in files whose path begins so, each place as likely.

    Places are ranked by a hash of the seed and of their own text: a seed draws the same faults after a change of the
    sources, but for those whose lines changed and for new ones.
    """
    named = tuple(folder for folder in NAMED if any(one.startswith(folder) for one in begin))
    files = [file for file in formula_files(package, (*FOLDERS, *named)) if file.startswith(begin)]
    texts = {file: (package / file).read_text(encoding="utf-8") for file in files}
    found = [one for file, text in texts.items() for one in ranked(seed, file, text)]
    chosen = sorted(found, key=lambda one: one[0])[:count]
    return [drawn_at(file, texts[file], place) for _, file, place in chosen]


def ranked(seed: int, file: str, text: str) -> Iterator[tuple[str, str, Place]]:
    """The places of a file, each with what orders it among others."""
    data, seen = text.encode(), Counter[tuple[bytes, int, str]]()
    for place in dict.fromkeys(places(text)):
        first = data.rfind(b"\n", 0, place.start) + 1
        own = (data[first : data.find(b"\n", place.end)], place.start - first, place.wrong)
        seen[own] += 1
        yield hashlib.sha256(repr((seed, file, own, seen[own])).encode()).hexdigest(), file, place


def counted(package: Path) -> dict[str, int]:
    """How many faults each folder has room for."""
    found: dict[str, int] = {}
    for file in formula_files(package, (*FOLDERS, *NAMED)):
        folder = file.split("/")[0]
        text = (package / file).read_text(encoding="utf-8")
        found[folder] = found.get(folder, 0) + len(dict.fromkeys(places(text)))
    return found
