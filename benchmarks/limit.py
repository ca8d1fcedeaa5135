"""How far the layout search is from the machine's limit, and one joint search of 10^11 layouts.

OMP_NUM_THREADS=1 python benchmarks/limit.py [--workers 2] [--sizes 600] [--every 1] [--rates | --few | --joint]

First the rates of the ways to search, in one run: every layout evaluated, floors in NumPy, the compiled search. Next
what a shape costs on few fleets and on many. Then shape x layout x fleet x format: the fastest layout of every model
size, on every fleet of whole nodes, in every format of a part, with how many layouts were evaluated and how many
excluded by which floor.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count as whole_numbers
from typing import Any

import msgspec
import numpy as np

from hwmodel.physics import shape as shapes
from hwmodel.predict.compiler import compiler
from hwmodel.predict.fastest import Fastest, fastest, fronts
from hwmodel.predict.floor_search import Tally
from hwmodel.predict.layouts import Cases
from hwmodel.predict.policy import policy
from hwmodel.predict.search import evaluate
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import Fleeted, resolve
from hwmodel.specs import Shape

PART, NODE = "B200", 8
FORMATS = ("bf16", "fp8", "mxfp8", "nvfp4")
SIZES = (1e9, 1e12)
LARGEST_FLEET = 131_072
BATCH_SEQS, SEQ_LEN = 4096.0, 4096.0
FEW_FLEETS, MOST_NODES = (1, 8, 20, 64, 256, 2000), 2000
FLEETS, MOST_FRONTS = (32, 64, 256, 4096), 256
QUESTIONS = (
    ("llama-3.1-70b", "H100", "bf16"), ("mixtral-8x7b", "A100", "bf16"), ("llama-3.1-405b", "H100", "fp8"),
    ("deepseek-v3", "H100", "fp8"),
)  # fmt: skip


def setting_of(part: str, number_format: str, model: str | None = None) -> Fleeted:
    """Machine, recipe and stack of a question."""
    given = {} if model is None else {"model": model}
    found = resolve(parse_request(gpus=f"64x{part}", tokens="1T", precision=number_format, **given))
    assert isinstance(found, Fleeted)
    return found


def cases_of(shape: Shape, fleets: Iterable[float]) -> Cases:
    """A shape on many fleets under one cap of the batch."""
    sizes = np.array(list(fleets), dtype=float)
    return Cases(shape=shape, accelerators=sizes, batch_cap_seqs=np.full(len(sizes), BATCH_SEQS), batch_given=False,
                 seq_len=SEQ_LEN)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One shape in one format on some fleets."""

    shape: Shape
    number_format: str
    fleets: tuple[float, ...]
    part: str = PART


@dataclass(frozen=True)
class Best:
    """The layout of a task with the most FLOP/s (6 N a token) an accelerator of the fleet."""

    flop_per_s: float
    params: float
    accelerators: int
    number_format: str
    layout: str


def searched(task: Task, compiled: bool = True) -> tuple[Tally, Best | None, np.ndarray]:
    """How a task's layouts were dealt with, the best of all its fleets, and seconds a sequence of each fleet's best."""
    setting = setting_of(task.part, task.number_format)
    cases = cases_of(task.shape, task.fleets)
    fixed = policy(setting.stack, {})
    found = fastest(cases, setting.machine, setting.precision, setting.stack, fixed, compiled=compiled, leanest=False)
    rows = found.evaluation.best
    fits = np.flatnonzero(rows >= 0)
    seconds = np.full(cases.count, np.inf)
    seconds[fits] = found.evaluation.s_per_sequence[rows[fits]]
    if not len(fits):
        return found.tally, None, seconds
    params = float(shapes.parameters(task.shape).active)
    rate = 6.0 * params * SEQ_LEN / seconds / cases.accelerators
    case = int(np.argmax(rate))
    one = found.evaluation.space.rows(np.array([rows[case]])).layout
    sizes = " ".join(f"{n} {float(np.ravel(getattr(one, n))[0]):g}" for n in ("tp", "cp", "pp", "vpp", "dp", "zero"))
    best = Best(float(rate[case]), params, int(cases.accelerators[case]), task.number_format, sizes)
    return found.tally, best, seconds


def tasks(sizes: int, largest: int = LARGEST_FLEET) -> list[Task]:
    """Every distinct buildable shape near so many sizes, in every format."""
    found = {shapes.shape_for_params(float(n)): None for n in np.geomspace(*SIZES, sizes)}
    fleets = tuple(float(n) for n in range(NODE, largest + 1, NODE))
    return [Task(shape, name, fleets) for shape in found for name in FORMATS]


def joint(asked: list[Task], workers: int) -> tuple[Tally, list[Best]]:
    """All tasks, and the five best of them."""
    total, best = Tally(), []
    with ProcessPoolExecutor(workers) as pool:
        for tally, one, _ in pool.map(searched, asked, chunksize=8):
            total = total.plus(tally)
            best = sorted([*best, *([] if one is None else [one])], key=lambda b: -b.flop_per_s)[:5]
    return total, best


def rate(work: Callable[[], Fastest], repeats: int = 2) -> tuple[float, Tally]:
    """Millions of layouts decided a second of processor time, the best of the repeats, and what became of them."""
    least, tally = np.inf, Tally()
    for _ in range(repeats):
        begin = time.process_time()
        tally = work().tally
        least = min(least, time.process_time() - begin)
    return tally.layouts / float(least) / 1e6, tally


