"""Rollouts of a step on two engines of round numbers, worked out in the comments.

Ten prompts of 100 tokens with four samples each: twenty rollouts an engine, which holds ten. Three of four answers have
100 tokens, one 300. A decode step takes a millisecond a request and one for each 1,000 tokens of its context; reading
a prompt 0.01 s a request beside it.
"""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from round_machine import MACHINE, SHAPE

from hwmodel.errors import InfeasibleError
from hwmodel.predict.rl import setting as settings
from hwmodel.predict.rl.phases import phases, rollout_s, steady_rollout_s, waited_rollout_s
from hwmodel.predict.rl.setting import RlSetting, rollout_worker, with_lengths
from hwmodel.predict.service.layouts import Sizes
from hwmodel.predict.service.setting import STATIC, ServiceSetting, Worker
from hwmodel.specs import StepTerms
from hwmodel.specs.rl import ResponseLengths
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad, Speculation

rl = import_module("hwmodel.predict.rl.phases")  # the package has a function of this name
ENGINE = ServiceSetting(
    shape=SHAPE, load=ServingLoad(prompt_tokens=100.0, output_tokens=150.0),
    worker=Worker(machine=MACHINE, formats=ServingFormats(), engine=Engine(), layout=ServingLayout(tp=4.0, pp=2.0)),
)  # fmt: skip
LENGTHS = ResponseLengths(tokens=(100.0, 300.0), shares=(0.75, 0.25))
# A step of ten at the mean context of 100 + 75 tokens.
STEP = 0.010175


def one(**fields: Any) -> RlSetting:
    training: Any = SimpleNamespace(accelerators=32.0)
    given = {"rollouts": ENGINE, "rollout_accelerators": 19.0, "training": training, "prompts": 10.0, "samples": 4.0,
             "lengths": LENGTHS}  # fmt: skip
    return RlSetting(**{**given, **fields})


@pytest.fixture(autouse=True)
def rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rl, "step_s", lambda s, running: 1e-3 * running + 1e-6 * s.load.prompt_tokens)
    monkeypatch.setattr(rl, "capacity", lambda s: 10.0)
    monkeypatch.setattr(rl, "bulk_s", lambda s, running: 0.01 * running)


def test_who_does_a_step() -> None:
    # Nineteen accelerators are two engines of eight; fewer than one engine are one.
    assert (one().count, one().instances) == (40.0, 2.0)
    assert one(rollout_accelerators=7.0).instances == 1.0
    assert (one().accelerators, one(colocated=False).accelerators) == (32.0, 51.0)
    load = with_lengths(ENGINE, 50.0, LENGTHS).load
    assert (load.prompt_tokens, load.output_tokens) == (50.0, 150.0)


def test_rollouts_that_start_together() -> None:
    # Ten wait while the others run: ten times 150 tokens by ten at once. Then 100 steps of ten at a context of 150, and
    # 200 of the quarter that is left, at 300; five prompts are read.
    queued, first, last, reading = 150 * STEP, 100 * 0.01015, 200 * 0.0028, 5 * 0.01
    assert rollout_s(one()) == pytest.approx(queued + first + last + reading)
    # Three quarters are done with the short ones; a little more waits for the long ones.
    assert rollout_s(one(), 0.75) == pytest.approx(queued + first + reading)
    assert rollout_s(one(), 0.76) == pytest.approx(queued + first + last + reading)
    # Five an engine run at once; of a fifth of one at least one.
    five = 100 * 0.00515 + 200 * (0.00125 + 0.0003) + 2.5 * 0.01
    assert rollout_s(one(prompts=5.0, samples=2.0)) == pytest.approx(five)
    lone = 100 * 0.00115 + 200 * 0.0013 + 0.2 * 0.01
    assert rollout_s(one(prompts=0.4, samples=1.0)) == pytest.approx(lone)
    # Two tokens a step halve the decoding.
    drafts = replace(ENGINE, drafts=Speculation(draft_tokens=1.0, acceptance=1.0))
    assert rollout_s(one(rollouts=drafts)) == pytest.approx((queued + first + last) / 2 + reading, rel=1e-6)


def test_engines_that_are_never_drained() -> None:
    # Twenty times 150 tokens by ten at once; a quarter of a step in flight by five.
    assert steady_rollout_s(one()) == pytest.approx(300 * STEP + 5 * 0.1)
    assert steady_rollout_s(one(), 0.25) == pytest.approx(600 * 0.005175 + 5 * 0.05)
    assert steady_rollout_s(one(), 0.001) == pytest.approx(3000 * 0.001175 + 5 * 0.01)


