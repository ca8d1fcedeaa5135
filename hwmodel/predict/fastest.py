"""The best layouts of many cases without evaluating all: what a floor excludes is counted, never built.

The few fastest of each case, or its Pareto front, and the layouts with fewer replicas that they call for, are those of
`search.evaluate`, bit for bit; it stays the way to an answer that also shows who came next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from hwmodel.predict.bound import Floats, Grid, Index, grid
from hwmodel.predict.columns import grouped_best
from hwmodel.predict.floor_search import FloorSearch, Tally
from hwmodel.predict.layouts import Cases
from hwmodel.predict.policy import Policy
from hwmodel.predict.search import Evaluation, evaluate, pareto
from hwmodel.predict.space import LayoutSpace
from hwmodel.predict.wanted import Few, Fronts
from hwmodel.specs import Precision, Shape
from hwmodel.specs.kernels import Machine
from hwmodel.specs.stack import Stack

if TYPE_CHECKING:
    from hwmodel.predict.kernel import Bound

FEW_CASES = 6  # below, floors in NumPy cost more than they save
MOST_CASES = 4096  # searched at once: a search keeps a few numbers of every kind of option on each of them
MOST_ROWS = 1 << 18  # layouts in memory at once where every one is evaluated
# Layouts after which a search is compiled: as long takes the text for them as a compiler for the kernel. One that is
# kept from before, or by another worker, is taken from the start.
COMPILED_AFTER = 10_000_000


class Fastest(msgspec.Struct, frozen=True, kw_only=True):
    """The layouts that had to be evaluated, in the order of the whole space, how many there are of each case, and
    whether a kernel found them."""

    evaluation: Evaluation
    layouts: Index
    tally: Tally
    by_kernel: bool = False


class _Asked(NamedTuple):
    """What cases are searched for."""

    machine: Machine
    precision: Precision
    stack: Stack
    policy: Policy
    billed: Callable[[Floats], Floats] | None


def fastest(
    cases: Cases,
    machine: Machine,
    precision: Precision,
    stack: Stack,
    policy: Policy,
    billed: Callable[[Floats], Floats] | None = None,
    keep: int = 1,
    *,
    compiled: bool = False,
    make: bool = True,
    leanest: bool = True,
) -> Fastest:
    """What `search.evaluate` finds best, and the `keep` best, of each case; where nothing fits, the `leanest` too.

    `compiled`: by the compiled search, where a compiler is, or, unless `make`, where a kernel is kept; the answers are
    the same.
    """

    def block(some: Cases) -> Fastest:
        """The same of so many cases as go at once."""
        if policy.exact or (some.count < FEW_CASES and not compiled):
            return _every(some, asked)
        whole = grid(some, float(machine.network.domain), policy)
        kernel = _kernel(whole, asked, make) if compiled else None
        search = FloorSearch(whole, machine, precision, stack, billed)
        if kernel is not None and search.compiled(kernel, Few(some.count, keep)):
            return _found(search, leanest)
        if some.count < FEW_CASES:
            return _every(some, asked)
        search = FloorSearch(whole, machine, precision, stack, billed)
        search.in_numpy(Few(some.count, keep))
        return _found(search, leanest)

    asked = _Asked(machine, precision, stack, policy, billed)
    return _in_blocks(cases, MOST_CASES, block)


def fronts(
    cases: Cases,
    machine: Machine,
    precision: Precision,
    stack: Stack,
    policy: Policy,
    billed: Callable[[Floats], Floats] | None = None,
    *,
    compiled: bool = False,
    make: bool = True,
) -> Fastest:
    """Layouts among which `search.pareto` finds for each case what it finds in the whole space; else as `fastest`.

    Without a kernel every layout is evaluated: in NumPy the bars of a front cost what they save.
    """

    def block(some: Cases) -> Fastest:
        """The same of so many cases as go at once."""
        whole = grid(some, float(machine.network.domain), policy)
        kernel = _kernel(whole, asked, make) if compiled else None
        search = FloorSearch(whole, machine, precision, stack, billed)
        if kernel is not None and search.compiled(kernel, Fronts(some.count)):
            return _found(search, leanest=True)
        rows = max(1, MOST_ROWS // max(1, whole.width))
        return _in_blocks(some, rows, lambda few: _thinned(_every(few, asked)))

    asked = _Asked(machine, precision, stack, policy, billed)
    return _in_blocks(cases, MOST_CASES, block)


class Kernels:
    """Searches asked one after another: each goes by a kernel where one is kept, and has one compiled where many
    layouts of its kind were searched without."""

    def __init__(self) -> None:
        self._searched: Counter[tuple[Any, ...]] = Counter()  # layouts without a kernel, by what one would serve

    def search(self, shape: Shape, policy: Policy, asked: Callable[..., Fastest]) -> Fastest:
        """What `asked` (`fastest` or `fronts` of a question about this shape) finds, compiled if that pays."""
        kind = _kernel_of(shape, policy)
        found = asked(compiled=True, make=self._searched[kind] > COMPILED_AFTER)
        if not found.by_kernel:
            self._searched[kind] += found.tally.layouts
        return found


def _kernel_of(shape: Shape, policy: Policy) -> tuple[Any, ...]:
    """What searches that one kernel serves have in common, whatever their machine, recipe and stack."""
    from hwmodel.predict.kernel import shape_structure

    return policy, shape_structure(shape)


def _kernel(g: Grid, asked: _Asked, make: bool) -> Bound | None:
    from hwmodel.predict.kernel import bound_kernel  # a plan needs no compiler, and does not wait for its imports

    none = asked.policy.exact or not g.width
    return None if none else bound_kernel(g, asked.machine, asked.precision, asked.stack, make=make)


def _every(cases: Cases, asked: _Asked) -> Fastest:
    """Every layout evaluated."""
    found = evaluate(cases, *asked)
    counts = np.bincount(found.space.case, minlength=cases.count)
    return Fastest(evaluation=found, layouts=counts, tally=Tally(evaluated=found.space.count))


def _found(search: FloorSearch, leanest: bool) -> Fastest:
    if leanest:
        search.leanest()
    evaluation, layouts, tally = search.found()
    return Fastest(evaluation=evaluation, layouts=layouts, tally=tally, by_kernel=search.kernel is not None)


def _thinned(found: Fastest) -> Fastest:
    """With the rows of the fronts alone; of a case in which nothing fits the leanest."""
    whole = found.evaluation
    fronts_of = [pareto(whole, case) or [whole.pick(case)] for case in range(whole.cases.count)]
    rows = np.sort(np.array([row for front in fronts_of for row in front if row >= 0], dtype=np.int64))
    return msgspec.structs.replace(found, evaluation=_evaluation(whole.cases, whole.space, [whole], rows))


def _in_blocks(cases: Cases, most: int, search: Callable[[Cases], Fastest]) -> Fastest:
    """Search so many cases at once that memory stays flat. Under a given batch the cases decide together what the
    space holds, and stay together."""
    if cases.batch_given or cases.count <= most:
        return search(cases)
    order = np.argsort(cases.accelerators, kind="stable")
    blocks = [np.sort(order[start : start + most]) for start in range(0, cases.count, most)]
    parts = [
        search(msgspec.structs.replace(
            cases, accelerators=cases.accelerators[block], batch_cap_seqs=cases.batch_cap_seqs[block],
        ))
        for block in blocks
    ]  # fmt: skip
    return _together(cases, blocks, parts)


def _together(cases: Cases, blocks: list[Index], parts: list[Fastest]) -> Fastest:
    """Blocks of the cases as one, their layouts in the order of the cases."""
    each = [part.evaluation for part in parts]
    spaces = [msgspec.structs.replace(one.space, case=block[one.space.case]) for one, block in zip(each, blocks)]
    space, layouts, tally = spaces[0], np.zeros(cases.count, dtype=np.int64), Tally()
    for more in spaces[1:]:
        space = space.joined(more)
    for block, part in zip(blocks, parts):
        layouts[block] = part.layouts
        tally = tally.plus(part.tally)
    evaluation = _evaluation(cases, space, each, np.argsort(space.case, kind="stable"))
    by_kernel = any(part.by_kernel for part in parts)
    return Fastest(evaluation=evaluation, layouts=layouts, tally=tally, by_kernel=by_kernel)


def _evaluation(cases: Cases, space: LayoutSpace, parts: list[Evaluation], rows: Index) -> Evaluation:
    """Some rows of evaluations below each other, in the order of their cases."""
    space = space.rows(rows)
    step_s, held, billed_s = (
        np.concatenate([getattr(one, name) for one in parts])[rows] for name in ("step_s", "memory_bytes", "billed_s")
    )
    return Evaluation(
        cases=cases, space=space, step_s=step_s, memory_bytes=held, search_factor=parts[0].search_factor,
        billed_s=billed_s, best=grouped_best(space.case, billed_s, cases.count),
    )  # fmt: skip
