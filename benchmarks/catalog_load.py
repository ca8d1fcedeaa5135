"""What the catalogs add to a command, against importing click: import, load and use in fresh processes, alternating."""

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
BASE = "import click, pathlib, difflib, msgspec, hwmodel.specs"  # what a command has loaded anyway
CODES = {"click": "import click", "base": BASE, "full": f"{BASE}\n{USE}"}
LIMIT_MS = 15.0


def seconds(code: str) -> float:
    """Wall time of a fresh interpreter."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begin


def main() -> None:
    """Print the added milliseconds, the ratio and the limit."""
    seconds(CODES["full"])  # builds the cache where there is none
    times = [{name: seconds(code) for name, code in CODES.items()} for _ in range(25)]
    added = statistics.median(t["full"] - t["base"] for t in times)
    click = statistics.median(t["click"] for t in times)
    print(f"catalogs add {added * 1e3:.1f} ms to a command (limit {LIMIT_MS:g}), {added / click:.2f} x importing click")


if __name__ == "__main__":
    main()
