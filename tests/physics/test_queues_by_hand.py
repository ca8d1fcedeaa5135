"""One hand-worked case for each regime of requests: who waits how long, in seconds worked out in the comments."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hwmodel.physics import serving_queue as queue
from hwmodel.specs.serving import ClosedLoad, Engine, EnginePasses, ServiceTerms

# A fixed 10 ms, two steps until a token streams, half a prefill stalls the others, three times the usual burst.
ENGINE = Engine(request_s=0.01, stream_steps=2.0, prefill_stall=0.5, burst=3.0)


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-9)


def stall(seconds: float, output_tokens: float) -> float:
    """What `seconds` of a prompt cost: half of them beside requests that decode, as all but one token of an answer."""
    return seconds * (1 - 0.5 * (output_tokens - 1) / output_tokens)


def test_a_prompt_beside_which_nothing_decodes_takes_its_own_time() -> None:
    assert queue.stall_share(1.0, ENGINE) == 1.0
    assert queue.stall_share(2.0, ENGINE) == near(0.75)
    assert queue.stall_share(1e12, ENGINE) == near(0.5)


def test_the_cycle_of_a_closed_loop() -> None:
    """1 s in no step, 1.5 s of steps, 2 s of others' prompts: in 4 s half of the time is left for steps."""
    assert queue.cycle_s(1.0, 1.5, 2.0) == near(4.0)  # 1 + 1.5 / (1 - 2 / 4)
    assert queue.cycle_s(1.0, 1.5, 0.0) == near(2.5)
    assert queue.cycle_s(0.0, 1.5, 2.0) == near(3.5)
    # Without steps there is nothing to hold up: whichever lasts longer.
    assert queue.cycle_s(1.0, 0.0, 2.0) == near(2.0)
    assert queue.cycle_s(3.0, 0.0, 2.0) == near(3.0)
    # Half a second for each time that it is busy: 1 + (1 + 0.5 x 0.5) / (1 - 0.5) = 3.5, with prompts of 1.75 s.
    assert queue.cycle_s(1.0, 1.0, 1.75, 0.5) == near(3.5)


# A quarter of a second fixed, two steps until a token streams.
EVEN = Engine(request_s=0.25, stream_steps=2.0, prefill_stall=1.0, burst=1.0)
PASSES = EnginePasses(step_s=0.0125, mixed_s=0.2375, first_s=0.15, service_s=0.225)
FIVE = ClosedLoad(clients=5.0, places=5.0, output_tokens=101.0, tokens_per_step=2.0, rounds=1.0)


def test_a_closed_loop_with_more_clients_than_places() -> None:
    """Eleven clients, five places, one round: half of the four others are read before, 50 ms each. 0.25 + 0.15 + 0.1 s
    in no step, 2 + 50 steps of 12.5 ms make 0.65 s; four prompts of 0.225 s: 0.5 + 0.65 / (1 - 0.9 / 1.8) = 1.8."""
    found = queue.closed_loop(PASSES, 0.05, replace(FIVE, clients=11.0), EVEN)
    assert found.tpot_s == near(0.0125)  # twice as long a step gives two tokens
    assert found.requests_per_s == near(5 / 1.8)
    assert found.ttft_s == near(0.5 + 2 * 0.025 + 6 / 5 * 1.8)  # six wait for five places
    assert found.request_s == near(11 / 5 * 1.8)
    assert (found.running, found.waiting) == (5.0, 6.0)
    assert found.utilisation == near(5 / 1.8 * 0.225)
    assert (found.step_s, found.prefill_s) == (0.0125, 0.15)


