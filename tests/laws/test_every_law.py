"""Every law of the catalog, asked for a plan in every way: an answer, or one line that says what to ask instead."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import hwmodel as hm
from hwmodel import laws
from hwmodel.catalog import load_catalog
from hwmodel.cli.plan import command as plan_command
from hwmodel.errors import HwModelError, InputError
from hwmodel.laws.forms import evaluate, form
from hwmodel.web.answers import Job, reply

SPECS = {spec.id: spec for spec in load_catalog().laws()}
SIZED = {"params": "7B", "tokens": "100B"}
# What is given -> whether the law has to say which size or data are best.
QUESTIONS = {"both": (SIZED, False), "compute": ({"params": "7B", "flops": "1e22"}, False),
             "tokens": ({"tokens": "100B"}, True), "params": ({"params": "7B"}, True),
             "flops": ({"flops": "1e22"}, True), "loss": ({"loss": "2.5"}, True)}  # fmt: skip
INSTEAD = ("take ", "give ", "ask ", "hwmodel law list", "hwmodel law eval")
# Inputs that a law asks for, where 2 (a number of experts, of samples ...) is none that it can have.
INPUTS = {"params": 7e9, "tokens": 1e11, "flop": 1e22, "sparsity": 0.5, "start_reward": 0.1, "exponent_bits": 4.0,
          "mantissa_bits": 3.0, "train_flop_s": 1e17, "elo": -500.0, "core_days": 100.0, "loss": 2.5}  # fmt: skip


def _asked(name: str, given: dict[str, str]) -> tuple[float | None, str]:
    """The loss of a plan under the law, or the line that refuses it."""
    try:
        loss = hm.plan(law=name, **given).to_dict()["answer"]["loss_nats"]
    except HwModelError as error:
        return None, str(error)
    return (None if loss is None else loss["value"]), ""


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("name", SPECS)
def test_each_law_answers_a_plan_or_says_what_can_be_asked_instead(name, question):
    given, splits = QUESTIONS[question]
    spec = SPECS[name]
    loss, refusal = _asked(name, given)
    if refusal:
        assert name in refusal
        assert "\n" not in refusal
        assert any(word in refusal for word in INSTEAD), refusal
    elif question == "loss":
        assert loss == pytest.approx(2.5)
    elif laws.has_loss(spec) if not spec.refusal else False:
        assert loss is not None
    if not refusal and loss is None:
        assert any("gives no loss" in line for line in hm.plan(law=name, **given).warnings)
    able = not spec.refusal and spec.params_convention != "active" and laws.has_loss(spec)
    if able and not splits:
        assert not refusal  # a law with a loss has one at a point, whatever it says of the best split
        if question == "both":
            assert loss == pytest.approx(float(laws.loss(spec, 7e9, 1e11)))


@pytest.mark.parametrize("name", [name for name, spec in SPECS.items() if not spec.refusal])
def test_what_a_refusal_names_answers(name):
    """`law eval`, and for laws of mixtures `law optimum`, where a plan names them instead."""
    _, refusal = _asked(name, SIZED)
    if "hwmodel law optimum" in refusal:
        assert laws.optimum_for_flop(SPECS[name], 1e22).params > 0
    elif "hwmodel law eval" in refusal:
        assert evaluate(SPECS[name], **{need: INPUTS.get(need, 2.0) for need in form(SPECS[name].form).needs})


@pytest.mark.parametrize("given", [SIZED, {"tokens": "100B"}])
def test_a_sweep_the_page_and_the_command_say_what_the_plan_says(given):
    rows = hm.sweep({"base": given, "axes": {"law": list(SPECS)}}).to_frame()
    assert list(rows["law"]) == list(SPECS)
    for name, status, reason, loss in zip(rows["law"], rows["status"], rows["reason"], rows["loss_nats"]):
        of_plan, refusal = _asked(name, given)
        assert (reason if status != "ok" else "") == refusal
        assert (None if loss != loss else loss) == pytest.approx(of_plan)
        body = json.dumps({**given, "law": name}).encode()
        page = json.loads(reply(Job(verb="plan", form="json", body=body)).body)
        options = [f"--{option}={text}" for option, text in {**given, "law": name, "format": "json"}.items()]
        command = CliRunner().invoke(plan_command, options)
        if refusal:
            assert page["error"]["message"] == refusal
            assert str(command.exception) == refusal
        else:
            assert command.exit_code == 0
            for answer in (page, json.loads(command.stdout)):
                found = answer["answer"]["loss_nats"]
                assert (None if found is None else found["value"]) == pytest.approx(of_plan)


@pytest.mark.parametrize("name", ["gadre_2024/c4", "kaplan_2020/L_ND", "llama3_2024", "pearce_song_2024"])
def test_a_fleet_and_a_comparison_change_nothing_of_a_law(name):
    """The loss of size and tokens is the law's, on a fleet and in two formats as without one."""
    alone, _ = _asked(name, SIZED)
    on_fleet, refusal = _asked(name, {**SIZED, "gpus": "64xH100"})
    assert not refusal
    assert on_fleet == pytest.approx(alone)
    rows = hm.compare(gpus="64xH100", precision="bf16,fp8", law=name, **SIZED).precisions
    assert {row.precision for row in rows} == {"bf16", "fp8"}


def test_a_law_that_is_not_for_allocation_answers_for_a_point_and_for_no_optimum():
    """Gadre et al. on C4 at 7B and 100B: M = 100/7 tokens a parameter, C = 6 N D = 4.2e21; what needs a best size is
    null, and a line says why."""
    plan = hm.plan(law="gadre_2024/c4", gpus="64xH100", **SIZED)
    c = SPECS["gadre_2024/c4"].constants
    ratio, flop = 100.0 / 7.0, 4.2e21
    loss = c["E"] + (c["a"] * ratio ** c["eta"] + c["b"] * ratio ** -c["eta"]) * flop ** -c["eta"]
    assert plan.to_dict()["answer"]["loss_nats"]["value"] == pytest.approx(loss)
    assert (plan.regret_band, plan.margin, plan.saving, plan.curves.size) == (None, None, None, [])
    assert plan.laws[0].law == "gadre_2024/c4"
    assert "not for allocation" in plan.laws[0].reason
    assert any("no best size" in line for line in plan.warnings)
    assert "no best size" in plan.to_markdown()


def test_the_count_of_a_law_that_is_not_all_parameters_is_said():
    assert any("outside the embeddings" in line for line in hm.plan(law="kaplan_2020/L_ND", **SIZED).warnings)
    assert not any("counts parameters" in line for line in hm.plan(**SIZED).warnings)


@pytest.mark.parametrize("name", ["law", "tokens", "budget", "mfu"])
def test_train_refuses_what_only_a_plan_uses(name):
    with pytest.raises(InputError, match=f"train takes no {name}"):
        hm.train(gpus="8xH100", params="7B", **{name: "besiroglu_2024" if name == "law" else "1"})
