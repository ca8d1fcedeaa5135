"""Many shapes, machines and settings as one record of columns, so that a table of configurations is one evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from hwmodel.specs.shape import Block, Shape

R = TypeVar("R", bound=msgspec.Struct)


def _column(values: Sequence[Any]) -> Any:
    """One number where all agree (so that the physics can skip what is absent), else an array."""
    import numpy as np

    array = np.asarray(values, dtype=float)
    return float(array[0]) if (array == array[0]).all() else array


def stack(records: Sequence[R]) -> R:
    """Records of one kind as one record of columns; words are those of the first."""
    fields: dict[str, Any] = {}
    first = records[0]
    for name in first.__struct_fields__:
        values = [getattr(r, name) for r in records]
        if isinstance(values[0], msgspec.Struct):
            fields[name] = stack(values)
        elif isinstance(values[0], (int, float)):
            fields[name] = _column(values)
        else:
            fields[name] = values[0]
    return type(first)(**fields)


def stack_shapes(shapes: Sequence[Shape]) -> Shape:
    """Shapes as one record of columns, their blocks padded with empty ones."""
    depth = max(len(s.blocks) for s in shapes)
    empty = Block(count=0.0)
    blocks = tuple(stack([s.blocks[i] if i < len(s.blocks) else empty for s in shapes]) for i in range(depth))
    names = [f for f in Shape.__struct_fields__ if f not in ("name", "blocks", "notes")]
    return Shape(name="", blocks=blocks, **{f: _column([getattr(s, f) for s in shapes]) for f in names})
