"""Poisson arrivals at many configurations at once: means and tails of engines that do both, and of prefill pools."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwmodel.physics.serving import step_budget
from hwmodel.physics.serving_queue import open_loop_at, queue_wait_s, queue_wait_tail_s, stall_share
from hwmodel.predict.service.layouts import column, rows_of
from hwmodel.predict.service.passes import first_s, mixed_s, most_prompts, passes, prompt_s, room, transfer_s
from hwmodel.predict.service.setting import ServiceSetting, Worker, on_layout
from hwmodel.specs.serving import ServingLayout, ServingLoad
from hwmodel.specs.shape import Shape

Column = NDArray[np.float64]
# Sequences of one attention rank: whole numbers about a fifth apart, up to an engine's ceiling.
BATCH_STEPS_PER_DOUBLING = 4


class ArrivalSpread(msgspec.Struct, frozen=True, kw_only=True):
    """How requests differ: the share of them that limits must hold for, the variance of prompts over their squared
    mean, and the load of the prompt that this share does not exceed (None: all prompts are alike)."""

    percentile: float
    prompt_variance: float = 0.0
    longer: ServingLoad | None = None

    @property
    def z(self) -> float:
        """Standard normal quantile of the percentile: Hastings' rational approximation, good to 5e-4."""
        t = math.sqrt(-2.0 * math.log(1.0 - self.percentile))
        below = 1.0 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t**3
        return t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / below


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of the configurations that fit, and what each does at its batch.

    `step` columns are seconds a token of decoding alone, the others those of an engine whose decode steps also carry
    the prefills. Rates count one engine instance.
    """

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


def _batches(most: float) -> Column:
    steps = int(BATCH_STEPS_PER_DOUBLING * math.log2(most)) + 1
    rising = np.round(2.0 ** (np.arange(steps) / BATCH_STEPS_PER_DOUBLING))
    return rising[np.diff(rising, prepend=0.0) > 0.0]


def loaded(s: ServiceSetting, tried: ServingLayout, spread: ArrivalSpread) -> Loaded:
    """Every layout tried at every batch that fits, its spread counted: the batch is the mean one running.

    Tails: the running batch spreads like a Poisson number, the wait for prefill is an M/D/1 queue's.
    """
    places = column(room(on_layout(s, tried))) + 0.0 * column(tried.tp)
    batches = _batches(float(s.worker.engine.max_running))
    place, batch = (a.ravel() for a in np.meshgrid(np.arange(len(places)), batches, indexing="ij"))
    layout, places = rows_of(tried, place), places[place]
    batch = batch * column(layout.dp)
    fits = places >= np.maximum(batch + spread.z * np.sqrt(batch), 1.0)
    # Beyond it prompts come faster than steps take them in.
    fits &= batch <= s.load.output_tokens * column(most_prompts(on_layout(s, layout))) / s.gain
    layout, batch, places = rows_of(layout, fits), batch[fits], places[fits]
    return _at(on_layout(s, layout), layout, batch, places, spread)


def _at(s: ServiceSetting, layout: ServingLayout, batch: Column, places: Column, spread: ArrivalSpread) -> Loaded:
    engine, output, gain = s.worker.engine, s.load.output_tokens, s.gain
    tail = batch + spread.z * np.sqrt(batch)
    # Mean and tail as one table of twice the length: the arrays are short and calls cost more than numbers.
    twice = rows_of(layout, np.tile(np.arange(len(batch)), 2))
    both = passes(on_layout(s, twice), np.concatenate([batch, tail]))
    step, step_tail = np.split(column(both.step), 2)
    mixed, mixed_tail = np.split(column(both.mixed), 2)
    service = np.split(column(both.service), 2)[0]
    first = np.split(column(both.first), 2)[0]
    mean = open_loop_at(step, first, service, batch, output, gain, engine)
    stall, busy = stall_share(output, engine) * service, column(mean.utilisation)
    factor = 1.0 + spread.prompt_variance  # waits grow with the second moment of what is waited for
    alone = engine.request_s + first + engine.stream_steps * column(mean.tpot_s) * gain
    ttft = alone + factor * column(queue_wait_s(stall, busy))
    late = alone + (mixed_tail - mixed) + factor * column(queue_wait_tail_s(stall, busy, spread.percentile))
    if spread.longer is not None:
        late = late + column(mixed_s(s, tail, spread.longer)) - mixed_tail
    return Loaded(
        layout=layout, batch=batch, room=places, step_s=step / gain, step_tail_s=step_tail / gain,
        tpot_s=column(mean.tpot_s), tpot_tail_s=step_tail / gain + stall * tail / output,
        ttft_s=ttft, ttft_tail_s=np.maximum(late, ttft), requests_per_s=column(mean.requests_per_s),
        prefill_share=busy,
    )  # fmt: skip


class PrefillTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Pools of prefill workers, a row for each growth and a column for each layout. Seconds of the pool alone: waiting,
    prefill, host and the transfer of the cache."""

    workers: Column
    busy: Column
    first_s: Column
    first_tail_s: Column
    transfer_s: Column  # a value for each layout


def _prompts_s(shape: Shape, w: Worker, load: ServingLoad, together: float) -> tuple[Column, Column]:
    """Seconds of a prompt alone and of `together` prompts on each layout, as one table: calls cost more than rows."""
    count = len(column(w.layout.tp))
    twice = msgspec.structs.replace(w, layout=rows_of(w.layout, np.tile(np.arange(count), 2)))
    both = column(prompt_s(shape, twice, load, np.repeat([1.0, together], count)))
    return both[:count], both[count:]


def prefilled(
    shape: Shape, w: Worker, load: ServingLoad, rate: float, spread: ArrivalSpread, most_busy: float, growth: Any
) -> PrefillTimes:
    """Pools of the fewest workers of each layout that carry `rate` at most `most_busy`, times each `growth`.

    Prompts wait in one queue for the first free attention rank of any worker, which takes as many as a step holds:
    short ones share the reading of weights.
    """
    layout = w.layout
    together = max(float(step_budget(w.engine, load.new_tokens) / load.new_tokens), 1.0)
    run, full = _prompts_s(shape, w, load, together)
    moved = column(transfer_s(shape, w, load))
    alone = first_s(shape, w, run, load.new_tokens) + moved
    service = run / layout.pp
    least = np.minimum(full / (together * layout.pp), service)
    fewest = np.maximum(np.ceil(rate * least / (layout.dp * most_busy)), 1.0)
    workers = np.ceil(fewest * np.asarray(growth)[:, None])
    servers = workers * layout.dp
    busy = rate * least / servers
    factor = 1.0 + spread.prompt_variance
    first = alone + factor * column(queue_wait_s(service, busy, servers))
    late = alone + factor * column(queue_wait_tail_s(service, busy, spread.percentile, servers))
    if spread.longer is not None:
        late = late + column(prompt_s(shape, w, spread.longer)) - run
    return PrefillTimes(
        workers=workers, busy=busy, first_s=first, first_tail_s=np.maximum(late, first), transfer_s=moved
    )