def test_prompts_of_later_rounds_meet_by_chance() -> None:
    """Ten rounds, prompts of 0.5 s where many wait: a tenth of the second ahead makes 0.5 s in no step again. In nine
    rounds of ten one waits half a prompt x busy / (1 - busy): T = 0.5 + (0.65 + 0.10125 x 0.9 / T) / (1 - 0.9 / T), or
    T^2 - 2.05 T + 0.9 (0.5 - 0.10125) = 0: (2.05 + sqrt(2.767)) / 2 = 1.8567151 s."""
    found = queue.closed_loop(PASSES, 0.5, replace(FIVE, rounds=10.0), EVEN)
    turn = 0.0125 / (1 - 0.9 / 1.8567151)
    assert found.request_s == pytest.approx(1.8567151, rel=1e-6)
    assert found.tpot_s == pytest.approx(turn / 2, rel=1e-6)
    assert found.ttft_s == pytest.approx(1.8567151 - 50 * turn, rel=1e-6)
    # No longer than those ahead take: 0.02 s of bulk are 0.04 s ahead, 0.404 s in no step, and 0.036 s of chance.
    few = queue.closed_loop(PASSES, 0.02, replace(FIVE, rounds=10.0), EVEN)
    alone = queue.closed_loop(PASSES, 0.02, replace(FIVE, rounds=1.0), EVEN)
    assert few.request_s == near(alone.request_s)  # 0.004 + 0.036 s of ten rounds are 0.04 s of one


def test_a_closed_loop_whose_steps_are_full_of_prompts() -> None:
    """A step takes a fiftieth of a prompt: TPOT stands at a step full of prompt, the others wait for a first token."""
    full = EnginePasses(step_s=0.02, mixed_s=0.08, first_s=0.1, service_s=0.06)
    load = replace(FIVE, rounds=10.0, most_prompts=0.02)
    found = queue.closed_loop(full, 0.08, load, ENGINE)
    prompt = stall(0.06, 101)
    assert found.tpot_s == near(0.01 + prompt * 0.01)
    # Little's law at a second and a prompt for each of five; in the first of ten rounds half of the four others stand
    # before.
    assert found.ttft_s == near((5 - 1 - 0.5 / 10 * 4) * (1.0 + prompt))
    assert found.waiting == 0.0


def test_a_closed_loop_that_prompts_keep_busy() -> None:
    """41 clients, steps of 0.1 ms: 40 prompts of 30.3 ms keep the engine busy; what is left of the time holds 102 steps
    and, in nine rounds of ten, half a prompt for each time that it is busy."""
    load = ClosedLoad(clients=41.0, places=41.0, output_tokens=101.0)
    at = EnginePasses(step_s=1e-4, mixed_s=0.0601, first_s=1e-3, service_s=0.06)
    found = queue.closed_loop(at, 0.0601, load, ENGINE)
    prompt = stall(0.06, 101)
    busy = 40 * prompt / found.request_s
    assert 0.85 < busy < 1.0
    apart = 0.011 + 3 * 0.5 / 10 * 40 * 0.0601
    assert found.request_s == near(apart + (0.0102 + 0.9 * 0.5 * prompt * busy) / (1 - busy))
    assert found.tpot_s == near(1e-4 / (1 - busy))


@pytest.mark.parametrize(
    "found",
    [
        queue.closed_loop(PASSES, 0.05, replace(FIVE, output_tokens=1.0), ENGINE),
        queue.static_batch(0.02, 0.1, 8.0, 1.0),
        queue.sent_at_once((0.02, 0.01), 0.06, 5.0, 5.0, 1.0, ENGINE),
        queue.pools(0.1, 0.06, 2.0, 0.02, 0.01, 8.0, 1.0, 1.0, ENGINE),
        queue.open_loop_at(0.02, 0.1, 0.06, 4.0, 1.0, 1.0, ENGINE),
    ],
)
def test_an_answer_of_one_token_ends_with_its_first(found: ServiceTerms) -> None:
    """In each regime: nothing is decoded after the only token."""
    assert found.tpot_s > 0.0
    assert found.request_s == found.ttft_s


def test_a_round_of_attention_ranks_ends_by_coupons_or_by_its_limit() -> None:
    # Two ranks need 2 (ln 2 + 0.577) = 2.5403 prompts; at one a step the first waits all of it, the others half.
    waits = queue.balance_wait_steps(1.0, 2.0, Engine(balance_steps=10.0))
    assert waits == pytest.approx(2.540294 * (1 + 0.5 * 2.540294) / (1 + 2.540294), rel=1e-6)
    assert queue.balance_wait_steps(1.0, 2.0, Engine(balance_steps=2.0)) == near(2 * (1 + 0.5 * 2) / 3)
    assert queue.balance_wait_steps(1.0, 1.0, Engine(balance_steps=2.0)) == 0.0


