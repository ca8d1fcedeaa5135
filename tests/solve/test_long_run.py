"""A run of years that no time limits says so, with the answer of two years computed as `--time 730d` gives it."""

import json

import pytest

from hwmodel.report.phrases import speaking
from hwmodel.report.plan import plan_markdown
from hwmodel.report.plan.front import long_run_sentence
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.run.result import value_of


def test_a_run_of_years_stands_beside_that_of_two() -> None:
    asked = {"gpus": "8xH100", "model": "llama-3.1-8b", "budget": "$3M"}
    found = plan(**asked)
    long, limited = found.long_run, plan(**asked, time="730d").answer
    assert long is not None
    assert long.within is not None
    assert long.elapsed_years == pytest.approx(value_of(found.answer.elapsed_days) / 365.0, rel=0.01)
    assert long.within.frees is None
    assert long.within.tokens == pytest.approx(value_of(limited.tokens))
    assert long.within.loss_nats == pytest.approx(value_of(limited.loss_nats))
    assert long.within.cost_usd == pytest.approx(value_of(limited.cost_usd))
    assert long.within.elapsed_days <= 730.0 * (1.0 + 1e-6)
    page_one = plan_markdown(found).split("## ")[0]
    assert f"**That is {long.elapsed_years:.1f} years**" in page_one
    assert json.loads(found.to_json())["long_run"]["within"]["accelerators"] == 8


def test_what_two_years_cannot_hold_on_this_fleet_takes_the_fleet_that_they_ask_for() -> None:
    found = plan(gpus="8xH100", model="llama-3.1-8b", tokens="15T")
    long = found.long_run
    assert long is not None
    assert long.within is not None
    assert long.within.frees == "gpus"
    freed = plan(gpus="H100", model="llama-3.1-8b", tokens="15T", time="730d").answer
    assert long.within.accelerators == freed.accelerators
    assert "with as many accelerators as that takes" in long_run_sentence(found)[0]
    with speaking("zh"):
        assert "年" in long_run_sentence(found)[0]


def test_two_years_that_hold_no_answer_say_so() -> None:
    found = plan(gpus="8xH100", model="llama-3.1-8b", tokens="1000T", global_batch="8")
    long = found.long_run
    assert long is not None
    assert long.within is None
    assert long.reason
    assert "`--time 730d` has no answer" in long_run_sentence(found)[0]


@pytest.mark.parametrize("asked", [{"time": "1460d"}, {"tokens": "1T", "params": "1B"}])
def test_a_time_that_was_given_and_a_short_run_have_no_such_line(asked: dict[str, str]) -> None:
    assert plan(gpus="64xH100", **asked).long_run is None
