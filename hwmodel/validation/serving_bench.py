"""Settings of measured runs as one table of columns: shapes, machines, formats, layouts, loads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog import Catalog
from hwmodel.errors import HwModelError
from hwmodel.physics.machine import machine
from hwmodel.physics.serving import weights_bytes
from hwmodel.physics.shape import shape_for_params
from hwmodel.solve.serving_columns import stack, stack_shapes
from hwmodel.specs.hardware import Part
from hwmodel.specs.kernels import KernelCalibration, Machine
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import ServingFormats, ServingLayout, ServingLoad
from hwmodel.specs.shape import Shape
from hwmodel.validation.machines import find_part
from hwmodel.validation.serving_rows import DISAGGREGATED, Setting, family
from hwmodel.validation.tables import CellError

TP_TRIED = (1.0, 2.0, 4.0, 8.0, 16.0)
LOWEST = ("nvfp4", "fp8", "int8", "fp16", "bf16")  # what a submission that names none runs in, best first
# Recipes that stand in where the part's matrix units lack the format, best first: another four-bit format, else weights
# widened on the fly.
FALLBACKS = {
    "nvfp4": ("mxfp4-a4", "mxfp4"), "w4a8": ("w4a16",), "mxfp4-a4": ("mxfp4",), "fp8": ("w8a16",), "int8": ("w8a16",),
    "bf16": ("fp16",), "fp16": ("bf16",),
}  # fmt: skip


class Case(msgspec.Struct, kw_only=True):
    """One setting with what its names stand for; several where the layout is to be searched (same `row`)."""

    row: int
    setting: Setting
    shape: Shape
    part: Part
    machine: Machine
    recipe: str
    formats: ServingFormats
    layout: ServingLayout
    load: ServingLoad
    note: str = ""


class Bench(msgspec.Struct, kw_only=True):
    """Cases of one regime as columns. `row` points into the list of settings."""

    cases: list[Case]
    row: NDArray[np.intp]
    shape: Shape
    machine: Machine
    formats: ServingFormats
    layout: ServingLayout
    prefill_layout: ServingLayout
    load: ServingLoad
    concurrency: NDArray[np.float64]
    rate: NDArray[np.float64]
    accelerators: NDArray[np.float64]
    prefill_workers: NDArray[np.float64]
    decode_workers: NDArray[np.float64]
    speculation: NDArray[np.float64]
    limited: NDArray[np.float64]


def _sized(name: str, params: float) -> Shape | None:
    """A buildable shape for a size, or for `235B-A22B` (total and active) in a name that the catalog lacks."""
    both = re.search(r"(\d+(?:\.\d+)?)b-a(\d+(?:\.\d+)?)b", name.lower())
    if both:
        return _mixture(float(both[1]) * 1e9, float(both[2]) * 1e9)
    one = re.search(r"(\d+(?:\.\d+)?)b(?![a-z0-9])", name.lower())
    size = params or (float(one[1]) * 1e9 if one else 0.0)
    return shape_for_params(size) if size >= 1e7 else None


def _mixture(total: float, active: float, experts: float = 128.0, top_k: float = 8.0) -> Shape:
    """A mixture of experts of the usual fine grain with the attention of a dense model of twice its active size."""
    base = shape_for_params(2.0 * active)
    dense = base.blocks[0]
    width = (total - active) / (dense.count * 3.0 * base.d_model * (experts - top_k))
    block = msgspec.structs.replace(dense, d_ff=width, n_experts=experts, top_k=top_k)
    return msgspec.structs.replace(base, name="", blocks=(block,))


class Resolver:
    """Looks names up once: shapes, parts, machines."""

    def __init__(self, catalog: Catalog, calibration: KernelCalibration) -> None:
        self.catalog = catalog
        self.calibration = calibration
        self._shapes: dict[tuple[str, float], tuple[Shape, str]] = {}
        self._machines: dict[tuple[str, str], tuple[Part, ServingPrecision, Machine]] = {}

    def shape(self, name: str, params: float) -> tuple[Shape, str]:
        """The architecture of a model's name, and a note where it had to be made up from its size."""
        key = (name, params)
        if key not in self._shapes:
            self._shapes[key] = self._find(name, params)
        return self._shapes[key]

    def _find(self, name: str, params: float) -> tuple[Shape, str]:
        for spelling in (name, name.rsplit("/", 1)[-1], family(name)):
            try:
                return self.catalog.model(spelling), ""
            except HwModelError:
                continue
        made = _sized(name, params)
        if made is None:
            raise CellError(f"model {name!r} is not in the catalog and its size is not stated")
        return made, f"{name} is not in the catalog: a usual shape of its size"

    def machine(self, part_name: str, recipe: str) -> tuple[Part, ServingPrecision, Machine]:
        """The part, the recipe it runs (fallbacks where the hardware lacks a format) and its machine."""
        key = (part_name, recipe)
        if key not in self._machines:
            try:
                part = find_part(self.catalog, part_name)
                found = self._recipe(part, recipe)
                system = self.catalog.default_system(part.id)
                self._machines[key] = (part, found, machine(part, system, found, self.calibration))
            except HwModelError as error:
                raise CellError(str(error)) from error
        return self._machines[key]

    def _recipe(self, part: Part, recipe: str) -> ServingPrecision:
        names = LOWEST if recipe == "lowest" else (recipe, *FALLBACKS.get(recipe, ()))
        for name in names:
            found = self.catalog.serving_precision(name)
            if part.peak_dense_flop_per_s.get(found.gemm_format):
                return found
            if found.gemm_format == "bf16" and part.peak_dense_flop_per_s.get("fp16"):
                # Weight-only recipes compute in whichever 16-bit format the part has.
                same = {f: "fp16" for f in ("gemm_format", "attention_format") if getattr(found, f) == "bf16"}
                return msgspec.structs.replace(found, **same)
        raise CellError(f"{part.name} computes in none of {', '.join(names)}")


