"""Start-up and the whole of `plan`, as ratios to importing a library in the same run (medians of alternating runs).

python benchmarks/startup.py [RUNS]

Modules come as byte code, as an installed wheel has them, whatever this shell says of writing it: it is kept in a
folder of this run.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

COMMANDS = {
    "import click": [sys.executable, "-c", "import click"],
    "hwmodel --help": [sys.executable, "-m", "hwmodel", "--help"],
    "import numpy": [sys.executable, "-c", "import numpy"],
    "hwmodel plan": [sys.executable, "-m", "hwmodel", "plan", "--gpus", "1024xA100", "--tokens", "1.4T"],
    "hwmodel law optimum": [sys.executable, "-m", "hwmodel", "law", "optimum", "besiroglu_2024", "--flops", "5.76e23"],
}
RATIOS = [
    ("hwmodel --help", "import click", 1.5),
    ("hwmodel plan", "import numpy", 5.0),
    ("hwmodel law optimum", "import numpy", 2.5),
]


def timed(command: list[str], code: str) -> float:
    """Wall seconds of one process that keeps byte code under `code`."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env={**kept, "PYTHONPYCACHEPREFIX": code})  # fmt: skip
    return time.perf_counter() - start


def main() -> None:
    """Print medians, ratios and their limits."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="hwmodel-startup.") as code:
        for number in range(runs + 1):
            for name, command in COMMANDS.items():
                took = timed(command, code)
                if number:  # the first round warms file caches and writes the byte code
                    seconds[name].append(took)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        print(f"{name:<22}{1e3 * median:8.0f} ms")
    for name, base, limit in RATIOS:
        print(f"{name} / {base}: {medians[name] / medians[base]:.2f} (limit {limit})")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"peak memory of the largest of them: {peak:.0f} MiB (limit 300)")


if __name__ == "__main__":
    main()
