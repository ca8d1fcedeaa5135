"""Sweeps: points a second in columns and through searches, what an engine adds a shard, resume, show, and how far it
scales: measured here on one and two workers, simulated beyond.

python benchmarks/sweep.py [--linear REPEATS]

With `--linear` one and two workers alone, on a sweep long beside the start of a worker: the ratio of processor time,
which other work on the machine moves less than the clock, and both.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import os
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hwmodel.solve.sweep.keeping import unpacked
from hwmodel.solve.sweep.run import sweep
from hwmodel.solve.sweep.shard import Sweeper
from hwmodel.solve.sweep.show import Rows
from hwmodel.solve.sweep.space import read_space

FEW_COLUMNS = {"columns": ["tokens", "cost_usd", "loss_nats", "elapsed_days"]}
CHEAP: dict[str, Any] = {
    "base": {"precision": "bf16"},
    "axes": {"gpus": "64xH100..4096xH100 log 4", "params": "1B..100B log 4", "time": "5d..100d linear 60000"},
    "keep": FEW_COLUMNS,
}
SEARCHED: dict[str, Any] = {
    "base": {"tokens": "2T"},
    "axes": {"gpus": "64xH100..4096xH100 log 16", "params": "1B..100B log 16"},
}
LONG: dict[str, Any] = {**SEARCHED, "axes": {"gpus": "64xH100..4096xH100 log 64", "params": "1B..100B log 512"}}
TINY: dict[str, Any] = {
    "base": {"gpus": "64xH100", "params": "7B"}, "axes": {"time": "5d..100d linear 300"}, "keep": FEW_COLUMNS,
    "shard_points": 1,
}  # fmt: skip
START_S = 5.0  # of a worker: a Python, its imports, the catalog
SEARCHED_S = 8.0  # of a shard of 4,096 points with a search each, at 2 ms a point
WORKERS = (1, 2, 100, 1_000, 10_000)


@contextlib.contextmanager
def measured() -> Iterator[dict[str, float]]:
    """Wall and processor seconds, of this process and of those that ended below it."""
    found: dict[str, float] = {}
    before, start = os.times(), time.perf_counter()
    yield found
    after = os.times()
    found["wall"] = time.perf_counter() - start
    found["cpu"] = after.user + after.system - before.user - before.system
    found["below"] = after.children_user + after.children_system - before.children_user - before.children_system


def shards(given: dict[str, Any], count: int) -> tuple[int, int, float]:
    """Points and layouts of the first shards of a space, and their processor seconds."""
    import pyarrow.parquet as parquet
    from pyarrow import BufferReader

    space = read_space(given)
    sweeper, points, layouts = Sweeper(space), 0, 0
    with measured() as took:
        for shard in range(min(count, space.shards)):
            data = sweeper.shard(shard)
            points += len(space.points_of(shard))
            layouts += unpacked(parquet.read_metadata(BufferReader(data)).metadata[b"hwmodel.partial"]).layouts
    return points, layouts, took["cpu"]


def simulated(workers: int, count: int, shard_s: float, scheduler_s: float, merge_s: float, start_s: float) -> float:
    """Seconds of a sweep: workers draw shards from one scheduler that serves them one after another, then one process
    folds the shards. Shards differ by a fifth either way."""
    draw = random.Random(0)
    idle = [start_s] * min(workers, count)
    heapq.heapify(idle)
    scheduler = last = start_s
    for _ in range(count):
        scheduler = max(scheduler, heapq.heappop(idle)) + scheduler_s
        end = scheduler + shard_s * draw.uniform(0.8, 1.2)
        last = max(last, end)
        heapq.heappush(idle, end)
    return last + count * merge_s


def by_parts(processes: int, count: int, shard_s: float, merge_s: float, start_s: float) -> float:
    """Seconds of `--shard i/n`: every process takes each n-th shard, and the last one folds all."""
    draw = random.Random(0)
    ends = [start_s] * min(processes, count)
    for shard in range(count):
        ends[shard % len(ends)] += shard_s * draw.uniform(0.8, 1.2)
    return max(ends) + count * merge_s


def linear(repeats: int) -> None:
    """Print what one and two workers take for the same work, turn by turn, and what of linear that is."""
    shares, clocks, scheduling = [], [], []
    for number in range(repeats):
        took: dict[int, dict[str, float]] = {}
        for workers in (1, 2) if number % 2 == 0 else (2, 1):
            with tempfile.TemporaryDirectory() as folder, measured() as took[workers]:
                sweep(LONG, Path(folder) / "rows", workers=workers)
        one, two = took[1], took[2]
        shares.append(one["below"] / two["below"])
        clocks.append(one["wall"] / two["wall"] / 2.0)
        scheduling.append(two["cpu"])
        print(f"workers' processor {one['below']:.1f} and {two['below']:.1f} s, client and scheduler {one['cpu']:.1f} "
              f"and {two['cpu']:.1f} s, wall {one['wall']:.1f} and {two['wall']:.1f} s", flush=True)  # fmt: skip
    count = read_space(LONG)
    print(
        f"{count.points:,} points in {count.shards} shards, medians of {repeats}: {statistics.median(shares):.2f} of "
        f"linear by processor time, {statistics.median(clocks):.2f} by the clock; client and scheduler "
        f"{statistics.median(scheduling):.1f} s"
    )


def main() -> None:
    """Print rates, overheads and the scaling that they amount to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--linear", type=int, metavar="REPEATS", help="one and two workers alone")
    given = parser.parse_args()
    if given.linear:
        linear(given.linear)
        return
    shards(SEARCHED, 1)  # what is imported and read once
    points, _, cpu = shards(CHEAP, 3)
    cheap_rate = points / cpu
    print(f"points of known layouts: {cheap_rate:,.0f} a second on a core")
    points, layouts, cpu = shards(SEARCHED, 64)
    print(f"points with a search each: {points / cpu:,.0f} a second on a core ({layouts / cpu / 1e6:.2f} M layouts/s)")
    print(
        f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB (limit 500)"
    )
    with tempfile.TemporaryDirectory() as folder:
        overheads(Path(folder), cheap_rate)