def _formats(shape: Shape, recipe: ServingPrecision, kv_bytes: float) -> ServingFormats:
    # Four-bit recipes of mixtures of experts keep attention and shared layers in 16 bits.
    routed = any(b.n_experts for b in shape.blocks)
    return ServingFormats(
        weight_bytes=recipe.weight_bytes,
        activation_bytes=recipe.activation_bytes,
        kv_bytes=kv_bytes,
        experts_only=1.0 if routed and recipe.weight_bytes < 0.9 else 0.0,
    )


def _layouts(setting: Setting, most: float) -> list[ServingLayout]:
    """The layout of a row, or those to search where it states none."""
    if setting.layout.tp > 0:
        return [setting.layout]
    pp = setting.layout.pp
    fitting = [t for t in TP_TRIED if t * pp <= setting.accelerators and t <= most]
    return [ServingLayout(tp=t, pp=pp) for t in fitting] or [ServingLayout(tp=setting.accelerators / pp, pp=pp)]


def cases_of(row: int, setting: Setting, resolver: Resolver) -> list[Case]:
    """The cases of one setting. Raises CellError where it cannot be expressed or the weights do not fit."""
    shape, note = resolver.shape(setting.model, setting.params)
    part, recipe, found = resolver.machine(setting.part, setting.recipe)
    # A weight-only stand-in keeps its cache in 16 bits unless the row says otherwise.
    formats = _formats(shape, recipe, setting.kv_bytes)
    out = []
    short = 0.0
    for layout in _layouts(setting, float(found.network.domain)):
        layouts = [layout] + ([setting.prefill_layout] if setting.regime == DISAGGREGATED else [])
        weights = max(float(weights_bytes(shape, formats, one)) for one in layouts)
        if weights > 0.965 * found.hbm_bytes:
            short = max(short, weights)
            continue
        out.append(
            Case(row=row, setting=setting, shape=shape, part=part, machine=found, recipe=recipe.id,
                 formats=formats, layout=layout, load=setting.load, note=note)
        )  # fmt: skip
    if not out:
        raise CellError(
            f"layout cannot hold the weights: {short / 1e9:.0f} GB an accelerator, "
            f"{part.name} has {found.hbm_bytes / 1e9:.0f} GB"
        )
    return out


def bench(cases: Sequence[Case]) -> Bench:
    """Cases as columns."""
    settings = [c.setting for c in cases]

    def column(name: str) -> NDArray[np.float64]:
        return np.array([getattr(s, name) for s in settings], dtype=float)

    return Bench(
        cases=list(cases),
        row=np.array([c.row for c in cases], dtype=np.intp),
        shape=stack_shapes([c.shape for c in cases]),
        machine=stack([c.machine for c in cases]),
        formats=stack([c.formats for c in cases]),
        layout=stack([c.layout for c in cases]),
        prefill_layout=stack([c.setting.prefill_layout for c in cases]),
        load=stack([c.load for c in cases]),
        concurrency=column("concurrency"),
        rate=column("rate"),
        accelerators=column("accelerators"),
        prefill_workers=column("prefill_workers"),
        decode_workers=column("decode_workers"),
        speculation=column("speculation"),
        limited=column("limited"),
    )


def scaled(load: ServingLoad, share: Any) -> ServingLoad:
    """The load at a share of its nominal lengths (benchmarks draw lengths up to the nominal one)."""
    return ServingLoad(
        prompt_tokens=load.prompt_tokens * share,
        output_tokens=load.output_tokens * share,
        cached_tokens=load.cached_tokens * share,
    )
