"""The budget, the time and the deadline of a plan file bind the sum of its stages."""

from __future__ import annotations

from typing import Any

import pytest

from hwmodel.errors import InfeasibleError, InputError
from hwmodel.report.budget import budget_markdown
from hwmodel.solve.run.lines import StageLine, certain
from hwmodel.solve.stages.limits import StageShare, WholeLimits, limits_of, next_shares, settled
from hwmodel.solve.stages.solver import BudgetPlan, budget, one_stage

SMALL = {"stage": "sft", "params": "8B", "tokens": "2B"}


def _line(stage: str, usd: float, days: float, part: str) -> StageLine:
    return StageLine(
        stage=stage, kind="pretrain", how="computed", part=part, cost_usd=certain(usd), elapsed_days=certain(days)
    )


def _asked(stages: list[dict[str, Any]], **shared: Any) -> BudgetPlan:
    return budget({"stages": stages, **shared})


def test_shares_by_hand() -> None:
    """$10M and 100 days; two stages that the limits size take $6M (30 days on one pool) and $3M (50 days on the other),
    a third of $2M stands entered before the first for 20 days. Others: 11 - 9 = $2M; left $8M, $4M each: 6 -> 6 x 4/6,
    and 3 -> 3 x 4/3. Days: first pool 100 - 20 = 80 for one stage, 30 x 80/30; second pool 100, 50 x 100/50."""
    by_stage = [[_line("entered", 2e6, 20.0, "a")], [_line("one", 6e6, 30.0, "a")], [_line("two", 3e6, 50.0, "b")]]
    before = {1: StageShare(usd=6e6, days=30.0), 2: StageShare(usd=3e6, days=50.0)}
    found = next_shares(WholeLimits(budget_usd=10e6, time_days=100.0), before, by_stage, 11e6)
    assert found[1].usd == pytest.approx(4e6)
    assert found[2].usd == pytest.approx(4e6)
    assert found[1].days == pytest.approx(80.0)
    assert found[2].days == pytest.approx(100.0)
    assert not settled(before, found)
    assert settled(found, found)


def test_what_one_stage_cannot_use_goes_to_the_others() -> None:
    """$10M of three stages: time binds the first, which takes $1M of a share of $8M, so that the others may have $4.5M
    each; the second took its $6M and the third its $3M. A fourth line, of no limit, took $0.5M: $4.25M each."""
    days = 30.0
    taken = {0: 1e6, 1: 6e6, 2: 3e6}
    by_stage = [[_line(str(i), usd, days, str(i))] for i, usd in taken.items()]
    before = {0: StageShare(usd=8e6, days=None), 1: StageShare(usd=6e6, days=None), 2: StageShare(usd=3e6, days=None)}
    found = next_shares(WholeLimits(budget_usd=10e6), before, by_stage, 10e6)
    assert [found[i].usd for i in range(3)] == pytest.approx([8e6, 4.5e6, 4.5e6])
    found = next_shares(WholeLimits(budget_usd=10e6), before, [*by_stage, [_line("x", 5e5, 1.0, "x")]], 10.5e6)
    assert [found[i].usd for i in range(3)] == pytest.approx([8e6, 4.25e6, 4.25e6])


def test_time_that_binds_one_pool_leaves_its_money_to_the_other() -> None:
    """One pool cannot spend half of the money in the time: the other may have the rest of it."""
    fleets = "128xMI355X+64xB300"
    free = one_stage(gpus=fleets, time="45d").budget.cost_usd.value
    tight = one_stage(gpus=fleets, time="45d", budget=0.9 * free)
    assert tight.budget.cost_usd.value == pytest.approx(0.9 * free, rel=2e-6)
    assert max(line.elapsed_days.value for line in tight.stages[:2]) == pytest.approx(45.0, rel=2e-6)
    assert one_stage(gpus=fleets, time="45d", budget=1.1 * free).budget.cost_usd.value == pytest.approx(free)


def test_shares_shrink_where_nothing_is_left() -> None:
    """Where the others take $10M of $10M a quarter is tried; at 1 % of the limit nothing is left."""
    limits, line = WholeLimits(budget_usd=10e6), [[_line("one", 1e6, 30.0, "a")]]
    assert next_shares(limits, {0: StageShare(usd=8e6, days=None)}, line, 11e6)[0].usd == 2e6
    with pytest.raises(InfeasibleError, match="nothing is left"):
        next_shares(limits, {0: StageShare(usd=1e5, days=None)}, line, 11e6)


