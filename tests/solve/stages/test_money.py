"""What stages cost: regions, contingency, spot, commitments, accelerators bought, and when it is paid."""

from __future__ import annotations

from typing import Any

import pytest

import hwmodel as hm
from hwmodel.economics import present_value
from hwmodel.errors import InputError
from hwmodel.report import budget_markdown
from hwmodel.solve.run.cash import DAYS_PER_MONTH, monthly, schedule
from hwmodel.solve.run.lines import StageLine
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.stages.solver import budget
from tests.solve.stages.budgets import FIVE, PRETRAIN, line


def test_regions_change_the_carbon_and_not_the_work() -> None:
    found = {place: budget(FIVE, region=place) for place in ("France", "Poland", "Oregon")}
    carbon = {place: value_of(one.budget.co2e_t) for place, one in found.items()}
    assert carbon["France"] < carbon["Oregon"] < carbon["Poland"]
    assert len({round(value_of(one.budget.gpu_hours)) for one in found.values()}) == 1


def test_contingency_as_entered_and_by_default() -> None:
    found = budget({**FIVE, "contingency": "15%", "contingency_why": "board"}).budget
    assert found.contingency_usd == pytest.approx(0.15 * found.cost_usd.value)
    assert found.contingency_why == "board"
    fixed = budget({**FIVE, "contingency": "$1M"}).budget
    assert fixed.contingency_usd == 1e6
    usual = budget(FIVE)
    alone = hm.plan(gpus="256xH100", params="8B", tokens="200B").answer
    assert alone.quantiles is not None
    more = value_of(alone.quantiles["p80"]["cost_usd"]) - value_of(alone.cost_usd)
    assert line(usual, "pre-training").safe_cost_usd == pytest.approx(value_of(alone.cost_usd) + more)
    assert usual.budget.contingency_usd > more


def test_spot_needs_its_rate_and_costs_time() -> None:
    plain = line(budget({"gpus": "256xH100", "stages": [PRETRAIN]}), "pre-training")
    given = {"gpus": "256xH100", "spot": {"preemptions_per_hour": 0.2, "wait": "30min"}, "stages": [PRETRAIN]}
    spot = line(budget(given), "pre-training")
    assert value_of(spot.cost_usd) < value_of(plain.cost_usd)
    assert value_of(spot.gpu_hours) > value_of(plain.gpu_hours)
    # Waits are unbilled and count as days: 0.1 h for each hour that runs.
    assert value_of(spot.elapsed_days) == pytest.approx(1.1 * value_of(spot.gpu_hours) / 256 / 24)
    with pytest.raises(InputError, match="needs preemptions_per_hour"):
        budget({**given, "spot": {"wait": "1h"}})


def test_committed_pools_pay_every_hour_of_their_terms() -> None:
    """64 accelerators for a year are 64 x 8,766 hours, worked or not; a second year where the stages need it."""
    asked = {"gpus": "64xH100", "usd_per_hour": 2, "commit": {"term": "1 year"}}
    found = budget({**asked, "stages": [PRETRAIN]})
    idle = next(line for line in found.stages if line.kind == "commitment")
    assert found.budget.cost_usd.value == pytest.approx(64 * 8766 * 2)
    assert idle.detail.committed_usd == pytest.approx(64 * 8766 * 2)
    assert idle.detail.used_share == pytest.approx(found.stages[0].gpu_hours.value / (64 * 8766))
    flow = found.budget.cash_flow
    assert sum(row.usd for row in flow) == pytest.approx(value_of(found.budget.total_usd))
    assert flow[5].usd == pytest.approx(64 * 8766 * 2 / 12)
    longer = budget({**asked, "stages": [{**PRETRAIN, "tokens": "20T"}]})
    years = longer.budget.cost_usd.value / (64 * 8766 * 2)
    assert years == pytest.approx(round(years))
    assert years >= 2


def test_a_commitment_is_paid_at_its_quotes() -> None:
    asked = {"gpus": "64xH100", "stages": [PRETRAIN]}
    free, year = budget(asked), budget({**asked, "commit": {}})
    assert year.stages[0].cost_usd.value < free.stages[0].cost_usd.value
    assert year.stages[0].gpu_hours == free.stages[0].gpu_hours
    idle = next(line for line in year.stages if line.kind == "commitment")
    assert 0.4 < idle.detail.break_even_share < 1.0
    assert "of the committed hours are used" in budget_markdown(year)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"commit": {"term": "5 years"}}, "is not sold"),
        ({"commit": {}, "own": {}}, "two ways to pay"),
        ({"commit": {}, "price_kind": "spot"}, "drop price_kind"),
        ({"commit": {"trem": "1 year"}}, "nearest: term"),
    ],
)
def test_commitments_that_mean_nothing_are_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        budget({"gpus": "64xH100", "stages": [PRETRAIN], **more})


