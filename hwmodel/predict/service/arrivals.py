"""Poisson arrivals at many configurations at once: means and tails of engines that do both, and of prefill pools."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from hwmodel.ops import maximum
from hwmodel.physics.serving import step_budget
from hwmodel.physics.serving_queue import open_loop_at, queue_wait_s, queue_wait_tail_s, stall_share
from hwmodel.predict.service.layouts import column, rows_of
from hwmodel.predict.service.passes import first_s, mixed_s, most_prompts, passes, prompt_s, room, step_s, transfer_s
from hwmodel.predict.service.setting import ServiceSetting, Worker, on_layout
from hwmodel.predict.service.together import Cells, Column, LayoutRows, ServiceGroup
from hwmodel.specs.serving import ServingLayout, ServingLoad

NONE: Column = np.empty(0)
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

    def tail(self, batch: Column) -> Column:
        """The running batch that the percentile of requests sees at most: it spreads like a Poisson number."""
        return batch + self.z * np.sqrt(batch)


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of configurations and what each decodes at its batch, the mean one running: seconds of a decode step and
    of a token of one sequence, at that batch and at the largest that the spread's percentile sees."""

    layout: ServingLayout
    batch: Column
    room: Column  # requests that fit the cache
    pass_s: Column
    pass_tail_s: Column
    step_s: Column
    step_tail_s: Column

    @property
    def count(self) -> int:
        return len(self.batch)

    def rows(self, index: Any) -> Decoded:
        """Some of the configurations."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        layout = rows_of(fields.pop("layout"), index)
        return Decoded(layout=layout, **{name: values[index] for name, values in fields.items()})


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of what configurations do that prefill between their decode steps. Rates count one engine instance."""

    tpot_s: Column
    tpot_tail_s: Column
    ttft_s: Column
    ttft_tail_s: Column
    requests_per_s: Column
    prefill_share: Column  # of the engine's time


def joined(some: Sequence[Loaded], order: Any) -> Loaded:
    """Some columns below each other, in another order."""
    fields = {name: np.concatenate([getattr(one, name) for one in some]) for name in Loaded.__struct_fields__}
    return Loaded(**{name: values[order] for name, values in fields.items()})


class Fitting(NamedTuple):
    """Layouts at the batches that fit them."""

    layout: ServingLayout
    batch: Column
    room: Column
    cells: Cells

    def rows(self, index: Any) -> Fitting:
        """Some of the configurations."""
        return Fitting(rows_of(self.layout, index), self.batch[index], self.room[index], self.cells.rows(index))


def _batches(most: float) -> Column:
    steps = int(BATCH_STEPS_PER_DOUBLING * math.log2(most)) + 1
    rising = np.round(2.0 ** (np.arange(steps) / BATCH_STEPS_PER_DOUBLING))
    return rising[np.diff(rising, prepend=0.0) > 0.0]


def places(settings: ServiceGroup, tried: Sequence[ServingLayout]) -> list[Column]:
    """Requests whose cache each layout of each setting holds."""
    return [
        one[0] if one else NONE for one in settings.run([LayoutRows(t) for t in tried], lambda s: (column(room(s)),))
    ]


def fitting(s: ServiceSetting, tried: ServingLayout, room: Column, spread: ArrivalSpread) -> Fitting:
    """Every layout tried, with `room` for so many requests, at every batch that fits with its spread."""
    batches = _batches(float(s.worker.engine.max_running))
    place, rung = (a.ravel() for a in np.meshgrid(np.arange(len(room)), np.arange(len(batches)), indexing="ij"))
    layout, room = rows_of(tried, place), room[place]
    batch = batches[rung] * column(layout.dp)
    fits = room >= np.maximum(spread.tail(batch), 1.0)
    # Beyond it prompts come faster than steps take them in.
    fits &= batch <= s.load.output_tokens * column(most_prompts(on_layout(s, layout))) / s.gain
    return Fitting(layout, batch, room, Cells(tried, rung, place)).rows(fits)


def decoded(
    settings: ServiceGroup, found: Sequence[Fitting], spread: ArrivalSpread, within_s: float = math.inf
) -> list[Decoded]:
    """What each configuration decodes, of those whose token takes no more than `within_s` at the spread's percentile.

    Tails: the running batch spreads like a Poisson number.
    """
    tails = settings.run([LayoutRows(f.layout, (spread.tail(f.batch),), f.cells) for f in found], _step)
    kept, fit = [], []
    for f, one, s in zip(found, tails, settings.settings, strict=True):
        tail = one[0] if one else NONE
        quick = tail / s.gain <= within_s
        kept.append(f.rows(quick))
        fit.append(tail[quick])
    means = settings.run([LayoutRows(f.layout, (f.batch,), f.cells) for f in kept], _step)
    return [
        _decoded(f, one[0] if one else NONE, tail, s.gain)
        for f, one, tail, s in zip(kept, means, fit, settings.settings, strict=True)
    ]


def _step(s: ServiceSetting, running: Column) -> tuple[Column]:
    return (column(step_s(s, running)),)


def _decoded(f: Fitting, step: Column, tail: Column, gain: Any) -> Decoded:
    return Decoded(
        layout=f.layout, batch=f.batch, room=f.room, pass_s=step, pass_tail_s=tail, step_s=step / gain,
        step_tail_s=tail / gain,
    )  # fmt: skip


