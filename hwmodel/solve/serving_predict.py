"""One serving configuration in a closed loop: latencies, rates, memory, terms of the step."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from hwmodel.catalog import Catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.ops import maximum, minimum
from hwmodel.physics.machine import machine
from hwmodel.physics.serving import (
    bulk_prompt_s,
    cache_transfer_s,
    decode_terms,
    first_pass_s,
    memory,
    mixed_terms,
    prefill_s,
    sequences_that_fit,
    tokens_per_step,
)
from hwmodel.physics.serving_queue import closed_loop, pools
from hwmodel.solve.citations import service_sources
from hwmodel.solve.serving_choose import check_context, engine_for
from hwmodel.solve.serving_cost import formats_of
from hwmodel.solve.serving_layouts import cells, check_sizes, column, layouts, sizes_of
from hwmodel.solve.serving_notes import notes
from hwmodel.solve.serving_question import ServingQuestion
from hwmodel.solve.serving_table import load_of
from hwmodel.specs.kernels import Machine
from hwmodel.specs.serving import Engine, ServiceTerms, ServingFormats, ServingLayout, ServingLoad, ServingMemory
from hwmodel.specs.shape import Shape

Workers = tuple[int, int]  # prefill, decode


def predict(
    question: ServingQuestion,
    catalog: Catalog,
    clients: float,
    workers: Workers | None = None,
    prefill_tp: float | None = None,
) -> dict[str, Any]:
    """Prediction of one configuration: an engine that does both, or pools of prefill and decode `workers`.

    Raises InfeasibleError where weights or one request do not fit.
    """
    if len(question.parts) != 1:
        raise InputError("a prediction takes one --part, like --part h200")
    shape = question.shape or catalog.model(question.model)
    check_context(shape, question)
    check_sizes(shape, sizes_of(question))
    layout = ServingLayout(**{f: getattr(question, f) or 1.0 for f in ("tp", "pp", "dp", "ep")})
    _check_layout(question, layout, workers, prefill_tp)
    part = catalog.part(question.parts[0])
    system = catalog.default_system(part.id)
    names = question.precisions or ("bf16" if part.peak_dense_flop_per_s.get("bf16") else "fp16",)
    if len(names) != 1:
        raise InputError("a prediction takes one --precision, like --precision fp8")
    recipe = catalog.serving_precision(names[0])
    m = machine(part, system, recipe, kernel_calibration())
    at = _Engine(
        question=question, shape=shape, machine=m, formats=formats_of(shape, recipe), load=load_of(question),
        engine=engine_for(question.engine, part.family, recipe.id), layout=layout, clients=clients, part=part.name,
    )  # fmt: skip
    s, more = _both(at) if workers is None else _split(at, workers, prefill_tp)
    rate = clients / float(s.request_s)  # of a closed loop
    answer = {
        "part": part.id, "system": system.id, "precision": recipe.id, "tp": layout.tp, "pp": layout.pp,
        "dp": layout.dp, "ep": layout.ep, "clients": clients,
        "ttft_s": _band(float(s.ttft_s), "ttft", shape), "tpot_s": _band(float(s.tpot_s), "tpot", shape),
        "request_s": float(s.request_s), "requests_per_s": rate,
        "output_tokens_per_s": rate * question.output_tokens,
        "total_tokens_per_s": rate * (question.output_tokens + question.prompt_tokens),
    } | more  # fmt: skip
    step = decode_terms(shape, m, at.formats, layout, at.engine, more["batch"], at.load.mean_context, at.verified)
    doubts = notes(part, system, m, recipe, None)
    named = "" if question.shape is not None else question.model
    return {
        "answer": answer, "notes": doubts, "step": msgspec.to_builtins(step), "prefill_s": float(s.prefill_s),
        "sources": service_sources(catalog, named, part.id, system.id, recipe, None),
    }  # fmt: skip


class _Engine(msgspec.Struct, frozen=True, kw_only=True):
    """One engine instance and what is asked of it."""

    question: ServingQuestion
    shape: Shape
    machine: Machine
    formats: ServingFormats
    load: ServingLoad
    engine: Engine
    layout: ServingLayout
    clients: float
    part: str

    @property
    def verified(self) -> float:
        return 1.0 + self.question.draft_tokens

    @property
    def gain(self) -> float:
        """Tokens a step of the model, its drafting paid."""
        drafts = self.question.speculation
        return float(tokens_per_step(drafts) / (1.0 + drafts.draft_share * drafts.draft_tokens))

    def room(self, layout: ServingLayout) -> tuple[float, ServingMemory]:
        """Requests that fit; InfeasibleError where not even one does."""
        held = memory(self.shape, self.formats, layout, self.load, self.engine, self.machine.hbm_bytes)
        room = float(sequences_that_fit(held, self.load, layout, self.engine))
        if held.kv_pool_bytes <= 0 or room < 1.0:
            raise _does_not_fit(self, held, layout)
        return room, held

    def step_s(self, running: float) -> float:
        at = (self.shape, self.machine, self.formats, self.layout, self.engine, running, self.load.mean_context)
        return float(decode_terms(*at, self.verified).total_s)


def _check_layout(
    question: ServingQuestion, layout: ServingLayout, workers: Workers | None, prefill_tp: float | None
) -> None:
    if (layout.tp * layout.dp) % layout.ep:
        n = layout.stage_accelerators
        raise InputError(f"--ep {layout.ep:g} does not divide the {n:g} accelerators of a stage (--tp x --dp)")
    if question.disaggregated and workers is None:
        raise InputError("a disaggregated prediction needs the workers of both pools: add --pools, like --pools 2:3")
    if workers is not None and question.disaggregated is False:
        raise InputError("--pools are disaggregated and --aggregated forbids them: drop one")
    if prefill_tp is not None and workers is None:
        raise InputError("--prefill-tp is the size of prefill workers: add --pools, like --pools 2:3")


def _both(at: _Engine) -> tuple[ServiceTerms, dict[str, Any]]:
    """An engine that prefills and decodes."""
    room, held = at.room(at.layout)
    running = minimum(at.clients, room)
    mixed = mixed_terms(at.shape, at.machine, at.formats, at.layout, at.engine, running, at.load, 1.0, at.verified)
    step = at.step_s(running)
    alone = first_pass_s(at.shape, at.engine, mixed.total_s)
    service = maximum(mixed.total_s - step, 0.0) / (at.layout.dp * at.layout.pp)
    bulk = bulk_prompt_s(at.shape, at.machine, at.formats, at.layout, at.engine, running, at.load, at.verified)
    s = closed_loop(step, alone, service, room, at.clients, at.load.output_tokens, at.gain, at.engine, bulk)
    return s, {
        "mode": "aggregated", "prefill": None, "accelerators": at.layout.accelerators, "batch": running,
        "cache_requests": room, "kv_pool_bytes": float(held.kv_pool_bytes), "weights_bytes": float(held.weights_bytes),
    }  # fmt: skip


def _split(at: _Engine, workers: Workers, prefill_tp: float | None) -> tuple[ServiceTerms, dict[str, Any]]:
    """Pools of prefill and of decode workers."""
    room, held = at.room(at.layout)
    before = msgspec.structs.replace(at.layout, tp=prefill_tp or at.layout.tp)
    if before.ep > 1.0:
        before = msgspec.structs.replace(before, ep=before.tp * before.dp)
    at.room(before)
    new, seen = at.load.new_tokens, at.load.prompt_tokens
    run = float(prefill_s(at.shape, at.machine, at.formats, before, at.engine, new, seen))
    moved = float(cache_transfer_s(at.shape, at.machine, at.formats.kv_bytes, seen, before.tp))
    alone = first_pass_s(at.shape, at.engine, run)
    running = minimum(at.clients / workers[1], room)
    found = None
    for _ in range(8):  # the batch that decodes depends on its own step: settles at once
        found = pools(alone, run / (before.dp * before.pp), float(workers[0]), at.step_s(running), moved, at.clients,
                      at.load.output_tokens, at.gain, at.engine)  # fmt: skip
        running = minimum(maximum(found.running / workers[1], 1.0), room)
    assert found is not None
    return found, {
        "mode": "disaggregated",
        "prefill": {"workers": workers[0], "tp": before.tp, "pp": before.pp, "dp": before.dp, "ep": before.ep,
                    "accelerators": workers[0] * before.accelerators, "cache_transfer_s": moved},
        "replicas": workers[1], "accelerators": workers[0] * before.accelerators + workers[1] * at.layout.accelerators,
        "batch": running, "cache_requests": room, "kv_pool_bytes": float(held.kv_pool_bytes),
        "weights_bytes": float(held.weights_bytes),
    }  # fmt: skip


def _band(value: float, kind: str, shape: Shape) -> dict[str, float]:
    widths = serving_calibration().intervals
    sort = "experts" if any(b.n_experts for b in shape.blocks) else "dense"
    half = (widths.get(f"{kind} | closed loop | {sort}") or widths.get(kind) or [0.35])[0]
    return {"value": value, "low": value * math.exp(-half), "high": value * math.exp(half)}


def _does_not_fit(at: _Engine, held: ServingMemory, layout: ServingLayout) -> InfeasibleError:
    lacking = max(-float(held.kv_pool_bytes), 0.0)
    hbm = float(at.machine.hbm_bytes)
    wider = _smallest_that_fits(at)
    return InfeasibleError(
        f"{at.question.model} does not fit {layout.accelerators:g} x {at.part}: "
        f"{float(held.weights_bytes) / 1e9:.0f} GB of weights on each accelerator of {hbm / 1e9:.0f} GB"
        + (f", {lacking / 1e9:.0f} GB are missing" if lacking else " leave no room for one request")
        + f"; try {wider or 'a part with more memory'} or a smaller format",
        binding="memory",
        remedy=wider or "a part with more memory",
    )


def _smallest_that_fits(at: _Engine) -> str:
    """Options of the layout of fewest accelerators that holds the model and one request; empty where none does."""
    tried = layouts(at.shape, float(at.machine.network.domain))
    held = memory(at.shape, at.formats, tried, at.load, at.engine, at.machine.hbm_bytes)
    room = column(sequences_that_fit(held, at.load, tried, at.engine))
    fits = np.flatnonzero(room >= 1.0)
    if not len(fits):
        return ""
    order = np.lexsort((column(tried.pp)[fits], column(tried.accelerators)[fits]))
    sizes = cells(tried, int(fits[order[0]]))
    return " ".join(f"--{name} {value:g}" for name, value in sizes.items() if value > 1)
