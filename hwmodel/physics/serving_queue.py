"""Many requests on one engine instance: continuous batching, static batches, pools. Seconds, rates, running requests.

Definitions. TTFT: from arrival to the first token, waiting included. TPOT: (request - TTFT) / (output tokens - 1).
Closed loop: a fixed number of clients, each sending its next request when the last is answered. Open loop: Poisson
arrivals at a rate. All are means over requests; `spread` gives the 95th percentile.
"""

from __future__ import annotations

from hwmodel.ops import Num, log, maximum, minimum, where
from hwmodel.specs.serving import ClosedLoad, Engine, EnginePasses, ServiceTerms

MANY = 16.0  # clients from which launch recipes of SGLang look for requests less often
BUSIEST = 0.99  # share of its time that an engine spends on prompts at most: beyond it, waits have no mean
LONGEST = 4.0  # longest answer over the mean where lengths are those of conversations (unconfirmed)


def delay_steps(clients: Num, engine: Engine) -> Num:
    """Decode steps that pass, whatever the load, until the mean prompt is taken up and its first token streamed."""
    poll = where(clients >= MANY, engine.poll_steps_many, engine.poll_steps)
    return engine.stream_steps + 0.5 * (poll - 1.0) + engine.batch_wait_steps


def stall_share(output_tokens: Num, engine: Engine) -> Num:
    """What a prompt takes of the engine over its kernels' own time: `prefill_stall` beside requests that decode, and no
    more than they where none does, for answers of one token end with their prompt."""
    return 1.0 + (engine.prefill_stall - 1.0) * maximum(output_tokens - 1.0, 0.0) / maximum(output_tokens, 1.0)


def balance_wait_steps(arrivals: Num, ranks: Num, engine: Engine) -> Num:
    """Mean steps that a prompt waits for one on each of `ranks` attention-data ranks, at `arrivals` a step on all.

    A round ends when every rank has a prompt (coupons: ranks (ln ranks + 0.577)) or after `balance_steps`; the first
    prompt waits for all of it, those that come meanwhile half.
    """
    rate = maximum(arrivals, 1e-9)
    round_steps = minimum(engine.balance_steps, ranks * (log(maximum(ranks, 1.0)) + 0.577) / rate)
    others = rate * round_steps
    return where(ranks > 1.0, round_steps * (1.0 + 0.5 * others) / (1.0 + others), 0.0)


def cycle_s(apart_s: Num, steps_s: Num, prompts_s: Num, met_s: Num = 0.0) -> Num:
    """Seconds of one request of a closed loop, on an engine that stops its steps for prompts.

    It spends `apart_s` in no step, and would spend `steps_s` in steps if no prompt came between. Those of the others
    take `prompts_s` in all and come evenly over the time of a request: they keep the engine busy for `prompts_s` / T of
    it, and hold up its steps. One that arrives by chance beside them waits `met_s` x busy / (1 - busy) (M/D/1: half a
    prompt). So T = apart + (steps + met x busy) / (1 - busy), solved for the larger T, never below `prompts_s`.
    """
    whole = apart_s + steps_s + prompts_s
    return 0.5 * (whole + maximum(whole * whole - 4.0 * (apart_s - met_s) * prompts_s, 0.0) ** 0.5)


def closed_loop(at: EnginePasses, bulk_s: Num, load: ClosedLoad, engine: Engine) -> ServiceTerms:
    """A fixed number of clients on an aggregated engine, whose decode steps and prefills share the accelerators.

    Each request waits for the prompts of all others once, whether it waits for its first token or decodes (`cycle_s`);
    a new one waits for the prefills in progress and for those that arrived with it, and for a place in the cache where
    there are more clients than places. `bulk_s` is what one of many prompts that wait costs those behind it.

    A step takes in `most_prompts` prompts at most (its token budget over a prompt's tokens). Where prompts come faster
    than that, `most_prompts` x steps of an answer decode at once, TPOT stands at a step full of prompt, and the others
    wait for their first token.
    """
    running = minimum(load.clients, load.places)
    others = maximum(running - 1.0, 0.0)
    stall = stall_share(load.output_tokens, engine) * at.service_s
    # Clients that started together stay partly in step: a new prompt finds a share of the others before it, taken
    # together up to the tokens that a step may hold.
    ahead = 0.5 * maximum(running - load.ranks, 0.0) * bulk_s
    apart = engine.request_s + at.first_s + engine.burst / load.rounds * ahead
    before = delay_steps(load.clients, engine)
    before = before + balance_wait_steps(running * load.tokens_per_step / load.output_tokens, load.ranks, engine)
    after = maximum(load.output_tokens - 1.0, 0.0) / load.tokens_per_step
    prompts, steps = others * stall, (before + after) * at.step_s
    # In the other rounds prompts meet by chance, and wait no longer than for half of the others.
    later = 1.0 - 1.0 / load.rounds
    cycle = minimum(cycle_s(apart, steps, prompts, 0.5 * later * stall), cycle_s(apart + later * ahead, steps, prompts))
    free = maximum(1.0 - prompts / cycle, 1e-9)
    turn = minimum(at.step_s / free, at.step_s + stall * load.most_prompts)
    # Little's law at one full step for so many prompts; those of the first round find half of the others before them.
    full = at.step_s / load.most_prompts + stall
    inside = maximum(cycle, running * full - 0.5 / load.rounds * others * full)
    decode = after * turn
    overflow = (load.clients / running - 1.0) * inside
    rate = running / inside
    return ServiceTerms(
        ttft_s=inside - decode + overflow,
        tpot_s=turn / load.tokens_per_step,
        request_s=inside + overflow,
        step_s=at.step_s,
        prefill_s=at.first_s,
        running=running,
        waiting=maximum(load.clients - running, 0.0),
        requests_per_s=rate,
        utilisation=minimum(rate * at.service_s, 1.0),
    )


