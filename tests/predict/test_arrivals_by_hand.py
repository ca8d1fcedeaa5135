"""A pool of prefill workers of round numbers, worked out in the comments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from round_machine import MACHINE, SHAPE

from hwmodel.predict.service import arrivals, regimes
from hwmodel.predict.service.arrivals import (
    ArrivalSpread,
    Decoded,
    Prompts,
    _batches,
    decoded,
    fitting,
    joined,
    loaded,
    places,
    prefilled,
    prompts_of,
    step_prompts,
)
from hwmodel.predict.service.setting import ServiceSetting, Worker, on_layout
from hwmodel.specs.serving import (
    Engine,
    EnginePasses,
    ServiceTerms,
    ServingFormats,
    ServingLayout,
    ServingLoad,
    Speculation,
)

LOAD = ServingLoad(prompt_tokens=1024.0, output_tokens=100.0)
# Two attention ranks and two stages, steps of 4,096 tokens: four prompts each.
WORKER: Any = SimpleNamespace(layout=ServingLayout(dp=2.0, pp=2.0), engine=Engine(step_tokens=4096.0))
TIMES = {"run_s": 0.4, "full_s": 1.0, "transfer_s": 0.01, "first_s": 0.5, "longer_s": 0.9}
PROMPTS = Prompts(**{name: np.array([value]) for name, value in TIMES.items()})


def found(longer: ServingLoad | None) -> Any:
    spread = ArrivalSpread(prompt_variance=0.5, percentile=0.99, longer=longer)
    return prefilled(WORKER, LOAD, PROMPTS, 20.0, spread, 0.5, [1.0, 1.5])


def test_workers_of_a_pool() -> None:
    assert step_prompts(WORKER, LOAD) == 4.0
    # A prompt alone takes 0.4 s of two stages, four together 1 s: 1 / 8 is less than 0.4 / 2. 20 a second are 2.5
    # seconds of work a second, at most half of two ranks a worker: three workers, or 4.5, five.
    pool = found(None)
    assert pool.workers[:, 0].tolist() == [3.0, 5.0]
    assert pool.busy[:, 0] == pytest.approx([2.5 / 6, 0.25])
    assert pool.transfer_s[0] == 0.01


def test_a_pool_has_a_worker_however_little_it_carries() -> None:
    # A request in ten seconds is an eightieth of a worker; half as many again are two; none at all keeps one.
    for rate in (0.1, 0.0):
        pool = prefilled(WORKER, LOAD, PROMPTS, rate, ArrivalSpread(percentile=0.99), 0.5, [1.0, 1.5])
        assert pool.workers[:, 0].tolist() == [1.0, 2.0]
        assert pool.busy[:, 0] == pytest.approx([rate / 16, rate / 32])


def test_waits_before_a_pool() -> None:
    # Six servers of 0.2 s: all are taken for 0.41667^(14^0.5 - 1) = 0.090697: half of 0.2 x that / (6 x 0.58333) =
    # 0.0025913, half as long again for the spread. Ten: 0.25^(22^0.5 - 1) = 0.006, 0.00008.
    pool = found(None)
    assert pool.first_s[:, 0] == pytest.approx([0.5 + 1.5 * 0.0025913, 0.50012], abs=1e-6)
    # One in a hundred: ln 9.0697 = 2.20495 times 0.1 / 3.5; of ten servers fewer than that wait, and the mean counts.
    assert pool.first_tail_s[:, 0] == pytest.approx([0.5 + 1.5 * 0.0629986, 0.50012], abs=1e-6)
    # The longest prompt takes half a second more.
    pool = found(LOAD)
    assert pool.first_tail_s[:, 0] == pytest.approx([1.0 + 1.5 * 0.0629986, 1.0], abs=1e-6)


def test_the_spread_of_a_running_batch() -> None:
    # Quantiles of the normal distribution, from tables.
    for percentile, z in ((0.5, 0.0), (0.9, 1.28155), (0.95, 1.64485), (0.99, 2.32635), (0.999, 3.09023)):
        assert ArrivalSpread(percentile=percentile).z == pytest.approx(z, abs=5e-4)
    # Sixteen running: four more to either side times the quantile.
    assert ArrivalSpread(percentile=0.99).tail(np.array([16.0])) == pytest.approx([16 + 4 * 2.32635], abs=2e-3)


def test_batches_that_are_tried() -> None:
    # 2^(1/4) apart: 1, 1.19, 1.41, 1.68, 2, 2.38, 2.83, 3.36, 4, 4.76, 5.66, 6.73, 8, 9.51, 11.3, 13.5, 16; whole ones.
    assert _batches(16.0).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16]
    assert _batches(17.0).tolist()[-1] == 16


@pytest.mark.parametrize(
    ("asked", "running", "seconds"),
    [(4.0, 4.0, 0.4), (0.2, 1.0, 0.1), (64.0, 64.0, 6.4), (100.0, 64.0, np.inf)],
)
def test_the_batch_that_runs_at_a_rate(
    asked: float, running: float, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of 0.1 s a sequence in 64 places: as many run as the rate asks, at least one; where it asks for more than
    there are places, requests wait without end and the engine still serves what it is asked."""
    slopes: list[tuple[float, float]] = []

    def running_at(line: tuple[float, float], service: float, rate: float, *_: Any) -> tuple[float, float]:
        assert (service, rate) == (0.05, 2.0)
        slopes.append(line)
        return asked, 1.0

    names = ("ttft_s", "tpot_s", "request_s", "step_s", "prefill_s", "waiting", "requests_per_s", "utilisation")
    for name, other in (
        ("capacity", lambda s: 64.0), ("step_s", lambda s, batch: 0.1 * batch),
        ("passes", lambda s, batch: SimpleNamespace(step_s=0.1 * batch, service_s=0.05)),
        ("open_at", lambda s, batch: ServiceTerms(running=batch, **dict.fromkeys(names, 0.1 * batch))),
    ):  # fmt: skip
        monkeypatch.setattr(regimes, name, other)
    monkeypatch.setattr(regimes.queue, "running_at", running_at)
    setting: Any = SimpleNamespace(
        worker=SimpleNamespace(engine=None), load=SimpleNamespace(output_tokens=100.0), rate=2.0, gain=1.0
    )
    found = regimes.opened(setting)
    assert found.running == running
    assert (found.tpot_s, found.ttft_s, found.request_s, found.waiting) == pytest.approx((seconds,) * 4)
    assert (found.step_s, found.requests_per_s) == pytest.approx((0.1 * running, 2.0))
    # From eight running on: a tenth of a second a sequence, and nothing beside.
    assert slopes[0] == pytest.approx((0.0, 0.1))


