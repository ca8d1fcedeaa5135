"""Layouts a second on one core, all terms and memory, over a grid of fleets (`peers.py` has other packages).

python benchmarks/layout_search.py
"""

from __future__ import annotations

import time

import numpy as np

from hwmodel.physics.memory import peak_memory
from hwmodel.physics.shape import shape_for_params
from hwmodel.physics.training import step
from hwmodel.predict.layouts import Cases, layout_space, policy
from hwmodel.predict.search import BLOCK_ROWS, evaluate
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import resolve
from hwmodel.specs import Workload

TARGET_PER_S = 5e5


def raw_rate() -> tuple[int, float]:
    """Every layout of a 70B model on fleets of 8 to 16,384 accelerators through step and memory, in blocks."""
    setting = resolve(parse_request(gpus="1024xH100", tokens="1T"))
    assert setting.machine is not None
    shape = shape_for_params(70e9)
    fleets = np.arange(8.0, 16_385.0, 40.0)
    cases = Cases(shape=shape, accelerators=fleets, batch_cap_seqs=np.full(len(fleets), 4096.0), batch_given=False,
                  seq_len=4096.0)  # fmt: skip
    space = layout_space(cases, 8.0, policy(setting.stack, {}))
    start = time.perf_counter()
    for first in range(0, space.count, BLOCK_ROWS):
        rows = space.rows(slice(first, first + BLOCK_ROWS))
        load = Workload(seq_len=4096.0, global_batch_seqs=rows.batch_seqs)
        peak_memory(shape, setting.precision, rows.layout, load, setting.stack)
        step(shape, setting.machine, setting.precision, rows.layout, load, setting.stack)
    return space.count, time.perf_counter() - start


def search_rate() -> tuple[int, float]:
    """The search as `plan` runs it: space, memory mask, step of what fits, best of each case."""
    setting = resolve(parse_request(gpus="1024xH100", tokens="1T"))
    assert setting.machine is not None
    fleets = np.arange(8.0, 16_385.0, 40.0)
    cases = Cases(shape=shape_for_params(70e9), accelerators=fleets, batch_cap_seqs=np.full(len(fleets), 4096.0),
                  batch_given=False, seq_len=4096.0)  # fmt: skip
    start = time.perf_counter()
    found = evaluate(cases, setting.machine, setting.precision, setting.stack, policy(setting.stack, {}))
    return found.space.count, time.perf_counter() - start


def main() -> None:
    """Print rates and ratios."""
    raw_rate()
    for name, (count, seconds) in (("step + memory", raw_rate()), ("search", search_rate())):
        print(f"{name:<16}{count:>9,} layouts in {seconds:6.2f} s: {count / seconds / 1e6:5.2f} M/s (floor "
              f"{TARGET_PER_S / 1e6:.1f})")  # fmt: skip


if __name__ == "__main__":
    main()
