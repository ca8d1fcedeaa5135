"""A law that has nothing to say of a plan is refused in one line that says what there is instead."""

from __future__ import annotations

import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.laws import has_loss, need_plan
from hwmodel.laws.forms import form

SPECS = {spec.id: spec for spec in load_catalog().laws()}


def _refusal(name: str) -> str:
    """Why a plan does not take the law; empty where it does."""
    try:
        need_plan(SPECS[name])
    except InputError as error:
        return str(error)
    return ""


def test_each_law_has_a_loss_or_splits_compute_or_is_refused():
    refusals = {name: _refusal(name) for name in SPECS}
    able = {name for name, why in refusals.items() if not why}
    assert all(name in why and "\n" not in why for name, why in refusals.items() if why)
    assert {"besiroglu_2024", "kaplan_2020/L_ND", "kumar_2024", "llama3_2024", "pearce_song_2024"} <= able
    for name in able:
        shape = form(SPECS[name].form)
        assert has_loss(SPECS[name]) or "params" in shape.gives or shape.params_for_flop, name


@pytest.mark.parametrize(
    ("law", "said"),
    [
        ("tao_vocab_2024", "it gives vocabulary_params_factor"),
        ("scale_rl_2025", "it gives reward"),
        ("flops_6nd", "it gives train_flop"),
        ("clark_2022/S-BASE", "neither a loss in parameters and tokens nor a split"),
        ("wei_emergent_2022", "neither a loss"),
        ("gpt4_loss", "listed but not evaluated"),
        ("ye_mixing_2024", "listed but not evaluated"),
        ("ludziejewski_2025", "needs the number of experts"),
        ("shukor_nmm_2025/experts", "a plan sizes a dense model"),
        ("hunyuan_large_2024", "a plan sizes a dense model"),
        ("ling_leverage_2025/moe", "a plan sizes a dense model"),
    ],
)
@pytest.mark.parametrize("sized", [{}, {"params": "7B"}, {"model": "llama-3.1-8b"}])
def test_a_plan_under_a_law_that_has_no_answer_is_refused(law, said, sized):
    with pytest.raises(InputError, match=said):
        hm.plan(tokens="100B", law=law, **sized)
    with pytest.raises(InputError, match=said):
        hm.compare(gpus="64xH100", tokens="100B", law=law, precision="bf16,fp8", **sized)


@pytest.mark.parametrize("law", ["llama3_2024", "chinchilla_2022/approach1", "kaplan_2020/L_ND", "gadre_2024/c4"])
def test_repeats_act_only_where_they_were_judged(law):
    with pytest.raises(InputError, match=r"--unique-tokens: muennighoff_2023 on .*take --law besiroglu_2024"):
        hm.plan(params="7B", tokens="100B", unique_tokens="20B", law=law)
    assert hm.plan(params="7B", tokens="100B", unique_tokens="20B", law="sardana_2024").answer.loss_nats is not None
