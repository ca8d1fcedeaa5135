"""Every verb gives an `Answer`, and the keys of its document and the kinds of their values are always the same."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hm
from hwmodel.answers import finite
from tests.api.forms import Form

FLEET: Any = {"gpus": "64xH100", "params": "8B", "tokens": "100B"}
STAGE = {"stage": "pre-training", "params": "8B", "tokens": "100B"}
SPACE = {"base": {"tokens": "100B", "params": "8B", "precision": "bf16"}, "axes": {"gpus": ["16xH100", "64xH100"]}}
CHINCHILLA, KAPLAN, NO_LOSS = "besiroglu_2024", "kaplan_2020/L_ND", "chinchilla_2022/approach1"
Ask = Callable[[], Any]


def _runs(count: int = 40) -> pandas.DataFrame:
    rows = [(1e8 * 1.1**i, 20e8 * 1.1**i * (1 + i % 5)) for i in range(count)]
    return pandas.DataFrame([{"params": n, "tokens": d, "loss": 1.8 + 480 / n**0.35 + 2000 / d**0.37} for n, d in rows])


# A verb's questions, as unlike as they can be asked.
ASKED: dict[str, tuple[Ask, ...]] = {
    "plan": (
        lambda: hm.plan(**FLEET),
        lambda: hm.plan(gpus="1024xA100", tokens="1.4T", inference_tokens="1T"),
        lambda: hm.plan(gpus="64xH100", time="10d", inference_tokens="1T", samples=16),
        lambda: hm.plan(**FLEET, precision="fp8", usd_per_hour=2.5, mfu="40%"),
        lambda: hm.plan(flops="1e22", law=KAPLAN),
        lambda: hm.plan(gpus="64xH100", flops="1e22", law=NO_LOSS),
        lambda: hm.plan(gpus="64xH100", loss=2.1, inference_tokens="1T", objective="flops", moe=True),
        lambda: hm.plan(gpus="16xH100", params="1B", tokens="400B", unique_tokens="100B", start="2026-12-01"),
        lambda: hm.plan(gpus="64xH100", model="mixtral-8x7b", tokens="100B", deadline="2027-06-01",
                        start="2026-12-01"),
        lambda: hm.plan(gpus="64xH100", loss=2.2, loss_factor=0.95),
        lambda: hm.plan(gpus="64xH100"),
    ),
    "compare formats": (
        lambda: hm.compare(**FLEET, precision=["bf16", "fp8"]),
        lambda: hm.compare(gpus="64xA100", params="8B", tokens="100B", precision="bf16,fp8"),
    ),
    "compare": (
        lambda: hm.compare(gpus=["64xH100", "64xA100"], params="8B", tokens="100B"),
        lambda: hm.compare(flops="1e22", law=[KAPLAN, CHINCHILLA]),
        lambda: hm.compare(gpus="64xH100", params=["1B", 8e9], tokens="100B"),
    ),
    "train": (
        lambda: hm.train(model="mixtral-8x7b", gpus="64xH100"),
        lambda: hm.train(params="8B", gpus="16xA100", tp=2, global_batch=64),
        lambda: hm.train(model="llama-3.1-8b", gpus="8xH100", task="lora", rank=16),
        lambda: hm.train(model="llama-3.1-70b", gpus="8xH100", precision="fp8", tp=8, pp=1),
        lambda: hm.train(model="llama-3.1-8b", gpus="256xTPUv5p"),
    ),
    "serve predicted": (
        lambda: hm.serve("llama-3.1-8b", concurrency=8, gpus="1xH100"),
        lambda: hm.serve("mixtral-8x7b", concurrency=64, gpus="8xH100", precision="fp8", engine="vllm"),
        lambda: hm.serve("llama-3.1-70b", concurrency=64, parts="h100", tp=4, pools="1:1", api_price="1,2"),
        lambda: hm.serve("llama-3.1-8b", concurrency=8, gpus="1xH100", draft_tokens=2, rounds=4),
    ),
    "serve chosen": (
        lambda: hm.serve("llama-3.1-8b", demand="5 req/s", parts=["h100", "l40s"]),
        lambda: hm.serve("llama-3.1-8b", demand="5 req/s", parts="h100", disaggregated=True, ttft="1s", tpot="50ms"),
        lambda: hm.serve("llama-3.1-70b", demand=2, prefill="4xH200", decode="16xH100", api_price="1,2"),
        lambda: hm.serve("llama-3.1-8b", demand="5 req/s", parts="mi300x"),  # a choice on thin ground
    ),
    "sweep": (
        lambda: hm.sweep(SPACE),
        lambda: hm.sweep({"base": {"gpus": "64xH100"}, "axes": {"flops": ["1e21", "1e22"], "law": [KAPLAN]}}),
    ),
    "budget": (
        lambda: hm.budget({"gpus": "64xH100", "stages": [STAGE]}),
        lambda: hm.budget({"gpus": "64xH100", "stages": [STAGE, {"stage": "evaluation", "gpu_hours": 1000}]}),
    ),
    "fit": (lambda: hm.fit(_runs(), bootstraps=50), lambda: hm.fit(_runs(30), bootstraps=50, form="tied")),
    "validate": (lambda: hm.validate("whole"), lambda: hm.validate(Path("catalogs/runs/rl_steps.csv"))),
    "accuracy": (
        lambda: hm.accuracy(),
        lambda: hm.accuracy(part="h100", kind="training"),
        lambda: hm.accuracy(model="moe", kind="serving", precision="fp8"),
    ),
    "explain": (
        lambda: hm.explain(hm.plan(**FLEET), "train_days"),
        lambda: hm.explain(hm.train(model="llama-3.1-8b", gpus="8xH100"), "step_s"),
        lambda: hm.explain(hm.serve("llama-3.1-8b", concurrency=8, gpus="1xH100"), "tpot_s"),
    ),
    "law.list": (lambda: hm.law.list(), lambda: hm.law.list(family="data")),
    "law.list topics": (lambda: hm.law.list(topic="all"),),
    "law.show": tuple(partial(hm.law.show, law) for law in (CHINCHILLA, KAPLAN, NO_LOSS)),
    "law.eval": (
        lambda: hm.law.eval(CHINCHILLA, params="70B", tokens="1.4T"),
        lambda: hm.law.eval(KAPLAN, params=7e10, tokens=1e12),
    ),
    "law.optimum": (
        lambda: hm.law.optimum(CHINCHILLA, flops=1e23),
        lambda: hm.law.optimum(NO_LOSS, flops=1e23),
        lambda: hm.law.optimum(KAPLAN, tokens=1e12),
        lambda: hm.law.optimum(CHINCHILLA, loss=2.1),
        lambda: hm.law.optimum(CHINCHILLA, params="7B", draws=0),
    ),
    "law.optimum of a life": (
        lambda: hm.law.optimum(CHINCHILLA, flops=1e23, inference_tokens="1T"),
        lambda: hm.law.optimum(KAPLAN, loss=2.1, inference_tokens=1e12),
    ),
    "law.gain": (lambda: hm.law.gain("7B", "70B", draws=100), lambda: hm.law.gain("7B", "70B", "1T", draws=0)),
    "law.disagreement": (
        lambda: hm.law.disagreement(flops=1e23, draws=100),
        lambda: hm.law.disagreement(params="70B", draws=100),
        lambda: hm.law.disagreement(tokens="1T", draws=0),
    ),
    "law.combine": (lambda: hm.law.combine(CHINCHILLA, "muennighoff_2023"),),
    "prices.list": (
        lambda: hm.prices.list(),
        lambda: hm.prices.list(kind="spot"),
        lambda: hm.prices.list(region="DEU"),
    ),
    "prices.list of a part": (lambda: hm.prices.list("h100"), lambda: hm.prices.list("a100", "on_demand")),
}  # fmt: skip

# Places whose keys are names, of the question or of the catalog, and not fields: which names may stand there.
OPTION = r"[a-z][a-z_]*"
NAMED: dict[str, dict[str, str]] = {
    "plan": {"request.given": OPTION, "request.defaults": OPTION, "request.options": OPTION,
             "solved": "params|tokens", "precisions[].scenarios": r"[a-z]+_\d{4}", "risk.finish": r"p\d\d",
             "precisions[].verdicts": "co2e|flops|kwh|usd"},
    "compare": {"rows[]": OPTION},  # the options compared stand among the keys of a row
    "serve predicted": {"request": OPTION, "quality": r"[a-z][a-z0-9-]*"},  # by recipe
    "serve chosen": {"request": OPTION, "quality": r"[a-z][a-z0-9-]*",  # by recipe
                     "rests_on": r"[a-z0-9][a-z0-9.-]*"},  # by part, where the ground is thin
    "sweep": {"axes": OPTION, "base": OPTION, "units": OPTION, "pareto.rows[]": OPTION,
              **{f"top.{name}[]": OPTION for name in ("cost_usd", "elapsed_days", "loss_nats")}},
    "budget": {"request": OPTION, "request.stages[]": OPTION, "stages[].detail": OPTION},
    "explain": {"terms[].inputs": r"[A-Za-z][\w.]*"},
    "validate": {"by_source": ".+", "by_source.*": OPTION},
    "accuracy": {"asked": "part|model|kind|software|precision"},
    # A law's record as its source states it: what does not apply to it is not written.
    "law.show": {"": OPTION, "constants": r"[A-Za-z]\w*", "inputs": OPTION, "test_points.*": OPTION},
}  # fmt: skip
NAMED["compare formats"] = NAMED["plan"]
# A number where it is exact, else a number with its band: laws without a covariance (DESIGN 5).
LAW_NUMBERS = r"(laws\[\]\.)?(params|tokens|flop|tokens_per_param|loss_nats)"
EXACT_OR_BANDED = {
    **dict.fromkeys(("law.optimum", "law.disagreement"), LAW_NUMBERS),
    "law.optimum of a life": ".*",
    "law.gain": r"rows\[\]\.(loss_small|loss_large|gain_nats|gain_share)",
}  # fmt: skip
PAIRS = ("request.given.usd_per_hour[][]", "request.prices[][]")  # parts and their prices
BAND = {"value", "low", "high"}


@cache
def answers(verb: str) -> tuple[Any, ...]:
    return tuple(ask() for ask in ASKED[verb])


def _named(verb: str, place: str) -> str | None:
    return next((names for at, names in NAMED.get(verb, {}).items() if place == at or
                 (at.endswith(".*") and place.startswith(at[:-2]))), None)  # fmt: skip


def _check_form(verb: str, form: Form) -> None:
    """Every key holds one kind of value, and stands always, but for keys that are names."""
    both = EXACT_OR_BANDED.get(verb, "(?!)")
    mixed = {
        place: kinds for place, kinds in form.mixed().items()
        if place not in PAIRS and not (re.fullmatch(both, place) and form.keys[place] == {frozenset(BAND)}
                                   and kinds <= {"number", "record", "null"})
    }  # fmt: skip
    assert not mixed, f"{verb}: {mixed}"
    for place, keys in form.loose().items():
        names = _named(verb, place)
        assert names is not None, f"{verb}: {place or 'the document'} has {sorted(keys)} sometimes and sometimes not"
        assert all(re.fullmatch(names, key) for key in keys), f"{verb}: {place} has {sorted(keys)}, not {names}"


def test_every_verb_is_asked() -> None:
    verbs = {name for name in hm.__all__ if inspect.isfunction(getattr(hm, name))} - {"load_catalog"}
    faces = {f"{name}.{verb}" for name in ("law", "prices") for verb, function in vars(getattr(hm, name)).items()
             if inspect.isfunction(function) and verb[0] != "_"
             and function.__module__ == f"hwmodel.api.{name}"}  # fmt: skip
    assert {verb.split(" ")[0] for verb in ASKED} == verbs | faces


@pytest.mark.parametrize("verb", ASKED)
def test_every_answer_is_one(verb: str) -> None:
    asked = {name: inspect.signature(each) for name, each in vars(hm.Answer).items() if name.startswith("to_")}
    for found in answers(verb):
        for name, signature in asked.items():
            assert inspect.signature(getattr(type(found), name)).parameters.keys() == signature.parameters.keys()
        document = found.to_dict()
        assert json.loads(found.to_json()) == json.loads(json.dumps(finite(document), allow_nan=False))
        assert found.to_dict() == document
    found = answers(verb)[0]
    for text in (found.to_markdown(), found.to_text(), found.to_text(60), found.to_csv(), found.to_html()):
        assert isinstance(text, str)
        assert text
    assert isinstance(found.to_frame(), pandas.DataFrame)


@pytest.mark.parametrize("verb", ASKED)
def test_a_key_has_one_kind_of_value_whatever_was_given(verb: str) -> None:
    form = Form()
    for found in answers(verb):
        form.add(found.to_dict())
    _check_form(verb, form)


def _drawn(ask: Callable[..., Any], **options: Any) -> dict[str, Any]:
    """The document of a question; empty where it is refused: that is an answer of its own."""
    try:
        document: dict[str, Any] = ask(**options).to_dict()
    except hm.HwModelError:
        return {}
    return document


def _options(**choices: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={name: st.sampled_from(some) for name, some in choices.items()})


def _few(**choices: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Up to four of the options: more of a plan or a fleet at once hardly ever go together."""
    return st.lists(st.sampled_from(sorted(choices)), max_size=4, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: st.sampled_from(choices[name]) for name in names})
    )