def test_two_pools_share_one_budget() -> None:
    """As stages of a file, and as `plan --gpus 256xH100+512xA100 --budget 2M` asks for a run on each."""
    found = one_stage(gpus="256xH100+512xA100", budget="2M")
    assert found.budget.cost_usd.value == pytest.approx(2e6, rel=2e-6)
    assert [line.cost_usd.value for line in found.stages[:2]] == pytest.approx([1e6, 1e6], rel=1e-5)
    assert any("share evenly" in line for line in found.warnings)
    jobs = [{"stage": one, "kind": "pretrain", "gpus": one} for one in ("256xH100", "512xA100")]
    assert _asked(jobs, gpus="256xH100+512xA100", budget="2M").budget.cost_usd == found.budget.cost_usd


@pytest.mark.parametrize("contingency", [None, "10%", "200k"])
def test_what_the_limits_size_takes_what_the_others_leave(contingency: str | None) -> None:
    """The sum is the budget, with an entered contingency in it; failed runs are a share of what is solved."""
    more = {} if contingency is None else {"contingency": contingency}
    stages = [{"stage": "pretrain"}, SMALL, {"stage": "failed", "share": "10%"}, {"stage": "staff", "cost_usd": "300k"}]
    found = _asked(stages, gpus="256xH100", budget="3M", **more)
    (kept,) = found.limits
    assert kept.planned == pytest.approx(3e6, rel=2e-6)
    assert kept.planned <= 3e6 * (1 + 1e-6)
    lines = [line.cost_usd.value for line in found.stages if line.cost_usd is not None]
    assert lines[2] == pytest.approx(0.1 * lines[0])
    assert kept.planned == pytest.approx(sum(lines) + (found.budget.contingency_usd if contingency else 0.0))
    assert 0.4 < kept.chance <= 0.75
    assert "of it are left" not in budget_markdown(found)


def test_stages_of_a_pool_end_in_time() -> None:
    found = _asked([{"stage": "pretrain"}, {**SMALL, "tokens": "60B"}], gpus="256xH100", time="40d")
    days = [line.elapsed_days.value for line in found.stages[:2]]
    assert days[1] > 0.3
    assert sum(days) == pytest.approx(40.0, rel=2e-6)
    (kept,) = found.limits
    assert (kept.name, kept.chance) == ("time", None)


def test_sized_stages_are_checked_as_a_sum_and_not_each() -> None:
    stages = [{"stage": "pretrain", "params": "13B", "tokens": "600B"}, SMALL]
    free = _asked(stages, gpus="256xH100")
    whole = free.budget.cost_usd.value
    each = free.stages[0].cost_usd.value
    assert each < whole
    assert free.limits == ()
    kept = _asked(stages, gpus="256xH100", budget=1.5 * whole)
    assert kept.budget == free.budget
    # Half as much again: ln 1.5 over ln(high / median), in halves of an 80 % interval (1.2816 standard deviations).
    assert 0.7 < kept.limits[0].chance < 0.95
    assert f"with {100 * kept.limits[0].chance:.0f} %; $" in budget_markdown(kept)
    with pytest.raises(InfeasibleError, match="for all of them: raise it to") as refused:
        _asked(stages, gpus="256xH100", budget=(each + whole) / 2)
    assert refused.value.binding == "budget"
    with pytest.raises(InfeasibleError, match="end after"):
        _asked(stages, gpus="256xH100", time="1d")


@pytest.mark.parametrize("name", ["budget", "time"])
def test_a_limit_raised_as_the_refusal_says_is_kept(name: str) -> None:
    """Three digits rounded down would be refused again."""
    stages = [{"stage": "pretrain", "params": "13B", "tokens": "617B"}, SMALL, {**SMALL, "tokens": "3B"}]
    with pytest.raises(InfeasibleError) as refused:
        _asked(stages, gpus="264xH100", **{name: {"budget": "10k", "time": "1h"}[name]})
    enough = refused.value.remedy.split()[1]
    (kept,) = _asked(stages, gpus="264xH100", **{name: enough}).limits
    assert kept.planned <= kept.limit <= 1.01 * kept.planned


def test_a_stage_may_bring_its_own_limit() -> None:
    found = _asked([{"stage": "pretrain", "budget": "400k"}, SMALL], gpus="256xH100", budget="1M")
    assert found.stages[0].cost_usd.value == pytest.approx(4e5, rel=2e-6)
    assert found.limits[0].planned < 1e6


def test_limits_are_read() -> None:
    assert limits_of({"budget": "5M", "time": "2w"}) == WholeLimits(budget_usd=5e6, time_days=14.0)
    assert limits_of({"start": "2027-01-01", "deadline": "2027-01-31"}).time_days == 30.0
    with pytest.raises(InputError, match="give one of them"):
        limits_of({"time": "3d", "deadline": "2027-01-31"})


def test_money_needs_a_price() -> None:
    with pytest.raises(InputError, match="no stage has a price"):
        _asked([{"stage": "pretrain", "params": "1B", "tokens": "20B"}], gpus="64xgaudi3", budget="1M")
