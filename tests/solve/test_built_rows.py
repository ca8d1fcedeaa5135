"""Rows of usual demands: each size at the bill of what is built, the cheapest of those that reach the loss."""

from __future__ import annotations

import pytest

from hwmodel.solve.life.built_rows import as_built
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.run.records import DemandRow
from hwmodel.solve.run.result import value_of


def row(demand: float, params: float, saving: float | None = 0.5) -> DemandRow:
    """A row as a trend of speeds gives it, training at 1 and serving at nothing."""
    return DemandRow(
        inference_tokens=demand, params=params, tokens=100.0, train_cost=1.0, serve_cost=0.0, lifetime_cost=1.0,
        saving=saving,
    )  # fmt: skip


# Bills of sizes on 100 tokens; serving costs the size a token. The training optimum is 8.
BILLS = {2.0: 90.0, 4.0: 70.0, 6.0: 30.0, 8.0: 40.0}


def test_the_cheapest_of_what_is_built_is_shown() -> None:
    # 3 tokens served: 4 costs 70 + 12, 6 costs 30 + 18 = 48, 8 costs 40 + 24 = 64: 6, of which a quarter is saved.
    # 20 tokens: 2 costs 90 + 40 = 130, 4 costs 150, 6 costs 150, 8 costs 200: 2, 35 % less.
    rows = [row(3.0, 4.0), row(20.0, 2.0)]
    found = as_built(rows, lambda n: n, lambda n, d: BILLS[n], (8.0, 100.0), [(6.0, 100.0)])
    sizes = [(one.params, one.tokens, one.train_cost, one.serve_cost, one.lifetime_cost) for one in found]
    assert sizes == [(6.0, 100.0, 30.0, 18.0, 48.0), (2.0, 100.0, 90.0, 40.0, 130.0)]
    assert [one.saving for one in found] == pytest.approx([0.25, 0.35])


def test_sizes_that_cannot_be_built_are_no_choice() -> None:
    def some(params: float, tokens: float) -> float | None:
        return None if params in (2.0, 8.0) else BILLS[params]

    found = as_built([row(20.0, 2.0), row(3.0, 4.0)], lambda n: n, some, (8.0, 100.0), [])
    # 20 tokens: 2 does not fit, 4 costs 70 + 80; what is saved against an optimum without a bill nobody knows.
    assert [(one.params, one.lifetime_cost, one.saving) for one in found] == [(4.0, 150.0, None), (4.0, 82.0, None)]
    nothing = [row(3.0, 4.0)]
    assert as_built(nothing, lambda n: n, lambda n, d: None, (8.0, 100.0), []) == nothing


@pytest.mark.parametrize(
    "question",
    [
        {"gpus": "1000xGB200", "loss": "2.3"},  # 104 and 190 % beside the trend
        {"gpus": "10000xA100", "tokens": "2000B"},  # 29 %: the batch of their own tokens, not of those given
        {"gpus": "96xH200", "time": "30d"},
        {"gpus": "24xL40S", "params": "3B", "tokens": "100B"},
    ],
)
def test_rows_cost_what_their_run_costs(question: dict[str, str]) -> None:
    """Two paths agree: the plan of a row's size and tokens on this fleet has the row's bill."""
    rows = plan(**question).objectives.demand_curve
    assert len(rows) == 4
    for one in rows:
        own = plan(gpus=question["gpus"], params=repr(one.params), tokens=repr(one.tokens))
        assert one.train_cost == pytest.approx(value_of(own.answer.cost_usd), rel=0.05)
    lives = [one.lifetime_cost for one in rows]
    assert lives == sorted(lives)
    for one in rows:  # no row is dearer than the size of another row would be for its demand
        served = [other.serve_cost / other.inference_tokens * one.inference_tokens for other in rows]
        others = [other.train_cost + serve for other, serve in zip(rows, served)]
        assert one.lifetime_cost <= min(others) * (1 + 1e-9)
    assert all(one.saving is None or one.saving >= 0.0 for one in rows)


def test_rows_in_energy_are_billed_as_built_too() -> None:
    rows = plan(gpus="1000xGB200", loss="2.3", objective="kwh").objectives.demand_curve
    dollars = plan(gpus="1000xGB200", loss="2.3").objectives.demand_curve
    bills = {one.params: one.train_cost for one in dollars}
    ratios = [one.train_cost / bills[one.params] for one in rows if one.params in bills]
    assert len(ratios) >= 1
    assert ratios == pytest.approx([ratios[0]] * len(ratios), rel=1e-6)  # kWh and dollars an accelerator-hour