# Two drafts, a half of each accepted: 1.75 tokens a step.
DRAFTS = Speculation(draft_tokens=2.0, acceptance=0.5)
ENGINE = Engine(request_s=0.02, stream_steps=2.0, prefill_stall=2.0, max_running=4.0, step_tokens=4096.0)


def setting() -> ServiceSetting:
    worker = Worker(machine=MACHINE, formats=ServingFormats(), engine=ENGINE, layout=ServingLayout())
    return ServiceSetting(shape=SHAPE, worker=worker, load=LOAD, drafts=DRAFTS)


def group() -> Any:
    """One setting, whose rows run alone; no rows give nothing."""
    one = setting()

    def run(rows: Any, of: Any) -> list[Any]:
        return [of(on_layout(one, r.layout), *r.columns) if r.size else [] for r in rows]

    return SimpleNamespace(settings=[one], run=run)


def layout(*dp: float) -> ServingLayout:
    one = np.ones(len(dp))
    return ServingLayout(tp=one, pp=one, dp=np.array(dp), ep=one)


def test_batches_that_fit_with_their_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    # One to four on each rank. Nine in ten see b + 1.28155 sqrt b: 2.3, 3.8, 5.2, 6.6 of room for six; two ranks run 2,
    # 4, 6, 8, seen as 3.8, 6.6, 9.1, 11.6, of ten.
    spread = ArrivalSpread(percentile=0.9)
    monkeypatch.setattr(arrivals, "most_prompts", lambda s: 4.0 * s.worker.layout.dp)
    found = fitting(setting(), layout(1.0, 2.0), np.array([6.0, 10.0]), spread)
    assert found.batch.tolist() == [1, 2, 3, 2, 4, 6]
    assert found.room.tolist() == [6, 6, 6, 10, 10, 10]
    assert found.layout.dp.tolist() == [1, 1, 1, 2, 2, 2]  # type: ignore[union-attr]
    # A twentieth of a prompt a step feeds 100 / 20 / 1.75 = 2.9 answers.
    monkeypatch.setattr(arrivals, "most_prompts", lambda s: 0.05)
    assert fitting(setting(), layout(1.0, 2.0), np.array([6.0, 10.0]), spread).batch.tolist() == [1, 2, 2]
    # A request must fit whole, whatever the spread.
    always = ArrivalSpread(percentile=0.5)
    assert fitting(setting(), layout(1.0), np.array([0.999]), always).batch.tolist() == []
    assert places(group(), [layout(), layout()]) == [pytest.approx([]), pytest.approx([])]