# Drawn questions of the verbs that search, fewer of them: each takes a second or two.
FEWER = {"plan": 6, "serve chosen": 8}
DRAWN: dict[str, tuple[Callable[..., Any], Mapping[str, Any], st.SearchStrategy[dict[str, Any]]]] = {
    "train": (
        hm.train, {"gpus": "16xH100"},
        _options(model=["llama-3.1-8b", "mixtral-8x7b"], params=["3B", 7e9], tp=[1, 2, "any"], pp=[1, 2],
                 zero=[0, 1, 3], recompute=["full", "none"], precision=["fp8", "fp16"], stack=["torchtitan"],
                 global_batch=[64, "128"], seq_len=["4k", 8192], offload=["optimizer"], task=["lora", "dpo"]),
    ),
    "serve predicted": (
        hm.serve, {"model": "llama-3.1-8b", "concurrency": 8},
        _options(gpus=["1xH100", "4xA100", "8xMI300X"], precision=["fp8", "int4"], engine=["vllm", "sglang"],
                 input=["4k", 512], output=[64], tp=[1, 2], prefix_hit=["30%"], draft_tokens=[3], rounds=[2],
                 usd_per_hour=[2], api_price=["1,2"], max_running=[16]),
    ),
    "serve chosen": (
        hm.serve, {"model": "llama-3.1-8b", "demand": "5 req/s", "parts": "h100"},
        _few(parts=["h100,l40s", "mi300x"], precision=["fp8", "bf16,fp8", "int4"], input=["4k", 512], output=[64],
             ttft=["1s"], tpot=["50ms"], p=[99], disaggregated=[True, False], engine=["vllm", "trtllm"],
             prefix_hit=["30%"], draft_tokens=[2], spares=[0, 2], peak_to_mean=[2], max_loss=[0.01],
             min_quality=["98%"], api_price=["1,2"], usd_per_hour=[2], price_kind=["spot"], region=["DEU"],
             tp=[1, 2], prefill=["4xH100"], decode=["8xH100", "16xH200"], max_running=[32]),
    ),
    "plan": (
        hm.plan, {"gpus": "64xH100"},
        _few(gpus=["256xA100"], params=["3B", 8e9], model=["llama-3.1-8b", "mixtral-8x7b"],
             tokens=["100B", 2e11], time=["20d"], budget=["$300k"], loss=[2.2], inference_tokens=["1T"],
             samples=[4], precision=["fp8", "fp16"], law=[KAPLAN, NO_LOSS], mfu=["40%"], objective=["flops", "kwh"],
             distill=[True], sparsity=["50%"], unique_tokens=["50B"], start=["2026-12-01"],
             confidence=["80%"], power=["1MW"], usd_per_hour=[2.5], region=["DEU"], tp=[2], recompute=["full"],
             serving_precision=["int4"], seq_len=["8k"], global_batch=[512]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("verb", DRAWN)
def test_drawn_questions_have_the_form_of_the_others(verb: str) -> None:
    ask, base, drawn = DRAWN[verb]
    plain = [found.to_dict() for found in answers(verb)]
    seen = []

    @settings(max_examples=FEWER.get(verb, 12), deadline=None, derandomize=True)
    @given(drawn)
    def check(options: dict[str, Any]) -> None:
        if document := _drawn(ask, **{**base, **options}):
            seen.append(document)
            form = Form()
            for one in (*plain, document):
                form.add(one)
            _check_form(verb, form)

    check()
    assert len(seen) >= 3, "most questions drawn are refused"


def test_options_of_a_fit_are_refused_where_they_would_be_dropped() -> None:
    asked: tuple[tuple[dict[str, Any], str], ...] = (
        ({"form": "aditive"}, "unknown form 'aditive'; nearest: additive"), ({"base": CHINCHILLA}, "--form repeated"),
        ({"bootstraps": 3}, "20 to 100,000"), ({"seed": -1}, "--seed"),
    )  # fmt: skip
    for options, said in asked:
        with pytest.raises(hm.InputError, match=said):
            hm.fit(_runs(), **options)


def test_a_form_tells_kinds_and_keys() -> None:
    form = Form()
    form.add({"a": 1, "b": [1.5, None], "c": {"x": True}})
    form.add({"a": None, "b": [], "c": {"x": False}})
    assert (form.mixed(), form.loose()) == ({}, {})
    form.add({"a": "1", "b": [{}], "c": {"x": 1, "y": 0}})
    assert form.mixed() == {"a": {"number", "string", "null"}, "b[]": {"number", "null", "record"},
                            "c.x": {"boolean", "number"}}  # fmt: skip
    assert form.loose() == {"c": {"y"}}
    with pytest.raises(AssertionError, match="holds a <class 'tuple'>"):
        form.add({"a": (1, 2)})
