"""Stages of a plan file: computed by the models of plan and serve, entered, or not counted."""

from __future__ import annotations

import math

import pytest

import hwmodel as hm
from hwmodel.economics import spares_needed
from hwmodel.errors import InputError
from hwmodel.solve.run.cash import DAYS_PER_MONTH, schedule
from hwmodel.solve.run.result import value_of
from hwmodel.solve.stages.solver import budget
from tests.solve.stages.budgets import FIVE, PRETRAIN, RL, line, with_stage


def test_a_stage_of_pretraining_is_what_plan_answers() -> None:
    found = line(budget({"gpus": "256xH100", "stages": [PRETRAIN]}), "pre-training")
    alone = hm.plan(gpus="256xH100", params="8B", tokens="200B").answer
    for name in ("gpu_hours", "cost_usd", "elapsed_days", "energy_mwh"):
        assert getattr(found, name) == getattr(alone, name), name


def test_the_sum_is_that_of_the_lines() -> None:
    found = budget(FIVE)
    counted = [one for one in found.budget.lines if one.cost_usd is not None]
    assert found.budget.cost_usd.value == pytest.approx(sum(one.cost_usd.value for one in counted))
    assert {one.how for one in found.budget.lines} == {"computed", "not_counted"}
    paid = sum(month.usd for month in found.budget.cash_flow)
    assert paid == pytest.approx(value_of(found.budget.total_usd), rel=1e-9)
    assert value_of(found.budget.total_usd) == pytest.approx(found.budget.cost_usd.value + found.budget.contingency_usd)


def test_what_nobody_says_is_not_counted_and_never_zero() -> None:
    found = budget(FIVE)
    absent = [one for one in found.budget.lines if one.how == "not_counted"]
    assert {"evaluation", "serving", "storage", "egress"} <= {one.stage for one in absent}
    assert all(one.gpu_hours is None and one.cost_usd is None for one in absent)
    assert "verifier of rl" in found.budget.not_counted


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
    teacher = found.detail.teacher_gpu_hours.value
    assert value_of(found.gpu_hours) == pytest.approx(value_of(student.gpu_hours) + teacher)
    assert 1.8 < teacher / value_of(student.gpu_hours) < 4.0
    assert "gain of the student" in found.not_counted[0]


def test_reinforcement_learning_is_steps_times_their_seconds() -> None:
    found = line(budget(FIVE), "rl")
    days = found.detail.steps * found.detail.step_s.value / 86400.0
    assert days < value_of(found.elapsed_days) < 1.2 * days
    double = line(budget({**FIVE, "stages": [*FIVE["stages"][:4], {**RL, "steps": 200}]}), "rl")
    assert value_of(double.gpu_hours) == pytest.approx(2.0 * value_of(found.gpu_hours))


def test_a_pool_for_rollouts_is_paid_as_long_as_the_stage_runs() -> None:
    stage = {**RL, "gpus": "64xH100", "rollout_gpus": "128xA100", "lag": 1}
    found = line(budget({"gpus": "256xH100+128xA100", "stages": [PRETRAIN, stage]}), "rl")
    days = value_of(found.elapsed_days)
    assert found.detail.rollout_gpu_hours.value == pytest.approx(128 * 24 * days)
    assert value_of(found.gpu_hours) == pytest.approx((128 + 64) * 24 * days, rel=1e-6)
    assert found.detail.terms_s.hidden_s > 0.0


def test_lengths_as_a_histogram_and_a_verifier() -> None:
    bare = {k: v for k, v in RL.items() if not k.startswith("response")}
    flat = line(budget(with_stage(**bare, lengths={2000: "100%"})), "rl")
    tail = line(budget(with_stage(**bare, lengths={1800: "98%", 11800: "2%"})), "rl")
    assert flat.detail.mean_response == tail.detail.mean_response == pytest.approx(2000.0)
    assert tail.detail.terms_s.rollout_s > 3.0 * flat.detail.terms_s.rollout_s
    judged = line(
        budget(with_stage(**bare, lengths={2000: 1}, verifier_usd_per_rollout=0.01, verifier_time="30s")), "rl"
    )
    assert judged.detail.verifier_usd == pytest.approx(0.01 * 100 * 64 * 16)
    assert judged.detail.step_s.value == pytest.approx(flat.detail.step_s.value + 30.0)
    assert judged.not_counted == ()


def test_post_training_outspends_at_the_steps_said() -> None:
    found = budget(FIVE).post_training
    assert found is not None
    assert found.over_pretraining < 1.0
    at = found.rl_steps_at_parity
    stages = [*FIVE["stages"][:4], {**RL, "steps": math.ceil(at)}]
    more = budget({**FIVE, "stages": stages}).post_training
    assert more is not None
    assert more.over_pretraining == pytest.approx(1.0, rel=1e-3)


def test_evaluation_and_serving_are_tokens_of_the_serving_model() -> None:
    asked = {"stage": "evaluation", "params": "8B", "questions": "10M", "prompt_tokens": 500, "output_tokens": 1000}
    one, twice = (line(budget(with_stage(**asked, passes=n)), "evaluation") for n in (1, 2))
    assert value_of(twice.gpu_hours) == pytest.approx(2.0 * value_of(one.gpu_hours))
    served = line(budget(with_stage(stage="serving", params="8B", inference_tokens="1T")), "serving")
    assert value_of(served.gpu_hours) > 100.0
    assert served.detail.prompt_tokens + served.detail.output_tokens == pytest.approx(1e12)


def test_an_evaluation_lasts_no_shorter_than_one_answer() -> None:
    """However many accelerators share the questions, the tokens of an answer come one after another."""
    asked = {"stage": "evaluation", "params": "8B", "questions": 64, "prompt_tokens": 500, "output_tokens": 1000}
    few = line(budget(with_stage(**asked)), "evaluation")
    assert few.elapsed_days is not None
    assert value_of(few.elapsed_days) * 86_400.0 == pytest.approx(1000 * few.detail.tpot_s.value)
    many = line(budget(with_stage(**{**asked, "questions": "10M"})), "evaluation")
    more = line(budget(with_stage(**{**asked, "questions": "20M"})), "evaluation")
    assert value_of(more.gpu_hours) == pytest.approx(2.0 * value_of(many.gpu_hours))


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


def test_storage_and_egress_are_inputs() -> None:
    more = {"storage": {"tb": 500, "usd_per_tb_month": 20}, "egress": {"tb": 100, "usd_per_tb": 50}}
    found = budget({**FIVE, **more})
    months = max(slot.end_days for slot in schedule(found.stages)) / DAYS_PER_MONTH
    assert value_of(line(found, "storage").cost_usd) == pytest.approx(500 * 20 * months)
    assert value_of(line(found, "egress").cost_usd) == pytest.approx(5000)
    with pytest.raises(InputError, match="storage needs usd_per_tb_month"):
        budget({**FIVE, "storage": {"tb": 5}})
