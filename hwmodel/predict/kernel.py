"""The physics of one kind of model compiled for searches: many fleets, any machine, recipe and stack.

What depends on the option of a layout alone is computed once for all fleets: floors of memory for every option, the
rest for those that they admit. What depends on the fleet runs in a loop of its own. The numbers of a question are
arguments; those of a shape that decide which terms there are (no experts, no shared ones) are not, so that a kernel
serves all sizes of a family on all parts in all formats.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np

from hwmodel.catalog.places import cache_dir
from hwmodel.physics.memory import peak_bytes
from hwmodel.predict import compiler, search_in_c
from hwmodel.predict.bound import Floats, Grid, Index, leanest, least_seconds
from hwmodel.predict.compiler import at, whole
from hwmodel.predict.kept import KeptByRows
from hwmodel.predict.replay import CommonInputs, seconds_and_bytes
from hwmodel.predict.search_in_c import MOST, SearchEnds, SearchText
from hwmodel.predict.space import LayoutSpace
from hwmodel.specs import Layout, Precision, Shape, Workload
from hwmodel.specs.kernels import Machine
from hwmodel.specs.stack import Stack
from hwmodel.trace import BAKED, CONSTANT, OPTION, ROW, Graph, numbers, structure, traced

Options = Mapping[str, float | Floats]
KEPT_KERNELS = 256
KEPT_RECORDS = 64
KEPT_ROWS = 1 << 18  # of settings, of about a hundred bytes each
NO_COMPILER, NOT_KEPT = "no C compiler that takes it", "not compiled yet"  # why a structure has no kernel


class KernelInputs(msgspec.Struct, frozen=True):
    """The records of a question whose numbers a step and its memory depend on, beside layout and load."""

    shape: Shape
    machine: Machine
    precision: Precision
    stack: Stack


class Kernel(msgspec.Struct):
    """A compiled structure, and what it takes (see `search_in_c.SearchText`)."""

    functions: Any  # those that were compiled
    source: SearchText
    exact: bool | None = None  # whether it gave what the text gives, to the bit; None where nobody looked


class Bound(msgspec.Struct, frozen=True):
    """A kernel with the numbers of one question and the settings of its options."""

    kernel: Kernel
    constants: Floats
    settings: Floats  # a row a setting, a column an option

    @property
    def functions(self) -> Any:
        """What was compiled."""
        return self.kernel.functions

    def narrowed(self, options: Index) -> Bound:
        """The same with some of the options."""
        return Bound(self.kernel, self.constants, np.take(self.settings, options, axis=1))

    def least_bytes(self, most: Floats) -> Floats:
        """Bytes of the fullest stage of every option with so many replicas and one micro-batch in flight."""
        held = np.empty(len(most))
        self.functions.least_bytes(at(self.constants), at(self.settings), at(most), whole(len(most)), at(held))
        return held

    def least_seconds(self) -> tuple[Floats, Floats]:
        """Seconds of a micro-batch of every option, and of what its step takes once, at least."""
        stage_s, once_s = np.empty((2, self.settings.shape[1]))
        self._prepare(stage_s, once_s, None)
        return stage_s, once_s

    def rows(self, option: Index, dp: Floats, batch: Floats) -> tuple[Floats, Floats]:
        """Seconds of a step and bytes of the fullest stage of layouts."""
        which, option = np.unique(option, return_inverse=True)
        order = np.argsort(option, kind="stable")  # the kernel takes runs of one option
        some = np.empty((len(which), max(1, self.kernel.source.handed)))
        self.narrowed(which)._prepare(np.empty(len(which)), np.empty(len(which)), some)
        step_s, held = np.empty((2, len(option)))
        option, dp, batch = option[order], dp[order], batch[order]
        self.functions.rows(
            at(self.constants), at(some), whole(len(option)), at(option), at(dp), at(batch), at(step_s), at(held)
        )
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return step_s[back], held[back]

    def timed(self, space: LayoutSpace, text: Callable[[], tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        """Seconds of a step and bytes of the fullest stage of a few layouts as the `text` has them; it is asked the
        first time, and always where the kernel rounded otherwise then."""
        exact = self.kernel.source.exact
        if exact is None or self.kernel.exact is False or not space.count:
            return text()
        own = {"dp": space.dp, "batch": space.batch_seqs}
        given = np.empty((len(exact.inputs), space.count))
        for row, name in enumerate(exact.inputs):
            given[row] = own[name] if name in own else getattr(space.layout, name.removeprefix("layout."))
        step_s, held = exact(self.functions, self.constants, given)
        if self.kernel.exact is None:
            found = text()
            fits = np.isfinite(found[0])
            self.kernel.exact = np.array_equal(step_s[fits], found[0][fits]) and np.array_equal(held, found[1])
            return found
        return step_s, held

    def _prepare(self, stage_s: Floats, once_s: Floats, rows: Floats | None) -> None:
        self.functions.prepare(
            at(self.constants), at(self.settings), whole(len(stage_s)), at(stage_s), at(once_s),
            None if rows is None else at(rows),
        )  # fmt: skip


@lru_cache(maxsize=KEPT_RECORDS)
def _numbers(record: msgspec.Struct, name: str) -> dict[str, float]:
    return numbers(record, f"{name}.")


def shape_structure(shape: Shape) -> tuple[tuple[str, float | None], ...]:
    """What of a shape decides its kernel."""
    return structure(_numbers(shape, "shape"))


def bound_kernel(g: Grid, machine: Machine, precision: Precision, stack: Stack, *, make: bool = True) -> Bound | None:
    """The kernel of a question, compiled if need be, unless `make` is false; None where there is none."""
    records = KernelInputs(g.cases.shape, machine, precision, stack)
    trainable = float(g.cases.trainable_fraction)
    key = (id(g.options), records, g.cases.seq_len, trainable)  # options are kept beside, so that no others are there
    if known := _KEPT.bound.get(key):
        return known.bound
    columns = option_columns(g)
    arrays = {name: value for name, value in columns.items() if isinstance(value, np.ndarray)}
    each = [_numbers(getattr(records, name), name) for name in records.__struct_fields__]
    kernel = _kernel(records, columns, each, trainable, make=make)
    if kernel is None:
        return None
    given = {"seq_len": float(g.cases.seq_len), "trainable_fraction": trainable}
    for one in each:
        given |= one
    taken = np.array([given[name] for name in kernel.source.numbers])
    constants = np.empty(max(1, kernel.source.constants))
    kernel.functions.constants(at(taken), at(constants))
    settings = np.array([arrays[name.removeprefix("layout.")] for name in kernel.source.settings])
    for shared in (constants, settings):
        shared.setflags(write=False)
    bound = Bound(kernel, constants, settings.reshape(-1, g.width))
    return _KEPT.bound.keep(key, BoundOptions(g.options, bound)).bound


def _kernel(
    records: KernelInputs, columns: Options, each: Sequence[Mapping[str, float]], trainable: float, *, make: bool
) -> Kernel | None:
    """The kernel of records (`each`: the numbers of one) and options, as `bound_kernel` has it."""
    fixed = tuple((name, value) for name, value in columns.items() if not isinstance(value, np.ndarray))
    free = tuple(name for name, value in columns.items() if isinstance(value, np.ndarray))
    of_shape, *others = each
    key = (structure(of_shape), *map(tuple, others), trainable if trainable in BAKED else None, free, fixed)
    made = _KEPT.made
    found = made.get(key)
    if found is None or (make and found == NOT_KEPT):
        found = made[key] = _compiled(records, columns, trainable, make=make)
        while len(made) > KEPT_KERNELS:
            made.pop(next(iter(made)))
    return found if isinstance(found, Kernel) else None


class BoundOptions(NamedTuple):
    """The kernel of a question, and the options that it is bound to."""

    options: Layout
    bound: Bound


class KeptKernels:
    """What this process compiled or looked for in vain, by structure, and kernels with the numbers of questions."""

    def __init__(self) -> None:
        self.made: dict[Any, Kernel | str] = {}
        self.bound: KeptByRows[BoundOptions] = KeptByRows(KEPT_ROWS, lambda one: one.bound.settings.shape[1])


_KEPT = KeptKernels()


def option_columns(g: Grid) -> dict[str, float | Floats]:
    """The settings of a layout that an option decides: a number where all options agree on one that is baked."""
    found: dict[str, float | Floats] = {}
    for name in Layout.__struct_fields__:
        value = getattr(g.options, name)
        column = value if isinstance(value, np.ndarray) else np.full(g.width, float(value))
        if name != "dp":
            alike = column[0] in BAKED and column[-1] == column[0] and bool((column == column[0]).all())
            found[name] = float(column[0]) if alike else column
    return found


def traced_search(records: KernelInputs, columns: Options, trainable: float) -> tuple[Graph, SearchEnds]:
    """The graph of a step's seconds and its bytes, and of the floors of both, and their nodes."""
    graph = Graph()
    given = msgspec.structs.replace(
        traced(graph, records, CONSTANT, baked=()), shape=traced(graph, records.shape, CONSTANT, "shape.")
    )
    fields: dict[str, Any] = {
        name: graph.input(f"layout.{name}", OPTION) if isinstance(value, np.ndarray) else value
        for name, value in columns.items()
    }
    seq_len: Any = graph.input("seq_len", CONSTANT)
    dp: Any = graph.input("dp", ROW)
    batch: Any = graph.input("batch", ROW)
    share: Any = trainable if trainable in BAKED else graph.input("trainable_fraction", CONSTANT)
    question = CommonInputs(given.shape, given.machine, given.precision, given.stack, seq_len, share)
    option = Layout(**fields)
    layout = msgspec.structs.replace(option, dp=dp)
    load = Workload(seq_len=seq_len, global_batch_seqs=batch, trainable_fraction=share)
    step, held = seconds_and_bytes(graph, *question[:3], layout, load, question.stack)
    stage, once = least_seconds(question, option)
    lean = peak_bytes(
        given.shape, given.precision, *leanest(option, graph.input(MOST, OPTION), seq_len, share), given.stack
    )
    return graph, SearchEnds(step, held, graph.place(stage), graph.place(once), graph.place(lean))


def _compiled(records: KernelInputs, columns: Options, trainable: float, *, make: bool) -> Kernel | str:
    """The kernel of a structure, or why there is none."""
    if compiler.compiler() is None:
        return NO_COMPILER
    graph, ends = traced_search(records, columns, trainable)
    source = search_in_c.source(graph, ends)
    library = compiler.load(source.text, cache_dir() / "kernels", make=make)
    if library is None:
        return NO_COMPILER if make else NOT_KEPT
    library.search.restype = ctypes.c_longlong
    return Kernel(library, source)
