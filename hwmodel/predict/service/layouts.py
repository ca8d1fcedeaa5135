"""The one space of serving layouts: tensor, pipeline, attention-data and expert parallelism of an engine instance."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.errors import InputError
from hwmodel.ops import Num
from hwmodel.physics.shape import layers
from hwmodel.specs.serving import ServingLayout
from hwmodel.specs.shape import Shape

POWERS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
# A pipeline whose fullest stage holds so much more than the mean is no candidate of its own.
UNEVEN = 1.15


class ServingSpace(msgspec.Struct, frozen=True, kw_only=True):
    """Which sizes are worth trying, and how many accelerators one engine instance may take (unless sizes are given)."""

    tensor: tuple[float, ...] = POWERS[:5]
    pipeline: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
    pipeline_of_experts: tuple[float, ...] = POWERS[:5]
    attention_data: tuple[float, ...] = POWERS
    most: float = 64.0
    whole: bool = True  # heads and layers come in whole numbers that sizes must divide (evenly enough)


EVERY = ServingSpace()
# Of ladders of smooth sizes, whose heads and layers are no whole numbers.
SMOOTH = ServingSpace(tensor=POWERS, pipeline=POWERS[:4], pipeline_of_experts=POWERS[:4], whole=False)


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """Parallel sizes that a user fixes; None: free."""

    tp: float | None = None
    pp: float | None = None
    dp: float | None = None
    ep: float | None = None

    @property
    def any(self) -> bool:
        return any(getattr(self, f) is not None for f in self.__struct_fields__)


def check_sizes(shape: Shape, given: Sizes) -> None:
    """Raises InputError for sizes that this model cannot be cut into, whatever the part."""
    heads = sorted({int(b.n_heads) for b in shape.blocks if b.n_heads})
    routed = max(float(b.n_experts) for b in shape.blocks)
    for name in Sizes.__struct_fields__:
        value = getattr(given, name)
        if value is not None and (value < 1 or value != int(value)):
            raise InputError(f"--{name} must be a whole number of at least 1, not {value:g}")
    if given.tp and any(h % given.tp for h in heads):
        raise InputError(f"--tp {given.tp:g} does not divide the {_listed(heads)} attention heads of {shape.name}")
    if given.pp and given.pp > layers(shape):
        raise InputError(f"--pp {given.pp:g} is more stages than {shape.name} has layers ({layers(shape):g})")
    if not routed:
        for name in ("dp", "ep"):
            if (getattr(given, name) or 1.0) > 1.0:
                raise InputError(
                    f"--{name} spreads the experts of a mixture and {shape.name} has none; drop it (replicas of a "
                    "dense model are counted by --demand)"
                )
        return
    if given.ep and routed % given.ep:
        raise InputError(f"--ep {given.ep:g} does not divide the {routed:g} experts of {shape.name}")
    if given.tp and given.ep and given.dp and (given.tp * given.dp) % given.ep:
        raise InputError(f"--ep {given.ep:g} does not divide the {given.tp * given.dp:g} accelerators of --tp x --dp")


def _listed(numbers: list[int]) -> str:
    return " and ".join(str(n) for n in numbers)


def layouts(shape: Shape, domain: float, given: Sizes | None = None, space: ServingSpace = EVERY) -> ServingLayout:
    """Candidates as columns: tensor parallelism inside the domain, pipeline stages, and for experts also attention-data
    parallelism over one or several domains. Columns are empty where the given sizes leave none."""
    given = given or Sizes()
    fixed = given.any
    routed = max(float(np.max(b.n_experts)) for b in shape.blocks)
    wide = (given.tp,) if given.tp else tuple(t for t in space.tensor if t <= domain and _whole(shape, t, space))
    stages = space.pipeline_of_experts if routed else space.pipeline
    deep = (given.pp,) if given.pp else tuple(p for p in stages if not space.whole or _even(float(layers(shape)), p))
    ranks = (given.dp,) if given.dp else (space.attention_data if routed else (1.0,))
    return _grid(wide, deep, ranks, routed, given.ep, math.inf if fixed else space.most, space.whole)


@lru_cache(maxsize=64)
def _grid(
    wide: tuple[float, ...], deep: tuple[float, ...], ranks: tuple[float, ...], routed: float, ep: float | None,
    most: float, whole: bool,
) -> ServingLayout:  # fmt: skip
    """All combinations on no more than `most` accelerators, as columns that parts share."""
    rows = [
        (t, p, d, e)
        for t, p, d in product(wide, deep, ranks)
        for e in _experts(t, d, routed, ep, whole)
        if t * p * d <= most
    ]
    tp, pp, dp, ep_ = np.array(rows, dtype=float).reshape(-1, 4).T
    return ServingLayout(tp=tp, pp=pp, dp=dp, ep=ep_)


def _whole(shape: Shape, tp: float, space: ServingSpace) -> bool:
    """Whether a size divides the heads of every layer."""
    return not space.whole or all(float(b.n_heads) % tp == 0 for b in shape.blocks)


def _even(depth: float, stages: float) -> bool:
    fullest = -(-depth // stages)
    return stages <= depth and fullest * stages / depth <= UNEVEN


def _experts(tp: float, dp: float, routed: float, given: float | None, whole: bool) -> tuple[float, ...]:
    """Expert-parallel sizes: all accelerators of a stage, or none without attention-data parallelism."""
    n = tp * dp
    if given is not None:
        return (given,) if n % given == 0 else ()
    if not routed or n == 1:
        return (1.0,)
    divides = routed % n == 0 if whole else n <= routed
    spread = (n,) if divides else ()
    return spread if dp > 1 else (1.0, *spread)


def column(value: Num) -> NDArray[np.float64]:
    """A field of a layout of columns as the array that it is."""
    return np.asarray(value, dtype=float)


def rows_of(layout: ServingLayout, index: Any) -> ServingLayout:
    """Some rows of a layout of columns."""
    return ServingLayout(**{name: column(getattr(layout, name))[index] for name in ("tp", "pp", "dp", "ep")})


def cells(layout: ServingLayout, i: int) -> dict[str, float]:
    """One row as plain values."""
    return {name: float(getattr(layout, name)[i]) for name in ("tp", "pp", "dp", "ep")}
