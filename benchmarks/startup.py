"""What a user waits for at the command line, the start of Python included: medians of alternating runs.

python benchmarks/startup.py [RUNS]

The wheel is built from this checkout and installed into a virtual environment, beside the packages of this one; what is
run is its console script, whose byte code lies ready as `pip install` writes it. Ratios are to importing a library by
the same Python in the same run. The last line is `plan` where no byte code may be kept (PYTHONDONTWRITEBYTECODE and a
checkout, as in many containers): every module is compiled anew.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PLAN = ["plan", "--gpus", "1024xA100", "--tokens", "1.4T"]
FORMATS = ["compare", "--gpus", "512xH100", "--tokens", "2T", "--precision", "bf16,fp8,fp8-rowwise,fp8-block"]
SERVE = ["serve", "--parts", "all", "--demand", "200 req/s", "--tpot", "50ms", "--model"]
COMMANDS = {
    "--help": ["--help"],
    "law optimum": ["law", "optimum", "besiroglu_2024", "--flops", "5.76e23"],
    "plan": PLAN,
    "plan, HTML": [*PLAN, "--format", "html"],
    "compare, 4 formats": FORMATS,
    "serve, Llama-3.1-70B": [*SERVE, "llama-3.1-70b"],
    "serve, DeepSeek-V3": [*SERVE, "deepseek-v3"],
}
IMPORTS = ("click", "numpy")
RATIOS = [("--help", "click", 1.5), ("law optimum", "numpy", 2.0), ("plan", "numpy", 4.0)]
SECONDS = {"compare, 4 formats": 2.0, "serve, Llama-3.1-70B": 0.8, "serve, DeepSeek-V3": 1.0}
HTML_MORE_S = 1.0


class Times(NamedTuple):
    """Seconds of one process, by the clock and of the processor."""

    wall: float
    processor: float


def installed(place: Path) -> Path:
    """The folder of programs of an environment that holds the wheel of this checkout."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(place), str(ROOT)], check=True)
    venv.create(place / "env", with_pip=False)
    programs = place / "env" / "bin"
    (wheel,) = place.glob("*.whl")
    subprocess.run([*pip, "--python", str(programs / "python"), "install", "--no-deps", str(wheel)], check=True)
    (packages,) = (place / "env").glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(
        "\n".join(path for path in sys.path if path.endswith("site-packages")), encoding="utf-8"
    )
    return programs


def timed(command: list[str], **environment: str) -> Times:
    """What one process took."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   cwd=tempfile.gettempdir(), env=kept | environment)  # fmt: skip
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Times(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def medians(commands: dict[str, list[str]], runs: int) -> dict[str, Times]:
    """Of each command; the first round fills caches and is not counted."""
    seen: dict[str, list[Times]] = {name: [] for name in commands}
    for number in range(runs + 1):
        for name, command in commands.items():
            took = timed(command)
            if number:
                seen[name].append(took)
    return {name: Times(*(statistics.median(column) for column in zip(*rows))) for name, rows in seen.items()}


def report(found: dict[str, Times]) -> None:
    """Print every median, then ratios and seconds beside their limits."""
    for name, took in found.items():
        print(f"{name:<22}{1e3 * took.wall:8.0f} ms{1e3 * took.processor:8.0f} ms of processor time")
    for name, library, limit in RATIOS:
        wall, processor = (a / b for a, b in zip(found[name], found[f"import {library}"]))
        print(f"{name} / import {library}: {wall:.2f}, of processor time {processor:.2f} (limit {limit:g})")
    for name, limit in SECONDS.items():
        print(f"{name}: {found[name].wall:.2f} s, of processor time {found[name].processor:.2f} (limit {limit:g})")
    wall, processor = (more - plain for more, plain in zip(found["plan, HTML"], found["plan"]))
    print(f"HTML over Markdown: {wall:.2f} s, of processor time {processor:.2f} (limit {HTML_MORE_S:g})")


def main() -> None:
    """Install, run, print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    with tempfile.TemporaryDirectory(prefix="hwmodel-startup.") as place:
        programs = installed(Path(place))
        python, script = str(programs / "python"), str(programs / "hwmodel")
        commands = {f"import {library}": [python, "-c", f"import {library}"] for library in IMPORTS}
        report(medians(commands | {name: [script, *words] for name, words in COMMANDS.items()}, runs))
        bare = timed([python, "-m", "hwmodel", *PLAN], PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1",
                     PYTHONPYCACHEPREFIX=f"{place}/none")  # fmt: skip
        print(f"plan without byte code: {bare.wall:.2f} s, of processor time {bare.processor:.2f}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"peak memory of the largest process: {peak:.0f} MiB (limit 300)")


if __name__ == "__main__":
    main()