def static_batch(step_s: Num, batch_prefill_s: Num, batch: Num, output_tokens: Num) -> ServiceTerms:
    """A batch of equal requests that start and end together, without a server: one prefill of all, then the steps."""
    first = batch_prefill_s
    request = first + step_s * maximum(output_tokens - 1.0, 0.0)
    return ServiceTerms(
        ttft_s=first,
        tpot_s=step_s,
        request_s=request,
        step_s=step_s,
        prefill_s=batch_prefill_s,
        running=batch,
        waiting=0.0 * batch,
        requests_per_s=batch / request,
        utilisation=first / request,
    )


def saturated(
    step_s: Num,
    mixed_s: Num,
    service_s: Num,
    capacity: Num,
    output_tokens: Num,
    tokens_per_step: Num,
    engine: Engine,
    share: Num = 1.0,
) -> ServiceTerms:
    """An engine that always has more waiting: the steps and the prefills of a full cache, at a `share` of that rate.

    `mixed_s` is a step that takes a prompt in, `service_s` what one prompt costs those beside it.
    """
    stall = stall_share(output_tokens, engine) * service_s
    tpot = step_s / tokens_per_step + stall * capacity / output_tokens
    rate = share * capacity / (output_tokens * tpot)
    return ServiceTerms(
        ttft_s=mixed_s,
        tpot_s=tpot,
        request_s=mixed_s + tpot * output_tokens,
        step_s=step_s,
        prefill_s=mixed_s,
        running=capacity,
        waiting=float("inf") + 0.0 * capacity,
        requests_per_s=rate,
        utilisation=rate * stall,
    )


def sent_at_once(
    step_at: tuple[Num, Num],
    bulk_s: Num,
    capacity: Num,
    clients: Num,
    output_tokens: Num,
    engine: Engine,
) -> ServiceTerms:
    """`clients` requests that arrive together, none after them (a benchmark at an infinite rate).

    `step_at` is a step of a few sequences and what it is longer by with all that run; `bulk_s` what one prompt costs.
    Prompts are taken first; half of them stand before the mean one, half after it hold up its tokens. Lengths of
    answers spread like an exponential, so that the batch shrinks and the last ones run LONGEST times the mean.
    """
    fixed, grown = step_at
    running = minimum(clients, capacity)
    prompts = stall_share(output_tokens, engine) * running * bulk_s
    tpot = fixed + 0.5 * grown + 0.5 * prompts / output_tokens
    inside = prompts + output_tokens * (LONGEST * fixed + grown)
    wait = 0.5 * (clients / running - 1.0) * inside
    first = engine.request_s + 0.5 * prompts + engine.stream_steps * (fixed + grown) + wait
    whole = prompts * clients / running + output_tokens * (LONGEST * fixed + grown * clients / running)
    return ServiceTerms(
        ttft_s=first,
        tpot_s=tpot,
        request_s=first + maximum(output_tokens - 1.0, 0.0) * tpot,
        step_s=fixed + grown,
        prefill_s=bulk_s,
        running=running,
        waiting=maximum(clients - running, 0.0),
        requests_per_s=clients / whole,
        utilisation=prompts / inside,
    )


def pool_busy(clients: Num, held: Num) -> Num:
    """Share of its time that a pool of workers spends on clients who each ask again when they are answered.

    `held` requests would be under way if it never rested and nobody queued. Workers take requests in turn, so that one
    of n sees each n-th arrival: Kingman's wait, half a service times the variances, is 1 / n of that of Poisson
    arrivals, and half a request waits in the whole pool times busy^2 / (1 - busy). Little's law, solved for `busy`:
    clients (1 - busy) = busy (held (1 - busy) + busy / 2).
    """
    both = clients + held
    return 2.0 * clients / (both + (both * both - 4.0 * (held - 0.5) * clients) ** 0.5)


