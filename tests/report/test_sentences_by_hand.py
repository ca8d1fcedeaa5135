"""Which sentence a report says, and the figures in it, on stand-ins of round numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hwmodel.report import budget, data, diff, figures, serve_tables, serve_words, sweep
from hwmodel.report.plan import decisions, front
from hwmodel.solve.run.band import Band


def stand_in(**fields: Any) -> Any:
    return SimpleNamespace(**fields)


def test_an_hour_s_price_is_given_or_quoted() -> None:
    def said(usd: float | None, kind: str | None, dates: str | None) -> str:
        return serve_words._price(
            stand_in(usd_per_hour=usd, price_kind=kind, price_dates=dates, usd_per_accelerator_hour=2.5)
        )

    assert said(20.0, "given", "2026-01-01") == "An accelerator-hour at $2.50 (as given)."
    assert said(20.0, "on_demand", None) == "An accelerator-hour at $2.50 (as given)."
    assert said(20.0, "on_demand", "2026-01-01") == "An accelerator-hour at $2.50 (quotes of 2026-01-01)."
    assert said(None, "on_demand", "2026-01-01").startswith("No price of this part is known")


def test_options_that_are_asked_twice_stand_together() -> None:
    plan = stand_in(request=stand_in(options=(("gpus", "8xH100"), ("law", "a"), ("law", "b"))))
    assert diff._options(plan) == {"gpus": "8xH100", "law": "a, b"}


def test_what_of_a_limit_is_planned() -> None:
    def said(planned: float, chance: float | None, name: str = "budget", limit: float = 1e6) -> str:
        return budget._limit(stand_in(name=name, limit=limit, planned=planned, chance=chance))

    assert said(7.5e5, None) == "Of the budget of $1M $250k are left."
    # More than the budget leaves nothing.
    assert said(1.2e6, None) == "Of the budget of $1M $0 are left."
    assert said(7.5e5, 0.9) == "The stages keep the budget of $1M with 90 %; $250k of it are left."
    assert said(1e6, 0.5) == "The stages keep the budget of $1M with 50 %."
    assert said(20.0, None, "time", 30.0) == "All ends within 20 days of the 30 days allowed."


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("anything", None, "-"), ("anything", "a word", "a word"), ("anything", float("nan"), "-"),
        ("cost_usd", 2_500_000.0, "$2.5M"), ("cost_usd_low", 2.5, "$2.5"),
        # Dollars an hour as they are below a thousand, and short from there on.
        ("usd_per_thing", 999.0, "999"), ("usd_per_thing", 1000.0, "$1k"), ("usd_per_thing", -1000.0, "-$1k"),
        # Whole numbers below a billion in full.
        ("thing", 12_345.0, "12,345"), ("thing", 999_999_999.0, "999,999,999"), ("thing", 0.123456, "0.1235"),
        ("thing", 1e9, "1e+09"),
    ],
)  # fmt: skip
def test_cells_of_a_sweep(name: str, value: Any, text: str) -> None:
    assert sweep.cell(name, value) == text


def test_repeats_in_a_sentence() -> None:
    def said(share: float | None, usd: float | None) -> str:
        return data.data_line(
            stand_in(unique_tokens=1e9, epochs=4.0, effective_tokens=3e9, extra_compute_share=share, extra_usd=usd)
        )

    seen = "The 1B distinct tokens are seen 4 times: worth 3B fresh ones"
    assert said(None, None) == f"{seen}; no amount of fresh data reaches this loss at this law."
    assert said(4.9e-4, 5.0) == f"{seen}, at no cost in compute."
    # A quarter more than on fresh data: these take a fifth less.
    assert said(0.25, 2e5) == f"{seen}. On fresh data the same loss takes 20% less compute ($200k of the rent)."
    assert said(0.25, None) == f"{seen}. On fresh data the same loss takes 20% less compute."
    assert data.data_line(None) == ""


def test_ticks_of_a_log_scale() -> None:
    assert figures.ticks_of_decades((1.0, 100.0)) == [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
    assert figures.ticks_of_decades((3.0, 30.0)) == [5.0, 10.0, 20.0]
    assert figures.ticks_of_decades((0.04, 0.3)) == pytest.approx([0.05, 0.1, 0.2])


def test_usual_demands_beside_the_one_asked() -> None:
    # Of 1e12 tokens those within a factor of five either side give way: 2e11 and 5e12 stay, 3e11 and 4e12 do not. Four
    # colours hold training alone, the demand asked and the two nearest: 1e11 is left out.
    def curve(demand: float) -> Any:
        return stand_in(inference_tokens=demand, points=[stand_in(params=1e9, lifetime_cost=demand)])

    sizes = [curve(demand) for demand in (0.0, 1e11, 2e11, 3e11, 4e12, 5e12)]
    plan = stand_in(
        objectives=stand_in(demand_sizes=sizes), request=stand_in(given={"inference_tokens": 1e12}),
        curves=stand_in(lifetime=[stand_in(params=2e9, lifetime_cost=7.0)]),
    )  # fmt: skip
    found, asked = figures._demand_curves(plan)
    assert asked == 1e12
    assert found == [(d, [(1e9, d)]) for d in (0.0, 2e11)] + [(1e12, [(2e9, 7.0)]), (5e12, [(1e9, 5e12)])]
    plan.request.given = {}
    found, asked = figures._demand_curves(plan)
    assert [demand for demand, _ in found] == [0.0, 1e11, 2e11, 3e11, 4e12, 5e12]
    assert asked == figures.USUAL_DEMAND


def test_requests_that_a_cache_holds() -> None:
    assert [serve_tables._held(value) for value in (10.0, 1234.6, 9.96, 0.123)] == ["10", "1,235", "10", "0.12"]


def row(precision: str, verdict: str, wins: float | None, speed: float = 1.0) -> Any:
    return stand_in(precision=precision, status="ok", verdict=verdict, probability_wins=wins, speedup=speed)


def decision(own: str, *rows: Any) -> list[str]:
    return decisions._format_decision(stand_in(precisions=rows, resolved=stand_in(precision=own)))


def test_which_format_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "_against_the_reference", lambda own, best: f"{best.precision} for {own.precision}")
    sixteen, unsure = row("bf16", "reference", None), row("mxfp8", "pays", None)
    eight, four = row("fp8", "pays", 0.8, 1.5), row("nvfp4", "pays_unless_at_the_top", 0.6, 2.0)
    # Of those that pay the one with the best chance; nobody's chance is none.
    assert decision("bf16", sixteen, four, eight, unsure) == ["fp8 for bf16"]
    assert decision("bf16", sixteen, row("fp8", "does_not_pay", 0.9)) == []
    # From another format the one with a better chance than its own, as fast as the ratio of both.
    (said,) = decision("nvfp4", sixteen, four, eight)
    assert said == "fp8 instead of nvfp4: 0.75x as fast, and pays for its loss against bf16 with 80 % instead of 60 %."
    assert decision("fp8", sixteen, four, eight) == []
    # One that pays less likely than not gives way to the reference.
    (said,) = decision("fp8", sixteen, row("fp8", "within_noise", 0.4))
    assert said == "bf16 instead of fp8, which pays for its loss with 40 % only."
    assert decision("fp8", sixteen, row("fp8", "within_noise", 0.5)) == []
    assert decision("fp8", row("fp8", "within_noise", 0.4)) == []
    assert decision("nvfp4", sixteen, four, unsure) == []
    assert decision("fp8", sixteen) == []


def test_how_sure_a_plan_is(monkeypatch: pytest.MonkeyPatch) -> None:
    time, money = stand_in(name="time", limit=30.0, chance=0.75), stand_in(name="budget", limit=3e6, chance=0.6)

    def plan(deadline: str | None, both: float | None, *limits: Any) -> Any:
        answer = stand_in(elapsed_days=Band(20.0, 10.0, 40.0), cost_usd=None)
        resolved = stand_in(deadline=deadline, start="2027-01-01")
        return stand_in(risk=stand_in(limits=limits, all_met=both), answer=answer, resolved=resolved)

    assert decisions.limit_words(plan(None, None), time) == "the limit of 30 days"
    assert decisions.limit_words(plan("2027-01-31", None), time) == "the deadline 2027-01-31 (30 days from 2027-01-01)"
    assert decisions.limit_words(plan("2027-01-31", None), money) == "the budget of $3M"
    # Each limit with its chance, and both together where there are two.
    monkeypatch.setattr(front, "_uneven", lambda plan: "")
    assert front._how_sure(plan(None, None, time)) == "How sure: the limit of 30 days is kept with 75 %."
    assert front._how_sure(plan(None, 0.5, time, money)) == (
        "How sure: the limit of 30 days is kept with 75 %; the budget of $3M is kept with 60 %; both with 50 %."
    )
    # Without limits, or without a risk, the span of its days, and of its dollars where there is a price.
    alone = plan(None, None)
    assert front._how_sure(alone) == "How sure: four in five runs like it take 10 days to 40 days."
    alone.risk, alone.answer.cost_usd = None, Band(2e6, 1e6, 4e6)
    assert front._how_sure(alone) == "How sure: four in five runs like it take 10 days to 40 days and $1M to $4M."
