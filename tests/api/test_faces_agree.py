"""One question, one answer: the bytes that Python, the command line and HTTP give are the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import hwmodel as hm
from hwmodel.cli.main import main
from hwmodel.web.answers import Job, reply

Ask = Callable[..., Any]
# The verb of Python, the command (the verb of HTTP too), and the options as they are typed.
RUN = {"gpus": "64xH100", "params": "8B", "tokens": "100B"}
QUESTIONS: list[tuple[Ask, str, dict[str, Any]]] = [
    (hm.plan, "plan", RUN),
    (hm.plan, "plan", {"gpus": "1024xA100", "tokens": "1.4T"}),
    (hm.plan, "plan", {"gpus": "64xH100", "time": "30d", "inference_tokens": "1T"}),
    (hm.plan, "plan", {"gpus": "64xH100", "budget": "$300k", "confidence": "80%"}),
    (hm.plan, "plan", {"flops": "1e22"}),
    (hm.plan, "plan", {**RUN, "precision": "fp8", "mfu": "40%", "usd_per_hour": "2.5"}),
    (hm.compare, "compare", {**RUN, "precision": "bf16,fp8"}),
    (hm.train, "train", {"gpus": "16xA100", "params": "8B", "tp": "2", "global_batch": "64"}),
    (hm.train, "train", {"gpus": "64xH100", "model": "Mixtral 8x7B"}),
    (hm.serve, "serve", {"model": "llama-3.1-8b", "concurrency": "8", "gpus": "1xH100"}),
    (hm.serve, "serve", {"model": "llama-3.1-8b", "demand": "5 req/s", "parts": "h100,l40s", "ttft": "1s"}),
]
# Those whose commands take words: what is typed, and what is asked of Python.
SHEETS: list[tuple[list[str], Callable[[], Any]]] = [
    (["law", "optimum", "besiroglu_2024", "--flops", "1e23"], lambda: hm.law.optimum("besiroglu_2024", flops=1e23)),
    (["law", "eval", "besiroglu_2024", "--params", "7B", "--tokens", "1T"],
     lambda: hm.law.eval("besiroglu_2024", params="7B", tokens="1T")),
    (["law", "show", "kaplan_2020/L_ND"], lambda: hm.law.show("kaplan_2020/L_ND")),
    (["law", "list"], lambda: hm.law.list()),
    (["law", "disagreement", "--flops", "1e23"], lambda: hm.law.disagreement(flops=1e23)),
    (["prices", "list", "--part", "h100"], lambda: hm.prices.list("h100")),
    (["accuracy", "--part", "h100"], lambda: hm.accuracy(part="h100")),
    (["validate", "whole"], lambda: hm.validate("whole")),
]  # fmt: skip
REFUSED: list[tuple[Ask, str, dict[str, Any]]] = [
    (hm.plan, "plan", {"gpus": "64xH1OO", "tokens": "1T"}),
    (hm.plan, "plan", {"gpus": "64xH100", "tokens": "1e30"}),
    (hm.plan, "plan", {"gpus": "8xH100", "params": "70B", "tokens": "1T"}),
    (hm.plan, "plan", {"gpus": "64xA100", "params": "8B", "tokens": "1T", "precision": "fp8"}),
    (hm.serve, "serve", {"model": "llama-3.1-8b", "demand": "1e30 req/s"}),
    (hm.train, "train", {"gpus": "8xH100", "model": "llama 8b"}),
]
POOLED: list[tuple[dict[str, Any], bool]] = [
    ({"gpus": "512xH100+1024xA100", "budget": "5M"}, False), (RUN, True),
]  # fmt: skip
# Where the command line spells an option otherwise than Python and HTTP.
FLAGS = {"parts": "part"}


def _told(one: Any) -> str:
    """A name of a case that is the same in every process: functions by theirs."""
    return str(getattr(one, "__name__", one))


def _typed(command: str, options: dict[str, Any], *more: str) -> list[str]:
    flags = [part for name, value in options.items()
             for part in (f"--{FLAGS.get(name, name).replace('_', '-')}", str(value))]  # fmt: skip
    return [command, *flags, *more]


def _printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and the refusal of a command."""
    capsys.readouterr()
    code = 0
    try:
        main(words)
    except SystemExit as ended:
        code = int(ended.code or 0)
    out, err = capsys.readouterr()
    return code, out, err.strip().removeprefix("hwmodel: ")


