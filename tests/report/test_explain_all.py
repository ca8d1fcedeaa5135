"""Every number of every kind of answer is explained: in words or by a formula whose printed values give it; a number
that an answer leaves empty says why."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

import hwmodel as hm
from hwmodel.errors import InputError
from hwmodel.report.explain.document import empty, numbers
from hwmodel.report.explain.places import OF_TOTALS, PLACES
from hwmodel.report.explain.walk import Term, explained_term, numbered
from hwmodel.report.phrases import catalog, lower_catalog
from tests.report.test_explain import of_print

HYBRID, LATENT = "nemotron-h-56b", "deepseek-v3"
STAGES: dict[str, Any] = {
    "gpus": "256xH100",
    "budget": "$20M",
    "time": "60d",
    "stages": [
        {"stage": "ablations", "runs": [{"params": "1B", "tokens": "30B", "count": 4}]},
        {"stage": "pre-training", "params": "8B", "tokens": "1T"},
        {"stage": "fine-tuning", "params": "8B", "examples": "100k", "example_tokens": 2000, "epochs": 2},
        {
            "stage": "rl",
            "params": "8B",
            "steps": 200,
            "prompts": 64,
            "samples_per_prompt": 8,
            "response_tokens": 2000,
            "response_limit": 8192,
        },
        {"stage": "failed runs", "share": "10%"},
        {"stage": "labels", "cost_usd": "$1M"},
    ],
}
CASES: dict[str, Callable[[], Any]] = {
    "dense": lambda: hm.plan(model="llama-3.1-8b", gpus="256xH100", tokens="1T"),
    "life": lambda: hm.plan(gpus="1024xA100", tokens="1.4T", inference_tokens="2T", confidence="80%"),
    "budget": lambda: hm.plan(gpus="H200", budget="$25M", unique_tokens="300B"),
    "compute": lambda: hm.plan(flops="1e24"),
    "mixture": lambda: hm.plan(model="mixtral-8x7b", gpus="256xH100", tokens="1T"),
    "latent": lambda: hm.plan(model=LATENT, gpus="2048xH800", tokens="2T", precision="fp8"),
    "hybrid": lambda: hm.plan(model=HYBRID, gpus="256xH100", tokens="1T"),
    "unpriced": lambda: hm.plan(model="llama-3.1-8b", gpus="256xascend910c", tokens="1T"),
    "speed": lambda: hm.plan(gpus="512xH100", params="7B", tokens="1T", mfu="40%"),
    "formats": lambda: hm.compare(gpus="128xH100", params="8B", tokens="1T", precision="bf16,fp8"),
    "trained": lambda: hm.train(model="llama-3.1-70b", gpus="128xH100", tp=4, pp=4),
    "trained experts": lambda: hm.train(model=LATENT, gpus="512xH100", precision="fp8"),
    "trained hybrid": lambda: hm.train(model=HYBRID, gpus="256xH100"),
    "fleet": lambda: hm.serve(model="llama-3.1-70b", demand="200 req/s", parts=["h100", "h200"]),
    "closed": lambda: hm.serve(model="llama-3.1-8b", gpus="1xH100", concurrency=32),
    "pools": lambda: hm.serve(model="llama-3.1-70b", prefill="8xH200", decode="16xH100", demand="5 req/s"),
    "cached": lambda: hm.serve(model="llama-3.1-8b", parts=["h100"], demand="50 req/s", prefix_hit="50%"),
    "served latent": lambda: hm.serve(model=LATENT, gpus="8xH200", concurrency=32, precision="fp8"),
    "served hybrid": lambda: hm.serve(model=HYBRID, gpus="8xH100", concurrency=32),
    "served, unpriced": lambda: hm.serve(model="llama-3.1-8b", gpus="1xH800", concurrency=8),
    "stages": lambda: hm.budget(STAGES),
    "committed": lambda: hm.budget({**STAGES, "commit": {"term": "1 year"}}),
    "owned": lambda: hm.budget({**STAGES, "own": {"life": "3 years", "staff_usd_per_year": "$1M"}}),
    "contingency": lambda: hm.budget({**STAGES, "contingency": "15%"}),
    "values": lambda: hm.compare(gpus="64xH100", params="8B", tokens="300B,1T,10T"),
    "values, two": lambda: hm.compare(gpus="64xH100,64xB200", time="20d,40d"),
}  # fmt: skip


@cache
def answer(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CASES[name]().to_json())
    return found


def kinds(document: dict[str, Any]) -> dict[str, str]:
    """One name of each place, rows of a list counting as one."""
    return {re.sub(r"\.\d+(?=\.|$)", ".*", name): name for name, _ in numbers(document)}


def printed(term: Term, known: dict[str, float]) -> float:
    """What the printed formula gives at the printed values of its inputs."""
    terms = {name: {"value": known[name]} for name in term.inputs.values()}
    return of_print({"formula": term.formula, "inputs": term.inputs}, terms)


@pytest.mark.parametrize("name", CASES)
def test_every_number_has_words_and_its_formula_gives_it(name: str) -> None:
    found = numbered(answer(name))
    shown = 0
    for path in kinds(found.document).values():
        term, more = explained_term(found, path)
        assert term.how or term.formula, path
        assert not term.code.startswith("hwmodel/report"), (path, term.code)
        assert path.rsplit(".", 1)[-1] not in term.inputs, f"{path} is explained by a symbol of its own name"
        if term.again is not None:
            known = {full: found.value(at) if isinstance(at, str) else at.value for full, at in more.items()}
            there = {full: value for full, value in known.items() if value is not None}
            assert printed(term, there) == pytest.approx(term.value, rel=1e-6, abs=1e-12), path
            shown += 1
    assert shown > (2 if name == "compute" else 4)


@pytest.mark.parametrize("name", CASES)
def test_every_number_left_empty_says_why(name: str) -> None:
    found = numbered(answer(name))
    for path in {re.sub(r"\.\d+(?=\.|$)", ".*", one): one for one in empty(found.document)}.values():
        with pytest.raises(InputError, match="the answer has no ") as refused:
            found.find(path)
        assert "\n" not in str(refused.value)
        assert "it does not apply" not in str(refused.value), str(refused.value)


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("unpriced", "cost_usd", "no price of ascend-910c is known: give one with --usd-per-hour"),
        ("unpriced", "money.price.rent_usd", "give one with --usd-per-hour"),
        ("served, unpriced", "usd_per_million_output", "no price of h800-sxm5-80gb is known"),
        ("mixture", "loss_nats", "no loss is given for mixtral-8x7b"),
        ("compute", "elapsed_days", "ask again with --gpus"),
        ("compute", "step.gemm_s", "ask again with --gpus"),
        ("dense", "lifetime_cost", "--inference-tokens"),
        ("dense", "laws.llama3_2024.loss_nats", "gives no loss"),
        ("dense", "laws[llama3_2024].loss_nats", "gives no loss"),
        ("fleet", "answer.usd_per_million_cached_input", "--prefix-hit"),
    ],
)
def test_what_is_missing_says_how_to_give_it(name: str, asked: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        hm.explain(answer(name), asked)


def test_prices_beside_the_one_that_counts_are_not_said_to_be_its_quotes() -> None:
    ours = hm.explain(answer("dense"), "money.price.median_usd_per_accelerator_hour").terms[0].how
    other = hm.explain(answer("dense"), "money.price.one_year.median_usd_per_accelerator_hour").terms[0].how
    assert "quotes of" in ours
    assert other != ours


def test_a_pass_of_an_engine_is_not_explained_as_a_training_step() -> None:
    plain, latent = (hm.explain(answer(one), "step.attention_s").terms[0] for one in ("closed", "served latent"))
    assert "over its cache" in plain.how
    assert plain.code.endswith("attention_decode_s")
    assert latent.code.endswith("mla_decode_s")
    assert "fused causal" in hm.explain(answer("trained"), "step.attention_s").terms[0].how


def test_no_note_on_a_formula_stands_where_no_formula_is_shown() -> None:
    for name in CASES:
        found = numbered(answer(name))
        for path in kinds(found.document).values():
            term, _ = explained_term(found, path)
            assert term.formula or "the formula is" not in term.how, (name, path)


@pytest.mark.parametrize("said", dict.fromkeys(said for _, said in (*OF_TOTALS, *PLACES)))
def test_places_have_words_in_chinese(said: str) -> None:
    assert said in lower_catalog("zh") or said in catalog("zh")
