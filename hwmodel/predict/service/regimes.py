"""The regimes of serving: what requests see of an engine, by how they come. On numbers and columns alike."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hwmodel.ops import Num, ceil, maximum, minimum, where
from hwmodel.physics import serving_queue as queue
from hwmodel.physics.columns import everywhere
from hwmodel.predict.service.passes import (
    bulk_s,
    capacity,
    decoding,
    first_s,
    most_prompts,
    passes,
    prompt_s,
    prompts_together,
    step_s,
    transfer_s,
)
from hwmodel.predict.service.setting import (
    AT_ONCE,
    CLOSED,
    DISAGGREGATED,
    OPEN,
    SATURATED,
    STATIC,
    ServiceSetting,
)
from hwmodel.specs.serving import ClosedLoad, ServiceTerms

# Rounds in which a batch and the step that it makes settle: each changes the other little, a few suffice.
ROUNDS = 6
PACE = 0.9  # share of its time that a prefill worker works where its number is chosen


def closed(s: ServiceSetting) -> ServiceTerms:
    """A fixed number of clients on one engine that prefills and decodes."""
    places, engine = capacity(s), s.worker.engine
    running, before = minimum(s.clients, places), queue.delay_steps(s.clients, engine)
    decode = decoding(s, running, before)
    at = passes(s, decode, prompts_together(s, running, before))
    load = ClosedLoad(
        clients=s.clients, places=places, output_tokens=s.load.output_tokens, tokens_per_step=s.gain,
        most_prompts=most_prompts(s), rounds=s.load.rounds, ranks=s.worker.layout.dp,
    )  # fmt: skip
    return queue.closed_loop(at, bulk_s(s, decode), load, engine)


def static(s: ServiceSetting) -> ServiceTerms:
    """A batch of equal requests that start and end together, as many as fit."""
    running = minimum(s.clients, capacity(s))
    prompts = maximum(running / s.worker.layout.dp, 1.0)
    whole = prompt_s(s.shape, s.worker, s.load, prompts)
    return queue.static_batch(step_s(s, running) / s.gain, whole, running, s.load.output_tokens)


def saturated(s: ServiceSetting) -> ServiceTerms:
    """An engine that always has more waiting than it can run; under limits on latency a share of that."""
    places, engine = capacity(s), s.worker.engine
    share = where(s.limited > 0, engine.limited_share, 1.0)
    running = decoding(s, places)
    at = passes(s, running, prompts_together(s, places))
    return queue.saturated(at.step_s, at.mixed_s, at.service_s, running, s.load.output_tokens, s.gain, engine, share)


def at_once(s: ServiceSetting) -> ServiceTerms:
    """Requests that arrive together, none after them."""
    places = capacity(s)
    running = minimum(s.clients, places)
    base, full = step_s(s, 1.0) / s.gain, step_s(s, running) / s.gain
    bulk = bulk_s(s, 0.5 * running)
    return queue.sent_at_once((base, full - base), bulk, places, s.clients, s.load.output_tokens, s.worker.engine)


def open_at(s: ServiceSetting, batch: Num) -> ServiceTerms:
    """Poisson arrivals at the rate that keeps `batch` requests running on average."""
    at = passes(s, batch)
    return queue.open_loop_at(at.step_s, at.first_s, at.service_s, batch, s.load.output_tokens, s.gain, s.worker.engine)


def opened(s: ServiceSetting) -> ServiceTerms:
    """Poisson arrivals at a rate: the running batch follows; infinite waits where the rate cannot be carried."""
    places, engine, output = capacity(s), s.worker.engine, s.load.output_tokens
    base = step_s(s, 1.0)
    running: Num = minimum(8.0, places)
    carried: Num = 1.0
    for _ in range(ROUNDS):
        at = passes(s, running)
        slope = maximum(at.step_s - base, 0.0) / maximum(running - 1.0, 1e-3)
        asked, carried = queue.running_at((base - slope, slope), at.service_s, s.rate, output, s.gain, engine)
        carried = where(asked <= places, carried, 0.0)
        running = minimum(maximum(asked, 1.0), places)
    found = open_at(s, running)
    endless = {
        name: where(carried > 0, getattr(found, name), float("inf"))
        for name in ("ttft_s", "tpot_s", "request_s", "waiting")
    }
    return msgspec.structs.replace(found, requests_per_s=s.rate + 0.0 * running, **endless)


def closed_loop_rate(clients: Num, request_s: Num) -> Num:
    """Requests a second of clients that each ask again as soon as they are answered."""
    return clients / request_s


def paced(s: ServiceSetting) -> ServiceSetting:
    """The setting with pools in numbers that keep pace where none are stated: the fewest decode workers that hold all
    clients, and the fewest prefill workers that these keep no busier than PACE."""
    if everywhere(s.prefill_workers * s.decode_workers > 0):
        return s
    assert s.prefill is not None
    decoders = where(s.decode_workers > 0, s.decode_workers, ceil(s.clients / capacity(s) - 1e-9))
    step = step_s(s, maximum(minimum(s.clients / decoders, capacity(s)), 1.0))
    run = prompt_s(s.shape, s.prefill, s.load)
    lasting = run + s.load.output_tokens * step / s.gain
    service = run / (s.prefill.layout.dp * s.prefill.layout.pp)
    fewest = ceil(s.clients / lasting * service / PACE - 1e-9)
    prefillers = where(s.prefill_workers > 0, s.prefill_workers, fewest)
    return msgspec.structs.replace(s, prefill_workers=prefillers, decode_workers=decoders)


def pooled(s: ServiceSetting) -> ServiceTerms:
    """A fixed number of clients on a pool that prefills and a pool that decodes."""
    s = paced(s)
    assert s.prefill is not None
    pre, engine = s.prefill, s.worker.engine
    alone = prompt_s(s.shape, pre, s.load)
    first, moved = first_s(s.shape, pre, alone, s.load.new_tokens), transfer_s(s.shape, pre, s.load)
    service = alone / (pre.layout.dp * pre.layout.pp)
    places = capacity(s)
    running = maximum(minimum(s.clients / s.decode_workers, places), 1.0)
    for _ in range(ROUNDS):
        step = step_s(s, running)
        at = (first, service, s.prefill_workers, step, moved, s.clients, s.load.output_tokens, s.gain)
        found = queue.pools(*at, engine, s.load.rounds, places * s.decode_workers)
        running = minimum(maximum(found.running / s.decode_workers, 1.0), places)
    return found


REGIMES: dict[str, Callable[[ServiceSetting], ServiceTerms]] = {
    CLOSED: closed, STATIC: static, SATURATED: saturated, OPEN: opened, AT_ONCE: at_once, DISAGGREGATED: pooled,
}  # fmt: skip


def serve(setting: ServiceSetting, regime: str) -> ServiceTerms:
    """What requests see under a regime."""
    return REGIMES[regime](setting)