def _http(verb: str, options: dict[str, Any]) -> tuple[int | None, Any]:
    found = reply(Job(verb=verb, form="json", body=json.dumps(options).encode()))
    return found.exit_code, json.loads(found.body)


@pytest.mark.parametrize(("ask", "command", "options"), QUESTIONS, ids=_told)
def test_an_answer(ask: Ask, command: str, options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    said = ask(**options).to_json()
    code, printed, _ = _printed(_typed(command, options, "--format", "json", "--quiet"), capsys)
    assert (code, printed) == (0, said + "\n")
    code, sent = _http(command, options)
    assert (code, sent) == (0, json.loads(said))


@pytest.mark.parametrize(("words", "ask"), SHEETS, ids=lambda one: " ".join(one) if isinstance(one, list) else "")
def test_a_sheet(words: list[str], ask: Callable[[], Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert _printed([*words, "--format", "json"], capsys)[:2] == (0, ask().to_json() + "\n")


@pytest.mark.parametrize(("ask", "command", "options"), REFUSED, ids=_told)
def test_a_refusal(ask: Ask, command: str, options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(hm.HwModelError) as refused:
        ask(**options)
    line = str(refused.value)
    assert _printed(_typed(command, options, "--quiet"), capsys) == (refused.value.exit_code, "", line)
    code, sent = _http(command, options)
    assert (code, sent["error"]["message"]) == (refused.value.exit_code, line)


@pytest.mark.parametrize(("options", "own"), POOLED, ids=str)
def test_several_pools_and_fleets_that_are_bought(
    options: dict[str, Any], own: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    said = hm.budget(own=own, **options).to_json()
    more = ("--own",) if own else ()
    assert _printed(_typed("plan", options, *more, "--format", "json", "--quiet"), capsys) == (0, said + "\n", "")


@pytest.mark.parametrize(("options", "own"), POOLED, ids=str)
def test_a_plan_of_them_is_that_budget_in_python_and_over_http(options: dict[str, Any], own: bool) -> None:
    said = hm.budget(own=own, **options).to_json()
    assert hm.plan(own=own, **options).to_json() == said  # type: ignore[call-overload]
    code, sent = _http("plan", {**options, "own": own})
    assert (code, sent) == (0, json.loads(said))


def test_several_pools_of_one_job_are_refused_alike(capsys: pytest.CaptureFixture[str]) -> None:
    asked = {**POOLED[0][0], "params": "8B"}
    with pytest.raises(hm.InputError, match="one job cannot span two parts") as refused:
        hm.plan(**asked)
    line = str(refused.value)
    assert _printed(_typed("plan", asked, "--quiet"), capsys) == (2, "", line)
    assert _http("plan", asked)[1]["error"]["message"] == line


@pytest.mark.parametrize("name", ["part", "parts"])
def test_parts_are_spelled_either_way(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {"model": "llama-3.1-8b", "concurrency": "8"}
    said = hm.serve(**asked, parts="h100").to_json()
    assert hm.serve(**asked, **{name: "h100"}).to_json() == said
    assert _http("serve", {**asked, name: "h100"})[1] == json.loads(said)
    typed = ["serve", "--model", "llama-3.1-8b", "--concurrency", "8", f"--{name}", "h100", "--format", "json"]
    assert _printed(typed, capsys)[:2] == (0, said + "\n")


def test_an_option_under_both_of_its_names_is_refused() -> None:
    both = {"model": "llama-3.1-8b", "concurrency": "8", "parts": "h100", "part": "h200"}
    with pytest.raises(hm.InputError, match="parts and part are one option"):
        hm.serve(**both)
    assert "parts stands under both of its spellings" in _http("serve", both)[1]["error"]["message"]
    with pytest.raises(hm.InputError, match=r"nearest: parts|unknown option 'part'"):
        hm.plan(gpus="64xH100", tokens="1T", part="h100")


def test_a_fleet_that_is_not_bought_is_rented() -> None:
    assert _http("plan", {**RUN, "own": False}) == _http("plan", RUN)