def pools(
    prefill_alone_s: Num,
    prefill_service_s: Num,
    prefill_workers: Num,
    step_s: Num,
    transfer_s: Num,
    clients: Num,
    output_tokens: Num,
    tokens_per_step: Num,
    engine: Engine,
    rounds: Num = 10.0,
    places: Num = 1e9,
) -> ServiceTerms:
    """Disaggregated: a pool of prefill workers feeds a pool of decode workers; both see the same request rate.

    `step_s` is the decode step of one worker at its share of the clients that are not in prefill; `places` are the
    requests that all of them decode at once at most: the others wait for their first token.
    """
    tpot = step_s / tokens_per_step
    decode = maximum(output_tokens - 1.0, 0.0) * tpot
    unloaded = engine.request_s + prefill_alone_s + transfer_s + delay_steps(clients, engine) * step_s
    limit = prefill_workers / prefill_service_s
    seats = places / maximum(decode, 1e-9)
    busy = minimum(pool_busy(clients, limit * (unloaded + decode)), seats / limit)
    others = maximum(clients / prefill_workers - 1.0, 0.0)
    # In turn (Dynamo's frontend and SGLang's attention ranks by default): a wait falls with the number of workers.
    queue = 0.5 * prefill_service_s * minimum(busy / (1.0 - busy) / prefill_workers, others)
    rate = minimum(minimum(limit, seats), clients / (unloaded + queue + decode))
    first = maximum(
        unloaded + queue + engine.burst * 0.5 / rounds * prefill_service_s * others, clients / rate - decode
    )
    return ServiceTerms(
        ttft_s=first,
        tpot_s=tpot,
        request_s=first + decode,
        step_s=step_s,
        prefill_s=prefill_alone_s,
        running=rate * decode,
        waiting=maximum(clients - rate * (decode + unloaded), 0.0),
        requests_per_s=rate,
        utilisation=rate / limit,
    )


def open_loop_at(
    step_s: Num,
    first_s: Num,
    service_s: Num,
    batch: Num,
    output_tokens: Num,
    tokens_per_step: Num,
    engine: Engine,
) -> ServiceTerms:
    """Poisson arrivals at the rate that keeps `batch` requests running on one engine.

    `first_s` is the first pass of a prompt, `service_s` what it costs those beside it. The running batch turns over
    once every output tokens' time, the prefills between them included (Little's law).
    """
    stall = stall_share(output_tokens, engine) * service_s
    tpot = step_s / tokens_per_step + stall * batch / output_tokens
    rate = batch / (output_tokens * tpot)
    busy = minimum(rate * stall, BUSIEST)
    first = engine.request_s + first_s + engine.stream_steps * tpot * tokens_per_step + queue_wait_s(stall, busy)
    return ServiceTerms(
        ttft_s=first,
        tpot_s=tpot,
        request_s=first + maximum(output_tokens - 1.0, 0.0) * tpot,
        step_s=step_s,
        prefill_s=first_s,
        running=batch,
        waiting=rate * queue_wait_s(stall, busy),
        requests_per_s=rate,
        utilisation=busy,
    )


def running_at(
    step_at: tuple[Num, Num], service_s: Num, rate: Num, output_tokens: Num, tokens_per_step: Num, engine: Engine
) -> tuple[Num, Num]:
    """(requests that run, 1 where they can be carried) under Poisson arrivals at `rate` a second on one engine.

    `step_at` gives a step as (fixed, a sequence). running = rate x output x TPOT(running), TPOT linear in it.
    """
    fixed, slope = step_at
    busy = rate * stall_share(output_tokens, engine) * service_s
    load = rate * output_tokens / (tokens_per_step * (1.0 - minimum(busy, BUSIEST)))
    running = load * fixed / maximum(1.0 - load * slope, 1e-6)
    return running, where((load * slope < 1.0) & (busy < BUSIEST), 1.0, 0.0)


def waiting_share(busy: Num, servers: Num = 1.0) -> Num:
    """Share of Poisson arrivals that find all `servers` taken, each `busy` that share of its time (Sakasegawa 1977)."""
    return busy ** ((2.0 * (servers + 1.0)) ** 0.5 - 1.0)


def queue_wait_s(service_s: Num, busy: Num, servers: Num = 1.0) -> Num:
    """Mean wait of Poisson arrivals before one of `servers` that each take `service_s` a request."""
    return 0.5 * service_s * waiting_share(busy, servers) / (servers * (1.0 - busy))


def queue_wait_tail_s(service_s: Num, busy: Num, percentile: float, servers: Num = 1.0) -> Num:
    """The wait that `percentile` of those arrivals stay below; the tail is exponential, zero where few wait at all."""
    over = maximum(waiting_share(busy, servers), 1e-9) / (1.0 - percentile)
    return 0.5 * service_s / (servers * (1.0 - busy)) * maximum(log(over), 0.0)
