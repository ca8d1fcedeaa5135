"""The physics of one kind of question compiled for searches: many fleets, one structure of model, machine and recipe.

What depends on the option of a layout alone is evaluated in NumPy, once for all fleets; what depends on the fleet runs
in C. Numbers that differ between questions of one structure are arguments: a kernel serves all sizes of a family.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog.places import cache_dir
from hwmodel.predict import compiler, search_in_c
from hwmodel.predict.bound import Floats, Grid, Index
from hwmodel.predict.replay import seconds_and_bytes
from hwmodel.specs import Layout, Precision, Shape, Workload
from hwmodel.specs.kernels import Machine
from hwmodel.specs.stack import Stack
from hwmodel.trace import BAKED, CONSTANT, OPTION, ROW, Graph, Program, numbers, structure, traced

Options = Mapping[str, float | Floats]
KEPT_KERNELS = 256
BLOCK_OPTIONS = 4096  # columns that stay in cache


class KernelInputs(msgspec.Struct, frozen=True):
    """The records of a question whose numbers a step and its memory depend on, beside layout and load."""

    shape: Shape
    machine: Machine
    precision: Precision
    stack: Stack


class Kernel(msgspec.Struct, frozen=True):
    """A compiled structure: the library, and the programs of what it takes."""

    library: Any
    constants: Program
    options: Program


class Bound(msgspec.Struct, frozen=True):
    """A kernel with the numbers of one question and its options."""

    library: Any
    constants: Floats
    options: Floats  # a row an option

    def rows(self, option: Index, dp: Floats, batch: Floats) -> tuple[Floats, Floats]:
        """Seconds of a step and bytes of the fullest stage of layouts."""
        step_s, held = np.empty(len(option)), np.empty(len(option))
        self.library.rows(
            at(self.constants), at(self.options), whole(self.options.shape[1]), whole(len(option)), at(option),
            at(dp), at(batch), at(step_s), at(held),
        )  # fmt: skip
        return step_s, held


def at(column: NDArray[Any]) -> ctypes.c_void_p:
    """A column as C takes it."""
    assert column.flags.c_contiguous
    return ctypes.c_void_p(column.ctypes.data)


def whole(number: int) -> ctypes.c_longlong:
    """A whole number as C takes it."""
    return ctypes.c_longlong(number)


def bound_kernel(g: Grid, machine: Machine, precision: Precision, stack: Stack) -> Bound | None:
    """The kernel of a question, compiled if need be; None where there is no compiler."""
    records = KernelInputs(g.cases.shape, machine, precision, stack)
    columns = option_columns(g)
    arrays = {name: value for name, value in columns.items() if isinstance(value, np.ndarray)}
    free = tuple(sorted(arrays))
    fixed = tuple(sorted((name, value) for name, value in columns.items() if not isinstance(value, np.ndarray)))
    given = numbers(records) | {
        "seq_len": float(g.cases.seq_len),
        "trainable_fraction": float(g.cases.trainable_fraction),
    }
    key = (structure(given), free, fixed)
    found = _KERNELS.get(key)
    if found is None:
        found = _KERNELS[key] = _compiled(records, columns, given["trainable_fraction"])
        while len(_KERNELS) > KEPT_KERNELS:
            _KERNELS.pop(next(iter(_KERNELS)))
    if not isinstance(found, Kernel):
        return None
    constants = np.array([float(one) for one in found.constants(given)])
    options = np.empty((g.width, len(found.options.outputs)))
    for start in range(0, len(options), BLOCK_OPTIONS):
        block = slice(start, start + BLOCK_OPTIONS)
        some = {f"layout.{name}": column[block] for name, column in arrays.items()}
        for place, one in enumerate(found.options({**given, **some})):
            options[block, place] = one
    return Bound(found.library, constants, options)


_KERNELS: dict[Any, Kernel | str] = {}


def option_columns(g: Grid) -> dict[str, float | Floats]:
    """The settings of a layout that an option decides: a number where all options agree on one that is baked."""
    layout, none = g.options, np.zeros(g.width)
    found: dict[str, float | Floats] = {}
    for name in Layout.__struct_fields__:
        value = getattr(layout, name)
        alike = not isinstance(value, np.ndarray) or bool((value == value[0]).all())
        number = float(np.ravel(value)[0])
        if name != "dp":
            found[name] = number if alike and number in BAKED else value + none
    return found


def traced_search(records: KernelInputs, columns: Options, trainable: float) -> tuple[Graph, int, int]:
    """The graph of a step's seconds and its bytes, and their nodes."""
    graph = Graph()
    given = traced(graph, records, CONSTANT)
    fields: dict[str, Any] = {
        name: graph.input(f"layout.{name}", OPTION) if isinstance(value, np.ndarray) else value
        for name, value in columns.items()
    }
    inputs: dict[str, Any] = {
        name: graph.input(name, level)
        for name, level in (("dp", ROW), ("batch", ROW), ("seq_len", CONSTANT), ("trainable_fraction", CONSTANT))
    }
    layout = Layout(dp=inputs["dp"], **fields)
    load = Workload(
        seq_len=inputs["seq_len"], global_batch_seqs=inputs["batch"],
        trainable_fraction=trainable if trainable in BAKED else inputs["trainable_fraction"],
    )  # fmt: skip
    return graph, *seconds_and_bytes(graph, given.shape, given.machine, given.precision, layout, load, given.stack)


def _compiled(records: KernelInputs, columns: Options, trainable: float) -> Kernel | str:
    """The kernel of a structure, or why there is none."""
    graph, seconds, held = traced_search(records, columns, trainable)
    text, constants, options = search_in_c.source(graph, seconds, held)
    library = compiler.load(text, cache_dir() / "kernels")
    if library is None:
        return "no C compiler"
    library.search.restype = ctypes.c_longlong
    return Kernel(library, Program(graph, constants), Program(graph, options))
