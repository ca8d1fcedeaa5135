"""All configurations of one model on one part and recipe: layouts times batches, evaluated at once."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.serving import (
    decode_terms,
    first_pass_s,
    memory,
    mixed_terms,
    sequences_that_fit,
    tokens_per_step,
)
from hwmodel.physics.serving_queue import queue_wait_s, queue_wait_tail_s
from hwmodel.solve.serving_cost import formats_of
from hwmodel.solve.serving_layouts import column, layouts, rows_of, sizes_of
from hwmodel.solve.serving_question import ServingQuestion
from hwmodel.specs.economics import PriceSummary
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.kernels import Machine
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad
from hwmodel.specs.shape import Shape

Column = NDArray[np.float64]
# Sequences of one attention rank: whole numbers about a fifth apart, up to engines' usual ceiling.
BATCHES = np.unique(np.round(2.0 ** (np.arange(41) / 4.0)))


class Options(msgspec.Struct, kw_only=True):
    """Columns of the configurations of one part and recipe that fit, and what each does at its batch.

    `step` columns are seconds a token of decoding alone, the others those of an aggregated engine, whose decode steps
    also carry the prefills. Rates count one engine instance. Tails hold for the percentile asked.
    """

    part: Part
    system: System
    machine: Machine
    recipe: ServingPrecision
    engine: Engine
    formats: ServingFormats
    tried: ServingLayout  # all layouts, fitting or not
    layout: ServingLayout
    batch: Column
    room: Column  # requests that fit the cache
    step_s: Column
    step_tail_s: Column
    tpot_s: Column
    tpot_tail_s: Column
    ttft_s: Column
    ttft_tail_s: Column
    requests_per_s: Column
    prefill_share: Column  # of the engine's time
    price: PriceSummary | None = None

    @property
    def count(self) -> int:
        return len(self.batch)


def normal_quantile(p: float) -> float:
    """Standard normal quantile by Acklam's rational approximation, good to 1e-4 between 0.5 and 0.999."""
    t = math.sqrt(-2.0 * math.log(1.0 - p))
    return t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1.0 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t**3)


def load_of(question: ServingQuestion, prompt_tokens: float | None = None) -> ServingLoad:
    """The mean load of a question, or that of another prompt; cached prompt tokens are not computed again."""
    prompt = prompt_tokens or question.prompt_tokens
    return ServingLoad(
        prompt_tokens=prompt, output_tokens=question.output_tokens, cached_tokens=prompt * question.hit_rate
    )


def options(
    shape: Shape,
    part: Part,
    system: System,
    machine: Machine,
    recipe: ServingPrecision,
    engine: Engine,
    question: ServingQuestion,
) -> Options:
    """Every layout and batch that fits, as columns. Arrivals are Poisson; the batch is the mean one running.

    Tails: the running batch spreads like a Poisson number, the wait for prefill is an M/D/1 queue's.
    """
    load, formats = load_of(question), formats_of(shape, recipe)
    tried = layouts(shape, float(machine.network.domain), sizes_of(question))
    held = memory(shape, formats, tried, load, engine, machine.hbm_bytes)
    room = column(sequences_that_fit(held, load, tried, engine))
    place, batch = (a.ravel() for a in np.meshgrid(np.arange(len(room)), BATCHES, indexing="ij"))
    layout, room = rows_of(tried, place), room[place]
    batch = batch * column(layout.dp)
    z = normal_quantile(question.percentile)
    fits = room >= np.maximum(batch + z * np.sqrt(batch), 1.0)
    layout, batch, room = rows_of(layout, fits), batch[fits], room[fits]
    tail = batch + z * np.sqrt(batch)

    drafts = question.speculation
    verified, gain = 1.0 + drafts.draft_tokens, tokens_per_step(drafts)
    drafting = 1.0 + drafts.draft_share * drafts.draft_tokens
    # Mean and tail as one table of twice the length: the arrays are short and calls cost more than numbers.
    twice, both = rows_of(layout, np.tile(np.arange(len(batch)), 2)), np.concatenate([batch, tail])
    at = (shape, machine, formats, twice, engine, both)
    step, step_tail = np.split(column(decode_terms(*at, load.mean_context, verified).total_s * drafting), 2)
    mixed, mixed_tail = np.split(column(mixed_terms(*at, load, 1.0, verified).total_s * drafting), 2)
    # A prompt holds each pipeline stage for its share of the pass; the batches behind it wait for that share.
    service = engine.prefill_stall * np.maximum(mixed - step, 0.0) / (layout.dp * layout.pp)
    # requests a second: the running batch turns over once every output tokens' time, prefill included.
    tpot = step / gain + service * batch / load.output_tokens
    rate = batch / (load.output_tokens * tpot)
    busy = np.minimum(rate * service, 0.99)
    spread = 1.0 + question.prompt_variance  # waits grow with the second moment of what is waited for
    alone = first_pass_s(shape, engine, mixed) + engine.request_s + engine.stream_steps * step
    first = alone + np.asarray(spread * queue_wait_s(service, busy))
    late = alone + (mixed_tail - mixed) + spread * np.asarray(queue_wait_tail_s(service, busy, question.percentile))
    if question.prompt_tail_tokens > question.prompt_tokens:
        longer = load_of(question, question.prompt_tail_tokens)
        at_tail = mixed_terms(shape, machine, formats, layout, engine, tail, longer, 1.0, verified).total_s
        late = late + np.asarray(at_tail * drafting - mixed_tail)
    return Options(
        part=part, system=system, machine=machine, recipe=recipe, engine=engine, formats=formats, tried=tried,
        layout=layout, batch=batch, room=room, step_s=step / gain, step_tail_s=step_tail / gain,
        tpot_s=tpot, tpot_tail_s=step_tail / gain + service * tail / load.output_tokens,
        ttft_s=first, ttft_tail_s=np.maximum(late, first),
        requests_per_s=rate, prefill_share=busy,
    )  # fmt: skip


def row(o: Options, i: int) -> dict[str, Any]:
    """What one engine instance is and holds, as plain values."""
    one = rows_of(o.layout, i)
    return {
        "part": o.part.id, "system": o.system.id, "precision": o.recipe.id,
        "tp": float(one.tp), "pp": float(one.pp), "dp": float(one.dp), "ep": float(one.ep),
        "accelerators_per_replica": float(one.accelerators), "batch": float(o.batch[i]),
        "cache_requests": float(o.room[i]),
    }  # fmt: skip
