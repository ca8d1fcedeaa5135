"""A pool of prefill workers of round numbers, worked out in the comments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwmodel.predict.service import regimes
from hwmodel.predict.service.arrivals import ArrivalSpread, Prompts, _batches, prefilled, step_prompts
from hwmodel.specs.serving import Engine, ServiceTerms, ServingLayout, ServingLoad

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
        ("passes", lambda s, batch: SimpleNamespace(step=0.1 * batch, service=0.05)),
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