def test_what_each_configuration_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of 0.0175 s a request gives 1.75 tokens: a token in 0.01 s times those that run."""
    monkeypatch.setattr(arrivals, "step_s", lambda s, running: 0.0175 * running)
    monkeypatch.setattr(arrivals, "most_prompts", lambda s: 4.0)
    spread = ArrivalSpread(percentile=0.9)
    fit = fitting(setting(), layout(1.0), np.array([6.0]), spread)
    # Tails of 2.28, 3.81 and 5.22 requests: the last takes more than 0.05 s.
    (found,) = decoded(group(), [fit], spread, 0.05)
    assert (found.batch.tolist(), found.room.tolist(), found.count) == ([1, 2], [6, 6], 2)
    assert found.pass_s == pytest.approx([0.0175, 0.035])
    assert found.step_s == pytest.approx([0.01, 0.02])
    assert found.step_tail_s == pytest.approx([0.0228, 0.0381], abs=1e-4)
    assert found.pass_tail_s == pytest.approx(1.75 * found.step_tail_s)
    assert decoded(group(), [fit], spread)[0].count == 3
    assert found.rows(slice(1, 2)).pass_s.tolist() == [0.035]
    assert decoded(group(), [fit], spread, 0.001)[0].count == 0


def test_waits_between_decode_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen run in steps of 0.035 s, 25.305 at the tail in steps of 0.07; a prompt makes steps 0.1 and 0.2 s longer
    and costs the others 0.004 s, 1.99 times so beside answers of a hundred tokens."""

    def passes(s: Any, batch: Any, step: Any) -> EnginePasses:
        return EnginePasses(step_s=step, mixed_s=step + np.where(batch > 20.0, 0.2, 0.1), first_s=0.3 + 0.0 * batch,
                            service_s=0.004 + 0.0 * batch)  # fmt: skip

    monkeypatch.setattr(arrivals, "passes", passes)
    monkeypatch.setattr(arrivals, "mixed_s", lambda s, running, load: np.where(running > 20.0, 0.5, np.nan))
    one = np.array([1.0])
    at = Decoded(layout=layout(1.0), batch=16 * one, room=64 * one, pass_s=0.035 * one, pass_tail_s=0.07 * one,
                 step_s=0.02 * one, step_tail_s=0.04 * one)  # fmt: skip
    plain = ArrivalSpread(percentile=0.99, prompt_variance=0.5)
    (found,) = loaded(group(), [at], plain)
    # A token in 0.02 + 0.00796 x 0.16 s; sixteen of a hundred of them are 7.521 requests a second, which keep the
    # engine busy for 0.05987 of its time.
    tpot = 0.02 + 0.00796 * 0.16
    assert found.tpot_s == pytest.approx([tpot])
    assert found.requests_per_s == pytest.approx([7.52106], rel=1e-5)
    assert found.prefill_share == pytest.approx([0.0598676], rel=1e-5)
    assert found.tpot_tail_s == pytest.approx([0.04 + 0.00796 * 0.25305], rel=1e-4)
    # 0.02 s of the request, 0.3 of its pass, two steps to stream; half of 0.00796 x 0.05987 / 0.94013, half as much
    # again for the spread of prompts.
    alone = 0.32 + 2 * 1.75 * tpot
    assert found.ttft_s == pytest.approx([alone + 1.5 * 0.000253446], rel=1e-6)
    # At the tail the pass takes 0.27 s for 0.135; one in a hundred waits ln 5.98676 = 1.78955 times 0.00423345.
    late = alone + 0.135 + 1.5 * 0.00757597
    assert found.ttft_tail_s == pytest.approx([late], rel=1e-5)
    # The longest prompt takes 0.5 s for 0.27. No tail lies below the mean.
    (longer,) = loaded(group(), [at], ArrivalSpread(percentile=0.99, prompt_variance=0.5, longer=LOAD))
    assert longer.ttft_tail_s == pytest.approx([late + 0.23], rel=1e-5)
    monkeypatch.setattr(arrivals, "mixed_s", lambda s, running, load: 0.1)
    (shorter,) = loaded(group(), [at], ArrivalSpread(percentile=0.99, prompt_variance=0.5, longer=LOAD))
    assert shorter.ttft_tail_s == pytest.approx(found.ttft_s)
    both = joined([found, longer], np.array([1, 0]))
    assert both.ttft_tail_s.tolist() == [longer.ttft_tail_s[0], found.ttft_tail_s[0]]
    (nothing,) = loaded(group(), [at.rows(slice(0))], plain)
    assert nothing.ttft_s.tolist() == []


def test_prompts_on_a_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of a second a prompt and as much for each 1,024 tokens of it; four fit a step."""

    def prompt_s(shape: Any, w: Worker, load: ServingLoad, n: Any = 1.0) -> Any:
        return 0.1 * n + 0.1 * load.prompt_tokens / 1024 + 0.0 * w.layout.tp

    monkeypatch.setattr(arrivals, "prompt_s", prompt_s)
    monkeypatch.setattr(arrivals, "transfer_s", lambda shape, w, load: 0.02 * w.layout.tp)
    monkeypatch.setattr(arrivals, "first_s", lambda shape, w, run, new: run + new)
    (found,) = prompts_of(group(), [layout(1.0, 2.0)], ArrivalSpread(percentile=0.99))
    assert found.run_s == pytest.approx([0.2, 0.2])
    assert found.full_s == pytest.approx([0.5, 0.5])
    assert found.transfer_s == pytest.approx([0.02, 0.02])
    assert found.first_s == pytest.approx([1024.22, 1024.22])
    assert found.longer_s == pytest.approx([0.2, 0.2])
    long = ServingLoad(prompt_tokens=3072.0, output_tokens=1.0)
    (found,) = prompts_of(group(), [layout(1.0)], ArrivalSpread(percentile=0.99, longer=long))
    assert found.longer_s == pytest.approx([0.4])
    assert found.rows(slice(0)).run_s.tolist() == []
