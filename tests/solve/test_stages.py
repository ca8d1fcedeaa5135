"""Plan files: stages computed by the models of plan and serve, entered, or not counted; pools, power, money, errors."""

from __future__ import annotations

import copy
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hwmodel as hm
from hwmodel.economics import present_value, spares_needed
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.report import budget_card, budget_csv, budget_markdown
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.stages.cash import DAYS_PER_MONTH, monthly, schedule
from hwmodel.solve.stages.keys import OF_PLAN, schema
from hwmodel.solve.stages.lines import Line
from hwmodel.solve.stages.solver import BudgetPlan, budget

PRETRAIN = {"stage": "pre-training", "params": "8B", "tokens": "200B"}
RL = {"stage": "rl", "params": "8B", "steps": 100, "prompts": 64, "samples_per_prompt": 16, "response_tokens": 2000,
      "response_limit": 8192}  # fmt: skip
FIVE: dict[str, Any] = {
    "gpus": "256xH100",
    "stages": [
        {"stage": "ablations", "runs": [{"params": "1B", "tokens": "20B", "count": 10}]},
        PRETRAIN,
        {"stage": "context extension", "params": "8B", "tokens": "20B", "seq_len": 32768},
        {"stage": "sft", "params": "8B", "examples": "500k", "example_tokens": 1500, "epochs": 2},
        RL,
    ],
}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The command line."""
    return subprocess.run([sys.executable, "-m", "hwmodel", *words], capture_output=True, text=True, timeout=120)


def line(found: BudgetPlan, stage: str) -> Line:
    """The line of a stage."""
    return next(one for one in found.stages if one.stage == stage)


def with_stage(**stage: Any) -> dict[str, Any]:
    """A budget of pre-training and one more stage."""
    return {"gpus": "256xH100", "stages": [PRETRAIN, stage]}


def test_a_stage_of_pretraining_is_what_plan_answers() -> None:
    found = line(budget({"gpus": "256xH100", "stages": [PRETRAIN]}), "pre-training")
    alone = hm.plan(gpus="256xH100", params="8B", tokens="200B").answer
    for name in ("gpu_hours", "cost_usd", "elapsed_days", "energy_mwh"):
        assert getattr(found, name) == getattr(alone, name), name


def test_the_sum_is_that_of_the_lines() -> None:
    found = budget(FIVE)
    counted = [one for one in found.budget["lines"] if one["cost_usd"] is not None]
    assert found.budget["cost_usd"].value == pytest.approx(sum(one["cost_usd"].value for one in counted))
    assert {one["how"] for one in found.budget["lines"]} == {"computed", "not_counted"}
    paid = sum(month["usd"] for month in found.budget["cash_flow"])
    assert paid == pytest.approx(found.budget["total_usd"], rel=1e-9)
    assert found.budget["total_usd"] == pytest.approx(found.budget["cost_usd"].value + found.budget["contingency_usd"])


def test_what_nobody_says_is_not_counted_and_never_zero() -> None:
    found = budget(FIVE)
    absent = [one for one in found.budget["lines"] if one["how"] == "not_counted"]
    assert {"evaluation", "serving", "storage", "egress"} <= {one["stage"] for one in absent}
    assert all(one["gpu_hours"] is None and one["cost_usd"] is None for one in absent)
    assert "verifier of rl" in found.budget["not_counted"]


def test_examples_are_tokens() -> None:
    """500k examples of 1,500 tokens twice are 1.5B tokens at their own sequence length."""
    by_examples = line(budget(FIVE), "sft")
    given = with_stage(stage="sft", params="8B", tokens="1.5B", seq_len=1500)
    assert by_examples.gpu_hours == line(budget(given), "sft").gpu_hours


def test_preference_is_a_third_more_than_the_same_tokens_tuned() -> None:
    pairs = line(budget(with_stage(stage="dpo", params="8B", pairs="1M", pair_tokens=2000)), "dpo")
    tuned = line(budget(with_stage(stage="sft", params="8B", tokens="2B", seq_len=2000)), "sft")
    assert pairs.gpu_hours is not None
    assert tuned.gpu_hours is not None
    assert pairs.gpu_hours.value == pytest.approx(tuned.gpu_hours.value * 4.0 / 3.0)


def test_ablations_are_counted_runs() -> None:
    def hours(count: int) -> float:
        runs = [{"params": "1B", "tokens": "20B", "count": count}]
        return value_of(line(budget({"gpus": "256xH100", "stages": [{"stage": "ablations", "runs": runs}]}),
                             "ablations").gpu_hours)  # fmt: skip

    alone = hm.plan(gpus="256xH100", params="1B", tokens="20B").answer.gpu_hours
    assert hours(1) == pytest.approx(value_of(alone))
    assert hours(10) == pytest.approx(10.0 * hours(1))


def test_distillation_adds_the_forward_pass_of_the_teacher() -> None:
    """A teacher nine times as large, forward alone, costs about three times what training the student does."""
    found = line(
        budget(with_stage(stage="distillation", params="8B", tokens="20B", teacher="llama-3.1-70b")), "distillation"
    )
    student = line(budget(with_stage(stage="sft", params="8B", tokens="20B")), "sft")
    teacher = found.detail["teacher_gpu_hours"]
    assert value_of(found.gpu_hours) == pytest.approx(value_of(student.gpu_hours) + teacher)
    assert 1.8 < teacher / value_of(student.gpu_hours) < 4.0
    assert "what the student gains" in found.not_counted[0]


def test_reinforcement_learning_is_steps_times_their_seconds() -> None:
    found = line(budget(FIVE), "rl")
    days = found.detail["steps"] * found.detail["step_s"] / 86400.0
    assert days < value_of(found.elapsed_days) < 1.2 * days
    double = line(budget({**FIVE, "stages": [*FIVE["stages"][:4], {**RL, "steps": 200}]}), "rl")
    assert value_of(double.gpu_hours) == pytest.approx(2.0 * value_of(found.gpu_hours))


def test_a_pool_for_rollouts_is_paid_as_long_as_the_stage_runs() -> None:
    stage = {**RL, "gpus": "64xH100", "rollout_gpus": "128xA100", "lag": 1}
    found = line(budget({"gpus": "256xH100+128xA100", "stages": [PRETRAIN, stage]}), "rl")
    days = value_of(found.elapsed_days)
    assert found.detail["rollout_gpu_hours"] == pytest.approx(128 * 24 * days)
    assert value_of(found.gpu_hours) == pytest.approx((128 + 64) * 24 * days, rel=1e-6)
    assert found.detail["terms_s"]["hidden_s"] > 0.0


def test_lengths_as_a_histogram_and_a_verifier() -> None:
    bare = {k: v for k, v in RL.items() if not k.startswith("response")}
    flat = line(budget(with_stage(**bare, lengths={2000: "100%"})), "rl")
    tail = line(budget(with_stage(**bare, lengths={1800: "98%", 11800: "2%"})), "rl")
    assert flat.detail["mean_response"] == tail.detail["mean_response"] == pytest.approx(2000.0)
    assert tail.detail["terms_s"]["rollout_s"] > 3.0 * flat.detail["terms_s"]["rollout_s"]
    judged = line(
        budget(with_stage(**bare, lengths={2000: 1}, verifier_usd_per_rollout=0.01, verifier_time="30s")), "rl"
    )
    assert judged.detail["verifier_usd"] == pytest.approx(0.01 * 100 * 64 * 16)
    assert judged.detail["step_s"] == pytest.approx(flat.detail["step_s"] + 30.0)
    assert judged.not_counted == ()


def test_post_training_outspends_at_the_steps_said() -> None:
    found = budget(FIVE).post_training
    assert found is not None
    assert found["over_pretraining"] < 1.0
    at = found["rl_steps_at_parity"]
    stages = [*FIVE["stages"][:4], {**RL, "steps": math.ceil(at)}]
    more = budget({**FIVE, "stages": stages}).post_training
    assert more is not None
    assert more["over_pretraining"] == pytest.approx(1.0, rel=1e-3)


def test_evaluation_and_serving_are_tokens_of_the_serving_model() -> None:
    asked = {"stage": "evaluation", "params": "8B", "questions": "100k", "prompt_tokens": 500, "output_tokens": 1000}
    one, twice = (line(budget(with_stage(**asked, passes=n)), "evaluation") for n in (1, 2))
    assert value_of(twice.gpu_hours) == pytest.approx(2.0 * value_of(one.gpu_hours))
    served = line(budget(with_stage(stage="serving", params="8B", inference_tokens="1T")), "serving")
    assert value_of(served.gpu_hours) > 100.0
    assert served.detail["prompt_tokens"] + served.detail["output_tokens"] == pytest.approx(1e12)


def test_entered_hours_money_and_shares() -> None:
    hours = line(budget(with_stage(stage="data", gpu_hours=1000)), "data")
    assert (hours.how, value_of(hours.gpu_hours)) == ("entered", 1000.0)
    price = value_of(line(budget(FIVE), "pre-training").cost_usd) / value_of(
        line(budget(FIVE), "pre-training").gpu_hours
    )
    assert value_of(hours.cost_usd) == pytest.approx(1000.0 * price)
    money = line(budget(with_stage(stage="people", cost_usd="$2M")), "people")
    assert (money.gpu_hours, value_of(money.cost_usd)) == (None, 2e6)
    share = budget(with_stage(stage="failed runs", share="10%"))
    assert value_of(line(share, "failed runs").gpu_hours) == pytest.approx(
        0.1 * value_of(line(share, "pre-training").gpu_hours)
    )


def test_spares_wait_as_long_as_their_stage() -> None:
    found = budget({"gpus": "256xH100", "stages": [{**PRETRAIN, "spares": 16}]})
    run, ready = found.stages[0], line(found, "spares of pre-training")
    assert value_of(ready.gpu_hours) == pytest.approx(16 * 24 * value_of(run.elapsed_days))
    each = [value_of(one.energy_mwh) / value_of(one.gpu_hours) for one in (run, ready)]
    assert each[1] < 0.5 * each[0]


def test_spares_that_cover_what_is_in_repair() -> None:
    """256 nodes that fail 1.918e-5 x 8 an hour and take 100 h to mend: 3.9 in repair in the mean, 9 with 99 %."""
    found = budget({"gpus": "2048xH100", "stages": [{**PRETRAIN, "repair": "100h"}]})
    ready = line(found, "spares of pre-training")
    assert ready.accelerators == 8 * spares_needed(256, 8 * 1.918e-5, 100.0) == 72
    with pytest.raises(InputError, match="give one of them"):
        budget({"gpus": "2048xH100", "stages": [{**PRETRAIN, "repair": "100h", "spares": 8}]})


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
    assert budget({"gpus": "96xH100", "stages": [stage]}).stages[0].detail["rollout_accelerators"] == 32


def test_a_model_is_served_on_no_fewer_accelerators_than_hold_it() -> None:
    stage = {
        "stage": "evaluation",
        "model": "DeepSeek-V3",
        "questions": 1000,
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
    assert found.pools[0]["accelerators"] == 8 * math.floor(10e6 / (10_200 * 1.25))
    assert found.pools[0]["rated_site_w"] <= 10e6
    with pytest.raises(InfeasibleError, match="power allows 1MW"):
        budget({"gpus": "2048xH100", "power": "1MW", "stages": [PRETRAIN]})
    with pytest.raises(InputError, match="power"):
        budget({"gpus": "2048xH100", "power": "-1MW", "stages": [PRETRAIN]})


def test_a_plan_within_a_power() -> None:
    """All that 10 MW carry, the fewest that finish in time, and a fleet that is too large."""
    each = 10_200 / 8 * 1.1
    most = 8 * math.floor(10e6 / (8 * each))
    assert hm.plan(gpus="H100", power="10MW", time="60d").answer.accelerators == most
    timed = hm.plan(gpus="H100", power="10MW", time="60d", params="8B", tokens="1T").answer
    assert timed.accelerators is not None
    assert timed.accelerators < most
    found = hm.plan(gpus="512xH100", power="10MW", time="60d")
    assert found.money.energy.rated_site_w == pytest.approx(512 * each)
    refused = run("plan", "--gpus", "8192xH100", "--power", "10MW", "--tokens", "1T")
    assert (refused.returncode, len(refused.stderr.strip().splitlines())) == (3, 1)
    assert f"at most {most:,} of them" in refused.stderr
    wrong_ones = (
        (("--power", "-3MW", "--gpus", "H100"), "above zero"), (("--power", "1MW", "--tokens", "1T"), "--gpus"),
        (("--power", "10", "--gpus", "H100"), "carry not one"),
    )  # fmt: skip
    for words, said in wrong_ones:
        wrong = run("plan", *words)
        assert wrong.returncode in (2, 3)
        assert said in wrong.stderr


def test_two_pools_and_owned_fleets_on_the_command_line() -> None:
    done = run("plan", "--gpus", "512xH100+1024xA100", "--time", "30d", "--format", "json")
    lines = json.loads(done.stdout)["budget"]["lines"]
    alone = hm.plan(gpus="512xH100", time="30d").answer
    assert lines[0]["stage"] == "pre-training on 512xH100"
    assert lines[0]["gpu_hours"]["value"] == pytest.approx(value_of(alone.gpu_hours))
    refused = run("plan", "--gpus", "512xH100+1024xA100", "--params", "7B", "--tokens", "1T")
    assert (refused.returncode, "one job cannot span two parts" in refused.stderr) == (2, True)
    own = run("plan", "--gpus", "2048xH100", "--params", "70B", "--tokens", "2T", "--own", "--format", "json")
    bought = json.loads(own.stdout)["own"][0]
    assert bought["accelerators"] == 2048
    assert bought["break_even_months"] < 36
    assert len(bought["monthly_usd"]) == 37
    assert {"staff", "cost of capital", "use after the stages"} <= set(bought["not_counted"])


def test_regions_change_the_carbon_and_not_the_work() -> None:
    found = {place: budget(FIVE, region=place) for place in ("France", "Poland", "Oregon")}
    carbon = {place: value_of(one.budget["co2e_t"]) for place, one in found.items()}
    assert carbon["France"] < carbon["Oregon"] < carbon["Poland"]
    assert len({round(value_of(one.budget["gpu_hours"])) for one in found.values()}) == 1


def test_contingency_as_entered_and_by_default() -> None:
    found = budget({**FIVE, "contingency": "15%", "contingency_why": "board"}).budget
    assert found["contingency_usd"] == pytest.approx(0.15 * found["cost_usd"].value)
    assert found["contingency_why"] == "board"
    fixed = budget({**FIVE, "contingency": "$1M"}).budget
    assert fixed["contingency_usd"] == 1e6
    usual = budget(FIVE)
    alone = hm.plan(gpus="256xH100", params="8B", tokens="200B").answer
    assert alone.quantiles is not None
    more = value_of(alone.quantiles["p80"]["cost_usd"]) - value_of(alone.cost_usd)
    assert line(usual, "pre-training").safe_cost_usd == pytest.approx(value_of(alone.cost_usd) + more)
    assert usual.budget["contingency_usd"] > more


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
    assert found.budget["cost_usd"].value == pytest.approx(64 * 8766 * 2)
    assert idle.detail["committed_usd"] == pytest.approx(64 * 8766 * 2)
    assert idle.detail["used_share"] == pytest.approx(found.stages[0].gpu_hours.value / (64 * 8766))
    flow = found.budget["cash_flow"]
    assert sum(row["usd"] for row in flow) == pytest.approx(found.budget["total_usd"])
    assert flow[5]["usd"] == pytest.approx(64 * 8766 * 2 / 12)
    longer = budget({**asked, "stages": [{**PRETRAIN, "tokens": "20T"}]})
    years = longer.budget["cost_usd"].value / (64 * 8766 * 2)
    assert years == pytest.approx(round(years))
    assert years >= 2


def test_a_commitment_is_paid_at_its_quotes() -> None:
    asked = {"gpus": "64xH100", "stages": [PRETRAIN]}
    free, year = budget(asked), budget({**asked, "commit": {}})
    assert year.stages[0].cost_usd.value < free.stages[0].cost_usd.value
    assert year.stages[0].gpu_hours == free.stages[0].gpu_hours
    idle = next(line for line in year.stages if line.kind == "commitment")
    assert 0.4 < idle.detail["break_even_share"] < 1.0
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


def test_storage_and_egress_are_inputs() -> None:
    more = {"storage": {"tb": 500, "usd_per_tb_month": 20}, "egress": {"tb": 100, "usd_per_tb": 50}}
    found = budget({**FIVE, **more})
    months = max(slot.end_days for slot in schedule(found.stages)) / DAYS_PER_MONTH
    assert value_of(line(found, "storage").cost_usd) == pytest.approx(500 * 20 * months)
    assert value_of(line(found, "egress").cost_usd) == pytest.approx(5000)
    with pytest.raises(InputError, match="storage needs usd_per_tb_month"):
        budget({**FIVE, "storage": {"tb": 5}})


def test_cash_flow_by_hand() -> None:
    """A stage of a month and a half, then an entered sum: two thirds, a third and the sum."""
    run = Line(stage="a", kind="pretrain", how="computed", part="p", accelerators=1, cost_usd=Band(300.0, 1, 1),
               elapsed_days=Band(1.5 * DAYS_PER_MONTH, 1, 1))  # fmt: skip
    sum_ = Line(stage="b", kind="other", how="entered", cost_usd=Band(50.0, 1, 1))
    assert [row["usd"] for row in monthly(schedule([run, sum_]))] == pytest.approx([200.0, 150.0])


ERRORS = [
    ("gpus: 8xH100\nstages:\n  - {stage: pretrain, tokns: 1T}\n", r":3: unknown key 'tokns'.*nearest: tokens"),
    ("gpus: 8xH100\nregoin: France\nstages:\n  - {stage: pretrain}\n", r":2: unknown key 'regoin'.*nearest: region"),
    ("gpus: 8xH100\nstages:\n  - {stage: rl, params: 8B}\n", "needs steps, prompts, samples_per_prompt"),
    ("gpus: 8xH100\nstages:\n  - {stage: rlx, params: 8B}\n", "no kind of stage is called 'rlx'; nearest: rl"),
    ("gpus: 8xH100\nstages: []\n", "no stages"),
    ("gpus: 8xH100\nstages:\n  - {params: 8B}\n", "needs its name"),
    ("gpus: 8xH100\nstages:\n  - {stage: sft, model: Qwen3-8B}\n", "needs examples, example_tokens"),
    ("gpus: 8xH100\nstages:\n  - {stage: context, params: 8B, tokens: 1B}\n", "needs seq_len"),
    ("gpus: 8xH100\nstages:\n  - {stage: sft, params: 8B, tokens: 1B, gpu_hours: 5}\n", "would be computed from"),
    ("gpus: 8xH100\nstages:\n  - {stage: failed, share: 10%}\n", "put the stage after it"),
    ("gpus: 8xH100\nregion: Frnce\nstages:\n  - {stage: x, cost_usd: 1}\n", "unknown region 'Frnce'; nearest: FRA"),
    ("gpus: 8xH100\nown: {purchas_usd: 5}\nstages:\n  - {stage: x, cost_usd: 1}\n", "nearest: purchase_usd"),
    ("gpus: 8xH100\nstages:\n  - {stage: evaluation, gpu_hours: -5}\n", "gpu_hours"),
    ("gpus: [\n", "not YAML"),
    ("- a\n", "no mapping of keys"),
    ("gpus: 8xH100\nstages:\n  - {stage: sft, model: Qwen3-8B, tokens: }\n", "tokens is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), ERRORS)
def test_a_bad_file_is_one_line_and_exit_2(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    path.write_text(text, encoding="utf-8")
    found = run("plan", str(path))
    assert found.returncode == 2, found.stdout
    assert re.search(said, found.stderr), found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_a_missing_file_and_options_beside_it(tmp_path: Path) -> None:
    found = run("plan", "nothing.yaml")
    assert (found.returncode, len(found.stderr.strip().splitlines())) == (2, 1)
    path = tmp_path / "b.yaml"
    path.write_text(json.dumps(FIVE), encoding="utf-8")
    found = run("plan", str(path), "--region", "Poland", "--format", "json")
    plain = json.loads(found.stdout)
    assert plain["request"]["region"] == "Poland"
    assert set(plain["budget"]["lines"][0]) == {"stage", "gpu_hours", "cost_usd", "how"}
    assert set(plain["budget"]["cash_flow"][0]) == {"month", "usd"}
    assert plain["budget"]["contingency_usd"] > 0
    refused = run("plan", str(path), "--moe", "8")
    assert (refused.returncode, "means nothing beside a plan file" in refused.stderr) == (2, True)


def test_a_budget_reads_the_same_as_a_mapping_and_is_not_changed_by_it(tmp_path: Path) -> None:
    given = copy.deepcopy(FIVE)
    path = tmp_path / "b.yaml"
    path.write_text(json.dumps(FIVE), encoding="utf-8")
    assert budget(given).budget == budget(path).budget
    assert given == FIVE


def test_reports_say_what_stands_in_the_answer() -> None:
    found = budget({**FIVE, "own": {"purchase_usd": 30_000}})
    text = budget_markdown(found)
    for said in (
        "## Stages",
        "not counted",
        "steps of reinforcement learning",
        "## Bought",
        "## Cash flow",
        "Not counted:",
    ):
        assert said in text, said
    assert all(len(row) <= 80 for row in budget_card(found, 80).splitlines())
    assert len(budget_csv(found).splitlines()) == 1 + len(found.stages)


def test_the_schema_is_that_of_the_tree_and_of_the_keys() -> None:
    stored = json.loads((Path(__file__).parents[2] / "catalogs/schema/plan.schema.json").read_text(encoding="utf-8"))
    assert stored == schema()
    stage = stored["properties"]["stages"]["items"]["properties"]
    assert {"steps", "rollout_gpus", "verifier_usd_per_rollout", *OF_PLAN} <= set(stage)
    assert not stored["additionalProperties"]


def test_every_plan_carries_its_budget() -> None:
    found = hm.plan(gpus="64xH100", params="8B", tokens="100B").to_dict()
    first = found["budget"]["lines"][0]
    assert first["cost_usd"] == found["answer"]["cost_usd"]
    assert sum(row["usd"] for row in found["budget"]["cash_flow"]) == pytest.approx(
        first["cost_usd"]["value"] + found["budget"]["contingency_usd"]
    )
    assert {row["how"] for row in found["budget"]["lines"][1:]} == {"not_counted"}
    assert hm.plan(tokens="1T").budget is None
