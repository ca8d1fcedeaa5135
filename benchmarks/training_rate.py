"""Distinct training layouts a second on one core, every term and memory.

OMP_NUM_THREADS=1 python benchmarks/training_rate.py

By the replay of the physics, which a search of so many layouts runs (tracing included), and by the text in blocks.
Ratio to read: our rate over the aim (1.5 million a second). `peers.py` sets it beside other packages.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.stacks import training_stack
from hwmodel.physics.machine import machine
from hwmodel.physics.memory import peak_memory
from hwmodel.physics.training import step
from hwmodel.predict.replay import CommonInputs, Replay
from hwmodel.predict.space import LayoutSpace
from hwmodel.specs import Layout, Workload

AIM = 1.5e6
BLOCK = 16384
OPTIONS = {
    "tp": (1.0, 2.0, 4.0, 8.0),
    "cp": (1.0, 2.0, 4.0),
    "pp": (1.0, 2.0, 4.0, 8.0, 16.0),
    "vpp": (1.0, 2.0, 4.0, 8.0),
    "dp": (8.0, 16.0, 32.0, 64.0, 128.0),
    "zero": (0.0, 1.0, 2.0, 3.0),
    "micro_batch": (1.0, 2.0, 4.0, 8.0),
    "recompute_layers": (0.0, 0.5, 1.0),
    "sequence_parallel": (0.0, 1.0),
}


def distinct_layouts() -> Layout:
    """The whole grid of options, in a fixed shuffle: no layout occurs twice."""
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*OPTIONS.values(), indexing="ij")])
    grid = np.ascontiguousarray(grid[:, np.random.default_rng(0).permutation(grid.shape[1])])
    return Layout(**dict(zip(OPTIONS, grid)))


def best_seconds(work: Callable[[], object], repeats: int = 7) -> float:
    """Least seconds of processor time over the repeats (other work on the machine does not count)."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def training_rates(model: str) -> tuple[float, float]:
    """Layouts a second in columns, and seconds of one plain evaluation: every term of the step, and memory."""
    rate, _, one = _measured(model)
    return rate, one


def _measured(model: str) -> tuple[float, float, float]:
    """Layouts a second replayed and by the text, and seconds of one."""
    catalog = load_catalog()
    part, recipe = catalog.part("H100"), catalog.precision("bf16")
    where = machine(part, catalog.default_system(part), recipe, kernel_calibration())
    stack, load = training_stack("generic", part.family), Workload(seq_len=4096.0, global_batch_seqs=2048.0)
    shape, layouts = catalog.model(model), distinct_layouts()
    count = len(layouts.dp)
    space = LayoutSpace(options=layouts, option=np.arange(count), case=np.zeros(count, dtype=np.int64), dp=layouts.dp,
                  batch_seqs=np.full(count, 2048.0))  # fmt: skip

    def evaluate(layout: Layout) -> object:
        terms = step(shape, where, recipe, layout, load, stack)
        return terms.total_s, peak_memory(shape, recipe, layout, load, stack).total_bytes

    question = CommonInputs(shape, where, recipe, stack, 4096.0, 1.0)
    replayed = best_seconds(lambda: Replay(question, space).rows(space))
    block = space.rows(slice(BLOCK)).layout
    text = best_seconds(lambda: evaluate(block))
    one = best_seconds(lambda: evaluate(Layout(tp=8.0, dp=16.0)), 50)
    return count / replayed, BLOCK / text, one


def main() -> None:
    """Print our rates and one plain evaluation."""
    for model in ("llama-3.1-70b", "mixtral-8x7b"):
        rate, text, one = _measured(model)
        print(
            f"{model}: {rate / 1e6:.2f} M layouts/s ({rate / AIM:.2f} x the aim), by the text {text / 1e6:.2f} M/s; "
            f"one plain evaluation {one * 1e6:.0f} us"
        )


if __name__ == "__main__":
    main()