def loaded(settings: ServiceGroup, at: Sequence[Decoded], spread: ArrivalSpread) -> list[Loaded]:
    """Configurations whose decode steps also carry the prefills, their spread counted.

    Tails: the wait for prefill is an M/D/1 queue's.
    """

    def run(s: ServiceSetting, *columns: Column) -> tuple[Column, ...]:
        found = _loaded(s, spread, *columns)
        return tuple(getattr(found, name) for name in Loaded.__struct_fields__)

    found = settings.run([LayoutRows(d.layout, (d.batch, d.pass_s, d.pass_tail_s)) for d in at], run)
    nothing = [NONE] * len(Loaded.__struct_fields__)
    return [Loaded(**dict(zip(Loaded.__struct_fields__, one or nothing, strict=True))) for one in found]


def _loaded(s: ServiceSetting, spread: ArrivalSpread, batch: Column, step: Column, step_tail: Column) -> Loaded:
    engine, output, gain = s.worker.engine, s.load.output_tokens, s.gain
    tail = spread.tail(batch)
    at, late_at = passes(s, batch, step=step), passes(s, tail, step=step_tail)
    first, service = column(at.first_s), column(at.service_s)
    mean = open_loop_at(step, first, service, batch, output, gain, engine)
    stall, busy = stall_share(output, engine) * service, column(mean.utilisation)
    factor = 1.0 + spread.prompt_variance  # waits grow with the second moment of what is waited for
    alone = engine.request_s + first + engine.stream_steps * column(mean.tpot_s) * gain
    ttft = alone + factor * column(queue_wait_s(stall, busy))
    late = alone + column(late_at.mixed_s - at.mixed_s)
    late = late + factor * column(queue_wait_tail_s(stall, busy, spread.percentile))
    if spread.longer is not None:
        late = late + column(mixed_s(s, tail, spread.longer)) - column(late_at.mixed_s)
    return Loaded(
        tpot_s=column(mean.tpot_s), tpot_tail_s=step_tail / gain + stall * tail / output, ttft_s=ttft,
        ttft_tail_s=np.maximum(late, ttft), requests_per_s=column(mean.requests_per_s), prefill_share=busy,
    )  # fmt: skip


class PrefillTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Pools of prefill workers, a row for each growth and a column for each layout. Seconds of the pool alone: waiting,
    prefill, host and the transfer of the cache."""

    workers: Column
    busy: Column
    first_s: Column
    first_tail_s: Column
    transfer_s: Column  # a value for each layout


class Prompts(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of what layouts take for prompts that nothing is decoded beside, in seconds."""

    run_s: Column  # one prompt alone on each attention rank
    full_s: Column  # as many as a step holds
    transfer_s: Column
    first_s: Column  # one alone, its host and transfer counted
    longer_s: Column  # the longest that limits hold for, alone

    def rows(self, index: Any) -> Prompts:
        """Some of the layouts."""
        return Prompts(**{name: getattr(self, name)[index] for name in self.__struct_fields__})


def prompts_of(settings: ServiceGroup, tried: Sequence[ServingLayout], spread: ArrivalSpread) -> list[Prompts]:
    """Prompts on every layout of each setting."""

    def run(s: ServiceSetting) -> tuple[Column, ...]:
        found = _prompts(s, spread)
        return tuple(getattr(found, name) for name in Prompts.__struct_fields__)

    nothing = [NONE] * len(Prompts.__struct_fields__)
    found = settings.run([LayoutRows(t) for t in tried], run)
    return [Prompts(**dict(zip(Prompts.__struct_fields__, one or nothing, strict=True))) for one in found]


def step_prompts(w: Worker, load: ServingLoad) -> Any:
    """Prompts that a step of a prefill worker holds: short ones share the reading of weights."""
    return maximum(step_budget(w.engine, load.new_tokens) / load.new_tokens, 1.0)


def _prompts(s: ServiceSetting, spread: ArrivalSpread) -> Prompts:
    shape, w, load = s.shape, s.worker, s.load
    one = np.ones(len(column(w.layout.tp)))
    run = column(prompt_s(shape, w, load, one))
    moved = column(transfer_s(shape, w, load))
    longer = run if spread.longer is None else column(prompt_s(shape, w, spread.longer))
    return Prompts(
        run_s=run, full_s=column(prompt_s(shape, w, load, step_prompts(w, load) * one)), transfer_s=moved,
        first_s=column(first_s(shape, w, run, load.new_tokens)) + moved, longer_s=longer,
    )  # fmt: skip


def prefilled(
    w: Worker, load: ServingLoad, prompts: Prompts, rate: float, spread: ArrivalSpread, most_busy: float, growth: Any
) -> PrefillTimes:
    """Pools of the fewest workers of each layout that carry `rate` at most `most_busy`, times each `growth`.

    Prompts wait in one queue for the first free attention rank of any worker, which takes as many as a step holds.
    """
    layout = w.layout
    together, run = float(step_prompts(w, load)), prompts.run_s
    service = run / layout.pp
    least = np.minimum(prompts.full_s / (together * layout.pp), service)
    fewest = np.maximum(np.ceil(rate * least / (layout.dp * most_busy)), 1.0)
    workers = np.ceil(fewest * np.asarray(growth)[:, None])
    servers = workers * layout.dp
    busy = rate * least / servers
    factor = 1.0 + spread.prompt_variance
    first = prompts.first_s + factor * column(queue_wait_s(service, busy, servers))
    late = prompts.first_s + factor * column(queue_wait_tail_s(service, busy, spread.percentile, servers))
    if spread.longer is not None:
        late = late + prompts.longer_s - run
    return PrefillTimes(
        workers=workers, busy=busy, first_s=first, first_tail_s=np.maximum(late, first), transfer_s=prompts.transfer_s
    )