def test_owned_pools() -> None:
    """Four months of use and none after: the budget carries the whole purchase, less what it is sold for."""
    own = {"purchase_usd": 30_000, "life": "3 years", "staff_usd_per_year": 500_000, "cost_of_capital": "8%"}
    found = budget({"gpus": "256xH100", "own": own, "stages": [{**PRETRAIN, "tokens": "2T"}]})
    one = found.own[0]
    hardware = 256 * 30_000 * 1.64 / 0.81
    assert sum(one.capex_usd.values()) == pytest.approx(hardware)
    assert one.monthly_usd[0] == pytest.approx(-hardware)
    assert one.residual_usd == pytest.approx(hardware * 10 ** (-0.14 * 3))
    hours = [256 * 730.5 * share for share in one.used]
    assert one.usd_per_accelerator_hour * present_value([0.0, *hours], 0.08) == pytest.approx(
        -present_value(one.monthly_usd, 0.08)
    )
    assert value_of(found.stages[0].cost_usd) == pytest.approx(
        value_of(found.stages[0].gpu_hours) * one.usd_per_accelerator_hour
    )
    assert one.not_counted == ["storage", "site", "use after the stages"]
    used = budget({"gpus": "256xH100", "own": {**own, "utilisation_after": "80%"}, "stages": [PRETRAIN]}).own[0]
    assert used.usd_per_accelerator_hour < one.usd_per_accelerator_hour
    assert one.npv_usd is not None
    assert used.npv_usd is not None
    assert used.npv_usd > one.npv_usd
    with pytest.raises(InputError, match="longer than the life"):
        budget({"gpus": "8xH100", "own": {"life": "1 month"}, "stages": [PRETRAIN]})


def test_cash_flow_by_hand() -> None:
    """A stage of a month and a half, then an entered sum: two thirds, a third and the sum."""
    run = StageLine(stage="a", kind="pretrain", how="computed", part="p", accelerators=1, cost_usd=Band(300.0, 1, 1),
               elapsed_days=Band(1.5 * DAYS_PER_MONTH, 1, 1))  # fmt: skip
    sum_ = StageLine(stage="b", kind="other", how="entered", cost_usd=Band(50.0, 1, 1))
    assert [row.usd for row in monthly(schedule([run, sum_]))] == pytest.approx([200.0, 150.0])


def test_an_overrun_on_owned_accelerators_costs_power_not_the_purchase_again() -> None:
    """What is bought is paid however long the run takes; where other work would use the hours, they are its."""
    stages = [{**PRETRAIN, "tokens": "500B"}]
    own = {"purchase_usd": 30_000, "life": "3 years"}
    alone = budget({"gpus": "256xH100", "own": own, "stages": stages})
    line, pool = alone.stages[0], alone.own[0]
    assert line.gpu_hours is not None
    assert line.cost_usd is not None
    assert line.cost_usd.value == pytest.approx(line.gpu_hours.value * pool.usd_per_accelerator_hour)
    # 256 x (1.4 kW x some cents a kWh) an hour: a thousandth of the purchase
    more = line.cost_usd.high - line.cost_usd.value
    assert more == pytest.approx((line.gpu_hours.high - line.gpu_hours.value) * pool.usd_per_further_hour)
    assert pool.usd_per_further_hour < 0.3
    assert alone.budget.contingency_usd < 0.01 * line.cost_usd.value
    shared = budget({"gpus": "256xH100", "own": {**own, "utilisation_after": "100%"}, "stages": stages})
    assert shared.own[0].usd_per_further_hour == pytest.approx(shared.own[0].usd_per_accelerator_hour)
    assert shared.budget.contingency_usd > 0.1 * line.gpu_hours.value * shared.own[0].usd_per_accelerator_hour


def test_a_stage_with_a_size_of_its_own_leaves_the_shared_one() -> None:
    """`model` for all stages, `params` for the small ones, and the other way round."""
    shared = {"gpus": "64xH100", "model": "llama-3.1-8b"}
    found = budget({**shared, "stages": [
        {"stage": "ablations", "runs": [{"params": "1B", "tokens": "10B", "count": 3}]},
        {"stage": "pre-training", "tokens": "100B"}, {"stage": "sft", "params": "3B", "tokens": "1B"}]})  # fmt: skip
    small = budget({"gpus": "64xH100", "stages": [
        {"stage": "ablations", "runs": [{"params": "1B", "tokens": "10B", "count": 3}]}]})  # fmt: skip
    assert found.stages[0].gpu_hours == small.stages[0].gpu_hours
    both = {"stage": "sft", "params": "3B", "model": "llama-3.1-8b", "tokens": "1B"}
    with pytest.raises(InputError, match="--params and --model"):
        budget({"gpus": "64xH100", "stages": [both]})
