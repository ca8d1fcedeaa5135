"""Every answer that people read is Chinese through and through under --lang zh: beyond names, units and code no English
word is left; what programs read refuses the option."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from english import english_left

import hwmodel as hm
from hwmodel.cli.main import cli
from hwmodel.report import (
    budget_card,
    budget_html,
    budget_markdown,
    compare_card,
    compare_markdown,
    plan_card,
    serve_card,
    train_card,
    values_card,
    values_markdown,
)
from hwmodel.report.explain import explain, explained_markdown
from hwmodel.report.explain.kernels import TERMS, KernelTerm
from hwmodel.report.meanings import MEANINGS
from hwmodel.report.phrases import heard, speaking
from hwmodel.report.plan import plan_markdown
from hwmodel.report.plan.grounds import source_lines
from hwmodel.report.serve import served_text
from hwmodel.report.train_report import train_markdown
from hwmodel.report.wide import width
from hwmodel.solve.stages.solver import budget, one_stage

# Authors of laws, ids of stacks and of families of parts, series of parts, formats of --format, and sizes of a layout.
NAMES = frozenset(("Kumar et al.", "Sun et al.", "Kumar", "Sun", "generic", "gaudi", "cdna", "tpu", "jax", "neuron",
                   "text", "html", "md", "json", "zero", "recompute", "Meta", "Google", "adam", "muon", "any",
                   "dualpipev", "trainium", "Young", "sqrt", "alpha", "beta", "Logits", "Instinct"))  # fmt: skip
MODEL = {"model": "llama-3.1-8b"}
BUDGETS: list[dict[str, Any]] = [
    {"gpus": "512xH100+1024xA100", **MODEL, "stages": [
        {"stage": "ablations", "runs": [{"params": "1B", "tokens": "50B", "count": 4}], "gpus": "1024xA100"},
        {"stage": "pre-training", "tokens": "1T"}, {"stage": "context extension", "seq_len": 32768, "tokens": "20B"},
        {"stage": "fine-tuning", "examples": "1M", "example_tokens": 600},
        {"stage": "dpo", "pairs": "200k", "pair_tokens": 900},
        {"stage": "distillation", "params": "3B", "tokens": "20B", "teacher": "llama-3.1-70b", "model": None},
        {"stage": "rl", "steps": 500, "prompts": 128, "samples_per_prompt": 8, "response_tokens": 2000,
         "response_limit": 8000, "gpus": "256xH100", "rollout_gpus": "128xH100", "lag": 2},
        {"stage": "evaluation", "questions": 10000, "prompt_tokens": 500, "output_tokens": 300},
        {"stage": "failed runs", "share": "10%"}]},
    {"gpus": "256xH200", **MODEL, "commit": {"term": "1 year"}, "stages": [
        {"stage": "pre-training", "tokens": "300B", "repair": "24h"},
        {"stage": "rl", "steps": 100, "prompts": 64, "samples_per_prompt": 8, "lengths": {500: "50%", 2000: "50%"}}]},
    {"gpus": "64xgaudi3", **MODEL, "stages": [{"stage": "pre-training", "tokens": "100B", "spares": 8}]},
    {"gpus": "512xH100", **MODEL, "own": {"staff_usd_per_year": "$1M", "life": "4 years"}, "storage": {
        "tb": 500, "usd_per_tb_month": "$20"}, "egress": {"tb": 50, "usd_per_tb": "$80"}, "stages": [
        {"stage": "pre-training", "tokens": "2T"}, {"stage": "serving", "inference_tokens": "1T"}]},
    {"gpus": "512xH100", **MODEL, "contingency": "15%", "stages": [
        {"stage": "other", "cost_usd": "$2M"}, {"stage": "sft", "gpu_hours": "10k"}]},
]  # fmt: skip


@pytest.mark.parametrize("place", range(len(BUDGETS)))
def test_budgets_of_stages(place: int) -> None:
    given = {**BUDGETS[place]}
    given["stages"] = [{k: v for k, v in one.items() if v is not None} for one in given["stages"]]
    if any(one["stage"] == "distillation" for one in given["stages"]):
        shared = given.pop("model")
        given["stages"] = [
            one if "params" in one or "runs" in one or "share" in one else {**one, "model": shared}
            for one in given["stages"]
        ]
    found = budget(given)
    text = budget_markdown(found, "zh")
    assert english_left(text, NAMES) == []
    shown = budget_card(found, 80, "zh")
    assert english_left(shown, NAMES) == []
    assert max(map(width, shown.splitlines())) <= 80
    assert '<html lang="zh">' in budget_html(found, "zh")
    assert budget_markdown(found) == budget_markdown(found, "en") != text
    for stage in found.stages:  # the same money in both languages
        if stage.cost_usd is not None and stage.how == "computed":
            assert text.count("$") == budget_markdown(found).count("$")


def test_one_run_on_each_of_two_pools() -> None:
    assert english_left(budget_markdown(one_stage(gpus="64xH100+128xA100", budget="$1M"), "zh"), NAMES) == []


PLANS: list[dict[str, Any]] = [
    {"gpus": "1024xA100", "tokens": "1.4T"},
    {"gpus": "64xtpuv5p", "params": "8B", "tokens": "1T"},
    {"gpus": "384xMI325X", "params": "24B", "tokens": "60T"},
    {"gpus": "512xH100", "params": "40B", "tokens": "2T", "deadline": "60d", "budget": "$3M", "confidence": "80%"},
    {"loss_like": "70B@1.4T", "inference_tokens": "2T"},
    {"gpus": "512xH100", "loss_like": "30B@1.4T", "inference_tokens": "20T", "moe": "8"},
    {"gpus": "512xH100", "loss_like": "30B@1.4T", "distill": "any"},
    {"gpus": "64xH100", "params": "13B", "unique_tokens": "100B", "tokens": "400B", "usd_per_hour": "2",
     "region": "France"},
    {"model": "mixtral-8x7b", "gpus": "256xH100", "tokens": "1T", "offload": "any", "schedule": "dualpipev"},
    {"gpus": "64xtrainium2", "params": "8B", "tokens": "300B"},
    {"gpus": "32xL40S", "params": "1B", "tokens": "20B", "optimizer": "muon"},
]  # fmt: skip


@pytest.mark.parametrize("place", range(len(PLANS)))
def test_plans(place: int) -> None:
    plan = hm.plan(**PLANS[place])
    with speaking("zh"):
        cited = frozenset(source_lines(plan))  # titles of English works
    assert english_left(plan_markdown(plan, language="zh"), NAMES | cited) == []
    assert english_left(plan_card(plan, 100, "zh"), NAMES) == []


def test_comparisons_serving_and_training() -> None:
    formats = hm.compare(gpus="256xB200", model="mixtral-8x7b", tokens="1T", precision="bf16,fp8,nvfp4")
    values = hm.compare(gpus="512xH100,256xB200", params="8B", tokens="1T", region="France")
    served = hm.serve(model="deepseek-v3", demand="3 req/s", parts="mi300x,h200", precision="fp8")
    trained = hm.train(params="8B", gpus="64xA100", offload="activations", global_batch=512)
    texts = (
        compare_markdown(formats, language="zh"), compare_card(formats, 100, "zh"), values_markdown(values, "zh"),
        values_card(values, 100, "zh"), served_text(served, "md", "zh").split("## 数字的依据")[0],
        serve_card(served, 100, "zh"), train_markdown(trained, "zh").split("## 数字的依据")[0],
        train_card(trained, 100, "zh"),
    )  # fmt: skip
    for text in texts:
        assert english_left(text, NAMES) == [], text


def run(*argv: str) -> Result:
    return CliRunner().invoke(cli, list(argv), catch_exceptions=False)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two saved answers."""
    folder = tmp_path_factory.mktemp("answers")
    for name, gpus in (("a", "512xH100"), ("b", "256xB200")):
        plan = hm.plan(gpus=gpus, params="40B", tokens="2T", deadline="60d", start="2027-01-01")
        (folder / f"{name}.json").write_text(plan.to_json(), encoding="utf-8")
    return str(folder / "a.json"), str(folder / "b.json")


