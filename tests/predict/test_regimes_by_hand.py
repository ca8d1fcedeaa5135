"""What each regime of serving asks of the passes and of the queue, on passes of round seconds.

The queue itself is worked out in tests/physics/test_queues_by_hand.py; here it says what it was given.
"""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from round_machine import MACHINE, SHAPE

from hwmodel.physics import serving_queue as queue
from hwmodel.predict.service import passes, regimes
from hwmodel.predict.service.setting import ServiceSetting, Worker
from hwmodel.specs.serving import (
    ClosedLoad,
    Engine,
    EnginePasses,
    ServingFormats,
    ServingLayout,
    ServingLoad,
    ServingMemory,
    Speculation,
)

LOAD = ServingLoad(prompt_tokens=1024.0, output_tokens=100.0, rounds=5.0)
ENGINE = Engine(step_tokens=4096.0, max_running=16.0)
# Two drafts, a half of each accepted: 1 + 1/2 + 1/4 tokens a step, which takes a quarter longer.
DRAFTS = Speculation(draft_tokens=2.0, acceptance=0.5, draft_share=0.125)


def worker(**sizes: float) -> Worker:
    return Worker(machine=MACHINE, formats=ServingFormats(), engine=ENGINE, layout=ServingLayout(**sizes))


def setting(**fields: Any) -> ServiceSetting:
    given = {"shape": SHAPE, "worker": worker(tp=4.0, dp=2.0, pp=2.0), "load": LOAD, "drafts": DRAFTS, "clients": 40.0}
    return ServiceSetting(**{**given, **fields})


