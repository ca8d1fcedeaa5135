"""Read the names of options, and their kinds, out of the tools' own packages: by syntax tree, importing none of them.

    python -m tests.interop.record_names SITE [--write]

SITE holds a folder a package, as `make verify` fills it (`pip install --no-deps --target SITE/NAME NAME==VERSION`).
Without --write the tables in tests/interop/names are compared with what SITE says, and any difference is an error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.interop.packages import TOOLS, kubernetes, version

HERE = Path(__file__).parent / "names"


def recorded(tool: str) -> dict[str, object]:
    """The table of a tool as it stands in the repository."""
    table: dict[str, object] = json.loads((HERE / f"{tool}.json").read_text(encoding="utf-8"))
    return table


def main(site: Path, write: bool) -> int:
    """Write the tables, or compare them with the packages; the number of tools that differ."""
    wrong = 0
    for tool, (package, read) in TOOLS.items():
        if not (site / package).is_dir():
            print(f"{tool}: {package} is not in {site}: not compared")
            continue
        table = {"package": version(site, package), "names": dict(sorted(read(site).items()))}
        if write:
            HERE.mkdir(exist_ok=True)
            (HERE / f"{tool}.json").write_text(json.dumps(table, indent=0) + "\n", encoding="utf-8")
        elif table != recorded(tool):
            wrong += 1
            print(f"{tool}: {HERE / tool}.json differs from {table['package']}")
        print(f"{tool}: {len(table['names'])} names of {table['package']}")
    if (site / "kubernetes-validate").is_dir():
        schemas = kubernetes(site)
        if write:
            (HERE / "kubernetes.json").write_text(json.dumps(schemas) + "\n", encoding="utf-8")
        elif schemas != recorded("kubernetes"):
            wrong += 1
            print("kubernetes: the schemas differ")
    return wrong


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), "--write" in sys.argv[2:]))
