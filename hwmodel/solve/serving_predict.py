"""One serving configuration in a closed loop: latencies, rates, memory, terms of the step."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from hwmodel.catalog import Catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.ops import maximum, minimum
from hwmodel.physics.machine import machine
from hwmodel.physics.serving import (
    decode_terms,
    first_token_host_s,
    memory,
    mixed_terms,
    sequences_that_fit,
    tokens_per_step,
)
from hwmodel.physics.serving_queue import closed_loop
from hwmodel.solve.serving_choose import check_context, engine_for, load_of
from hwmodel.solve.serving_question import ServingQuestion
from hwmodel.solve.serving_table import serving_formats
from hwmodel.specs.serving import ServingLayout
from hwmodel.specs.shape import Shape


def predict(
    question: ServingQuestion, catalog: Catalog, clients: float, tp: float | None, dp: float, ep: float
) -> dict[str, Any]:
    """Prediction of one configuration. Raises InfeasibleError where weights or one request do not fit."""
    if len(question.parts) != 1:
        raise InputError("a prediction takes one --part, like --part h200")
    shape = catalog.model(question.model)
    check_context(shape, question)
    part = catalog.part(question.parts[0])
    system = catalog.default_system(part.id)
    names = question.precisions or ("bf16" if part.peak_dense_flop_per_s.get("bf16") else "fp16",)
    if len(names) != 1:
        raise InputError("a prediction takes one --precision, like --precision fp8")
    recipe = catalog.serving_precision(names[0])
    m = machine(part, system, recipe, kernel_calibration())
    engine = engine_for(question.engine, part.family, recipe.id)
    formats, load = serving_formats(shape, recipe), load_of(question)
    layout = ServingLayout(tp=tp or 1.0, dp=dp, ep=ep)
    held = memory(shape, formats, layout, load, engine, m.hbm_bytes)
    room = float(sequences_that_fit(held, load, layout, engine))
    if held.kv_pool_bytes <= 0 or room < 1.0:
        raise _does_not_fit(question, held, layout, part.name, float(m.hbm_bytes))
    running = minimum(clients, room)
    drafts = question.speculation
    verified = 1.0 + drafts.draft_tokens
    step = decode_terms(shape, m, formats, layout, engine, running, load.mean_context, verified)
    mixed = mixed_terms(shape, m, formats, layout, engine, running, load, 1.0, verified)
    alone = mixed.total_s + first_token_host_s(shape, engine)
    service = maximum(mixed.total_s - step.total_s, 0.0) / layout.dp
    gain = tokens_per_step(drafts) / (1.0 + drafts.draft_share * drafts.draft_tokens)
    s = closed_loop(step.total_s, alone, service, room, clients, load.output_tokens, gain, engine)
    answer = {
        "part": part.id, "system": system.id, "precision": recipe.id, "tp": layout.tp, "dp": dp, "ep": ep,
        "accelerators": layout.accelerators, "clients": clients, "batch": running, "cache_requests": room,
        "ttft_s": _band(float(s.ttft_s), "ttft", shape), "tpot_s": _band(float(s.tpot_s), "tpot", shape),
        "request_s": float(s.request_s), "requests_per_s": float(s.requests_per_s),
        "output_tokens_per_s": float(s.requests_per_s) * load.output_tokens,
        "total_tokens_per_s": float(s.requests_per_s) * (load.output_tokens + load.prompt_tokens),
        "kv_pool_bytes": float(held.kv_pool_bytes), "weights_bytes": float(held.weights_bytes),
    }  # fmt: skip
    return {"answer": answer, "step": msgspec.to_builtins(step), "prefill_s": float(s.prefill_s)}


def _band(value: float, kind: str, shape: Shape) -> dict[str, float]:
    widths = serving_calibration().intervals
    sort = "experts" if any(b.n_experts for b in shape.blocks) else "dense"
    half = (widths.get(f"{kind} | closed loop | {sort}") or widths.get(kind) or [0.35])[0]
    return {"value": value, "low": value * math.exp(-half), "high": value * math.exp(half)}


def _does_not_fit(
    question: ServingQuestion, held: Any, layout: ServingLayout, part: str, hbm: float
) -> InfeasibleError:
    lacking = max(-float(held.kv_pool_bytes), 0.0)
    return InfeasibleError(
        f"{question.model} does not fit {layout.accelerators:g} x {part}: {float(held.weights_bytes) / 1e9:.0f} GB of "
        f"weights an accelerator of {hbm / 1e9:.0f} GB"
        + (f", {lacking / 1e9:.0f} GB are missing" if lacking else " leave no room for one request")
        + f"; try --tp {2 * layout.tp:g} or a smaller format",
        binding="memory",
        remedy=f"--tp {2 * layout.tp:g}",
    )
