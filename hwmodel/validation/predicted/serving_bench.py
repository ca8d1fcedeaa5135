"""Settings of measured runs: their names resolved, blank layouts searched, and all of one regime as columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.catalog import Catalog
from hwmodel.catalog.engines import serving_calibration
from hwmodel.errors import HwModelError, InputError
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import machine
from hwmodel.physics.shape import shape_for_params
from hwmodel.predict.columns import stack, stack_distinct
from hwmodel.predict.formats import SAME_BITS, as_released, formats_of, release_of, with_cache
from hwmodel.predict.service import ServiceSetting, ServiceTraits, Worker, on_layout, traits_of
from hwmodel.predict.service.layouts import Sizes, check_sizes, column
from hwmodel.predict.service.passes import held, room
from hwmodel.predict.service.search import candidates, numbers, replicas, shared
from hwmodel.predict.service.setting import drafts_of
from hwmodel.specs.hardware import Part
from hwmodel.specs.kernels import KernelCalibration, Machine
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import ServingLayout, Speculation
from hwmodel.specs.shape import Shape
from hwmodel.validation.rows.machines import find_part
from hwmodel.validation.rows.serving_rows import RELEASED, RowSetting, family
from hwmodel.validation.rows.spelled import model_of
from hwmodel.validation.rows.tables import CellError

LOWEST = ("nvfp4", "fp8", "int8", "fp16", "bf16")  # what a submission that names none runs in, best first
# Recipes that stand in where the part's matrix units lack the format, best first: another four-bit format, else weights
# widened on the fly.
FALLBACKS = {
    "nvfp4": ("mxfp4-a4", "mxfp4"), "w4a8": ("w4a16",), "mxfp4-a4": ("mxfp4",), "fp8": ("w8a16",), "int8": ("w8a16",),
    "bf16": ("fp16",), "fp16": ("bf16",),
}  # fmt: skip


# Steps between two answers that TensorRT-LLM's recipes stream, and when release 1.2 let the first of a drafting engine
# leave at once.
STREAM_INTERVAL, STREAMS_FIRST = 10.0, 2026.08
# Of runs of models that can draft which do not say whether they did, those whose time a token lies nearer to the usual
# drafts: none of 10 before 2026, when launch recipes began to draft; from then on 99 of 125 and 10 of 42 by engine
# (aggregated rows of the export that catalogs/runs/serving.csv is drawn from whose `mtp_known` is false).
DRAFTING_SINCE, DRAFTING_SHARE, DRAFTING_ELSEWHERE = 2026.0, {"trtllm": 0.79, "sglang": 0.24}, 0.65


class ServingCase(msgspec.Struct, kw_only=True):
    """One setting with what its names stand for; several where the layout is to be searched (same `row`)."""

    row: int
    setting: RowSetting
    part: Part
    recipe: str
    service: ServiceSetting
    instances: float  # engine instances that share the accelerators
    note: str = ""

    @property
    def shape(self) -> Shape:
        return self.service.shape

    @property
    def traits(self) -> ServiceTraits:
        s = self.setting
        return traits_of(s.regime, self.service, s.engine, self.part, made_up=bool(self.note), searched=s.searched)


def drafting_share(setting: RowSetting) -> float:
    """How likely a run that does not say so drafts several tokens a step."""
    if 0.0 < setting.year < DRAFTING_SINCE:
        return 0.0
    return DRAFTING_SHARE.get(setting.engine, DRAFTING_ELSEWHERE)


def usually_drafting(case: ServingCase) -> ServingCase:
    """The case as launch recipes that draft run it (SemiAnalysisAI/InferenceX, benchmarks/single_node:
    dsr1_fp8_b200_trt_mtp.sh and dsr1_fp8_b200_mtp.sh; dsr1_fp8_h200_trt_mtp_slurm.sh).

    Three drafts, one where attention-data ranks share the batch, two with SGLang. TensorRT-LLM's take one prompt a step
    beside the verified tokens; they stream every tenth step, and before release 1.2 the first token did not leave
    sooner (unconfirmed: by the rows that draft).
    """
    s, dp = case.service, float(case.setting.layout.dp)
    drafts = 1.0 if dp > 1 else 2.0 if case.setting.engine == "sglang" else 3.0
    settings = dict(case.setting.settings)
    if case.setting.engine == "trtllm":
        settings["step_tokens"] = float(s.load.new_tokens) + (1.0 + drafts) * case.setting.concurrency / dp + 64.0
        settings["whole_prompt_tokens"] = 0.0
        if 0.0 < case.setting.year < STREAMS_FIRST:
            settings["stream_steps"] = STREAM_INTERVAL
    change = msgspec.structs.replace
    return change(case, service=change(s, drafts=drafts_of(drafts)), setting=change(case.setting, settings=settings))


class Bench(msgspec.Struct, kw_only=True):
    """Cases of one regime, and the same as one setting of columns."""

    cases: list[ServingCase]
    service: ServiceSetting
    instances: NDArray[np.float64]


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


class ServingResolver:
    """Looks names up once: shapes, parts, machines."""

    def __init__(self, catalog: Catalog, calibration: KernelCalibration) -> None:
        self.catalog = catalog
        self.calibration = calibration
        self._shapes: dict[tuple[str, float], tuple[Shape, str]] = {}
        self._machines: dict[tuple[str, str, str], tuple[Part, ServingPrecision, Machine]] = {}

    def shape(self, name: str, params: float) -> tuple[Shape, str]:
        """The architecture of a model's name, and a note where it had to be made up from its size."""
        key = (name, params)
        if key not in self._shapes:
            self._shapes[key] = self._find(name, params)
        return self._shapes[key]

    def _find(self, name: str, params: float) -> tuple[Shape, str]:
        for spelling in (name, name.rsplit("/", 1)[-1], family(name)):
            try:
                return model_of(self.catalog, spelling), ""
            except HwModelError:
                continue
        made = _sized(name, params)
        if made is None:
            raise CellError(f"model {name!r} is not in the catalog and its size is not stated")
        return made, f"{name} is not in the catalog: a usual shape of its size"

    def released(self, setting: RowSetting) -> str:
        """The recipe of a row; one that states no format runs the release (16 bits where nothing else is known)."""
        release = release_of(self.catalog, setting.model.rsplit("/", 1)[-1])
        try:
            part = find_part(self.catalog, setting.part)
        except HwModelError:
            part = None
        if setting.recipe != RELEASED:
            return as_released(setting.recipe, release, part, setting.engine)
        bits = SAME_BITS.get(release)
        return as_released(bits[0], release, part, setting.engine) if bits else release or "bf16"

    def machine(self, part_name: str, recipe: str, cache: str = "") -> tuple[Part, ServingPrecision, Machine]:
        """The part, the recipe it runs (fallbacks where the hardware lacks a format) with its cache in the format
        stated, and its machine."""
        key = (part_name, recipe, cache)
        if key not in self._machines:
            try:
                part = find_part(self.catalog, part_name)
                found = with_cache(self._recipe(part, recipe), cache)
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