def told(function: Any) -> Any:
    """A function that says what it was given, by name."""
    named = inspect.signature(function)

    def say(*args: Any, **more: Any) -> Any:
        bound = named.bind(*args, **more)
        bound.apply_defaults()
        return SimpleNamespace(**bound.arguments)

    return say


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for 32; a step of a hundredth of a second a request; prompts of 0.3 s, half of it more for each beside."""
    for name, other in {
        "capacity": lambda s: 32.0,
        "decoding": lambda s, running, before=0.0: running - 2.0 - before,
        "passes": lambda s, running, together=0.0: EnginePasses(
            step_s=running, mixed_s=together, first_s=running + 100.0, service_s=0.05
        ),
        "prompts_together": lambda s, running, before=0.0: running + before,
        "bulk_s": lambda s, running: running / 1000.0,
        "step_s": lambda s, running: 0.01 * running,
        "prompt_s": lambda shape, w, load, prompts=1.0: 0.15 * (1.0 + prompts),
        "first_s": lambda shape, w, pass_s, new: pass_s + new,
        "transfer_s": lambda shape, w, load: w.layout.tp,
        "most_prompts": lambda s: 7.0,
    }.items():
        monkeypatch.setattr(regimes, name, other)
    for name in ("closed_loop", "static_batch", "saturated", "sent_at_once", "open_loop_at"):
        monkeypatch.setattr(regimes.queue, name, told(getattr(queue, name)))


@pytest.mark.usefixtures("rounds")
def test_a_closed_loop() -> None:
    # Of 40 clients 32 run; they wait a step, 29 decode.
    found: Any = regimes.closed(setting())
    assert found.at == EnginePasses(step_s=29.0, mixed_s=33.0, first_s=129.0, service_s=0.05)
    assert (found.bulk_s, found.engine) == (0.029, ENGINE)
    assert found.load == ClosedLoad(
        clients=40.0, places=32.0, output_tokens=100.0, tokens_per_step=1.75, most_prompts=7.0, rounds=5.0, ranks=2.0
    )
    assert regimes.closed(setting(clients=10.0)).at.step_s == 7.0


@pytest.mark.usefixtures("rounds")
def test_a_static_batch() -> None:
    # 32 run, sixteen prompts on each of two ranks; a step gains 1.75 tokens. At least a whole prompt is read.
    found: Any = regimes.static(setting())
    assert found.step_s == pytest.approx(0.32 / 1.75)
    assert (found.batch, found.output_tokens, found.batch_prefill_s) == (32.0, 100.0, 0.15 * 17)
    assert regimes.static(setting(clients=1.0)).batch_prefill_s == 0.3


@pytest.mark.usefixtures("rounds")
def test_a_saturated_engine() -> None:
    # All places are taken, 30 of them decode.
    found: Any = regimes.saturated(setting())
    assert (found.step_s, found.mixed_s, found.service_s, found.capacity) == (30.0, 32.0, 0.05, 30.0)
    assert (found.output_tokens, found.tokens_per_step, found.share) == (100.0, 1.75, 1.0)
    assert regimes.saturated(setting(limited=1.0)).share == ENGINE.limited_share == 0.92


@pytest.mark.usefixtures("rounds")
def test_requests_sent_at_once() -> None:
    # A step of one, and what 32 add to it; prompts are read beside half of them.
    found: Any = regimes.at_once(setting())
    assert found.step_at == pytest.approx((0.01 / 1.75, 0.31 / 1.75))
    assert (found.bulk_s, found.capacity, found.clients, found.output_tokens) == (0.016, 32.0, 40.0, 100.0)
    assert regimes.at_once(setting(clients=4.0)).bulk_s == 0.002


@pytest.mark.usefixtures("rounds")
def test_an_open_loop_at_a_batch() -> None:
    found: Any = regimes.open_at(setting(), 8.0)
    assert (found.step_s, found.first_s, found.service_s, found.batch) == (8.0, 108.0, 0.05, 8.0)
    assert (found.output_tokens, found.tokens_per_step, found.engine) == (100.0, 1.75, ENGINE)
    assert regimes.closed_loop_rate(40.0, 8.0) == 5.0


POOLS: dict[str, Any] = {"prefill": worker(tp=4.0, dp=2.0, pp=4.0), "drafts": Speculation()}


@pytest.mark.usefixtures("rounds")
def test_pools_that_keep_pace() -> None:
    # 40 clients of 32 places are two decode workers, 20 on each: steps of 0.2 s, 20 s of a hundred tokens after 0.3 s
    # of prompt. 40 / 20.3 requests a second of 0.3 / 8 s each, at nine tenths: one prefill worker (0.0821).
    found = regimes.paced(setting(**POOLS))
    assert (found.decode_workers, found.prefill_workers) == (2.0, 1.0)
    # 4,000 are 125 workers of 32 each: 4,000 / 32.3 x 0.0375 / 0.9 = 5.16, six.
    found = regimes.paced(setting(**POOLS, clients=4000.0))
    assert (found.decode_workers, found.prefill_workers) == (125.0, 6.0)
    # Of a hundred stated, 40 on each: of 32 places, 5.16 again; a thousand stated have 4 and steps of 0.04 s:
    # 4,000 / 4.3 x 0.0375 / 0.9 = 38.8.
    assert regimes.paced(setting(**POOLS, clients=4000.0, decode_workers=100.0)).prefill_workers == 6.0
    assert regimes.paced(setting(**POOLS, clients=4000.0, decode_workers=1000.0)).prefill_workers == 39.0
    # Fewer clients than workers: one on each, 1 / 1.3 x 0.0375 / 0.9 is one.
    assert regimes.paced(setting(**POOLS, clients=1.0, decode_workers=10.0)).prefill_workers == 1.0
    # What is stated stays; a step that gains two tokens halves the time of an answer: 4,000 / 16.3 = 245: 10.2.
    assert regimes.paced(setting(**POOLS, clients=4000.0, prefill_workers=3.0)).prefill_workers == 3.0
    quick = setting(**{**POOLS, "drafts": Speculation(draft_tokens=1.0, acceptance=1.0)}, clients=4000.0)
    assert regimes.paced(quick).prefill_workers == 11.0
    both = setting(**POOLS, prefill_workers=3.0, decode_workers=4.0)
    assert regimes.paced(both) is both


@pytest.mark.usefixtures("rounds")
def test_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    # The batch of a decode worker is what the pools leave of its clients: 60 running on four are 15 each.
    asked, left, say = list[Any](), [60.0], told(queue.pools)

    def pools(*args: Any) -> Any:
        asked.append(say(*args))
        return SimpleNamespace(running=left[0])

    monkeypatch.setattr(regimes.queue, "pools", pools)
    many = setting(**{**POOLS, "drafts": DRAFTS}, clients=80.0, prefill_workers=3.0, decode_workers=4.0)
    regimes.pooled(many)
    assert len(asked) == regimes.ROUNDS
    assert [one.step_s for one in asked[:2]] == pytest.approx([0.2, 0.15])
    first = asked[0]
    # A prompt of 0.3 s on two ranks of four stages, its first pass with 1,024 tokens; over four NICs.
    assert (first.prefill_alone_s, first.prefill_service_s, first.prefill_workers) == (1024.3, 0.3 / 8, 3.0)
    assert (first.transfer_s, first.clients, first.output_tokens) == (4.0, 80.0, 100.0)
    assert (first.tokens_per_step, first.rounds, first.engine) == (1.75, 5.0, ENGINE)
    assert first.places == 128.0  # 32 on each of four workers
    # No more than there are places, no fewer than one.
    for running, step in ((400.0, 0.32), (0.5, 0.01)):
        left[0] = running
        asked.clear()
        regimes.pooled(many)
        assert asked[-1].step_s == pytest.approx(step)
    asked.clear()
    regimes.pooled(setting(**POOLS, clients=800.0, prefill_workers=3.0, decode_workers=4.0))
    assert asked[0].step_s == pytest.approx(0.32)
    asked.clear()
    regimes.pooled(setting(**POOLS, clients=2.0, prefill_workers=3.0, decode_workers=4.0))
    assert asked[0].step_s == pytest.approx(0.01)


# --- the passes themselves


def test_how_many_prompts_a_step_takes_in() -> None:
    # Four of 1,024 in 4,096 tokens, on two ranks of two stages.
    one = setting()
    assert passes.most_prompts(one) == 16.0
    # A third of each prompt is found in the cache: six.
    cached = setting(load=ServingLoad(prompt_tokens=1024.0, output_tokens=100.0, cached_tokens=1024.0 / 3))
    assert passes.most_prompts(cached) == pytest.approx(24.0)
    # 99 tokens after the first at 16 prompts a step of 1.75 tokens: 905.1 decode at once; at least one.
    assert passes.decoding(one, 2000.0) == pytest.approx(99 * 16 / 1.75)
    assert passes.decoding(one, 64.0) == 64.0
    short = setting(load=ServingLoad(prompt_tokens=1024.0, output_tokens=1.0))
    assert passes.decoding(short, 64.0) == 1.0
    assert passes.decoding(setting(load=ServingLoad(prompt_tokens=1024.0, output_tokens=0.5)), 64.0) == 1.0
    # 800 running gain 1,400 tokens a step: fourteen answers of a hundred end, 3.5 on each rank and stage.
    assert passes.prompts_together(one, 800.0) == pytest.approx(3.5)
    assert passes.prompts_together(one, 8000.0) == 4.0
    assert passes.prompts_together(one, 8.0) == 1.0
    # Sixteen steps of 1.75 tokens before the first are 28 tokens more: 1,400 / 128 prompts, 500 of 640 decode.
    assert passes.prompts_together(one, 800.0, 16.0) == pytest.approx(1400 / 128 / 4)
    assert passes.decoding(one, 640.0, 16.0) == pytest.approx(500.0)


def test_capacity_is_room_up_to_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    # Sixteen on each of two ranks at most; at least one.
    for room, found in ((100.0, 32.0), (20.5, 20.5), (0.3, 1.0)):
        monkeypatch.setattr(passes, "room", lambda s, room=room: room)
        assert passes.capacity(setting()) == found


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the physics was asked, by function: two seconds for a decode step, three for a mixed one, and so on."""
    asked: dict[str, Any] = {}
    seconds = {"decode_terms": 2.0, "mixed_terms": 3.0, "prefill_s": 4.0, "bulk_prompt_s": 5.0, "first_pass_s": 6.0,
               "cache_transfer_s": 7.0, "prefill_terms": 8.0}  # fmt: skip
    for name, value in seconds.items():
        say = told(getattr(passes, name))

        def other(*args: Any, name: str = name, value: float = value, say: Any = say) -> Any:
            asked[name] = say(*args)
            return SimpleNamespace(total_s=value) if name.endswith("terms") else value

        monkeypatch.setattr(passes, name, other)
    return asked


