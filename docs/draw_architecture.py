"""Draw docs/architecture.svg and the table of docs/architecture.md from the imports (`--check`: compare them).

Every import counts, lazy ones and those for type checking too.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

from hwmodel.report import tables

DOCS = Path(__file__).resolve().parent
PACKAGE = DOCS.parent / "hwmodel"
ROWS = (
    ("cli",), ("web",), ("api",), ("validation",), ("report", "interop"), ("solve",), ("predict",),
    ("catalog", "laws", "economics", "physics"), ("specs",), ("numerics", "answers", "trace"), ("units", "ops"),
    ("errors", "version", "plain"),
)  # fmt: skip
WHAT = {
    "cli": "commands: parse, call, print", "web": "the page and its JSON API", "api": "the Python face",
    "validation": "published runs against predictions; fits", "report": "all text and pictures for people",
    "interop": "files of other tools, in and out", "solve": "from a question to a decision",
    "predict": "a setting to seconds, bytes, intervals", "catalog": "sourced facts as records",
    "laws": "loss from size, data, bits", "economics": "rent, energy, failures",
    "physics": "seconds and bytes from specs",
    "specs": "the records that all share", "numerics": "root, minimum, fit", "answers": "what every answer can do",
    "trace": "the physics as a graph",
    "units": "reading and writing quantities", "ops": "one text for numbers, columns, symbols",
    "errors": "errors and exit codes", "version": "the version",
    "plain": "options and JSON at the edges",
}  # fmt: skip
BEGIN, END = "<!-- drawn from the imports -->", "<!-- end of what is drawn -->"


def wing_of(module: str) -> str:
    """The wing that a dotted name below hwmodel belongs to; empty for others."""
    parts = module.split(".")
    return parts[1] if parts[0] == "hwmodel" and len(parts) > 1 else ""


def imports(path: Path) -> set[str]:
    """Dotted names of hwmodel that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            whole = node.module == "hwmodel"
            found |= {f"hwmodel.{name.name}" for name in node.names} if whole else {node.module}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if wing_of(name)}


def arrows() -> Counter[tuple[str, str]]:
    """(from, to) -> how many files of a wing import another wing."""
    found: Counter[tuple[str, str]] = Counter()
    for path in sorted(PACKAGE.rglob("*.py")):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if own in ("__init__", "__main__"):
            continue
        for other in {wing_of(name) for name in imports(path)} - {own}:
            found[own, other] += 1
    return found


def size(wing: str) -> tuple[int, int]:
    """Files and lines of a wing."""
    place = PACKAGE / wing
    files = sorted(place.rglob("*.py")) if place.is_dir() else [PACKAGE / f"{wing}.py"]
    return len(files), sum(len(f.read_text(encoding="utf-8").splitlines()) for f in files)


def table(found: Counter[tuple[str, str]]) -> str:
    """A row a wing: what it is for and what it imports."""
    imported = {wing: sorted(other for one, other in found if one == wing) for row in ROWS for wing in row}
    rows = [[f"`{wing}`", WHAT[wing], ", ".join(others) or "-"] for wing, others in imported.items()]
    return tables.table(["wing", "what it is for", "imports"], rows)


BASE = {wing for row in ROWS[-3:] for wing in row}  # floors that nearly all stand on: told by number, not by arrows


def picture(found: Counter[tuple[str, str]]) -> str:
    """The floors as boxes, an arrow for each import between two wings, its width by the files that make it."""
    width, height, box = 960, 66, 168
    places = {}
    for y, row in enumerate(ROWS):
        step = width / len(row)
        for x, wing in enumerate(row):
            places[wing] = (step * (x + 0.5), 30 + height * y)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height * len(ROWS) + 10}" '
        'font-family="sans-serif" font-size="13" role="img" aria-label="Wings of hwmodel and their imports">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for (one, other), files in sorted(found.items()):
        if other in BASE:
            continue
        (x1, y1), (x2, y2) = places[one], places[other]
        bend, thick = (y1 + y2) / 2, min(0.6 + files / 12, 5)
        out.append(
            f'<path d="M{x1:.0f} {y1 + 16:.0f} C{x1:.0f} {bend:.0f} {x2:.0f} {bend:.0f} {x2:.0f} {y2 - 16:.0f}" '
            f'fill="none" stroke="#4477aa" stroke-opacity="0.35" stroke-width="{thick:.1f}"/>'
        )
    for wing, (x, y) in places.items():
        files, lines = size(wing)
        users = sum(other == wing for _, other in found)
        long = f"{round(lines, -2) or lines:,} lines"
        told = f"{long}, used by {users} wing{'' if users == 1 else 's'}" if wing in BASE else f"{files} files, {long}"
        corner = f'x="{x - box / 2:.0f}" y="{y - 18:.0f}"'
        out.append(f'<rect {corner} width="{box}" height="36" rx="5" fill="#f4f6fa" stroke="#333"/>')
        out.append(f'<text x="{x:.0f}" y="{y - 2:.0f}" text-anchor="middle" font-weight="bold">{wing}</text>')
        out.append(f'<text x="{x:.0f}" y="{y + 12:.0f}" text-anchor="middle" font-size="11" fill="#555">{told}</text>')
    return "\n".join([*out, "</svg>", ""])


def drawn() -> dict[Path, str]:
    """The page and the picture as they should be."""
    found = arrows()
    page = DOCS / "architecture.md"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return {page: f"{before}{BEGIN}\n{table(found)}\n{END}{after}", DOCS / "architecture.svg": picture(found)}


def upward(found: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
    """Imports from a floor to one above it, or between neighbours on one floor."""
    floor = {wing: y for y, row in enumerate(ROWS) for wing in row}
    return sorted((one, other) for one, other in found if floor[other] <= floor[one])


def main() -> int:
    """Write both, or say what is not current."""
    stale = [p.name for p, text in drawn().items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        print("\n".join(stale) or "current")
        return 1 if "architecture.md" in stale else 0
    for path, text in drawn().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
