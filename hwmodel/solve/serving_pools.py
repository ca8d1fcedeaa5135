"""Disaggregated serving: a pool of prefill workers feeds a pool of decode workers, each with a layout of its own."""

from __future__ import annotations

import msgspec
import numpy as np

from hwmodel.ops import ceil
from hwmodel.physics.serving import STEP_TOKENS, cache_transfer_s, first_pass_s, memory, prefill_s, sequences_that_fit
from hwmodel.physics.serving_queue import queue_wait_s, queue_wait_tail_s
from hwmodel.solve.serving_layouts import column, rows_of
from hwmodel.solve.serving_question import ServingQuestion
from hwmodel.solve.serving_table import Column, Options, load_of
from hwmodel.specs.serving import ServingLayout
from hwmodel.specs.shape import Shape

BUSIEST = 0.9  # share of its time that a prefill worker is planned to work at most
# Pools tried for each layout, over the fewest workers that carry the demand: more of them wait less.
GROWTH = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0)


class PrefillPools(msgspec.Struct, kw_only=True):
    """Pools worth having, cheapest first: each further one brings the first token sooner. Seconds of the prefill pool
    alone: waiting, prefill, host and the transfer of the cache."""

    layout: ServingLayout
    workers: Column
    accelerators: Column  # spares counted
    first_s: Column
    first_tail_s: Column
    busy: Column
    transfer_s: Column


def prefill_pools(shape: Shape, o: Options, question: ServingQuestion) -> PrefillPools:
    """Pools of every layout that holds the weights and one prompt, at the peak demand.

    Prompts wait in one queue for the first free attention rank of any worker, which takes as many as a step holds.
    """
    load, peak = load_of(question), question.rate * question.peak_to_mean
    held = memory(shape, o.formats, o.tried, load, o.engine, o.machine.hbm_bytes)
    room = column(sequences_that_fit(held, load, o.tried, o.engine))
    layout = rows_of(o.tried, room >= column(o.tried.dp * o.tried.pp))
    new, seen = load.new_tokens, load.prompt_tokens
    run = column(prefill_s(shape, o.machine, o.formats, layout, o.engine, new, seen))
    moved = column(cache_transfer_s(shape, o.machine, o.formats.kv_bytes, seen, layout.tp))
    alone = first_pass_s(shape, o.engine, run) + moved
    service = run / layout.pp
    # Prompts that wait are taken together, as many as a step holds: short ones share the reading of weights.
    together = max(STEP_TOKENS / new, 1.0)
    full = column(prefill_s(shape, o.machine, o.formats, layout, o.engine, new, seen, together)) / together
    least = np.minimum(full / layout.pp, service)
    fewest = np.maximum(np.ceil(peak * least / (layout.dp * BUSIEST)), 1.0)
    workers = np.asarray(ceil(fewest * np.array(GROWTH)[:, None]))
    servers = workers * layout.dp
    busy = peak * least / servers
    spread = 1.0 + question.prompt_variance
    first = alone + spread * np.asarray(queue_wait_s(service, busy, servers))
    late = alone + spread * np.asarray(queue_wait_tail_s(service, busy, question.percentile, servers))
    if question.prompt_tail_tokens > question.prompt_tokens:
        longer = load_of(question, question.prompt_tail_tokens)
        at = (shape, o.machine, o.formats, layout, o.engine, longer.new_tokens, longer.prompt_tokens)
        late = late + column(prefill_s(*at)) - run
    tail = np.maximum(late, first)
    size = (workers + question.spares) * layout.accelerators
    kept = _front(size.ravel(), tail.ravel())
    place = kept % len(run) if len(run) else kept
    return PrefillPools(
        layout=rows_of(layout, place), workers=workers.ravel()[kept], accelerators=size.ravel()[kept],
        first_s=first.ravel()[kept], first_tail_s=tail.ravel()[kept], busy=busy.ravel()[kept], transfer_s=moved[place],
    )  # fmt: skip


def _front(size: Column, tail: Column) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Places of the pools that no smaller one beats, by size; their tails fall."""
    order = np.lexsort((tail, size))
    if not len(order):
        return order
    best = np.minimum.accumulate(tail[order])
    return order[np.r_[True, best[1:] < best[:-1] * (1.0 - 1e-9)]]


class Pools(msgspec.Struct, kw_only=True):
    """For each column of the options as a decode worker: the smallest prefill pool that keeps the TTFT limit (the
    quickest where none does)."""

    prefill: PrefillPools
    place: np.ndarray[tuple[int], np.dtype[np.intp]]
    requests_per_s: Column  # of one decode worker
    ttft_s: Column
    ttft_tail_s: Column


def pools(shape: Shape, o: Options, question: ServingQuestion) -> Pools | None:
    """Decode workers of every configuration with their prefill pool; None where no layout holds the model."""
    prefill = prefill_pools(shape, o, question)
    if not o.count or not len(prefill.workers):
        return None
    engine = o.engine
    gone = engine.request_s + engine.stream_steps * o.step_tail_s
    # Tails fall along the front: the first that is short enough is the smallest pool.
    place = np.searchsorted(-prefill.first_tail_s, -(question.ttft_s - gone), side="left")
    place = np.minimum(place, len(prefill.workers) - 1)
    return Pools(
        prefill=prefill, place=place, requests_per_s=o.batch / (question.output_tokens * o.step_s),
        ttft_s=engine.request_s + engine.stream_steps * o.step_s + prefill.first_s[place],
        ttft_tail_s=gone + prefill.first_tail_s[place],
    )  # fmt: skip