def test_seconds_of_passes(said: dict[str, Any]) -> None:
    one, w, later = (
        setting(),
        setting().worker,
        ServingLoad(prompt_tokens=2048.0, output_tokens=1.0, cached_tokens=48.0),
    )
    # A quarter longer for the drafts, three tokens a sequence; the mean context is the prompt and half of the answer.
    assert passes.step_s(one, 8.0) == 2.5
    step = said["decode_terms"]
    assert (step.batch, step.context, step.verified) == (8.0, 1074.0, 3.0)
    assert (step.shape, step.machine, step.formats, step.layout) == (SHAPE, MACHINE, w.formats, w.layout)
    assert passes.mixed_s(one, 8.0) == 3.75
    mixed = said["mixed_terms"]
    assert (mixed.batch, mixed.load, mixed.prompts, mixed.verified) == (8.0, LOAD, 1.0, 3.0)
    passes.mixed_s(one, 8.0, later, 2.0)
    assert (said["mixed_terms"].load, said["mixed_terms"].prompts) == (later, 2.0)
    assert passes.bulk_s(one, 8.0) == 6.25
    bulk = said["bulk_prompt_s"]
    assert (bulk.batch, bulk.load, bulk.verified) == (8.0, LOAD, 3.0)
    assert passes.prompt_s(SHAPE, w, later, 2.0) == 4.0
    assert passes.prompt_terms(SHAPE, w, later).total_s == 8.0
    for name, prompts in (("prefill_s", 2.0), ("prefill_terms", 1.0)):
        assert (said[name].new_tokens, said[name].context, said[name].prompts) == (2000.0, 2048.0, prompts)
    assert passes.first_s(SHAPE, w, 0.5, 9.0) == 6.0
    assert (said["first_pass_s"].pass_s, said["first_pass_s"].new_tokens) == (0.5, 9.0)
    assert passes.transfer_s(SHAPE, w, later) == 7.0
    moved = said["cache_transfer_s"]
    assert (moved.kv_bytes, moved.prompt_tokens, moved.tp) == (2.0, 2048.0, 4.0)