def test_steps_before_a_prompt_is_taken_up() -> None:
    engine = Engine(stream_steps=2.0, poll_steps=4.0, poll_steps_many=8.0, batch_wait_steps=1.0)
    assert queue.delay_steps(1.0, engine) == near(2 + 0.5 * 3 + 1)
    assert queue.delay_steps(1e6, engine) == near(2 + 0.5 * 7 + 1)


def test_a_batch_that_starts_and_ends_together() -> None:
    # Half a second for all prompts, then a hundred steps of 20 ms.
    found = queue.static_batch(0.02, 0.5, 4.0, 101.0)
    assert (found.ttft_s, found.prefill_s, found.tpot_s, found.step_s) == (0.5, 0.5, 0.02, 0.02)
    assert (found.running, found.waiting) == (4.0, 0.0)
    assert found.request_s == near(0.5 + 100 * 0.02)
    assert found.requests_per_s == near(4 / 2.5)
    assert found.utilisation == near(0.5 / 2.5)


def test_an_engine_that_is_never_empty() -> None:
    """Eight places, 100 tokens an answer: each token waits 10 ms and a hundredth of eight stalls of 30 ms."""
    found = queue.saturated(0.02, 0.05, 0.06, 8.0, 100.0, 2.0, ENGINE, 0.9)
    tpot = 0.01 + stall(0.06, 100) * 8 / 100
    assert found.tpot_s == near(tpot)
    assert found.requests_per_s == near(0.9 * 8 / (100 * tpot))
    assert found.request_s == near(0.05 + 100 * tpot)
    assert found.utilisation == near(0.9 * 8 / (100 * tpot) * stall(0.06, 100))


def test_requests_sent_at_once() -> None:
    """Ten requests, four places, 100 tokens; a step of 10 ms and 4 more when full; a prompt of 50 ms stalls by half."""
    found = queue.sent_at_once((0.01, 0.004), 0.05, 4.0, 10.0, 100.0, ENGINE)
    prompts, longest = 4 * stall(0.05, 100), queue.LONGEST
    assert found.tpot_s == near(0.01 + 0.002 + 0.5 * prompts / 100)
    inside = prompts + 100 * (longest * 0.01 + 0.004)
    wait = 0.5 * (10 / 4 - 1) * inside
    assert found.ttft_s == near(0.01 + 0.5 * prompts + 2 * 0.014 + wait)
    assert found.request_s == near(found.ttft_s + 99 * found.tpot_s)
    assert found.requests_per_s == near(10 / (prompts * 2.5 + 100 * (longest * 0.01 + 0.004 * 2.5)))
    assert found.utilisation == near(prompts / inside)
    assert (found.running, found.waiting) == (4.0, 6.0)


POOLS = {"prefill_alone_s": 0.1, "prefill_workers": 2.0, "step_s": 0.02, "transfer_s": 0.01, "clients": 8.0,
         "output_tokens": 101.0, "tokens_per_step": 2.0, "engine": ENGINE}  # fmt: skip


def test_pools_whose_decode_workers_set_the_rate() -> None:
    """Eight clients: 10 + 100 + 10 ms and two steps until a token, 1 s of tokens; two workers of 50 ms a prompt.

    At forty prompts a second 46.4 requests are under way without a queue: 8 (1 - b) = b (46.4 (1 - b) + b / 2), that is
    45.9 b^2 - 54.4 b + 8 = 0, b = (54.4 - sqrt(1490.56)) / 91.8 = 0.1720286; prompts come in turn, so that a queue is
    half of that of one worker: 12.5 ms b / (1 - b).
    """
    found = queue.pools(prefill_service_s=0.05, **POOLS)
    busy = 0.17202864
    wait = 0.0125 * busy / (1 - busy)
    assert found.requests_per_s == pytest.approx(40 * busy, rel=1e-6)
    assert found.requests_per_s == pytest.approx(8 / (1.16 + wait), rel=1e-6)
    assert found.ttft_s == pytest.approx(0.16 + wait + 3 * 0.5 / 10 * 0.05 * 3, rel=1e-6)  # three others a worker
    assert found.request_s == near(found.ttft_s + 1.0)
    assert found.waiting == pytest.approx(8 - 40 * busy * 1.16, abs=1e-6)
    assert (found.running, found.utilisation) == (near(found.requests_per_s), near(found.requests_per_s / 40))


