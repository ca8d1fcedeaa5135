"""Chances of limits, what mends them, and where the money goes, on four draws of round figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwmodel.errors import InfeasibleError
from hwmodel.solve.budget import limits as checks
from hwmodel.solve.budget import risk as risks
from hwmodel.solve.budget.draws import Outcome
from hwmodel.solve.budget.limits import _allowed, _sure, check_limits
from hwmodel.solve.budget.risk import Limit, _all_met, _enough, _finish, _limits, _lines, _mend, drivers
from hwmodel.solve.run.result import Band

DAY = 86400.0


def column(*values: float) -> Any:
    return np.array(values)


def drawn(**fields: Any) -> Outcome:
    given = {"steady_hours": column(60, 70, 80, 90), "failure_hours": column(10, 10, 20, 20),
             "gpu_hours": column(100, 100, 125, 200), "elapsed_days": column(1, 2, 3, 4),
             "cost_usd": column(200, 300, 250, 600), "loss_nats": None}  # fmt: skip
    return Outcome(**{**given, **fields})


def setting(**request: Any) -> Any:
    usual = {"time_s": None, "budget_usd": None, "confidence": 0.5, "start": None, "deadline": None, "asked": ()}
    price = SimpleNamespace(median_usd_per_accelerator_hour=2.0)
    return SimpleNamespace(request=SimpleNamespace(**{**usual, **request}), price=price)


def test_chances_of_limits() -> None:
    # Of 1, 2, 3 and 4 days three are within three, of 200, 300, 250 and 600 dollars three within 300: the same ones.
    # Within two days and 250 dollars the first is alone.
    found = _limits(setting(time_s=3 * DAY, budget_usd=300.0), drawn())
    assert [(one.name, one.limit, one.chance) for one, _ in found] == [("time", 3.0, 0.75), ("budget", 300.0, 0.75)]
    assert _all_met(setting(time_s=3 * DAY, budget_usd=300.0), drawn()) == 0.75
    assert _all_met(setting(time_s=2 * DAY, budget_usd=250.0), drawn()) == 0.25
    assert _all_met(setting(time_s=3 * DAY), drawn()) is None
    assert [one.name for one, _ in _limits(setting(budget_usd=1.0), drawn(cost_usd=None))] == []
    # Rounding breaks no limit.
    (one, _), *_ = _limits(setting(time_s=3 * DAY * (1 - 1e-7)), drawn())
    assert one.chance == 0.75


def solved(confidence: float = 0.5, count: int | None = 24) -> Any:
    answer = SimpleNamespace(
        elapsed_days=Band(2.0, 1.0, 4.0), cost_usd=Band(400.0, 1.0, 1e3),
        quantiles={"p50": {"elapsed_days": 2.0}, "p80": {"elapsed_days": 2.5, "cost_usd": 500.0}},
    )  # fmt: skip
    fleet = SimpleNamespace(setting=setting(confidence=confidence))
    return SimpleNamespace(answer=answer, fleet=fleet, sized=SimpleNamespace(d=1e9))


def test_what_mends_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(risks, "accelerators_enough", lambda of, limit_s, share: asked.append((limit_s, share)) or 24)
    # In eight of ten cases 2.5 days and 500 dollars are enough; at nine of ten what the answer prints.
    assert _enough(solved(), "time") == (0.8, 2.5)
    assert _enough(solved(), "budget") == (0.8, 500.0)
    assert _enough(solved(0.9), "time") == (0.9, 2.0)
    time = _mend(solved(), Limit(name="time", limit=2.0, chance=0.5))
    assert time is not None
    assert (time.share, time.accelerators, time.tokens, time.limit) == (0.8, 24, 8e8, 2.5)
    assert asked == [(2 * DAY, 0.8)]
    # 250 dollars of the 500 that are enough: half of the tokens, or of the price.
    money = _mend(solved(), Limit(name="budget", limit=250.0, chance=0.5))
    assert money is not None
    assert (money.tokens, money.limit, money.usd_per_accelerator_hour, money.accelerators) == (5e8, 500.0, 1.0, None)
    assert _mend(solved(), Limit(name="budget", limit=250.0, chance=0.796)) is None
    assert _mend(solved(), Limit(name="budget", limit=250.0, chance=0.794)) is not None


def test_where_the_rent_goes() -> None:
    # Two, three, two and three dollars an hour; beyond both lie 30, 20, 25 and 90 hours: 60, 60, 50 and 270 dollars.
    steady, failures, beyond = _lines(drawn())
    assert (steady.line, failures.line, beyond.line) == ("steady", "failures", "beyond")
    # Of 120, 210, 160 and 270 the middle is 185; of 20, 30, 40 and 60 it is 35.
    assert (steady.p50, failures.p50, beyond.p50) == pytest.approx((185.0, 35.0, 60.0))
    assert steady.p10 < steady.p50 < steady.p90
    assert _lines(drawn(cost_usd=None)) == []


def test_what_moves_the_money_most_stands_first() -> None:
    """A day each way for the step, two for the law; 10 dollars for the step, 30 for the price."""
    moves = {"step": (1.0, 10.0), "price": (0.0, 30.0), "law": (2.0, 0.0)}

    def outcome(at: dict[str, Any]) -> Any:
        (name, z), *_ = at.items()
        days, usd = moves[name]
        sign = np.sign(z)
        return drawn(elapsed_days=5 + days * sign, cost_usd=100 + usd * sign if priced else None)

    def run(tokens: Any) -> Any:
        return SimpleNamespace(doubts=[SimpleNamespace(name=name) for name in moves], outcome=outcome, tokens=tokens)

    priced = True
    found = drivers(run(lambda z: z))
    assert [(d.driver, d.days_low, d.days_high, d.usd_low, d.usd_high) for d in found] == [
        ("price", 5, 5, 70, 130), ("step", 4, 6, 90, 110), ("law", 3, 7, 100, 100)
    ]  # fmt: skip
    assert [d.driver for d in drivers(run(None))] == ["price", "step"]
    priced = False
    assert [(d.driver, d.usd_low) for d in drivers(run(lambda z: z))] == [
        ("law", None),
        ("step", None),
        ("price", None),
    ]


def test_days_on_which_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(risks, "finish", lambda start, seconds: f"{start}+{seconds / DAY:g}")
    assert _finish(setting(start="2026-01-01"), solved()) == {"p50": "2026-01-01+2", "p80": "2026-01-01+2.5"}
    assert _finish(setting(), solved()) == {}


def test_limits_that_an_answer_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "limits", lambda setting, solved, model: [
        Limit(name="time", limit=1.0, chance=0.25), Limit(name="budget", limit=1.0, chance=0.125)
    ])  # fmt: skip
    enough: int | None = 1024
    monkeypatch.setattr(checks, "accelerators_enough", lambda solved, limit_s, share: enough)
    for kept in ({"time_s": 2 * DAY}, {"time_s": 2 * DAY / 1.004}, {"budget_usd": 400.0}, {"budget_usd": 399.0}, {}):
        check_limits(setting(**kept), solved(), None)  # type: ignore[arg-type]
    # Half of the two days: half of the tokens, or so many accelerators.
    said = "takes 2d .*, --time allows 1d: the chance of keeping it is 25 %; take 1,024 accelerators, 500M tokens"
    with pytest.raises(InfeasibleError, match=said):
        check_limits(setting(time_s=DAY), solved(), None)  # type: ignore[arg-type]
    enough = None
    with pytest.raises(InfeasibleError, match="; take 500M tokens at this size, or a smaller model"):
        check_limits(setting(time_s=DAY), solved(), None)  # type: ignore[arg-type]
    # A quarter of 400 dollars pays for a quarter of the tokens.
    with pytest.raises(InfeasibleError, match=r"costs \$400 .* keeping it is 12 %; that pays for 250M tokens"):
        check_limits(setting(budget_usd=100.0), solved(), None)  # type: ignore[arg-type]
    unpriced = solved()
    unpriced.answer.cost_usd = None
    check_limits(setting(budget_usd=100.0), unpriced, None)  # type: ignore[arg-type]
    assert _sure(setting().request) == ""
    assert _sure(setting(confidence=0.8).request) == ", with 80 % certainty"
    dated = setting(time_s=DAY, deadline="2026-02-01", start="2026-01-31").request
    assert _allowed(dated).startswith("--deadline 2026-02-01 leaves")
    assert _allowed(setting(time_s=DAY, asked=(("--deadline", "x"),)).request).startswith("--deadline allows")
