"""Hours, days, dollars and loss of a run where its doubts take given values, worked out in the comments.

Ten days on eight accelerators, doubled by what whole runs cost beyond, of which failures leave four fifths.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel.solve.budget import draws
from hwmodel.solve.budget.draws import Outcome, UncertainRun
from hwmodel.specs.economics import PriceSummary
from hwmodel.specs.intervals import Z80
from tests.solve.quiet import quiet

# A quote of $2 that may be 1 or 6, read off today and given, so that it does not drift.
PRICE = PriceSummary(
    part="H100", kind="on_demand", median_usd_per_accelerator_hour=2.0, low_usd_per_accelerator_hour=1.0,
    high_usd_per_accelerator_hour=6.0, n_quotes=5, first_date="", last_date="", age_days=0, how="given",
)  # fmt: skip


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> UncertainRun:
    def share(used: float, size: float, facts: Any) -> Any:
        """Four fifths; where failures are frequent one half."""
        assert (used, size) == (6.0, 1e9)
        return SimpleNamespace(goodput=np.where(facts > 0.0, 0.5, 0.8))

    monkeypatch.setattr(draws, "goodput", share)
    monkeypatch.setattr(draws, "at_rate", lambda facts, z: z - 0.999)  # frequent from the end of their interval on
    solved = SimpleNamespace(
        answer=SimpleNamespace(train_days=10.0, train_flop=1e22), used=6.0, sized=SimpleNamespace(n=1e9),
        fleet=SimpleNamespace(accelerators=8, whole_run_log_factor=lambda used: math.log(2.0 if used == 6.0 else 9.0)),
    )  # fmt: skip
    return UncertainRun(
        setting=msgspec.structs.replace(quiet("8xH100", "1T", log_spread=math.log(5.0)), price=PRICE), solved=solved,
        doubts=(), step_log_sds=(math.log(2.0), math.log(3.0)), ratio_log_sd=math.log(1.5),
        tokens=lambda z: 1.0 + z, gap=lambda z: 0.1 * (1.0 + z), loss=lambda z: 2.0 + z,
    )  # fmt: skip


def assert_outcome(found: Outcome, steady: float, failures: float, days: float, usd: float, loss: float) -> None:
    assert (found.steady_hours, found.failure_hours, found.elapsed_days) == pytest.approx((steady, failures, days))
    assert found.gpu_hours == pytest.approx(days * 24 * 8)
    assert (found.cost_usd, found.loss_nats) == pytest.approx((usd, loss))


def test_a_run_without_doubts(run: UncertainRun) -> None:
    # 10 x 24 x 8 = 1,920 hours; a quarter of them lost; 10 / 0.8 x 2 = 25 days, 4,800 hours at $2; 2 nats and a tenth.
    assert_outcome(run.outcome({}), 1920, 480, 25, 9600, 2.2)


@pytest.mark.parametrize(
    ("at", "steady", "failures", "days", "usd", "loss"),
    [
        # A slower step is three times as long, a faster one half; beside another format half as long again.
        ({"step": 1.0}, 5760, 1440, 75, 28_800, 2.2),
        ({"step": -1.0}, 960, 240, 12.5, 4800, 2.2),
        ({"ratio": 1.0}, 2880, 720, 37.5, 14_400, 2.2),
        ({"step": 1.0, "ratio": -1.0}, 3840, 960, 50, 19_200, 2.2),
        # At the end of their interval failures leave one half; just below it four fifths.
        ({"failures": Z80}, 1920, 1920, 40, 15_360, 2.2),
        ({"failures": 0.99 * Z80}, 1920, 480, 25, 9600, 2.2),
        # A whole run is five times as long, and trains no longer.
        ({"whole_run": 1.0}, 1920, 480, 125, 48_000, 2.2),
        ({"price": Z80}, 1920, 480, 25, 28_800, 2.2),
        ({"price": -Z80}, 1920, 480, 25, 4800, 2.2),
        ({"drift": 1.0}, 1920, 480, 25, 9600, 2.2),
        # The law asks for twice the tokens, and gives 3 nats.
        ({"law": 1.0}, 3840, 960, 50, 19_200, 3.3),
        # 2 nats and a fifth.
        ({"format": 1.0}, 1920, 480, 25, 9600, 2.4),
    ],
)
def test_each_doubt_alone(
    run: UncertainRun, at: dict[str, float], steady: float, failures: float, days: float, usd: float, loss: float
) -> None:
    assert_outcome(run.outcome(at), steady, failures, days, usd, loss)


def test_rents_drift_while_a_run_lasts(run: UncertainRun) -> None:
    # 219.15 days of training are 1.5 years elapsed, and their mean rent drifts as in half a year: 30 %.
    solved = SimpleNamespace(**{**vars(run.solved), "answer": SimpleNamespace(train_days=219.15, train_flop=1e22)})
    price = msgspec.structs.replace(PRICE, how="quotes")
    longer = msgspec.structs.replace(run, solved=solved, setting=msgspec.structs.replace(run.setting, price=price))
    found = longer.outcome({"drift": Z80})
    assert found.elapsed_days == pytest.approx(1.5 * 365.25)
    assert found.cost_usd == pytest.approx(1.5 * 365.25 * 24 * 8 * 2 * 1.3, rel=1e-3)


def test_a_loss_out_of_reach_is_dear_and_a_number(run: UncertainRun) -> None:
    assert run.outcome({"law": 1e9}).elapsed_days == pytest.approx(25 * 1000)


def test_what_a_run_does_not_have(run: UncertainRun) -> None:
    change = msgspec.structs.replace
    free = change(run, setting=change(run.setting, price=None), tokens=None)
    found = free.outcome({"law": 1.0})
    assert (found.cost_usd, found.steady_hours) == (None, 1920)
    assert change(run, loss=None).outcome({}).loss_nats is None
    assert change(run, gap=None).outcome({"format": 1.0}).loss_nats == pytest.approx(2.0)


def test_draws_of_each_doubt_are_its_own(run: UncertainRun) -> None:
    both = (draws.Doubt("step", "a"), draws.Doubt("law", "b"))
    steps, laws_ = (draws.deviates(key, 4) for key in ("a", "b"))
    found = msgspec.structs.replace(run, doubts=both, tokens=None).drawn(4)
    slower = np.where(steps > 0, 3.0, 2.0) ** steps
    assert found.elapsed_days == pytest.approx(25 * slower)
    assert found.loss_nats == pytest.approx((2 + laws_) * 1.1)