def ways(cases: Cases, some: Cases, of_fronts: Cases, asked: tuple[Any, ...]) -> str:
    """The rates of one question in words; every layout is evaluated of some of the cases."""
    plain = evaluate_rate(some, asked)
    floors, _ = rate(lambda: fastest(cases, *asked, leanest=False), 1)
    made, tally = rate(lambda: fastest(cases, *asked, compiled=True, leanest=False), 3)
    ten, _ = rate(lambda: fastest(cases, *asked, None, 10, compiled=True, leanest=False))
    front, of_front = rate(lambda: fronts(of_fronts, *asked, compiled=True))
    by = {name: f"{getattr(tally, name) / tally.layouts:.1%}" for name in ("evaluated", "by_memory", "by_time")}
    return (
        f"{tally.layouts:>12,}: every one {plain:.2f}, floors in NumPy {floors:.1f}, compiled {made:.0f} "
        f"({made / plain:.0f} times), the ten fastest {ten:.0f}, fronts {front:.1f}; "
        f"evaluated {by['evaluated']}, excluded by memory {by['by_memory']}, by time {by['by_time']}; "
        f"of the fronts evaluated {of_front.evaluated / of_front.layouts:.0%}"
    )


def evaluate_rate(cases: Cases, asked: tuple[Any, ...]) -> float:
    """Millions of layouts evaluated a second, one after another."""

    def every() -> Fastest:
        found = evaluate(cases, *asked)
        return Fastest(evaluation=found, layouts=np.empty(0), tally=Tally(evaluated=found.space.count))

    return rate(every)[0]


def rates(fleets: int) -> None:
    """The ways on the same layouts, in processor time of one core; every layout on 24 of the fleets, fronts on at most
    MOST_FRONTS of them."""
    print(f"{fleets} fleets of {NODE} to {NODE * fleets} accelerators, millions of layouts a second on one core:")
    for model, part, number_format in QUESTIONS:
        setting = setting_of(part, number_format, model)
        shape = setting.shape()
        assert shape is not None
        few = cases_of(shape, np.arange(1.0, fleets + 1, max(1, fleets // 24)) * NODE)
        many = cases_of(shape, np.arange(1.0, fleets + 1) * NODE)
        of_fronts = cases_of(shape, np.arange(1.0, fleets + 1, max(1, fleets // MOST_FRONTS)) * NODE)
        asked = (setting.machine, setting.precision, setting.stack, policy(setting.stack, {}))
        print(f"{model:<16}{part:<6}{number_format:<6}{ways(many, few, of_fronts, asked)}", flush=True)


def by_fleets(repeats: int = 9) -> None:
    """What a shape costs the compiled search by the number of its fleets, evenly apart up to MOST_NODES nodes: each
    time another one, by its vocabulary, for of one that is asked for again the constants are kept."""
    most = f"{NODE * MOST_NODES:,}"
    print(f"a shape in one format on fleets of whole nodes up to {most} accelerators, the least of {repeats}:")
    for model, part, number_format in QUESTIONS:
        setting = setting_of(part, number_format, model)
        shape = setting.shape()
        assert shape is not None
        asked = (setting.machine, setting.precision, setting.stack, policy(setting.stack, {}))
        said = []
        for fleets in FEW_FLEETS:
            cases = cases_of(shape, np.round(np.linspace(0.0, MOST_NODES, fleets + 1)[1:]) * NODE)
            fresh = (msgspec.structs.replace(cases, shape=other) for other in _by_vocabulary(shape))
            made, tally = rate(partial(_next_fastest, fresh, asked), repeats)
            said.append(f"{fleets} fleets {tally.layouts / made / 1e3:.1f} ms ({made:.1f} M/s)")
        print(f"{model:<16}{part:<6}{number_format:<6}{', '.join(said)}", flush=True)


def _by_vocabulary(shape: Shape) -> Iterator[Shape]:
    """The shape with ever larger vocabularies, which admit the same layouts."""
    return (msgspec.structs.replace(shape, vocab=shape.vocab + 128.0 * more) for more in whole_numbers())


def _next_fastest(fresh: Iterator[Cases], asked: tuple[Any, ...]) -> Fastest:
    return fastest(next(fresh), *asked, compiled=True, leanest=False)


def main() -> None:
    """Print the rates, then the joint search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sizes", type=int, default=600, help="model sizes from 1B to 1T")
    parser.add_argument("--every", type=int, default=1, help="search every N-th shape and format only")
    parser.add_argument("--rates", action="store_true", help="the rates alone")
    parser.add_argument("--few", action="store_true", help="what a shape costs alone")
    parser.add_argument("--joint", action="store_true", help="the joint search alone")
    given = parser.parse_args()
    print(f"compiler: {compiler() or 'none, the text searches'}")
    for fleets in () if given.joint or given.few else FLEETS:
        rates(fleets)
    if not given.joint and not given.rates:
        by_fleets()
    if given.rates or given.few:
        return
    asked = tasks(given.sizes)[:: given.every]
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    total, best = joint(asked, given.workers)
    took, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{len(asked):,} shapes in a format x {len(asked[0].fleets):,} fleets x layouts = "
        f"{total.layouts:.4g} in {took:,.0f} s on {given.workers} workers ({cpu:,.0f} s of processor, "
        f"{total.layouts / cpu / 1e6:.0f} M/s a core, {after.ru_maxrss / 1024:.0f} MiB each)"
    )
    for name, count in (("evaluated", total.evaluated), ("excluded by the floor of memory", total.by_memory),
                        ("excluded by the floor of time", total.by_time)):  # fmt: skip
        print(f"  {name}: {count:,} ({count / total.layouts:.3%})")
    for one in best:
        print(f"  {one.flop_per_s / 1e12:.0f} TFLOP/s: {one.params / 1e9:.1f}B on {one.accelerators} in "
              f"{one.number_format}: {one.layout}")  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