@pytest.mark.parametrize("form", ["md", "text", "html"])
def test_differences_of_two_answers(answers: tuple[str, str], form: str) -> None:
    said = run("diff", *answers, "--lang", "zh", "--format", form).output
    body = said.split("</style>")[-1]
    assert english_left(body, frozenset(("a.json", "b.json"))) == []
    assert "租金" in body


EXPLAINED: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("plan", {"gpus": "512xH100", "params": "40B", "tokens": "2T", "confidence": "80%", "region": "France"},
     ("cost_usd", "elapsed_days", "energy_mwh", "co2e_t", "loss_nats", "step.total_s", "quantiles.p90.cost_usd")),
    ("compare", {"gpus": "256xB200", "model": "mixtral-8x7b", "tokens": "1T", "precision": "bf16,fp8"},
     ("precisions.fp8.speedup", "step.ep_s", "step.cast_s")),
    ("train", {"model": "llama-3.1-70b", "gpus": "64xH100", "tp": 8, "pp": 4, "cp": 2, "seq_len": 16384},
     ("step.gemm_s", "step.tp_s", "step.cp_s", "step.pp_bubble_s", "step.dp_exposed_s", "mfu",
      "reserved_memory_bytes")),
    ("serve", {"model": "llama-3.1-8b", "parts": "h100", "concurrency": 16}, ("usd_per_million_tokens", "tpot_s")),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "given", "names"), EXPLAINED, ids=[one[0] for one in EXPLAINED])
