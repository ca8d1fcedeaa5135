"""Pools of accelerators: which stage runs where, what does not fit, and what a site of so many watts holds."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

import hwmodel as hm
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.solve.run.cash import schedule
from hwmodel.solve.run.result import value_of
from hwmodel.solve.stages.solver import budget
from tests.solve.stages.budgets import PRETRAIN, RL, command, line


def test_two_pools_are_separate_jobs_of_one_budget() -> None:
    stages = [{**PRETRAIN, "gpus": "H100"}, {**RL, "gpus": "A100"}]
    found = budget({"gpus": "512xH100+1024xA100", "stages": stages})
    assert [(one.accelerators, one.part) for one in found.stages[:2]] == [
        (512, "h100-sxm5-80gb"), (1024, "a100-sxm4-80gb"),
    ]  # fmt: skip
    # Each pool has its own order: both stages begin on the first day.
    assert [slot.start_days for slot in schedule(found.stages[:2])] == [0.0, 0.0]


def test_a_stage_without_a_pool_runs_where_it_costs_least() -> None:
    stages = [PRETRAIN, {**RL, "gpus": "A100"}, {"stage": "sft", "params": "8B", "tokens": "1B", "gpus": "H100"}]
    found = line(budget({"gpus": "512xH100+1024xA100", "stages": stages}), "pre-training")
    alone = [hm.plan(gpus=fleet, params="8B", tokens="200B").answer for fleet in ("512xH100", "1024xA100")]
    assert value_of(found.cost_usd) == pytest.approx(min(value_of(one.cost_usd) for one in alone))
    assert "costs least" in found.note


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([{**PRETRAIN, "gpus": "H100"}], "no stage uses the pool 1024xa100-sxm4-80gb"),
        ([{**PRETRAIN, "gpus": "512xH100+1024xA100"}], "one job cannot span two parts"),
        ([{**PRETRAIN, "gpus": "1024xH100"}], "the pool of h100-sxm5-80gb has 512; one job cannot span two parts"),
        ([{**PRETRAIN, "gpus": "64xB200"}], "the budget has no pool of b200"),
    ],
)
def test_pools_that_no_job_can_use_are_refused(stages: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        budget({"gpus": "512xH100+1024xA100", "stages": stages})


def test_rollouts_and_updates_share_their_pool() -> None:
    stage = {**RL, "gpus": "64xH100", "rollout_gpus": 32}
    with pytest.raises(InputError, match="rollout_gpus 32 and 64 for the updates are more than the 64"):
        budget({"gpus": "64xH100", "stages": [stage]})
    with pytest.raises(InputError, match="no pool of a100-sxm4-80gb"):
        budget({"gpus": "64xH100", "stages": [{**stage, "rollout_gpus": "8xA100"}]})
    assert budget({"gpus": "96xH100", "stages": [stage]}).stages[0].detail.rollout_accelerators == 32


def test_a_model_is_served_on_no_fewer_accelerators_than_hold_it() -> None:
    stage = {
        "stage": "evaluation",
        "model": "DeepSeek-V3",
        "questions": 1_000_000,  # that keep every replica busy for longer than one answer takes
        "prompt_tokens": 100,
        "output_tokens": 100,
    }
    with pytest.raises(InfeasibleError):
        budget({"gpus": "8xH100", "stages": [stage]})
    few, many = (budget({"gpus": f"{n}xH100", "stages": [stage]}).stages[0] for n in (32, 256))
    assert value_of(few.gpu_hours) >= value_of(many.gpu_hours)


def test_a_model_that_no_pool_holds_is_refused() -> None:
    stage = {"stage": "pre-training", "params": "400B", "tokens": "1T"}
    with pytest.raises(InfeasibleError, match="one job cannot span two parts"):
        budget({"gpus": "8xH100+16xA100", "stages": [stage]})


def test_power_binds_with_pue() -> None:
    """10.2 kW a DGX H100, a PUE of 1.25: 10 MW carry 784 whole nodes."""
    found = budget({"gpus": "H100", "power": "10MW", "pue": 1.25, "stages": [{**PRETRAIN}]})
    assert found.pools[0].accelerators == 8 * math.floor(10e6 / (10_200 * 1.25))
    assert found.pools[0].rated_site_w <= 10e6
    with pytest.raises(InfeasibleError, match="power allows 1MW"):
        budget({"gpus": "2048xH100", "power": "1MW", "stages": [PRETRAIN]})
    with pytest.raises(InputError, match="power"):
        budget({"gpus": "2048xH100", "power": "-1MW", "stages": [PRETRAIN]})


def test_a_plan_within_a_power() -> None:
    """All that 10 MW carry but what would wait, the fewest that finish in time, and a fleet that is too large."""
    each = 10_200 / 8 * 1.1
    most = 8 * math.floor(10e6 / (8 * each))
    fleet = hm.plan(gpus="H100", power="10MW", time="60d").answer.accelerators
    assert fleet is not None
    assert 0.99 * most < fleet <= most
    timed = hm.plan(gpus="H100", power="10MW", time="60d", params="8B", tokens="1T").answer
    assert timed.accelerators is not None
    assert timed.accelerators < most
    found = hm.plan(gpus="512xH100", power="10MW", time="60d")
    assert found.money.energy.rated_site_w == pytest.approx(512 * each)
    refused = command("plan", "--gpus", "8192xH100", "--power", "10MW", "--tokens", "1T")
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (3, 1)
    assert f"at most {most:,} of them" in refused.stderr
    wrong_ones = (
        (("--power", "-3MW", "--gpus", "H100"), "above zero"), (("--power", "1MW", "--tokens", "1T"), "--gpus"),
        (("--power", "10", "--gpus", "H100"), "carry not one"),
    )  # fmt: skip
    for words, said in wrong_ones:
        wrong = command("plan", *words)
        assert wrong.returncode in (2, 3)
        assert said in wrong.stderr


def test_two_pools_and_owned_fleets_on_the_command_line() -> None:
    done = command("plan", "--gpus", "512xH100+1024xA100", "--time", "30d", "--format", "json")
    lines = json.loads(done.stdout)["budget"]["lines"]
    alone = hm.plan(gpus="512xH100", time="30d").answer
    assert lines[0]["stage"] == "pre-training on 512xH100"
    assert lines[0]["gpu_hours"]["value"] == pytest.approx(value_of(alone.gpu_hours))
    refused = command("plan", "--gpus", "512xH100+1024xA100", "--params", "7B", "--tokens", "1T")
    assert (refused.returncode, "one job cannot span two parts" in refused.stderr) == (2, True)
    own = command("plan", "--gpus", "2048xH100", "--params", "70B", "--tokens", "2T", "--own", "--format", "json")
    bought = json.loads(own.stdout)["own"][0]
    assert bought["accelerators"] == 2048
    assert bought["break_even_months"] < 36
    assert len(bought["monthly_usd"]) == 37
    assert {"staff", "cost of capital", "use after the stages"} <= set(bought["not_counted"])
