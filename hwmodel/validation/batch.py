"""Many configurations of different shapes, machines and stacks as columns, evaluated at once by the one physics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.memory import peak_memory
from hwmodel.physics.training import step
from hwmodel.specs import Layout, Precision, Shape, Stack, StepTerms, Workload
from hwmodel.specs.kernels import Machine

Column = NDArray[np.float64]


def columns_of(records: Sequence[Any], index: NDArray[np.intp]) -> Any:
    """One record whose fields are columns: row i holds the field of `records[index[i]]`. Equal values stay numbers."""
    first = records[0]
    values: dict[str, Any] = {}
    for name in first.__struct_fields__:
        items = [getattr(record, name) for record in records]
        if isinstance(items[0], msgspec.Struct):
            values[name] = columns_of(items, index)
        elif isinstance(items[0], (int, float)) and not isinstance(items[0], bool):
            same = all(item == items[0] for item in items)
            values[name] = float(items[0]) if same else np.array(items, dtype=float)[index]
        elif name == "blocks":
            count = max(len(item) for item in items)
            padded = [tuple(item) + (_no_block(item[0]),) * (count - len(item)) for item in items]
            values[name] = tuple(columns_of([p[k] for p in padded], index) for k in range(count))
        else:
            values[name] = items[0]
    return type(first)(**values)


def _gathered(record: Any, places: NDArray[np.intp]) -> Any:
    values: dict[str, Any] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, msgspec.Struct):
            values[name] = _gathered(value, places)
        elif isinstance(value, tuple):
            values[name] = tuple(_gathered(item, places) for item in value)
        else:
            values[name] = value[places] if isinstance(value, np.ndarray) else value
    return type(record)(**values)


def _no_block(block: Any) -> Any:
    return msgspec.structs.replace(block, count=0.0)


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """One fully specified step."""

    row: int
    group: int  # configurations that differ only in what is recomputed
    shape: Shape
    machine: Machine
    precision: Precision
    layout: Layout
    workload: Workload
    stack: int  # place in the list of stacks


class Batch:
    """Configurations as columns; the stacks are filled in at evaluation, so that a fit can move them."""

    def __init__(self, items: Sequence[Configuration]) -> None:
        self.rows = np.array([item.row for item in items])
        self.groups = np.array([item.group for item in items])
        self.stack_index = np.array([item.stack for item in items])
        every = np.arange(len(items))
        self.shape: Shape = self._gather([item.shape for item in items])
        self.machine: Machine = self._gather([item.machine for item in items])
        self.precision: Precision = self._gather([item.precision for item in items])
        self.layout: Layout = columns_of([item.layout for item in items], every)
        self.workload: Workload = columns_of([item.workload for item in items], every)

    @staticmethod
    def _gather(records: list[Any]) -> Any:
        unique: dict[int, int] = {}
        kept: list[Any] = []
        index = np.empty(len(records), dtype=np.intp)
        for place, record in enumerate(records):
            key = id(record)
            if key not in unique:
                unique[key] = len(kept)
                kept.append(record)
            index[place] = unique[key]
        return columns_of(kept, index)

    def subset(self, places: NDArray[np.intp]) -> Batch:
        """The batch with only the configurations at `places`."""
        new = Batch.__new__(Batch)
        new.rows, new.stack_index = self.rows[places], self.stack_index[places]
        new.groups = self.groups[places]
        for name in ("shape", "machine", "precision", "layout", "workload"):
            setattr(new, name, _gathered(getattr(self, name), places))
        return new

    def stacks(self, stacks: Sequence[Stack]) -> Stack:
        """The stacks' constants as columns of this batch."""
        result: Stack = columns_of(stacks, self.stack_index)
        return result

    def step(self, stacks: Sequence[Stack]) -> StepTerms:
        """Terms of every configuration's step."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            return step(self.shape, self.machine, self.precision, self.layout, self.workload, self.stacks(stacks))

    def peak_bytes(self, stacks: Sequence[Stack]) -> tuple[Column, Column]:
        """Peak bytes of every configuration's fullest stage: in all, and what the framework's allocator counts."""
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            terms = peak_memory(self.shape, self.precision, self.layout, self.workload, self.stacks(stacks))
        whole = np.broadcast_to(np.asarray(terms.total_bytes), self.rows.shape)
        return whole, whole - np.asarray(terms.reserve_bytes)
