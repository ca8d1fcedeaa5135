"""Every number of an answer says where it comes from, and a printed formula gives the number it stands under."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sympy
from click.testing import CliRunner

import hwmodel as hm
from hwmodel.cli.main import cli, main
from hwmodel.errors import InputError
from hwmodel.report.explain.answered import Answered

PLANS: dict[str, dict[str, Any]] = {
    "tokens": {"gpus": "1024xA100", "tokens": "1.4T"},
    "sure": {"gpus": "512xH100", "tokens": "2T", "params": "30B", "confidence": "80%"},
    "lucky": {"gpus": "256xB200", "tokens": "1T", "params": "8B", "confidence": "30%"},
    "time": {"gpus": "100xA100", "time": "30d", "usd_per_hour": "2"},
    "budget": {"gpus": "H100", "budget": "$2M"},
    "mixture": {"gpus": "256xH100", "model": "mixtral-8x7b", "tokens": "1T"},
    "convention": {"gpus": "64xH100", "params": "8B", "tokens": "300B", "flop_convention": "causal"},
    "served": {"gpus": "512xH100", "loss_like": "70B@1.4T", "inference_tokens": "20T"},
}
SERVED: dict[str, dict[str, Any]] = {
    "demand": {"model": "llama-3.1-70b", "demand": "200 req/s", "ttft": "1s", "tpot": "50ms"},
    "closed": {"model": "llama-3.1-8b", "parts": "h200", "precision": "fp8", "concurrency": 64},
    "cached": {"model": "llama-3.1-8b", "demand": "50 req/s", "prefix_hit": "40%", "peak_to_mean": 2.0},
}
ALWAYS = ("train_flop", "train_days", "elapsed_days", "gpu_hours", "cost_usd", "energy_mwh", "co2e_t", "goodput",
          "whole_run_factor", "tokens_per_s", "peak_memory_bytes", "reserved_memory_bytes", "quantiles.p50.cost_usd",
          "quantiles.p80.cost_usd", "quantiles.p90.cost_usd", "quantiles.p90.elapsed_days", "step.total_s")  # fmt: skip


@cache
def plan(name: str) -> dict[str, Any]:
    return json.loads(hm.plan(**PLANS[name]).to_json())


@cache
def served(name: str) -> dict[str, Any]:
    return json.loads(hm.serve(**SERVED[name]).to_json())


@cache
def trained() -> dict[str, Any]:
    return json.loads(hm.train(gpus="512xH100", params="8B", tp=2).to_json())


def of_print(term: dict[str, Any], terms: dict[str, dict[str, Any]]) -> float:
    """The printed formula, read back as text, at the printed values of its inputs."""
    *parts, last = term["formula"].splitlines()
    known = {symbol: sympy.Float(terms[name]["value"]) for symbol, name in term["inputs"].items()}
    local = {symbol: sympy.Symbol(symbol) for symbol in known}
    for line in parts:
        left, right = line.split(" = ")
        known[left] = sympy.sympify(right, locals={**local, **{n: sympy.Symbol(n) for n in known}}).subs(known)
    right = last.split(" = ")[1]
    return float(sympy.sympify(right, locals={n: sympy.Symbol(n) for n in known}).subs(known))


@pytest.mark.parametrize("name", PLANS)
def test_what_a_plan_prints_follows_from_its_formulas(name: str) -> None:
    for asked in ALWAYS:
        found = hm.explain(plan(name), asked).to_dict()
        terms = {term["name"]: term for term in found["terms"]}
        first = found["terms"][0]
        assert first["formula"], (asked, first)
        assert of_print(first, terms) == pytest.approx(first["value"], rel=1e-6), asked
        assert first["code"].startswith("hwmodel/")


def test_the_loss_and_the_size_of_a_law_are_walked_to_its_constants() -> None:
    for asked in ("loss_nats", "answer.params"):
        found = hm.explain(plan("tokens"), asked).to_dict()
        terms = {term["name"]: term for term in found["terms"]}
        assert of_print(found["terms"][0], terms) == pytest.approx(found["terms"][0]["value"], rel=1e-6)
        assert "catalogs/laws: besiroglu_2024" in {term["how"] for term in found["terms"]}


def test_dollars_reach_quotes_kernels_and_failures() -> None:
    names = {term["name"] for term in hm.explain(plan("tokens"), "cost_usd").to_dict()["terms"]}
    assert {
        "money.price.median_usd_per_accelerator_hour",
        "step.gemm_s",
        "step.gemm_s.forward_s.mlp_in_s.efficiency",
        "answer.goodput",
        "answer.whole_run_factor",
    } <= names


@pytest.mark.parametrize("name", SERVED)
def test_what_serve_prints_follows_from_its_formulas(name: str) -> None:
    asked = ["usd_per_hour", "usd_per_million_tokens", "joules_per_output_token", "joules_per_input_token", "watts"]
    asked += ["usd_per_million_output", "usd_per_million_input"] if name != "cached" else []
    asked += ["requests_per_s", "output_tokens_per_s"] if name == "closed" else ["replicas", "load", "headroom"]
    for one in asked:
        found = hm.explain(served(name), f"answer.{one}").to_dict()
        terms = {term["name"]: term for term in found["terms"]}
        assert found["terms"][0]["formula"], one
        assert of_print(found["terms"][0], terms) == pytest.approx(found["terms"][0]["value"], rel=1e-6), one


def test_a_training_layout_is_walked_to_its_terms() -> None:
    for asked in (
        "step_s",
        "tokens_per_s",
        "tokens_per_s_per_accelerator",
        "mfu",
        "peak_memory_bytes",
        "allocated_memory_bytes",
        "reserved_memory_bytes",
    ):
        found = hm.explain(trained(), asked).to_dict()
        terms = {term["name"]: term for term in found["terms"]}
        assert of_print(found["terms"][0], terms) == pytest.approx(found["terms"][0]["value"], rel=1e-9)
    assert hm.explain(trained(), "step.gemm_s").terms[0].formula.startswith("gemm_s = layers*level*micro_batches")


def test_any_number_of_any_answer_is_explained() -> None:
    for document in (plan("served"), served("demand"), served("closed"), trained()):
        names = list(Answered(document).numbers)
        assert len(names) > 45
        for name in names[:: max(len(names) // 150, 1)]:
            found = hm.explain(document, name)
            assert found.terms[0].name == name
            assert found.terms[0].label


def test_a_number_that_was_changed_by_hand_gets_no_formula_that_does_not_give_it() -> None:
    tampered = copy.deepcopy(plan("tokens"))
    tampered["answer"]["cost_usd"]["value"] *= 1.01
    assert hm.explain(tampered, "cost_usd").terms[0].formula == ""
    assert hm.explain(plan("tokens"), "cost_usd").terms[0].formula


def test_rows_are_named_by_what_they_say() -> None:
    compared = hm.compare(gpus="128xH100", params="8B", tokens="1T", precision="bf16,fp8")
    found = hm.explain(compared, "precisions.fp8.speedup")
    assert found.terms[0].formula == "speedup = tokens_per_s/reference_tokens_per_s"
    assert hm.explain(compared, "precisions[fp8].speedup").name == found.name


def _refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_wrong_names_say_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "a.json"
    saved.write_text(json.dumps(plan("tokens")), encoding="utf-8")
    assert "nearest: cost_usd" in _refused(["explain", str(saved), "cost_us"], capsys)
    assert "nearest: step.gemm_s" in _refused(["explain", str(saved), "gem_s"], capsys)
    assert "places of the answer" in _refused(["explain", str(saved), "usd_per_accelerator_hour"], capsys)
    saved.write_text("{}", encoding="utf-8")
    assert "not a saved answer" in _refused(["explain", str(saved), "cost_usd"], capsys)


def test_the_command_in_its_formats(tmp_path: Path) -> None:
    saved = tmp_path / "a.json"
    saved.write_text(json.dumps(plan("tokens")), encoding="utf-8")
    run = CliRunner().invoke(cli, ["explain", str(saved), "cost_usd"])
    assert run.exit_code == 0
    assert "cost_usd = gpu_hours*usd_per_accelerator_hour" in run.output
    for form, starts in (("json", "{"), ("csv", "name,"), ("text", "answer.cost_usd = "), ("html", "<!doctype html")):
        found = CliRunner().invoke(cli, ["explain", str(saved), "cost_usd", "--format", form])
        assert found.output.lower().startswith(starts), form
    assert hm.explain(saved, "cost_usd").to_frame("terms").iloc[0]["name"] == "answer.cost_usd"


def test_groups_budgets_of_stages_and_comparisons_say_what_to_name() -> None:
    with pytest.raises(InputError, match=r"answer.quantiles.p50 holds 3 numbers: answer.quantiles.p50.gpu_hours, "):
        hm.explain(plan("tokens"), "quantiles.p50")
    compared = json.loads(hm.compare(gpus=["64xH100", "64xH200"], params="7B", tokens="100B").to_json())
    with pytest.raises(InputError, match=r"stands in 8 places of the answer: rows\.64xH100\.answer\.cost_usd"):
        hm.explain(compared, "cost_usd")
    with pytest.raises(InputError, match="a budget of several stages"):
        hm.explain({"stages": []}, "cost_usd")
    for cut in ({"stages": [], "budget": {}}, {"option": "gpus", "rows": [{"answer": {}}]}, {"option": "x", "rows": 3}):
        with pytest.raises(InputError, match="save the answer again with this version"):
            hm.explain(cut, "cost_usd")


def test_sums_of_stages_and_plans_beside_the_first_are_explained() -> None:
    """One run of 100 accelerators for two dollars an hour, and a tenth of it again, as entered."""
    found = hm.budget(
        {
            "gpus": "64xH100",
            "usd_per_hour": 2.0,
            "contingency": "$5k",
            "stages": [
                {"stage": "pre-training", "params": "3B", "tokens": "60B"},
                {"stage": "failed runs", "share": "10%"},
            ],
        }
    ).to_dict()
    first, again = (line["cost_usd"]["value"] for line in found["stages"][:2])
    total = hm.explain(found, "total_usd").terms
    assert total[0].formula == "total_usd = contingency_usd + cost_usd"
    assert total[0].value == pytest.approx(first + again + 5000.0)
    assert total[1].formula == "cost_usd = failed_runs + pre_training"
    shared = hm.explain(found, "stages.1.cost_usd").terms[0]
    assert shared.formula == "cost_usd = pre_training*share_of"
    compared = hm.compare(gpus="64xH100", params="3B", tokens="60B,120B", usd_per_hour=2.0).to_dict()
    price = hm.explain(compared, "rows.120B.usd_per_nat").terms[0]
    one, other = (row["answer"] for row in compared["rows"])
    more = other["cost_usd"]["value"] - one["cost_usd"]["value"]
    assert price.value == pytest.approx(more / (one["loss_nats"]["value"] - other["loss_nats"]["value"]))
    assert price.formula == "usd_per_nat = (-first + other)/nats"
