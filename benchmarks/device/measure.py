"""Times calls on one CUDA device and writes a CSV row for each: what was run, its time, its FLOPs and bytes.

A kernel is timed inside a CUDA graph (no launch is counted), over several sets of inputs that do not fit the L2 cache
together, by events, as the median of many replays. What cannot be captured is timed by events around eager calls.
"""

from __future__ import annotations

import csv
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

Call = Callable[[], Any]
L2_BYTES = 50e6  # of an H100; inputs rotate over twice as much
FIELDS = ("name", "dtype", "args", "seconds", "low", "high", "how", "flop", "bytes", "note")


class Recorder:
    """The CSV file: a row is on the disk before the next is measured."""

    def __init__(self, path: Path, budget_s: float) -> None:
        self.start, self.budget_s = time.monotonic(), budget_s
        self.file = path.open("w", newline="", encoding="utf-8")
        self.writer = csv.DictWriter(self.file, FIELDS)
        self.writer.writeheader()

    def measure(
        self, name: str, dtype: str, args: dict[str, Any], calls: Callable[[], Sequence[Call]], *,
        flop: float = 0.0, moved: float = 0.0, graph: bool = True, least_s: float = 0.12,
    ) -> None:  # fmt: skip
        """Make the calls, time them, write the row; a failure is a row with its reason."""
        if time.monotonic() - self.start > self.budget_s:
            return
        row: dict[str, Any] = {"name": name, "dtype": dtype, "args": words(args), "flop": flop, "bytes": moved}
        try:
            made = list(calls())
            row["how"] = "graph" if graph else "events"
            times = in_graph(made, least_s) if graph else by_events(made, least_s)
            row |= {"seconds": median(times), "low": quantile(times, 0.1), "high": quantile(times, 0.9)}
        except Exception as error:
            row |= {"how": "failed", "note": " ".join(str(error).split())[:120]}
            if "CUDA error" in str(error):
                self.write(row)
                sys.exit(f"the device failed at {name} {words(args)}: {error}")
        self.write(row)
        made = []
        torch.cuda.empty_cache()

    def write(self, row: dict[str, Any]) -> None:
        """One row, flushed."""
        row = {k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()}
        self.writer.writerow(row)
        self.file.flush()


def words(args: dict[str, Any]) -> str:
    """`m=8 n=16`."""
    return " ".join(f"{key}={value}" for key, value in args.items())


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return quantile(values, 0.5)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def sets(input_bytes: float) -> int:
    """How many sets of inputs it takes to leave the L2 cache twice over."""
    return int(min(32, max(1, math.ceil(2.0 * L2_BYTES / max(input_bytes, 1.0)))))


def events_s(run: Call) -> float:
    """Seconds of one run between two events."""
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) * 1e-3


def in_graph(calls: Sequence[Call], least_s: float) -> list[float]:
    """Seconds a call, of replays of a graph that holds every call at least once and lasts a millisecond or more."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for call in (*calls, calls[0]):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.synchronize()
    once = min(events_s(calls[0]) for _ in range(3))
    rounds = max(1, min(50, math.ceil(1e-3 / max(once, 1e-6) / len(calls))))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(rounds):
            for call in calls:
                call()
    each = rounds * len(calls)
    graph.replay()
    torch.cuda.synchronize()
    once = events_s(graph.replay)
    times = [events_s(graph.replay) / each for _ in range(repeats(once, least_s))]
    del graph
    return times


def by_events(calls: Sequence[Call], least_s: float) -> list[float]:
    """Seconds a call, eagerly: for calls of a millisecond and more, whose launches hide behind one another."""
    for call in (*calls, calls[0]):
        call()
    torch.cuda.synchronize()
    once = events_s(calls[0])
    each = max(1, min(20, math.ceil(2e-3 / once)))

    def run() -> None:
        for i in range(each):
            calls[i % len(calls)]()

    return [events_s(run) / each for _ in range(repeats(once * each, least_s))]


def repeats(once_s: float, least_s: float) -> int:
    """Repeats of at least `least_s` together, seven to sixty."""
    return max(7, min(60, math.ceil(least_s / max(once_s, 1e-9))))
