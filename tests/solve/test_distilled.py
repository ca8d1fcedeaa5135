"""`plan --distill` and `plan --sparsity`: brute force over the printed laws, the papers' findings, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import hwmodel as hm
from hwmodel.cli.plan import command as plan
from hwmodel.errors import InputError
from hwmodel.laws.conventions import non_embedding_from_total


def _supervised(n, d):
    return 1.220 + (3355.0 / n**0.408 + 18186.0 / d**0.431) ** 0.452


def _student(n, d, teacher):
    bracket = 1.0 + (teacher / (_supervised(n, d) * 1.315)) ** (1.0 / 0.090)
    return teacher + teacher**-2.549 * bracket ** (-522.6 * 0.090) * (2243.0 / n**0.321 + 24181.0 / d**0.637) ** 0.764


def _ways(found, which):
    return {run.way: run for run in getattr(found.distillation, which)}


@pytest.fixture(scope="module")
def small():
    return hm.plan(params="1B", tokens="20B", distill="7B@140B")


def test_a_given_teacher_at_the_compute_of_the_plan_is_the_arithmetic_by_hand(small):
    run = _ways(small, "at_compute")["given"]
    n, t = float(non_embedding_from_total(1e9)), float(non_embedding_from_total(7e9))
    flop = 6.0 * 1e9 * 20e9 * n / 1e9
    tokens = flop / (6.0 * n + 2.0 * t)
    assert run.tokens == pytest.approx(tokens, rel=1e-9)
    assert (run.teacher_params, run.teacher_tokens) == (7e9, 140e9)
    assert run.train_flop == pytest.approx(1.2e20, rel=1e-9)
    loss = _student(n, tokens, _supervised(t, 140e9))
    assert _supervised(n, run.supervised_tokens) == pytest.approx(loss, rel=1e-9)
    law = hm.load_catalog().law("besiroglu_2024").constants
    want = law["E"] + law["A"] / 1e9 ** law["alpha"] + law["B"] / run.supervised_tokens ** law["beta"]
    assert run.loss_nats == pytest.approx(want, rel=1e-9)


def test_no_teacher_on_a_fine_grid_is_better_than_the_one_trained(small):
    run = _ways(small, "at_compute")["trained"]
    n = float(non_embedding_from_total(1e9))
    flop = 1.2e20 * n / 1e9
    size, ratio = np.meshgrid(np.geomspace(0.05, 20, 160), np.geomspace(1, 2000, 160))
    teacher, trained_on = n * size, n * size * ratio
    tokens = (flop - 6.0 * teacher * trained_on) / (6.0 * n + 2.0 * teacher)
    able = tokens > 3e19 / (6.0 * n)
    losses = _student(n, np.where(able, tokens, 1.0), _supervised(teacher, trained_on))[able]
    assert _supervised(n, run.supervised_tokens) <= losses.min() * (1.0 + 2e-5)


def test_all_ways_reach_the_loss_of_the_plan():
    found = hm.plan(params="8B", tokens="1T", distill="70B@15T")
    ways = _ways(found, "at_loss")
    loss = found.answer.loss_nats.value
    for run in ways.values():
        assert run.loss_nats == pytest.approx(loss, rel=1e-5), run.way
    assert ways["outright"].train_flop == pytest.approx(6.0 * 8e9 * 1e12, rel=1e-9)


def test_what_the_paper_finds():
    """A teacher trained for one student alone never pays (section 5.3); one that is there pays on few tokens only."""
    few = hm.plan(params="2B", tokens="10B", distill="7B@140B")
    many = hm.plan(params="2B", tokens="4T", distill="7B@140B")
    assert _ways(few, "at_compute")["trained"].loss_nats > _ways(few, "at_compute")["outright"].loss_nats
    assert many.distillation.winner == "outright"
    assert "given" not in _ways(many, "at_loss")  # its teacher is worse than the plan
    assert many.distillation.refused["given at loss"].startswith("no student")
    mid = hm.plan(params="1B", tokens="20B", distill="7B@140B").distillation
    assert mid.winner == "given"
    assert 0.05 < mid.saving < 0.2


def test_the_size_of_the_student_is_found_where_it_was_not_given():
    free = hm.plan(flops="1e22", distill="70B@15T", inference_tokens="1T").distillation
    assert {run.params for run in free.at_loss} != {free.at_loss[0].params}
    assert all(run.lifetime_cost is not None for run in free.at_loss)
    assert free.unit == "FLOP"


def test_with_a_fleet_the_ways_cost_dollars_in_proportion_to_their_flops():
    d = hm.plan(params="1B", tokens="20B", distill=True, gpus="16xH100").distillation
    outright = d.at_loss[0]
    for run in d.at_loss:
        assert run.train_cost / outright.train_cost == pytest.approx(run.train_flop / outright.train_flop, rel=1e-6)
    assert d.unit == "USD"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"distill": "7B"}, "give the teacher's size and tokens like 70B@15T"),
        ({"distill": "7B@140B", "unique_tokens": "10B"}, "no law of repeated data was fitted on students"),
        ({"distill": True, "moe": True, "inference_tokens": "1T"}, "asked one at a time"),
        ({"sparsity": "95%"}, "above 0 to 87.5%"),
        ({"sparsity": "0"}, "sparsity"),
    ],
)
def test_bad_input_is_one_clear_line(given, words):
    with pytest.raises(InputError, match=words):
        hm.plan(params="1B", tokens="20B", **given)


def test_a_mixture_cannot_be_the_student():
    with pytest.raises(InputError, match="fitted on dense students"):
        hm.plan(model="mixtral-8x7b", tokens="1T", distill=True)


def test_zeros_are_worth_what_the_law_of_sparsity_says():
    s = hm.plan(params="100M", tokens="10B", sparsity="75%").sparsity
    gain = ((10.710824 + 41.620832) / (10.710824 * 0.25**1.3449684 + 41.620832)) ** (1.0 / 0.23168278)
    assert s.params_non_zero == pytest.approx(25e6)
    assert s.dense_equivalent_params == pytest.approx(25e6 * gain, rel=1e-9)
    assert s.loss_nats > s.dense_loss_nats
    assert s.same_loss_params * 0.25 * gain == pytest.approx(100e6, rel=1e-9)


def test_far_beyond_the_sparse_runs_the_reason_stands_instead_of_a_number():
    with pytest.raises(
        InputError, match=r"fitted on 1.3M to 85M non-zero parameters.*1.6 decades beyond.*drop --sparsity"
    ):
        hm.plan(params="7B", tokens="1T", sparsity="50%")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_report_says_both(lang):
    asked = ["--params", "100M", "--tokens", "2B", "--distill", "7B@140B", "--sparsity", "50%", "--lang", lang]
    run = CliRunner().invoke(plan, asked)
    assert run.exit_code == 0, run.output
    wanted = (
        ("Train it outright, or distil it?", "zeros among the weights") if lang == "en" else ("直接训练", "权重中的零")
    )
    for word in wanted:
        assert word in run.output
