"""Disaggregated serving: a pool of prefill workers feeds a pool of decode workers, each with a layout of its own."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from hwmodel.predict.service.arrivals import Prompts, prefilled
from hwmodel.predict.service.layouts import rows_of
from hwmodel.predict.service.together import ServiceGroup
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.sharing import FreshPasses, holding
from hwmodel.solve.serve.table import Column, Options, spread_of
from hwmodel.specs.serving import ServingLayout

BUSIEST = 0.9  # share of its time that a prefill worker is planned to work at most
# Pools tried for each layout, over the fewest workers that carry the demand: more of them wait less.
GROWTH = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0)


class PrefillPools(msgspec.Struct, kw_only=True):
    """Pools worth having, cheapest first: each further one brings the first token sooner. Seconds of the prefill pool
    alone: waiting, prefill, host and the transfer of the cache."""

    options: Options  # of the part and recipe that prefills
    layout: ServingLayout
    workers: Column
    accelerators: Column  # spares counted
    first_s: Column
    first_tail_s: Column
    busy: Column
    transfer_s: Column


def prefill_pools(
    question: ServingQuestion, found: Sequence[Options], settings: ServiceGroup, passes: FreshPasses
) -> list[PrefillPools]:
    """Of each part and recipe the pools of every layout that holds the weights and one prompt, at the peak demand;
    `settings`: those of the options."""
    prompts = passes.prompts(question, found, settings)
    return [_prefill_pools(o, holding(o), one, question) for o, one in zip(found, prompts, strict=True)]


def _prefill_pools(o: Options, layout: ServingLayout, prompts: Prompts, question: ServingQuestion) -> PrefillPools:
    worker = msgspec.structs.replace(o.setting.worker, layout=layout)
    peak, spread = question.rate * question.peak_to_mean, spread_of(question)
    times = prefilled(worker, o.setting.load, prompts, peak, spread, BUSIEST, np.array(GROWTH))
    size = (times.workers + question.spares) * layout.accelerators
    kept = _front(size.ravel(), times.first_tail_s.ravel())
    place = kept % len(times.transfer_s) if len(times.transfer_s) else kept
    return PrefillPools(
        options=o, layout=rows_of(layout, place), workers=times.workers.ravel()[kept], accelerators=size.ravel()[kept],
        first_s=times.first_s.ravel()[kept], first_tail_s=times.first_tail_s.ravel()[kept],
        busy=times.busy.ravel()[kept], transfer_s=times.transfer_s[place],
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


def pools(o: Options, question: ServingQuestion, prefill: PrefillPools) -> Pools | None:
    """Decode workers of every configuration with their prefill pool; None where no layout holds the model."""
    if not o.count or not len(prefill.workers):
        return None
    engine = o.setting.worker.engine
    gone = engine.request_s + engine.stream_steps * o.at.step_tail_s
    # Tails fall along the front: the first that is short enough is the smallest pool.
    place = np.searchsorted(-prefill.first_tail_s, -(question.ttft_s - gone), side="left")
    place = np.minimum(place, len(prefill.workers) - 1)
    return Pools(
        prefill=prefill, place=place, requests_per_s=o.at.batch / (question.output_tokens * o.at.step_s),
        ttft_s=engine.request_s + engine.stream_steps * o.at.step_s + prefill.first_s[place],
        ttft_tail_s=gone + prefill.first_tail_s[place],
    )  # fmt: skip