def test_the_load_of_a_pool_by_limits() -> None:
    """Few clients ask as if nobody queued, many keep the pool busy, and it is a root of Little's law between."""
    assert queue.pool_busy(1.0, 1e9) == pytest.approx(1e-9)
    assert queue.pool_busy(1e9, 10.0) == pytest.approx(1.0)
    for clients, held in ((8.0, 46.4), (50.0, 40.0), (40.0, 40.0)):
        b = queue.pool_busy(clients, held)
        assert 0.0 < b < 1.0
        assert clients == pytest.approx(b * held + 0.5 * b * b / (1.0 - b))


def test_pools_whose_prefill_workers_set_the_rate() -> None:
    """Half a second a prompt: four a second; the queue is at most half of the three others."""
    found = queue.pools(prefill_service_s=0.5, **POOLS)
    assert (found.requests_per_s, found.utilisation) == (4.0, 1.0)
    assert found.ttft_s == near(0.16 + 0.5 * 0.5 * 3 + 3 * 0.5 / 10 * 0.5 * 3)
    assert found.waiting == near(8 - 4 * 1.16)
    # A second each: two a second, and eight clients less those that decode must wait for a first token.
    assert queue.pools(prefill_service_s=1.0, **POOLS).ttft_s == near(8 / 2 - 1.0)


def test_pools_whose_decode_places_set_the_rate() -> None:
    """Four places, a second of tokens each: four requests a second; eight clients take two seconds, one of them to
    decode. Prefill workers do 4 of 40 a second, so that hardly anybody queues there."""
    found = queue.pools(prefill_service_s=0.05, places=4.0, **POOLS)
    assert found.requests_per_s == near(4.0)
    assert (found.ttft_s, found.request_s) == (near(1.0), near(2.0))
    assert (found.running, found.utilisation) == (near(4.0), near(0.1))
    # As many places as ever decode hold nobody up.
    assert queue.pools(prefill_service_s=0.05, places=8.0, **POOLS) == queue.pools(prefill_service_s=0.05, **POOLS)


def test_an_open_loop_at_a_batch() -> None:
    found = queue.open_loop_at(0.02, 0.1, 0.06, 8.0, 101.0, 2.0, ENGINE)
    prompt = stall(0.06, 101)
    tpot = 0.01 + prompt * 8 / 101
    rate = 8 / (101 * tpot)
    busy = rate * prompt
    wait = 0.5 * prompt * busy / (1 - busy)
    assert found.requests_per_s == near(rate)
    assert found.ttft_s == near(0.01 + 0.1 + 2 * 2 * tpot + wait)  # two steps of two tokens, prefills between
    assert found.request_s == near(found.ttft_s + 100 * tpot)
    assert found.waiting == near(rate * wait)


def test_how_many_run_at_a_rate() -> None:
    """Two a second, 100 tokens, two a step: busy 6.06 %, 100 / 0.9394 steps a second; a step of 4 ms and 0.1 a
    sequence."""
    running, carried = queue.running_at((0.004, 0.0001), 0.06, 2.0, 100.0, 2.0, ENGINE)
    load = 2 * 100 / (2 * (1 - 2 * stall(0.06, 100)))
    assert running == near(load * 0.004 / (1 - load * 0.0001))
    assert carried == 1.0
    assert queue.running_at((0.004, 0.01), 0.06, 2.0, 100.0, 2.0, ENGINE)[1] == 0.0  # steps grow faster than they end
    assert queue.running_at((0.004, 0.0001), 1.0, 2.0, 100.0, 2.0, ENGINE)[1] == 0.0  # prompts take all the time


def test_waits_of_several_servers_and_their_tail() -> None:
    # Three servers, each 90 % busy: sqrt(2 x 4) - 1 = 1.828427 powers of 0.9.
    share = 0.9**1.8284271247461903
    assert queue.waiting_share(0.9, 3.0) == near(share)
    assert queue.queue_wait_s(2.0, 0.9, 3.0) == near(0.5 * 2 * share / (3 * 0.1))
    assert queue.queue_wait_tail_s(2.0, 0.9, 0.95, 3.0) == pytest.approx(1.0 / 0.3 * 2.80308825, rel=1e-6)
    assert queue.queue_wait_tail_s(2.0, 0.01, 0.95, 3.0) == 0.0  # fewer than a twentieth wait at all
