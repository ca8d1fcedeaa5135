"""All configurations of one model on one part and recipe: layouts times batches, evaluated at once."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.serving import (
    decode_terms,
    first_token_host_s,
    memory,
    mixed_terms,
    sequences_that_fit,
    tokens_per_step,
)
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.kernels import Machine
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad, Speculation
from hwmodel.specs.shape import Shape

Column = NDArray[np.float64]
TP = (1.0, 2.0, 4.0, 8.0, 16.0)
BATCHES = tuple(2.0**i for i in range(12))


class Options(msgspec.Struct, kw_only=True):
    """Columns of configurations of one part and recipe, and what each does at its batch."""

    part: Part
    system: System
    machine: Machine
    recipe: ServingPrecision
    tp: Column
    dp: Column
    ep: Column
    batch: Column
    room: Column  # requests that fit the cache
    tpot_s: Column  # mean
    tpot_tail_s: Column
    ttft_s: Column
    ttft_tail_s: Column
    requests_per_s: Column  # of one engine instance
    prefill_share: Column  # of the engine's time
    fits: Column

    @property
    def accelerators(self) -> Column:
        return self.tp * self.dp


def serving_formats(shape: Shape, recipe: ServingPrecision) -> ServingFormats:
    """Bytes by tensor class; four-bit recipes of mixtures of experts keep attention and shared layers in 16 bits."""
    routed = any(b.n_experts for b in shape.blocks)
    return ServingFormats(
        weight_bytes=recipe.weight_bytes,
        activation_bytes=recipe.activation_bytes,
        kv_bytes=recipe.kv_bytes,
        experts_only=1.0 if routed and recipe.weight_bytes < 0.9 else 0.0,
    )


def layouts(shape: Shape, domain: float) -> list[tuple[float, float, float]]:
    """(tp, dp, ep) to try: tensor parallelism inside the domain; for experts also attention-data parallelism."""
    heads = max(float(b.n_heads) for b in shape.blocks)
    routed = max(float(b.n_experts) for b in shape.blocks)
    widths = [t for t in TP if t <= domain and (not heads or heads % t == 0)]
    out = [(t, 1.0, 1.0) for t in widths]
    if routed:
        out += [(t, 1.0, t) for t in widths if t > 1 and routed % t == 0]
        out += [(1.0, t, t) for t in (*widths, 32.0) if 1 < t <= domain and routed % t == 0]
    return out


def normal_quantile(p: float) -> float:
    """Standard normal quantile by Acklam's rational approximation, good to 1e-4 between 0.5 and 0.999."""
    t = math.sqrt(-2.0 * math.log(1.0 - p))
    return t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1.0 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t**3)


def options(
    shape: Shape,
    part: Part,
    system: System,
    machine: Machine,
    recipe: ServingPrecision,
    engine: Engine,
    load: ServingLoad,
    percentile: float,
    speculation: Speculation | None = None,
    chosen: tuple[list[tuple[float, float, float]], list[float]] | None = None,
) -> Options:
    """Every layout and batch (or those `chosen`) as columns. Arrivals are Poisson; the batch is the mean one running.

    Tails: the running batch spreads like a Poisson number, the wait for prefill is an M/D/1 queue's.
    """
    triples, batches = chosen or (layouts(shape, float(machine.network.domain)), list(BATCHES))
    grid = np.array([(t, d, e, b) for t, d, e in triples for b in batches])
    tp, dp, ep, batch = grid.T
    layout = ServingLayout(tp=tp, dp=dp, ep=ep)
    formats = serving_formats(shape, recipe)
    held = memory(shape, formats, layout, load, engine, machine.hbm_bytes)
    room = sequences_that_fit(held, load, layout, engine) + 0.0 * tp
    z = normal_quantile(percentile)
    tail = batch + z * np.sqrt(batch)
    fits = (held.kv_pool_bytes > 0) & (room >= np.maximum(tail, 1.0))

    drafts = speculation or Speculation()
    verified, gain = 1.0 + drafts.draft_tokens, tokens_per_step(drafts)
    drafting = 1.0 + drafts.draft_share * drafts.draft_tokens

    def at(running: Column) -> tuple[Column, Column]:
        step = (
            decode_terms(shape, machine, formats, layout, engine, running, load.mean_context, verified).total_s
            * drafting
        )
        mixed = mixed_terms(shape, machine, formats, layout, engine, running, load, 1.0, verified).total_s * drafting
        return np.asarray(step), np.asarray(mixed)

    step, mixed = at(batch)
    service = engine.prefill_stall * (mixed - step) / dp
    # requests a second: the running batch turns over once every output tokens' time, prefill included.
    tpot = step / gain + service * batch / load.output_tokens
    rate = batch / (load.output_tokens * tpot)
    busy = np.minimum(rate * service, 0.99)
    step_tail, mixed_tail = at(tail)
    tpot_tail = step_tail / gain + service * tail / load.output_tokens
    wait = 0.5 * service * busy / (1.0 - busy)
    spread = np.where(busy > 1.0 - percentile, np.log(np.maximum(busy, 1e-9) / (1.0 - percentile)), 0.0)
    wait_tail = 0.5 * service / (1.0 - busy) * np.maximum(spread, 0.0)
    alone = mixed + first_token_host_s(shape, engine) + engine.request_s + engine.stream_steps * step
    return Options(
        part=part, system=system, machine=machine, recipe=recipe, tp=tp, dp=dp, ep=ep, batch=batch, room=room,
        tpot_s=tpot, tpot_tail_s=tpot_tail, ttft_s=alone + wait, ttft_tail_s=alone + (mixed_tail - mixed) + wait_tail,
        requests_per_s=rate, prefill_share=busy, fits=fits.astype(float),
    )  # fmt: skip


def row(o: Options, i: int) -> dict[str, Any]:
    """One configuration as plain values."""
    return {
        "part": o.part.id, "system": o.system.id, "precision": o.recipe.id, "tp": float(o.tp[i]), "dp": float(o.dp[i]),
        "ep": float(o.ep[i]), "accelerators_per_replica": float(o.tp[i] * o.dp[i]), "batch": float(o.batch[i]),
        "cache_requests": float(o.room[i]), "tpot_s": float(o.tpot_s[i]), "tpot_tail_s": float(o.tpot_tail_s[i]),
        "ttft_s": float(o.ttft_s[i]), "ttft_tail_s": float(o.ttft_tail_s[i]),
        "requests_per_s_per_replica": float(o.requests_per_s[i]), "prefill_share": float(o.prefill_share[i]),
    }  # fmt: skip