def test_what_a_prompt_costs_those_beside_it(said: dict[str, Any]) -> None:
    # A mixed step is 3.75 - 2.5 s longer, for one prompt on each of two ranks and stages.
    found = passes.passes(setting(), 8.0)
    assert found == EnginePasses(step_s=2.5, mixed_s=3.75, first_s=6.0, service_s=1.25 / 4)
    assert said["first_pass_s"].pass_s == 3.75
    assert (said["first_pass_s"].new_tokens, said["mixed_terms"].batch) == (1024.0, 8.0)
    # 3.5 prompts on each rank and stage; a step that is known is taken.
    found = passes.passes(setting(), 8.0, 3.5, step=3.0)
    assert (found.step_s, found.service_s) == (3.0, pytest.approx(0.75 / 14))
    assert said["mixed_terms"].prompts == pytest.approx(3.5)
    assert passes.passes(setting(), 8.0, step=4.0).service_s == 0.0


def test_prompts_that_have_passes_of_their_own(said: dict[str, Any]) -> None:
    # Four seconds and a quarter more of drafts, which is longer than what a mixed step adds.
    apart = setting(worker=replace(worker(tp=4.0, dp=2.0, pp=2.0), engine=replace(ENGINE, prefills_apart=1.0)))
    found = passes.passes(apart, 8.0, 3.5)
    assert (found.mixed_s, found.service_s) == (5.0, pytest.approx(5.0 / 14))
    assert said["prefill_s"].prompts == pytest.approx(3.5)
    # Of a column that engine alone.
    both = replace(apart.worker, engine=replace(ENGINE, prefills_apart=np.array([0.0, 1.0])))
    found = passes.passes(setting(worker=both), 8.0)
    assert found.mixed_s.tolist() == [3.75, 5.0]
    assert found.service_s.tolist() == [1.25 / 4, 5.0 / 4]
    # A mixed step that adds more than the pass alone still costs what it adds.
    assert passes.passes(apart, 8.0, step=-4.0).service_s == pytest.approx(7.75 / 4)


def test_ends_of_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    # As many requests as bytes; the ends of the pool by what the machine has.
    held = ServingMemory(weights_bytes=1.0, reserve_bytes=2.0, kv_pool_bytes=10.0, kv_bytes_per_token=3.0,
                         state_bytes_per_sequence=4.0)  # fmt: skip
    monkeypatch.setattr(passes, "held", lambda s: held)
    monkeypatch.setattr(passes, "pool_ends", lambda of, hbm: (of.kv_pool_bytes - 4.0, hbm))
    asked = list[Any]()
    monkeypatch.setattr(passes, "sequences_that_fit", lambda m, *at: asked.append(at) or m.kv_pool_bytes)
    assert passes.room_ends(setting()) == (10.0, 6.0, 8e10)
    assert asked == [(LOAD, setting().worker.layout, ENGINE)] * 3