def cases_of(row: int, setting: RowSetting, resolver: ServingResolver) -> list[ServingCase]:
    """The cases of one setting. Raises CellError where it cannot be expressed or does not fit."""
    shape, note = resolver.shape(setting.model, setting.params)
    part, recipe, found = resolver.machine(setting.part, resolver.released(setting), setting.cache)
    if setting.recipe == RELEASED:
        note = "; ".join(filter(None, (note, f"no format is stated: {recipe.id}, as released")))
    engine = engine_of(serving_calibration(), setting.engine, setting.year, part.family, recipe.id)
    worker = Worker(machine=found, formats=formats_of(shape, recipe), engine=engine, layout=setting.layout)
    service = ServiceSetting(
        shape=shape, worker=worker, load=setting.load, clients=setting.concurrency, rate=setting.rate,
        limited=setting.limited, prefill_workers=setting.prefill_workers, decode_workers=setting.decode_workers,
        drafts=drafts_of(setting.draft_tokens) if setting.draft_tokens > 0 else Speculation(),
    )  # fmt: skip
    if setting.prefill_layout is not None:
        before = msgspec.structs.replace(worker, layout=setting.prefill_layout)
        _check_cut(shape, setting.prefill_layout)
        _check_room(on_layout(service, setting.prefill_layout), part)
        service = msgspec.structs.replace(service, prefill=before)
    laid_out = _searched(service, setting, part) if setting.searched else [service]

    def case(one: ServiceSetting) -> ServingCase:
        _check_cut(shape, one.worker.layout)
        _check_room(one, part)
        n = float(replicas(setting.accelerators, one.worker.layout)) if setting.prefill_layout is None else 1.0
        return ServingCase(row=row, setting=setting, part=part, recipe=recipe.id, service=one, instances=n, note=note)

    return [case(one) for one in laid_out]


