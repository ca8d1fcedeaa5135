"""`sweep show` over ten million rows: the best, rows under a constraint, an answer over two axes, fronts of two, three
and four answers, as text and as JSON; whole commands, processor time and clock.

python benchmarks/show.py [--rows N] [--runs N] [--keep DIR]

The rows are drawn, not computed, and written by what writes those of a sweep: 16 fleets by 32 sizes by so many times,
all answers of `plan` with loss, days, dollars and memory that follow from size, tokens and fleet, and from draws of how
well a run goes. Two foldersful: one whose fronts are short, one in which time, money and loss are traded against each
other, so that fronts have thousands of rows. They lie in a temporary folder, which goes with the run. Fronts are found
by the text that a sweep of so many rows leaves compiled; with HWMODEL_COMPILER= in front, by that in NumPy.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodel.solve.sweep.answers import known_columns
from hwmodel.solve.sweep.folder import Folder
from hwmodel.solve.sweep.keeping import counts_of, packed, with_winners
from hwmodel.solve.sweep.met import Met
from hwmodel.solve.sweep.run import sweep
from hwmodel.solve.sweep.shard import parquet_bytes, with_axes
from hwmodel.solve.sweep.space import Space, read_space
from hwmodel.solve.sweep.table import PointTable, blank_table
from hwmodel.solve.sweep.tree import readied

FLEETS, SIZES = 16, 32
RENT_USD, FLOP_PER_S = 2.5, 4e14  # of an accelerator: an hour, and a second at the best
NO_CONSTRAINTS = Met((), {}, 0)
SIGMA = {"short": 0.5, "long": 0.005}  # sigma of the draws: how far runs lie from the best that size and fleet allow
QUESTIONS: dict[str, list[str]] = {
    "best 20": [],
    "best 20, --where": ["--where", "elapsed_days < 60 and cost_usd < 5M"],
    "--heat": ["--heat", "gpus,params,loss_nats"],
    "front of 2": ["--pareto", "elapsed_days,loss_nats"],
    "front of the 2 that the sweep keeps": ["--pareto", "cost_usd,loss_nats"],
    "front of 2, --where": ["--pareto", "elapsed_days,loss_nats", "--where", "peak_memory_bytes < 7e10"],
    "front of 3": ["--pareto", "cost_usd,elapsed_days,loss_nats"],
    "front of 3, --where": ["--pareto", "cost_usd,elapsed_days,loss_nats", "--where", "peak_memory_bytes < 7e10"],
    "front of 4": ["--pareto", "cost_usd,elapsed_days,loss_nats,peak_memory_bytes"],
    "front of 4, --where": ["--pareto", "cost_usd,elapsed_days,loss_nats,peak_memory_bytes", "--where", "mfu > 0.3"],
    "front of 2, JSON": ["--pareto", "elapsed_days,loss_nats", "--format", "json"],
}  # fmt: skip


class Times(NamedTuple):
    """Seconds of one process, by the clock and of the processor."""

    wall: float
    processor: float


def asked(rows: int) -> dict[str, Any]:
    """A space of at least so many points, whose answers are all kept."""
    times = -(-rows // (FLEETS * SIZES))
    axes = {
        "gpus": f"64xH100..4096xH100 log {FLEETS}", "params": f"1B..500B log {SIZES}",
        "time": f"5d..200d linear {times}",
    }  # fmt: skip
    return {"base": {"precision": "bf16"}, "axes": axes}


def drawn(space: Space, shard: int, sigma: float) -> PointTable:
    """The rows of a shard with answers drawn about what size, time and fleet say."""
    points = space.points_of(shard)
    table = blank_table(np.arange(points.start, points.stop, dtype=np.int64), None)
    with_axes(space, table)
    draw = np.random.default_rng(shard)
    numbers, count = table.numbers, table.rows

    def noisy(values: Any, share: float = 1.0) -> NDArray[np.float64]:
        found: NDArray[np.float64] = values * np.exp(share * np.abs(draw.normal(0.0, sigma, count)))
        return found

    fleet = np.array([float(str(one).split("x", maxsplit=1)[0]) for one in table.texts["gpus"]])
    params, days = numbers["params"], numbers["time_s"] / 86400.0
    mfu = noisy(np.full(count, 0.55), -1.0) / (1.0 + fleet / 40_000.0)
    tokens = days * 86400.0 * fleet * FLOP_PER_S * mfu / 6.0 / params
    loss = noisy(1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28, 0.02)  # the law of Hoffmann et al. (2022)
    elapsed, memory = (
        noisy(days, 0.5),
        4e10 * np.exp(np.abs(draw.normal(0.0, 0.3, count))),
    )  # layouts fill what there is
    hours = elapsed * 24.0 * fleet
    answers = {
        "accelerators": fleet, "idle_accelerators": 0.0 * fleet, "tokens": tokens, "train_flop": 6.0 * params * tokens,
        "loss_nats": loss, "train_days": days, "elapsed_days": elapsed, "gpu_hours": hours, "mfu": mfu,
        "tokens_per_s": tokens / days / 86400.0, "cost_usd": noisy(RENT_USD * hours, 0.2),
        "energy_mwh": hours * 1.1e-3, "co2e_t": hours * 4e-4, "goodput": days / elapsed,
        "step_s": noisy(4.0 * params / 1e9 / fleet), "layouts": 1000.0,
        "peak_memory_bytes": memory, "tp": 8.0, "global_batch_seqs": 2048.0,
    }  # fmt: skip
    numbers |= {name: np.broadcast_to(value, count).astype(float) for name, value in answers.items()}
    ends = {f"{name}{end}": by * numbers[name] for name in ("elapsed_days", "cost_usd")
            for end, by in (("_low", 0.7), ("_high", 1.4))}  # fmt: skip
    numbers |= {name: value for name, value in ends.items() if name in space.column_names()}
    refuse_some(table, draw)
    with_axes(space, table)
    words = {"recompute": "none", "offload": "none", "schedule": "1f1b", "accelerator": "H100", "system": "dgx-h100"}
    for name, word in words.items():
        if name in known_columns(space.ask):
            table.texts[name] = np.where(table.ok, word, None)
    return table


def refuse_some(table: PointTable, draw: np.random.Generator) -> None:
    """A row of twenty has no answer."""
    rows = np.flatnonzero(draw.random(table.rows) < 0.05)
    table.refuse(rows, "infeasible", "memory", "no layout fits the memory of the accelerators")


def write(place: Path, rows: int, sigma: float) -> None:
    """A finished sweep of drawn rows in a folder."""
    space, folder = read_space(asked(rows)), Folder(place)
    folder.claim(space, resume=False, joins=False)
    for shard in range(space.shards):
        table = drawn(space, shard, sigma)
        counts = counts_of(space, table, NO_CONSTRAINTS, NO_CONSTRAINTS)
        said = packed(with_winners(space, counts, table))
        folder.write_shard(shard, parquet_bytes(space, table, {"partial": said, "shard": str(shard).encode()}))
    sweep(asked(rows), place, resume=True)


def timed(words: list[str], kept: Path) -> Times:
    """What one process took, byte code of the checkout kept as an installation keeps it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PYTHONPYCACHEPREFIX": str(kept)}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   cwd=tempfile.gettempdir(), env=environment)  # fmt: skip
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Times(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def report(place: Path, kept: Path, runs: int) -> None:
    """Each question to a folder: the best of some runs, by the processor and by the clock, and how many rows it has."""
    commands = {"start alone (--help)": ["-m", "hwmodel", "sweep", "show", "--help"]}
    commands |= {name: ["-m", "hwmodel", "sweep", "show", str(place), *words] for name, words in QUESTIONS.items()}
    for name, words in commands.items():
        timed(words, kept)
        took = [timed(words, kept) for _ in range(runs)]
        processor, wall = (min(column) for column in ([t.processor for t in took], [t.wall for t in took]))
        print(f"  {name:<38}{processor:6.2f} s of processor{wall:6.2f} s by the clock", flush=True)


def main() -> None:
    """Draw, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--fronts", choices=sorted(SIGMA), help="one of the two folders alone")
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="write there and leave it; what stands is not drawn anew"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hwmodel-show.") as passing:
        os.environ["XDG_CACHE_HOME"] = str(Path(passing) / "cache")  # of the commands too
        print("fronts by the compiled text" if readied() else "fronts by the text in NumPy")
        for name in [given.fronts] if given.fronts else sorted(SIGMA):
            place = (given.keep or Path(passing)) / name
            if not (place / "summary.json").exists():
                write(place, given.rows, SIGMA[name])
            size = sum(path.stat().st_size for path in (place / "shards").iterdir())
            print(f"{name} fronts: {given.rows:,} rows, {size / 1e9:.2f} GB")
            report(place, Path(passing) / "code", given.runs)


if __name__ == "__main__":
    main()
