"""Pipeline schedules in the search: where each is tried, the same winners by floors and kernels, words and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from hwmodel.catalog.stacks import training_stack
from hwmodel.errors import InputError
from hwmodel.predict.fastest import fastest
from hwmodel.predict.layouts import layout_space
from hwmodel.predict.policy import policy
from hwmodel.predict.schedules import schedules_of
from hwmodel.predict.search import evaluate
from hwmodel.solve.train import train
from hwmodel.specs.layout import DUALPIPE, DUALPIPE_V, ONE_F_ONE_B, SCHEDULES, ZB_H1, ZB_H2
from tests.predict.fleets import FLEETS, QUESTIONS

WORDS = tuple(SCHEDULES)


def test_only_what_the_stack_has_is_tried_and_only_of_pipelines() -> None:
    asked = QUESTIONS[1]
    setting = asked.setting
    cases = asked.cases(setting, [512.0])
    domain = float(setting.machine.network.domain)
    usual = layout_space(cases, domain, policy(training_stack("generic"), {})).layout
    assert np.all(np.asarray(usual.schedule) == ONE_F_ONE_B)
    every = layout_space(cases, domain, policy(training_stack("generic"), {}, schedules=WORDS)).layout
    pp, vpp, schedule = (np.asarray(getattr(every, name)) for name in ("pp", "vpp", "schedule"))
    assert set(schedule) == set(range(len(WORDS)))
    assert np.all(schedule[pp == 1] == ONE_F_ONE_B)
    assert np.all(vpp[schedule == ZB_H2] == 1)
    assert np.all(vpp[schedule == DUALPIPE] == 1)
    assert np.all(pp[schedule == DUALPIPE] % 2 == 0)
    assert np.all(vpp[schedule == DUALPIPE_V] == 2)
    assert {1.0, 2.0} <= set(vpp[schedule == ZB_H1])
    folded = layout_space(cases, domain, policy(training_stack("torchtitan"), {"pp": 4.0})).layout
    kinds = set(zip(np.asarray(folded.vpp).tolist(), np.asarray(folded.schedule).tolist()))
    assert kinds == {(1.0, ONE_F_ONE_B), (1.0, ZB_H1), (2.0, DUALPIPE_V)}


@pytest.mark.parametrize("asked", [QUESTIONS[1], QUESTIONS[3]], ids=["dense", "mixture"])
@pytest.mark.parametrize("compiled", [False, True])
def test_floors_and_kernels_find_the_winners_of_the_whole_space(asked, compiled: bool) -> None:
    setting = asked.setting
    cases = asked.cases(setting, FLEETS)
    fixed = policy(setting.stack, {"pp": 8.0}, schedules=WORDS)
    common = (cases, setting.machine, setting.precision, setting.stack, fixed)
    whole, few = evaluate(*common), fastest(*common, compiled=compiled)
    assert few.tally.layouts == whole.space.count
    for case in range(cases.count):
        row, other = int(whole.best[case]), int(few.evaluation.best[case])
        assert (row < 0) == (other < 0)
        if row >= 0:
            assert whole.step_s[row] == few.evaluation.step_s[other]
    won = {float(np.asarray(whole.space.layout.schedule)[row]) for row in whole.best if row >= 0}
    assert won - {ONE_F_ONE_B}  # another schedule wins somewhere


@pytest.mark.parametrize("wrong", ["dualpip", "zb-h3", ",", "none"])
def test_other_words_are_refused_with_the_nearest(wrong: str) -> None:
    with pytest.raises(InputError, match="--schedule"):
        train(schedule=wrong, gpus="64xH100", model="llama-3.1-8b")


def test_words_are_read_in_any_order_and_case() -> None:
    assert schedules_of("DualPipe, 1F1B") == (ONE_F_ONE_B, DUALPIPE)


def test_a_schedule_given_is_the_one_run_and_shown() -> None:
    run = {"model": "deepseek-v3", "gpus": "2048xH800", "pp": "16", "ep": "64", "tp": "1", "vpp": "1",
           "global_batch": "15360"}  # fmt: skip
    plain, paired = (train(**run, schedule=word).to_dict() for word in ("1f1b", "dualpipe"))
    assert paired["layout"]["schedule"] == "dualpipe"
    assert paired["step"]["pp_bubble_s"] < plain["step"]["pp_bubble_s"]
    assert paired["memory"]["middle"]["weights_bytes"] > 1.5 * plain["memory"]["middle"]["weights_bytes"]
    assert train(**run, stack="hai-llm").to_dict()["layout"]["schedule"] == "dualpipe"
