"""How large a gap a speed-up pays for, on a law of round constants: 1 + 2,000 / N^0.5 + 1,000 / D^0.5."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.laws.evidence import RESOLUTION
from hwmodel.solve.life.objective import Costs
from hwmodel.solve.plan import break_even
from hwmodel.solve.plan.break_even import (
    factors,
    gap_at_fixed_size,
    gap_over_a_life,
    gap_with_size_free,
    over_band,
    probability_wins,
    tokens_factor,
    verdict,
    worth,
)
from hwmodel.solve.run.result import Band
from hwmodel.solve.run.sizing import LossModel, Sized

LAW = msgspec.structs.replace(
    load_catalog().law("besiroglu_2024"), constants={"E": 1.0, "A": 2000.0, "B": 1000.0, "alpha": 0.5, "beta": 0.5}
)
MODEL = LossModel(law=LAW)
SIZED = Sized(params=4e8, tokens=1e8, loss=1.2, solved={})


def test_what_the_time_saved_is_worth() -> None:
    # Four times the tokens halve their term of 0.1. At the optimum both terms are 0.1, of sixteen times the compute
    # N and D are four times as large: half of both.
    assert gap_at_fixed_size(MODEL, 4e8, 1e8, 4.0) == pytest.approx(0.05)
    assert gap_with_size_free(MODEL, 1.2, 16.0) == pytest.approx(0.1)
    # Nothing of a law without that optimum, or of tokens that repeat.
    assert gap_with_size_free(MODEL, 0.9, 16.0) is None
    assert gap_with_size_free(msgspec.structs.replace(MODEL, unique_tokens=1e8), 1.2, 16.0) is None


def test_what_it_is_worth_over_a_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """A life costs 8 to train and 2 to serve; a loss lower by g makes both 1 + 100 g times as dear."""
    costs = Costs(
        train=lambda n, d: 8.0, serve=lambda n: 0.0, answers=lambda k: lambda n: 0.0, objective="flops", note=""
    )
    asked: list[Any] = []

    def optimum(of: Any, loss: float, demand: float, narrowings: int) -> Any:
        asked.append((demand, narrowings))
        return SimpleNamespace(total_cost=(of(1.0, 1.0) + 2.0) * (1 + 100 * (2.0 - loss)))

    monkeypatch.setattr(break_even, "option", lambda model, of: of.train)
    monkeypatch.setattr(break_even, "option_optimum", optimum)
    life: Any = SimpleNamespace(found=SimpleNamespace(total_cost=10.0), costs=costs, loss=2.0, demand=1e12)
    # Trained at twice the speed 4 + 2: 10 / 6 of it, two thirds more: g = 0.00667.
    assert gap_over_a_life(MODEL, life, 2.0) == pytest.approx(1 / 150, rel=1e-3)
    assert set(asked) == {(1e12, break_even.LIFE_NARROWINGS)}
    assert gap_over_a_life(MODEL, life, 1.0) == 0.0
    assert gap_over_a_life(MODEL, life, 0.5) == 0.0
    # Where hardly anything is saved, nothing is paid for.
    assert gap_over_a_life(MODEL, life, 1.0001) == 0.0


def test_tokens_that_regain_a_gap() -> None:
    # 0.05 of the term of 0.1: four times the tokens; more than half of what data can give says nothing.
    assert tokens_factor(MODEL, SIZED, 0.0499) == pytest.approx((0.1 / 0.0501) ** 2, rel=1e-3)
    assert tokens_factor(MODEL, SIZED, 0.0501) is None
    assert tokens_factor(MODEL, SIZED, 0.0) == 1.0
    assert tokens_factor(MODEL, SIZED, -0.1) == 1.0
    unknown = msgspec.structs.replace(SIZED, loss=None)
    assert tokens_factor(MODEL, unknown, 0.01) is None
    assert tokens_factor(MODEL, unknown, 0.0) is None
    # 1 / 0.9^2 at a tenth of the term, 1 / 0.8^2 at a fifth.
    found = factors(MODEL, SIZED, Band(0.01, 0.0, 0.02))
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((1 / 0.81, 1.0, 1 / 0.64), rel=1e-6)
    assert factors(MODEL, SIZED, Band(0.01, 0.0, 0.06)) is None


def test_gaps_over_a_band() -> None:
    assert over_band(Band(1.2, 1.1, 1.4), lambda s: s - 1.0) == Band(1.2 - 1.0, 1.1 - 1.0, 1.4 - 1.0)
    assert over_band(Band(1.2, 1.1, 1.4), lambda s: None if s > 1.3 else s) is None
    assert over_band(Band(1.2, 1.1, 1.4), lambda s: None if s < 1.15 else s) is None
    assert over_band(Band(1.2, 1.1, 1.4), lambda s: None if s == 1.2 else s) is None


def test_where_the_gap_paid_for_lies() -> None:
    band = Band(0.010, 0.002, 0.020)
    for paid, said in (
        (0.020, "pays"), (0.0199, "pays_unless_at_the_top"), (0.0111, "pays_unless_at_the_top"),
        (0.010 + RESOLUTION, "within_noise"), (0.0021, "within_noise"), (0.002, "does_not_pay"), (0.0, "does_not_pay"),
    ):  # fmt: skip
        assert verdict(band, paid) == said
    # A gap that may be a gain: what pays for nothing does not pay, what pays for a little is within noise.
    gain = Band(0.0, -0.01, 0.02)
    assert (verdict(gain, 0.0), verdict(gain, 0.0005)) == ("does_not_pay", "within_noise")


def test_the_probability_that_a_format_wins() -> None:
    """The gap lies below x with probability x: the mean of nine equally likely speed-ups, each one's log off by the
    nine middles of a normal spread; at its end of 1.44 the 1.2 are e^(1.28155 s)."""
    band: Any = SimpleNamespace(below=lambda gap: gap)
    spread = math.log(1.2) / 1.28155
    # Quantiles of the normal distribution at 1/18, 3/18 ... 17/18, from tables.
    middles = (1.59322, 0.96742, 0.58946, 0.28222)
    speeds = [1.2, *(1.2 * math.exp(side * spread * q) for q in middles for side in (-1, 1))]
    expected = sum(s / 2 for s in speeds) / 9
    assert probability_wins(band, Band(1.2, 1.0, 1.44), lambda s: s / 2) == pytest.approx(expected, rel=2e-4)


def test_what_shares_are_taken_of() -> None:
    assert worth(SIZED) == 1.2
    assert worth(msgspec.structs.replace(SIZED, loss=Band(1.2, 1.1, 1.3))) == 1.2
    assert worth(msgspec.structs.replace(SIZED, loss=None)) is None
