"""Questions that share what engines take get the answers that each gets alone, to the last bit."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import HwModelError
from hwmodel.predict.service import arrivals
from hwmodel.solve.serve import sharing, table
from hwmodel.solve.serve.ask import answer_alone, read_asked, read_question, serve
from hwmodel.solve.serve.choose import offers
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.sharing import FreshPasses, SharedPasses, asked_of_an_engine

CATALOG = load_catalog()
DENSE: dict[str, Any] = {
    "model": "qwen3-8b",
    "parts": "h100,l40s",
    "demand": "20 req/s",
    "tpot": "30ms",
    "precision": "fp8",
}
# What questions differ in one after another: requests, limits, prices, the load of an engine, and the engine itself.
STEPS: list[dict[str, Any]] = [
    {}, {"demand": "500 req/s"}, {"tpot": "9ms"}, {"tpot": "100ms", "ttft": "300ms"}, {"ttft": "20ms"}, {"tpot": "1ms"},
    {"usd_per_hour": "h100=9,l40s=0.5"}, {"spares": 0, "peak_to_mean": 2.0}, {"p": 50}, {"p": 99}, {"input": "4k"},
    {"output": "1"}, {"prefix_hit": "60%"}, {"draft_tokens": 1}, {"engine": "vllm"}, {"max_running": "8"},
    {"step_tokens": "1k"}, {"tp": 2}, {"precision": "bf16"}, {"disaggregated": True}, {"disaggregated": False},
    {"model": "olmoe-1b-7b"}, {"parts": None, "prefill": "h100", "decode": "l40s"}, {"max_loss": "0.001"},
    {"demand": None, "concurrency": "40", "parts": None, "gpus": "4xH100", "tpot": None, "precision": "fp8"},
]  # fmt: skip


def found(run: Any) -> Any:
    """An answer, or the words that refuse it."""
    try:
        return run()
    except HwModelError as error:
        return type(error), str(error)


def alone(asked: dict[str, Any]) -> Any:
    return serve(**asked).answer


def together(asked: dict[str, Any], shared: SharedPasses) -> Any:
    return answer_alone(read_asked(**asked), CATALOG, shared)


def options_of(step: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**DENSE, **step}.items() if value is not None}


@pytest.mark.parametrize("most", [sharing.MOST_KEPT, 3])
def test_shared_answers_are_those_of_questions_alone(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a drawn order, so that each meets what others left, the first at the end again; `most`: with and without
    room."""
    monkeypatch.setattr(sharing, "MOST_KEPT", most)
    steps = list(STEPS)
    random.Random(most).shuffle(steps)
    shared = SharedPasses()
    for step in [*(steps if most > 3 else steps[:8]), {}]:
        asked = options_of(step)
        assert found(partial(together, asked, shared)) == found(partial(alone, asked)), step


def test_what_is_known_is_not_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither demand, limits nor prices cost another pass over what was already seen."""
    shared, passes = SharedPasses(), []
    answer_alone(read_asked(**options_of({"tpot": "100ms"})), CATALOG, shared)
    for name in ("options", "prompts_of", "loaded"):
        real = getattr(sharing, name)
        monkeypatch.setattr(sharing, name, lambda *given, real=real, name=name: passes.append(name) or real(*given))
    answer_alone(read_asked(**options_of({"tpot": "100ms", "usd_per_hour": "3"})), CATALOG, shared)
    assert set(passes) <= {"options"}  # of no offer: prices alone choose among what is known
    passes.clear()
    answer_alone(read_asked(**options_of({"tpot": "50ms", "demand": "90 req/s", "ttft": "3s"})), CATALOG, shared)
    assert "prompts_of" not in passes


OTHER: dict[str, Any] = {
    "model": "llama-3.1-8b", "prompt_tokens": 2000.0, "output_tokens": 7.0, "rate": 9.0, "ttft_s": 3.0, "tpot_s": 1.0,
    "percentile": 0.6, "peak_to_mean": 3.0, "spares": 4, "max_loss_nats": 1.0, "min_quality": 0.5, "hit_rate": 0.5,
    "engine": "vllm", "parts": ("l40s",), "precisions": ("fp8",), "prices": (("", 1.0),), "price_kind": "spot",
    "region": "deu", "draft_tokens": 2.0, "acceptance": 0.4, "draft_share": 0.3, "engine_year": 2025.0,
    "max_running": 7.0, "rounds": 3.0, "step_tokens": 99.0, "api_price": (1.0, 2.0), "disaggregated": True, "tp": 2.0,
    "pp": 2.0, "dp": 2.0, "ep": 2.0,
}  # fmt: skip


@pytest.mark.parametrize("field", sorted(OTHER))
def test_what_an_offer_is_known_by_tells_apart_what_it_depends_on(field: str) -> None:
    """A field that changes an engine's setting or its layouts changes the key; else it holds its price."""
    question = read_question("qwen3-8b", "20 req/s", parts="h100", precision="bf16")
    other = msgspec.structs.replace(question, **{field: OTHER[field]})
    if asked_of_an_engine(question) != asked_of_an_engine(other):
        return
    part, recipe = CATALOG.part("h100"), CATALOG.serving_precision("bf16")
    made = [_made(one, part, recipe) for one in (question, other)]
    assert made[0] == made[1]


def _made(question: ServingQuestion, part: Any, recipe: Any) -> Any:
    asked = msgspec.structs.replace(question, parts=("h100",), precisions=("bf16",), prefill=None, decode=None,
                                    max_loss_nats=None, min_quality=None)  # fmt: skip
    (one,) = offers(asked, CATALOG.model(question.model), CATALOG, FreshPasses())
    assert (one.part, one.recipe) == (part, recipe)
    tried = one.tried
    return one.setting, [getattr(tried, name).tolist() for name in ("tp", "pp", "dp", "ep")]


def test_fields_of_the_question_are_all_tried() -> None:
    left = {"shape", "lengths", "prefill", "decode", "price_file"}  # a record or file each; none reaches a setting
    assert set(ServingQuestion.__struct_fields__) == set(OTHER) | left


def test_a_shared_table_holds_what_fits() -> None:
    """Of a limit on tokens the rows kept are those of the whole table, in their order."""
    question = read_question("qwen3-8b", "20 req/s", parts="h100", precision="bf16", tpot="9ms")
    offered = offers(question, CATALOG.model("qwen3-8b"), CATALOG, FreshPasses())
    (fresh,), (kept,) = table.options(question, offered, 9e-3), SharedPasses().options(question, offered, 9e-3)
    for name in arrivals.Decoded.__struct_fields__:
        if name != "layout":
            assert getattr(kept.at, name).tolist() == getattr(fresh.at, name).tolist()