def _searched(s: ServiceSetting, setting: RowSetting, part: Part) -> list[ServiceSetting]:
    """The setting in every layout that its accelerators admit. Raises CellError where none holds the model."""
    tried = candidates(s, setting.accelerators, Sizes(pp=float(setting.layout.pp) or None))
    count = len(column(tried.tp))
    if not count:
        widest = ServingLayout(tp=min(setting.accelerators, float(s.worker.machine.network.domain)))
        _check_room(on_layout(s, widest), part)
        raise CellError(f"no layout of {setting.accelerators:g} accelerators admits {s.shape.name}")
    return [shared(s, setting.accelerators, numbers(tried, i)) for i in range(count)]


def _check_cut(shape: Shape, layout: ServingLayout) -> None:
    """Raises CellError for a layout that the model cannot be cut into (two-dimensional partitions pad what is odd)."""
    if layout.kv_split > 1.0:
        return
    sizes: dict[str, float | None] = {n: float(getattr(layout, n)) for n in Sizes.__struct_fields__}
    routed = max(float(b.n_experts) for b in shape.blocks)
    if float(layout.ep) <= routed and routed % float(layout.ep):
        sizes["ep"] = None  # ranks that the experts do not divide into hold copies of some
    try:
        check_sizes(shape, Sizes(**sizes))
    except InputError as error:
        raise CellError(str(error).replace("--", "")) from error


def _check_room(s: ServiceSetting, part: Part) -> None:
    """Raises CellError where a layout holds not even one request."""
    memory, hbm = held(s), float(s.worker.machine.hbm_bytes)
    if float(memory.kv_pool_bytes) <= 0:
        raise CellError(
            f"layout cannot hold the weights: {float(memory.weights_bytes) / 1e9:.0f} GB an accelerator, "
            f"{part.name} has {hbm / 1e9:.0f} GB"
        )
    if float(room(s)) < 1.0:
        tokens = float(s.load.prompt_tokens + s.load.output_tokens)
        raise CellError(f"layout has no room for the cache of one request of {tokens:,.0f} tokens")


def bench(cases: Sequence[ServingCase]) -> Bench:
    """Cases as columns; engines are set by who asks."""
    return Bench(
        cases=list(cases),
        service=_stacked([c.service for c in cases]),
        instances=np.array([c.instances for c in cases]),
    )


def _stacked(services: Sequence[ServiceSetting]) -> ServiceSetting:
    """Settings as one of columns; shapes and machines, of which many are one and the same, are read once each."""
    first = services[0]
    plain = stack([msgspec.structs.replace(s, shape=first.shape, worker=first.worker, prefill=None) for s in services])
    prefill = None if first.prefill is None else _workers([s.prefill for s in services if s.prefill is not None])
    return msgspec.structs.replace(
        plain, shape=stack_distinct([s.shape for s in services]), worker=_workers([s.worker for s in services]),
        prefill=prefill,
    )  # fmt: skip


def _workers(workers: Sequence[Worker]) -> Worker:
    return Worker(
        machine=stack_distinct([w.machine for w in workers]), formats=stack([w.formats for w in workers]),
        engine=workers[0].engine, layout=stack([w.layout for w in workers]),
    )  # fmt: skip