def test_where_a_number_comes_from(verb: str, given: dict[str, Any], names: tuple[str, ...]) -> None:
    """Beside names of quantities, symbols and the titles of sources."""
    document = getattr(hm, verb)(**given).to_dict()
    for name in names:
        found = explain(document, name)
        text = explained_markdown(found, "zh")
        plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        lines = [
            line.split(" | ")[-1] if line.startswith("|") else line.split("；来源")[0]
            for line in plain.splitlines() if line[:1] != "#"
        ]  # fmt: skip
        assert english_left("\n".join(lines), NAMES) == [], name
        assert [term.value for term in found.terms] == [term.value for term in explain(document, name).terms]
        assert explained_markdown(found) != text


def test_every_number_of_an_answer_has_words_in_chinese() -> None:
    with speaking("zh"):
        for known in MEANINGS.values():
            for said in (known.label, known.formula):
                assert heard(said) != said or said == "C = 6 N D", said
                assert english_left(heard(said), NAMES) == [], said


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_what_a_term_of_a_step_counts_has_words_in_chinese(term: KernelTerm) -> None:
    with speaking("zh"):
        assert english_left(heard(term.what), NAMES) == []


def test_accuracy() -> None:
    for asked in (["--part", "h100"], ["--kind", "serving", "--model", "moe"], ["--precision", "fp8"]):
        said = run("accuracy", *asked, "--lang", "zh", "--format", "md").output
        kinds = [line for line in said.splitlines() if not line.startswith("|   ")]  # those are names of sources
        assert english_left("\n".join(kinds), NAMES) == []


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize(
    "argv",
    [
        ["plan", "--gpus", "8xH100", "--tokens", "10B"], ["train", "--model", "llama-3.1-8b", "--gpus", "8xH100"],
        ["serve", "--model", "llama-3.1-8b", "--part", "h200", "--concurrency", "8"], ["accuracy"],
        ["compare", "--gpus", "64xB200", "--params", "8B", "--tokens", "100B"],
    ],
    ids=lambda argv: argv[0],
)  # fmt: skip
def test_what_programs_read_has_no_language(argv: list[str], form: str) -> None:
    with pytest.raises(hm.HwModelError, match="--lang zh"):
        run(*argv, "--lang", "zh", "--format", form)
    assert run(*argv, "--lang", "en", "--format", form).exit_code == 0


def test_a_plan_file_speaks_as_asked_and_refuses_other_languages(tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    path.write_text(json.dumps({"gpus": "64xH100", "stages": [{"stage": "pre-training", "params": "8B",
                                                               "tokens": "100B"}]}), encoding="utf-8")  # fmt: skip
    assert run("plan", str(path), "--lang", "zh", "--quiet").output.startswith("# 一个阶段的预算")
    assert "<h1>一个阶段的预算</h1>" in run("plan", str(path), "--lang", "zh", "--format", "html", "--quiet").output
    for lang, form in (("fr", "md"), ("zh", "json")):
        with pytest.raises(hm.HwModelError, match="--lang"):
            run("plan", str(path), "--lang", lang, "--format", form)


def test_what_a_placeholder_takes() -> None:
    """A count is a number, and brackets close on themselves."""
    with speaking("zh"):
        few = heard("price of mi300x-192gb: 3 neoclouds quote it, too few for a percentile: RunPod 2.39 (2026-10-10)")
        assert few.startswith("mi300x-192gb 的价格：只有 3 家新兴云报价")
        named = heard("tpuv5p read as Google TPU v5p (chip) (tpu-v5p) on Google TPU v5p pod (tpu-v5p-pod)")
        assert named == "tpuv5p 读作 Google TPU v5p (chip)（tpu-v5p），系统 Google TPU v5p pod（tpu-v5p-pod）"


def test_the_checker_finds_english() -> None:
    assert english_left("租金 of h100-sxm5-80gb：11 家 neoclouds，MFU 45 %，`--gpus`，512 token") == ["of", "neoclouds"]
