"""Layouts a second on one core, all terms and memory, over a grid of fleets (`peers.py` has other packages).

OMP_NUM_THREADS=1 python benchmarks/layout_search.py

Every layout by the text of the physics, by its replay (what a search of many layouts runs, tracing included), as the
search runs it (space, memory, steps of what fits, the best of each fleet), and behind floors, as many fleets are
searched, where most layouts are decided unseen. Processor time, the least of several.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from hwmodel.physics.memory import peak_memory
from hwmodel.physics.shape import shape_for_params
from hwmodel.physics.training import step
from hwmodel.predict.fastest import fastest
from hwmodel.predict.layouts import Cases, layout_space
from hwmodel.predict.policy import policy
from hwmodel.predict.replay import CommonInputs, Replay
from hwmodel.predict.search import BLOCK_ROWS, evaluate
from hwmodel.predict.space import LayoutSpace
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import Fleeted, resolve
from hwmodel.specs import Workload

AIM_PER_S = 3e6
REPEATS = 5


def question() -> tuple[Fleeted, Cases]:
    """A 70B model on fleets of 8 to 16,384 accelerators."""
    setting = resolve(parse_request(gpus="1024xH100", tokens="1T"))
    assert isinstance(setting, Fleeted)
    fleets = np.arange(8.0, 16_385.0, 40.0)
    cases = Cases(shape=shape_for_params(70e9), accelerators=fleets, batch_cap_seqs=np.full(len(fleets), 4096.0),
                  batch_given=False, seq_len=4096.0)  # fmt: skip
    return setting, cases


def by_text(setting: Fleeted, cases: Cases, space: LayoutSpace) -> int:
    """Every layout through step and memory, in blocks."""
    for first in range(0, space.count, BLOCK_ROWS):
        rows = space.rows(slice(first, first + BLOCK_ROWS))
        load = Workload(seq_len=cases.seq_len, global_batch_seqs=rows.batch_seqs)
        peak_memory(cases.shape, setting.precision, rows.layout, load, setting.stack)
        step(cases.shape, setting.machine, setting.precision, rows.layout, load, setting.stack)
    return space.count


def replayed(setting: Fleeted, cases: Cases, space: LayoutSpace) -> int:
    """The same by the replay, which is made anew."""
    common = CommonInputs(cases.shape, setting.machine, setting.precision, setting.stack, cases.seq_len, 1.0)
    Replay(common, space).rows(space)
    return space.count


def rate(work: Callable[[], int], repeats: int = REPEATS) -> float:
    """Layouts a second of processor time, the best of some repeats."""
    best = 0.0
    for _ in range(repeats):
        start = time.process_time()
        count = work()
        best = max(best, count / (time.process_time() - start))
    return best


def rates() -> dict[str, float]:
    """Layouts a second of each way."""
    setting, cases = question()
    asked = (cases, setting.machine, setting.precision, setting.stack, policy(setting.stack, {}))
    space = layout_space(cases, float(setting.machine.network.domain), asked[-1])
    return {
        "step + memory, by the text": rate(lambda: by_text(setting, cases, space)),
        "step + memory, replayed": rate(lambda: replayed(setting, cases, space)),
        "search": rate(lambda: evaluate(*asked).space.count),
        "search behind floors": rate(lambda: fastest(*asked).tally.layouts),
    }


def main() -> None:
    """Print rates and ratios."""
    for name, found in rates().items():
        print(f"{name:<28}{found / 1e6:6.2f} M layouts/s ({found / AIM_PER_S:.2f} x the aim)")


if __name__ == "__main__":
    main()