def overheads(folder: Path, cheap_rate: float) -> None:
    """What engines add a shard, resume and show; then the simulation."""
    with measured() as here:
        sweep(TINY, folder / "here")
    each: dict[int, dict[str, float]] = {}
    for workers in (1, 2):
        with measured() as each[workers]:
            sweep(SEARCHED, folder / f"w{workers}", workers=workers)
        one = each[workers]
        said = f"client and scheduler {one['cpu']:.2f} s, workers {one['below']:.1f} s"
        print(f"{workers} worker(s): {one['wall']:.1f} s wall, {said}")
    with measured() as tiny:
        sweep(TINY, folder / "dask", workers=2)
    count = read_space(TINY).shards
    shard_s, scheduler_s = here["cpu"] / count, tiny["cpu"] / count
    with measured() as again:
        sweep(TINY, folder / "here", resume=True)
    with measured() as fold:
        (folder / "here" / "summary.json").unlink()
        sweep(TINY, folder / "here", resume=True)
    merge_s = max(fold["cpu"] - again["cpu"], 0.0) / count
    print(f"a shard of one point costs {1e3 * shard_s:.1f} ms here, folding it {1e3 * merge_s:.2f} ms")
    print(f"under Dask client and scheduler take {1e3 * scheduler_s:.1f} ms a shard")
    print(f"resume of a finished sweep of {count} shards: {again['wall']:.2f} s (limit 2)")
    sweep(CHEAP, folder / "rows")
    rows = Rows(folder / "rows")
    with measured() as shown:
        rows.best(20)
    print(f"show over {read_space(CHEAP).points:,} rows: {shown['wall']:.2f} s")
    for work_s, what in ((65_536 / cheap_rate, "6.6e9 known points"), (SEARCHED_S, "4e8 points with a search each")):
        print(f"simulated, 100,000 shards of {work_s:.2f} s ({what}): under a scheduler; by --shard")
        base = simulated(1, 100_000, work_s, 0.0, 0.0, 0.0)
        for workers in WORKERS:
            each = [simulated(workers, 100_000, work_s, scheduler_s, merge_s, START_S),
                    by_parts(workers, 100_000, work_s, merge_s, START_S)]  # fmt: skip
            said = "; ".join(f"{took:>10,.0f} s, {base / took / workers:6.1%} of linear" for took in each)
            print(f"{workers:>8,} workers: {said}")


if __name__ == "__main__":
    main()
