"""One training layout predicted: the terms of its step, its memory by stage, its utilisation, and what lies near it."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from hwmodel.errors import InputError
from hwmodel.physics.memory import memory_by_stage, peak_memory
from hwmodel.physics.shape import flop_per_token, layers, parameters, shape_for_params
from hwmodel.physics.training import micro_batches, step
from hwmodel.solve.citations import training_sources
from hwmodel.solve.layouts import RECOMPUTE, Cases
from hwmodel.solve.request import Request, parse_request, recompute_name
from hwmodel.solve.search import Evaluation, choice, evaluate, runners_up, usable_bytes
from hwmodel.solve.setting import Setting, resolve
from hwmodel.solve.uncertainty import step_log_half_width
from hwmodel.specs import Layout, Machine, MemoryTerms, Shape, StepTerms, Workload

GIB = 2.0**30
TUNING = {"pretrain": 1.0, "full": 1.0, "sft": 1.0, "lora": 0.01}


class Near(msgspec.Struct, frozen=True, kw_only=True):
    """Another layout of the same fleet and batch."""

    layout: Layout
    tokens_per_s: float
    memory_bytes: float


class TrainResult(msgspec.Struct, frozen=True, kw_only=True):
    """What `train` predicts. Times in seconds of one step; `low`/`high` is the 80 % interval of the step."""

    setting: Setting
    shape: Shape
    layout: Layout
    workload: Workload
    accelerators: int
    idle_accelerators: int
    step: StepTerms
    memory: dict[str, MemoryTerms]
    fullest: str
    half_width: float
    fits: bool
    flop_convention: str
    mfu: float
    near: tuple[Near, ...]
    searched: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def step_s(self) -> float:
        return float(self.step.total_s) * self.setting.level

    @property
    def tokens_per_s(self) -> float:
        return float(self.workload.global_batch_seqs * self.workload.seq_len) / self.step_s

    def to_dict(self) -> dict[str, Any]:
        """Plain data in base SI units."""
        factor = math.exp(self.half_width)
        rate = self.tokens_per_s

        def band(value: float) -> dict[str, float]:
            """A value with the interval of the step."""
            return {"value": value, "low": value / factor, "high": value * factor}

        r = self.setting.request
        return {
            "request": {
                "options": [list(pair) for pair in r.asked],
                "seq_len": r.seq_len,
                "trainable_fraction": float(self.workload.trainable_fraction),
            },
            "resolved": self._resolved(),
            "layout": layout_dict(self.layout, self.workload),
            "accelerators": self.accelerators,
            "idle_accelerators": self.idle_accelerators,
            "step_s": band(self.step_s),
            "tokens_per_s": band(rate),
            "tokens_per_s_per_accelerator": band(rate / self.accelerators),
            "step": {
                name: float(getattr(self.step, name)) * self.setting.level for name in StepTerms.__struct_fields__
            },
            "binds": self.binds(),
            "mfu": {"value": self.mfu, "convention": self.flop_convention},
            "memory": {stage: memory_dict(terms) for stage, terms in self.memory.items()},
            "peak_memory_bytes": float(self.memory[self.fullest].total_bytes),
            "fullest_stage": self.fullest,
            "fits": self.fits,
            "near": [
                {
                    "layout": layout_dict(n.layout, self.workload),
                    "tokens_per_s": n.tokens_per_s,
                    "peak_memory_bytes": n.memory_bytes,
                }
                for n in self.near
            ],
            "searched": list(self.searched),
            "warnings": list(self.warnings),
            "sources": training_sources(self.setting),
        }

    def _resolved(self) -> dict[str, Any]:
        """What the names of the question stood for."""
        s = self.setting
        return {
            "accelerator": s.part.id if s.part else None,
            "system": s.system.id if s.system else None,
            "model": self.shape.name,
            "params": float(parameters(self.shape).total),
            "precision": s.precision.id,
            "stack": s.stack.id,
            "catalog_version": s.catalog.version,
            "constants_from": s.machine.provenance if s.machine else None,
        }

    def binds(self) -> list[dict[str, Any]]:
        """Terms of the step by their share, the largest first."""
        total = float(self.step.total_s)
        shares = [(name, float(getattr(self.step, name)) / total) for name in StepTerms.__struct_fields__]
        shares.sort(key=lambda pair: -pair[1])
        return [{"term": name, "share": share} for name, share in shares if share > 0.005]


def layout_dict(layout: Layout, workload: Workload) -> dict[str, Any]:
    """A layout under the names of the command line."""
    names = ("tp", "cp", "pp", "vpp", "ep", "etp", "dp", "zero", "micro_batch", "sequence_parallel")
    return {name: float(getattr(layout, name)) for name in names} | {
        "recompute": recompute_name(float(layout.recompute)),
        "global_batch_seqs": float(workload.global_batch_seqs),
    }


def memory_dict(terms: MemoryTerms) -> dict[str, float]:
    """Memory terms as plain numbers, with their sum."""
    out = {name: float(getattr(terms, name)) for name in MemoryTerms.__struct_fields__}
    return out | {"total_bytes": float(terms.total_bytes)}


def _shape(setting: Setting, r: Request) -> Shape:
    """The shape of the model named, else one of the size asked."""
    shape = setting.shape()
    if shape is not None:
        return shape
    assert r.params is not None
    return shape_for_params(r.params)


def _check(shape: Shape, fleet: int, layout: dict[str, float], batch: float | None) -> list[str]:
    """Raise InputError for a layout that cannot be; return notes on what is allowed but uneven."""
    notes = []
    tp, cp, pp = (layout.get(name, 1.0) for name in ("tp", "cp", "pp"))
    heads = min((float(b.n_heads) for b in shape.blocks if b.n_heads > 0), default=tp)
    if heads % tp:
        ways = [t for t in (1, 2, 4, 8, 16, 32) if heads % t == 0]
        raise InputError(f"--tp {tp:g} does not divide the {heads:g} heads; use one of {ways}")
    if fleet % (tp * cp * pp):
        raise InputError(
            f"tp {tp:g} x cp {cp:g} x pp {pp:g} = {tp * cp * pp:g} does not divide {fleet} accelerators; "
            f"take a fleet that is a multiple of it, like {int(tp * cp * pp) * max(1, round(fleet / (tp * cp * pp)))}"
        )
    depth = float(layers(shape))
    if pp > depth:
        raise InputError(f"--pp {pp:g} is more than the {depth:g} layers; use at most {depth:g}")
    if depth % pp:
        notes.append(
            f"{depth:g} layers on {pp:g} stages are uneven: up to {math.ceil(depth / pp)} a stage, fewer at the ends"
        )
    if "vpp" in layout and layout["vpp"] > max(1.0, math.ceil(depth / pp)):
        raise InputError(f"--vpp {layout['vpp']:g} is more than the {math.ceil(depth / pp)} layers of a stage")
    experts = max(float(b.n_experts) for b in shape.blocks)
    if layout.get("ep", 1.0) > 1 and experts == 0:
        raise InputError(f"--ep {layout['ep']:g}: the model has no experts; drop --ep, or name a mixture with --model")
    if layout.get("ep", 1.0) > 1 and experts % layout["ep"]:
        raise InputError(f"--ep {layout['ep']:g} does not divide the {experts:g} experts of the model")
    dp = fleet / (tp * cp * pp)
    micro = layout.get("micro_batch")
    if batch is not None and micro is not None and batch % (micro * dp):
        raise InputError(
            f"--global-batch {batch:g} is no multiple of micro-batch {micro:g} x dp {dp:g} = {micro * dp:g} sequences; "
            f"use {micro * dp * max(1, round(batch / (micro * dp))):g}"
        )
    return notes


_DEFAULT_BATCH_TOKENS = 4e6
_SETTINGS = ("tp", "cp", "pp", "vpp", "ep", "micro_batch", "zero", "recompute")


def train(*, task: str = "pretrain", sequence_parallel: bool = True, **given: Any) -> TrainResult:
    """Predict one training layout; settings that are not given are chosen as the fastest that fit.

    Options are those of `plan` that describe a run (gpus, model or params, precision, seq_len, global_batch, tp, cp,
    pp, vpp, ep, micro_batch, zero, recompute, stack, measured ...); `task` is pretrain, sft or lora. InputError for
    layouts that cannot be, InfeasibleError where nothing fits.
    """
    if task not in TUNING:
        raise InputError(f"--task {task!r} is none of {', '.join(TUNING)}")
    if not any(given.get(name) for name in ("model", "params", "shape")):
        raise InputError("say what is trained: --model (`hwmodel catalog list models`) or --params, like 70B")
    r = parse_request(**given)
    setting = resolve(r)
    if setting.machine is None or r.gpus is None:
        raise InputError("say on what it is trained: --gpus, like 1024xH100")
    shape = _shape(setting, r)
    batch = r.global_batch_seqs
    notes = _check(shape, r.gpus, r.layout, batch)
    warnings = [*setting.notes, *notes]
    if batch is None:
        batch = _batch(r, shape)
        warnings.append(f"global batch not given: {batch:g} sequences ({batch * r.seq_len / 1e6:.1f}M tokens)")
    load = Workload(seq_len=float(r.seq_len), global_batch_seqs=batch, trainable_fraction=TUNING[task])
    found = _evaluated(setting, shape, r, batch)
    layout = _chosen(setting, shape, r, load, found, sequence_parallel)
    searched = tuple(
        n for n in ("tp", "cp", "pp", "vpp", "ep", "micro_batch", "zero", "recompute") if n not in r.layout
    )
    return _result(setting, r, shape, layout, load, found, searched, warnings)


def _batch(r: Request, shape: Shape) -> float:
    tp, cp, pp = (r.layout.get(name, 1.0) for name in ("tp", "cp", "pp"))
    grain = max(1.0, (r.gpus or 1) / (tp * cp * pp)) * r.layout.get("micro_batch", 1.0)
    return grain * max(1.0, round(_DEFAULT_BATCH_TOKENS / r.seq_len / grain))


def _evaluated(setting: Setting, shape: Shape, r: Request, batch: float) -> Evaluation:
    assert setting.machine is not None
    assert r.gpus is not None
    cases = Cases(
        shape=shape,
        accelerators=np.array([float(r.gpus)]),
        batch_cap_seqs=np.array([batch]),
        batch_given=True,
        seq_len=float(r.seq_len),
    )
    return evaluate(cases, setting.machine, setting.precision, setting.stack, {})


def _chosen(
    setting: Setting, shape: Shape, r: Request, load: Workload, found: Evaluation, sequence_parallel: bool
) -> Layout:
    """The layout as given, its blanks filled with the fastest values that fit (or the leanest if none does)."""
    assert setting.machine is not None
    assert r.gpus is not None
    g = r.layout
    if not all(name in g for name in _SETTINGS):
        cases = found.cases
        free = evaluate(cases, setting.machine, setting.precision, setting.stack, g)
        row = int(free.best[0])
        if row < 0 and free.space.count:
            row = int(np.argmin(free.memory_bytes))
        if row >= 0:
            best = choice(free, row, setting.machine, setting.precision, setting.stack).layout
            g = {name: float(getattr(best, name)) for name in _SETTINGS} | g
    full = {
        "tp": 1.0,
        "cp": 1.0,
        "pp": 1.0,
        "vpp": 1.0,
        "ep": 1.0,
        "micro_batch": 1.0,
        "zero": 1.0,
        "recompute": 0.0,
    } | g
    dp = r.gpus / (full["tp"] * full["cp"] * full["pp"])
    if full["ep"] > dp * full["cp"] * full["tp"]:
        raise InputError(f"--ep {full['ep']:g} is more than the {dp * full['cp'] * full['tp']:g} ranks of one stage")
    if full["vpp"] > 1.0 and full["pp"] == 1.0:
        raise InputError(f"--vpp {full['vpp']:g} splits the stages of a pipeline: add --pp of 2 or more")
    parallel = 1.0 if sequence_parallel and full["tp"] > 1.0 else 0.0
    layout = Layout(dp=float(math.floor(dp)), sequence_parallel=parallel, **full)
    return layout if "recompute" in r.layout else _least_recompute(setting, shape, layout, load)


def _least_recompute(setting: Setting, shape: Shape, layout: Layout, load: Workload) -> Layout:
    """The layout with the least recomputation that fits: adapters keep fewer states than the search counted."""
    assert setting.machine is not None
    if float(load.trainable_fraction) >= 1.0:
        return layout
    for recompute in RECOMPUTE:
        leaner = msgspec.structs.replace(layout, recompute=recompute)
        size = peak_memory(shape, setting.precision, leaner, load, setting.stack).total_bytes
        if float(size) <= usable_bytes(setting.machine):
            return leaner
    return layout


def _leaner(layout: Layout, over: float) -> str:
    """What would make a layout fit: other sizes while replicas are left to trade, else more accelerators."""
    if float(layout.dp) > 1.0:
        return "raise --tp, --pp, --zero or --recompute, or lower --micro-batch"
    return f"take at least about {math.ceil(float(layout.accelerators) * over)} accelerators or a smaller model"


def _doubts(machine: Machine, layout: Layout, load: Workload, fullest: str, size_bytes: float) -> list[str]:
    """What is wrong with a layout: it does not fit, hardly fits, or its batch does not divide."""
    capacity = float(machine.hbm_bytes)
    said = []
    if size_bytes > capacity:
        said.append(
            f"does not fit: the {fullest} stage needs {size_bytes / GIB:.1f} GiB of {capacity / GIB:.1f}; "
            + _leaner(layout, size_bytes / capacity)
        )
    elif size_bytes > usable_bytes(machine):
        said.append(f"tight: {size_bytes / GIB:.1f} GiB of {capacity / GIB:.1f}, within the model's error")
    m = float(micro_batches(layout, load))
    if abs(m - round(m)) > 1e-9:
        said.append(f"{m:.2f} micro-batches a pipeline: the batch does not divide; read as an average")
    return said


def _result(
    setting: Setting, r: Request, shape: Shape, layout: Layout, load: Workload, found: Evaluation,
    searched: tuple[str, ...], warnings: list[str],
) -> TrainResult:  # fmt: skip
    machine, precision, stack = setting.machine, setting.precision, setting.stack
    assert machine is not None
    assert r.gpus is not None
    terms = step(shape, machine, precision, layout, load, stack)
    stages = memory_by_stage(shape, precision, layout, load, stack)
    fullest = max(stages, key=lambda name: float(stages[name].total_bytes))
    size = float(stages[fullest].total_bytes)
    warnings += _doubts(machine, layout, load, fullest, size)
    near = tuple(
        Near(
            layout=(one := choice(found, row, machine, precision, stack)).layout,
            tokens_per_s=one.tokens_per_s / setting.level,
            memory_bytes=float(one.memory.total_bytes),
        )
        for row in ([int(found.best[0]), *runners_up(found, 0, 3)] if int(found.best[0]) >= 0 else [])
    )
    flop = float(flop_per_token(shape, float(r.seq_len), r.flop_convention)) * float(load.global_batch_seqs) * r.seq_len
    seconds = float(terms.total_s) * setting.level
    return TrainResult(
        setting=setting, shape=shape, layout=layout, workload=load, accelerators=r.gpus, idle_accelerators=0,
        step=terms, memory=stages, fullest=fullest,
        half_width=step_log_half_width(setting, precision, shape, r.gpus), fits=size <= float(machine.hbm_bytes),
        flop_convention=r.flop_convention,
        mfu=flop / (seconds * r.gpus * float(machine.gemm.peak_flop_per_s)), near=near, searched=searched,
        warnings=tuple(warnings),
    )  # fmt: skip
