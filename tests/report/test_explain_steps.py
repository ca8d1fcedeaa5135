"""Each term of a training step is walked to its kernels, and every printed formula gives the printed number."""

from __future__ import annotations

import json
from typing import Any

import pytest

import hwmodel as hm
from hwmodel.report.explain.answered import Answered
from hwmodel.specs import StepTerms
from tests.report.test_explain import of_print

PLANS: list[dict[str, Any]] = [
    {"gpus": "2048xH100", "model": "deepseek-v3", "tokens": "2T", "precision": "fp8"},
    {"gpus": "128xB200", "params": "8B", "tokens": "1T", "precision": "nvfp4"},
    {"gpus": "1000xH100", "params": "30B", "tokens": "1T"},  # idle accelerators beside the run
]
LAYOUTS: list[dict[str, Any]] = [
    {"gpus": "1024xH100", "model": "llama-3.1-405b", "tp": 8, "pp": 16, "vpp": 2, "global_batch": 512, "seq_len": 8192},
    {"gpus": "64xH100", "model": "mixtral-8x7b", "ep": 8, "precision": "fp8"},
    {"gpus": "8xA100", "model": "llama-3.1-8b", "offload": "activations,optimizer", "global_batch": 64, "tp": 2},
    {"gpus": "64xH100", "model": "llama-3.1-8b", "task": "lora", "rank": 16},
    {"gpus": "64xH100", "model": "llama-3.1-70b", "cp": 4, "seq_len": 131072, "global_batch": 64, "recompute": "full"},
    {"gpus": "64xtpuv5p", "params": "8B"},
    {"gpus": "64xH100", "model": "llama-3.1-8b", "pp": 4, "tp": 1, "global_batch": 256, "schedule": "zb-h1"},
]


def walked(document: dict[str, Any]) -> int:
    """Every term that there is has a formula, and all formulas below it read back to their numbers; how many did."""
    read = 0
    there = [name for name in StepTerms.__struct_fields__ if Answered(document).value(f"step.{name}")]
    assert len(there) > 6
    for name in there:
        found = hm.explain(document, f"step.{name}").to_dict()
        terms = {term["name"]: term for term in found["terms"]}
        assert found["terms"][0]["formula"], name
        for term in found["terms"]:
            if term["formula"] and term["inputs"]:
                assert of_print(term, terms) == pytest.approx(term["value"], rel=1e-6), term["name"]
                read += 1
            assert term["how"] or term["label"], term["name"]
    return read


@pytest.mark.parametrize("given", PLANS, ids=lambda given: " ".join(map(str, given.values())))
def test_terms_of_plans(given: dict[str, Any]) -> None:
    assert walked(json.loads(hm.plan(**given).to_json())) > 20


@pytest.mark.parametrize("given", LAYOUTS, ids=lambda given: " ".join(map(str, given.values())))
def test_terms_of_layouts(given: dict[str, Any]) -> None:
    assert walked(json.loads(hm.train(**given).to_json())) > 20


def test_the_products_of_a_layer_are_those_of_the_shape() -> None:
    """Of Llama 3.1 8B by hand: fused query, key and value, the output, the gate beside the up, and the down."""
    document = json.loads(hm.train(gpus="8xH100", model="llama-3.1-8b", tp=2, micro_batch=1, global_batch=64).to_json())
    terms = {term["name"]: term for term in hm.explain(document, "step.gemm_s").to_dict()["terms"]}
    sizes = {
        name.rsplit(".", 1)[-1]: term["how"].split(", ")[0:3] for name, term in terms.items() if "forward_s." in name
    }
    assert ", ".join(sizes["attention_in_s"]).startswith("(4,096 x 4,096) @ (4,096 x 3,072)")
    assert ", ".join(sizes["attention_out_s"]).startswith("(4,096 x 2,048) @ (2,048 x 4,096)")
    assert terms["step.gemm_s.forward_s.mlp_in_s"]["how"].startswith("(4,096 x 4,096) @ (4,096 x 14,336)")
    assert terms["step.gemm_s.forward_s.mlp_out_s"]["how"].startswith("(4,096 x 7,168) @ (7,168 x 4,096)")
    assert "constants of h100-sxm5-80gb" in terms["step.gemm_s.forward_s.mlp_in_s.efficiency"]["how"]


def test_a_bubble_by_hand() -> None:
    document = json.loads(hm.train(gpus="64xH100", model="llama-3.1-70b", tp=4, pp=4, vpp=2, global_batch=64).to_json())
    found = {term["name"]: term for term in hm.explain(document, "step.pp_bubble_s").to_dict()["terms"]}
    mean, factor = found["step.pp_bubble_s.idle_s.stage_s"]["value"], found["step.pp_bubble_s.bubble"]["value"]
    assert found["step.pp_bubble_s"]["value"] == pytest.approx(factor * 3 / 2 * mean)


def test_without_a_layout_of_its_own_a_step_keeps_the_formula_of_one_kernel() -> None:
    """A user's --mfu sets the speed: there is no step to predict again."""
    document = json.loads(hm.plan(gpus="512xH100", params="8B", tokens="1T").to_json())
    document["step"]["gemm_s"] *= 1.5  # as after a change of the catalog
    term = hm.explain(document, "step.gemm_s").terms[0]
    assert "one of its kernels" in term.how
    assert term.again is None
