"""What the catalogs add to a command, as a ratio to `python -c "import click"`: import, load and use in a fresh process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

USE = """
import hwmodel.catalog
c = hwmodel.catalog.load_catalog()
p = c.part("A100")
c.default_system(p), c.price_summary(p.id), c.energy(), c.reliability(), c.precision("bf16"), c.law("besiroglu_2024")
"""
BASE = "import click, pathlib, difflib, msgspec, hwmodel.specs"


def seconds(code: str, runs: int = 15) -> float:
    """Median wall time of a fresh interpreter."""
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    seconds(USE, 1)  # builds the cache where there is none
    click, base, full = seconds("import click"), seconds(BASE), seconds(f"{BASE}\n{USE}")
    print(f"catalogs add {(full - base) * 1e3:.1f} ms to a command: {(full - base) / click:.2f} x importing click")


if __name__ == "__main__":
    main()