def test_what_a_step_waits_for_at_its_lag() -> None:
    all_of_them, steady = rollout_s(one()), steady_rollout_s(one())
    assert waited_rollout_s(one()) == all_of_them
    # A quarter is left to the next step, but engines need their time.
    assert waited_rollout_s(one(lag=0.25)) == max(rollout_s(one(), 0.75), steady) == steady
    quick = one(lag=0.25, prompts=5.0, samples=2.0)
    assert waited_rollout_s(quick) == pytest.approx(max(rollout_s(quick, 0.75), steady_rollout_s(quick)))
    assert waited_rollout_s(one(lag=2.0)) == max(steady_rollout_s(one(), 2.0), all_of_them / 2)
    # A long answer may last so many steps and sets the time alone.
    rare = ResponseLengths(tokens=(1.0, 9e4), shares=(0.5, 0.5))
    long = one(prompts=1.0, samples=2.0, lag=1.0, lengths=rare)
    assert waited_rollout_s(long) == rollout_s(long) > steady_rollout_s(long)
    assert waited_rollout_s(replace(long, lag=1.25)) == pytest.approx(rollout_s(long) / 1.25)


def test_phases_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of 90 s, of which a forward pass is 25; 3 + 5 GB of states; 7 GB of weights."""
    zeros = dict.fromkeys(StepTerms.__struct_fields__, 0.0)
    terms = StepTerms(**{**zeros, "gemm_s": 75.0, "optimizer_s": 15.0})
    memory = {"first": SimpleNamespace(weights_bytes=3e9, optimizer_bytes=5e9), "last": None}
    trained: Any = SimpleNamespace(memory=memory, fullest="first", step=terms, step_s=90.0)
    monkeypatch.setattr(rl, "predict_training", lambda run: trained)
    monkeypatch.setattr(rl, "weights_bytes", lambda shape, formats, layout: 7e9 if layout.tp == 4.0 else 0.0)
    found = phases(one(updates=2.0, scored_passes=3.0))
    assert (found.logprob_s, found.update_s, found.weights_bytes) == (150.0, 180.0, 7e9)
    assert (found.states_bytes, found.overlapped, found.rollout_s) == (8e9, False, waited_rollout_s(one()))
    for lag, overlapped in ((0.5, False), (1.0, True)):
        apart = phases(one(colocated=False, lag=lag))
        assert (apart.states_bytes, apart.overlapped) == (0.0, overlapped)
    assert not phases(one(lag=1.0)).overlapped


def test_the_engine_that_generates(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = ServingLayout(tp=np.array([2.0, 4.0]), pp=np.ones(2), dp=np.ones(2), ep=np.ones(2))
    none = ServingLayout(tp=np.empty(0), pp=np.empty(0), dp=np.empty(0), ep=np.empty(0))
    asked: list[Any] = []

    def candidates(s: ServiceSetting, accelerators: float, given: Sizes) -> ServingLayout:
        asked.append((s.clients, accelerators, given.tp))
        return none if given.tp == 3.0 else tried

    def best(s: ServiceSetting, regime: str, accelerators: float, of: ServingLayout) -> ServingLayout | None:
        assert (s.clients, regime, accelerators, of) == (40.0, STATIC, 16.0, tried)
        return found

    monkeypatch.setattr(settings, "candidates", candidates)
    monkeypatch.setattr(settings, "best_layout", best)
    found: ServingLayout | None = ServingLayout(tp=4.0)
    worker = rollout_worker(ENGINE, 16.0, 40.0)
    assert (worker.worker.layout, worker.clients) == (ServingLayout(tp=4.0), ENGINE.clients)
    assert rollout_worker(ENGINE, 16.0, 40.0, 2.0).worker.layout == ServingLayout(tp=2.0)
    assert asked == [(40.0, 16.0, None), (40.0, 16.0, 2.0)]
    with pytest.raises(InfeasibleError, match="do not fit 16 x round"):
        rollout_worker(ENGINE, 16.0, 40.0, 3.0)
    found = None
    with pytest.raises(InfeasibleError, match="do not fit 16 x round"):
        rollout_worker(ENGINE, 16.0, 40.0)
