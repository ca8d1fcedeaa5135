"""The Chinese catalog is complete: every phrase of a report has a translation with the same places, and is used."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

import hwmodel as hm
from hwmodel.cli.main import cli
from hwmodel.errors import InputError
from hwmodel.report import (
    compare_card,
    compare_markdown,
    plan_card,
    serve_card,
    train_card,
    values_card,
    values_markdown,
)
from hwmodel.report.phrases import LANGUAGES, catalog, heard, known_language, lower_catalog, say, speaking
from hwmodel.report.plan import plan_html, plan_markdown
from hwmodel.report.serve import served_text
from hwmodel.report.train_report import train_markdown
from hwmodel.report.wide import width

REPORT = Path(__file__).resolve().parents[2] / "hwmodel" / "report"
PLACES = re.compile(r"\{(\w+)\}")


def said() -> set[str]:
    """Every template that a report says: the literals, and the values of the tables that are said by a key."""
    found: set[str] = set()
    for path in sorted(REPORT.rglob("*.py")):
        name = ".".join(("hwmodel", *path.relative_to(REPORT.parent).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                found |= _templates(node.args[0], name)
    return found


def _templates(node: ast.expr, module: str) -> set[str]:
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return set(getattr(import_module(module), node.value.id).values())
    if isinstance(node, ast.Name) and node.id.isupper():
        return {getattr(import_module(module), node.id)}
    assert ast.unparse(node) == "label", ast.unparse(node)  # of FIGURES
    return {label for label, _, _ in import_module(module).FIGURES}


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_the_catalog_is_complete_and_has_no_more(language: str) -> None:
    assert said() - set(catalog(language)) == set()
    assert set(catalog(language)) - said() == set()


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_translations_have_the_places_of_their_templates(language: str) -> None:
    for template, translated in (*catalog(language).items(), *lower_catalog(language).items()):
        assert sorted(PLACES.findall(template)) == sorted(PLACES.findall(translated)), template


def test_a_report_in_chinese_has_the_same_numbers_and_little_english() -> None:
    plan = hm.plan(gpus="512xH100", params="40B", tokens="2T", deadline="2027-02-15", start="2027-01-01")
    english, chinese = plan_markdown(plan), plan_markdown(plan, language="zh")
    numbers = re.compile(r"\d[\d,.]*")
    assert (
        sorted(numbers.findall(chinese.split("```")[0])) == sorted(numbers.findall(english.split("```")[0]))
        or abs(len(numbers.findall(chinese)) - len(numbers.findall(english))) <= 4
    )
    body = chinese.split("## 假设与来源")[0]
    assert not re.findall(r"(?:\b[a-z]{3,} ){3,}", body)
    assert plan_markdown(plan) == english  # the language is left where it was
    assert '<html lang="zh">' in plan_html(plan, language="zh")


def test_what_lower_layers_say_is_translated_by_its_template() -> None:
    with speaking("zh"):
        assert heard("40 whole runs of 8 sources") == "8 个来源的 40 次完整训练"
        assert heard("a sentence of no template") == "a sentence of no template"
        assert say("{days} days", days=3) == "3 天"
    assert heard("40 whole runs of 8 sources") == "40 whole runs of 8 sources"


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InputError, match="--lang"):
        known_language("fr")
    assert known_language(None) == "en"
    assert known_language("ZH") == "zh"


# Functions below the reports whose sentences reach a reader: warnings, notes, reasons of rows and of verdicts.
TELLERS = {
    "hwmodel.solve.plan.sides": ("warnings", "_held_back", "_fleet_warnings"),
    "hwmodel.solve.plan.data": ("data_warnings",),
    "hwmodel.solve.life.mixture_loss": ("mixture_line", "departures"),
    "hwmodel.solve.plan.precisions": ("_format_run",),
    "hwmodel.solve.plan.format_verdict": ("judged",),
    "hwmodel.solve.question.setting": ("_hardware", "_batch_note"),
    "hwmodel.catalog.names": ("read_as",),
    "hwmodel.catalog.prices": ("_scarce", "_aged", "by_ratio", "_block"),
    "hwmodel.economics.energy": ("_unrated",),
    "hwmodel.solve.serve.reasons": ("_stalls", "_dearer", "_named"),
    "hwmodel.solve.serve.notes": ("notes", "tight", "thin", "_as_released"),
    "hwmodel.solve.train": ("_leaner", "_run", "_result"),
    "hwmodel.predict.given_layout": ("_stages",),
    "hwmodel.physics.machine": ("format_peak",),
}
ENGLISH_RUN = re.compile(r"(?:\b[a-z]{3,}\b[ ,]*){3,}")


def told() -> list[str]:
    """Every sentence that they can say, with `7` for what is filled in; errors that they raise are not among them."""
    found = []
    for module, names in TELLERS.items():
        source = Path(str(import_module(module).__file__)).read_text(encoding="utf-8")
        functions = {node.name: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
        for name in names:
            body = functions[name].body
            whole = body[1:] if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) else body
            raised = module != "hwmodel.physics.machine"  # its refusal is the reason of a row
            found += [text for node in whole for text in _sentences(node, skip_raised=raised)]
    return found


def _sentences(node: ast.AST, *, skip_raised: bool) -> list[str]:
    if (skip_raised and isinstance(node, ast.Raise)) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ):
        return []  # the second: what a function says of itself
    if isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else "7" for p in node.values]
        text = "".join(str(part) for part in parts)
        return [text] if len(re.findall(r"[a-z]{2,}", text)) >= 3 else []
    if isinstance(node, ast.Constant):
        text = str(node.value)
        return [text] if isinstance(node.value, str) and len(re.findall(r"[a-z]{2,}", text)) >= 5 else []
    return [text for child in ast.iter_child_nodes(node) for text in _sentences(child, skip_raised=skip_raised)]


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "en"])
def test_warnings_of_lower_layers_are_translated(language: str) -> None:
    assert len(told()) > 20
    with speaking(language):
        left = [text for text in told() if ENGLISH_RUN.search(heard(text))]
    assert left == []


QUESTIONS = [
    {"gpus": "1024xA100", "tokens": "1.4T"},
    {"gpus": "100xA100"},
    {"gpus": "64xtpuv5p", "params": "8B", "tokens": "1T"},
    {"gpus": "64xgaudi3", "params": "8B", "tokens": "300B"},
    {"gpus": "384xMI325X", "params": "24B", "tokens": "60T"},
    {"gpus": "520xH100", "params": "8B", "tokens": "1T", "global_batch": "4096", "tp": "8", "pp": "4"},
    {"gpus": "H100", "budget": "$3M"},
    {"gpus": "64xB200", "params": "1B", "tokens": "20T", "global_batch_tokens": "4M"},
]


@pytest.mark.parametrize("given", QUESTIONS, ids=lambda given: " ".join(given.values()))
def test_cards_and_comparisons_in_chinese_hold_no_english_sentence(given: dict[str, str]) -> None:
    plan = hm.plan(**given)
    shown = plan_card(plan, 100, "zh")
    assert not ENGLISH_RUN.search(shown), ENGLISH_RUN.findall(shown)
    assert plan_card(plan, 100) == plan_card(plan, 100, "en")
    assert max(map(width, shown.splitlines())) <= 100
    part = given["gpus"]
    if part[0].isdigit():
        compared = hm.compare(**{**given, "precision": "bf16,fp8,nvfp4"})
        text = compare_markdown(compared, language="zh").split("```")[0]
        body = text.split("依据")[0]
        assert not ENGLISH_RUN.search(body), ENGLISH_RUN.findall(body)
        assert not ENGLISH_RUN.search(compare_card(compared, 100, "zh"))


def test_values_side_by_side_in_chinese() -> None:
    found = hm.compare(gpus="512xH100,256xB200", params="8B", tokens="1T")
    assert not ENGLISH_RUN.search(values_card(found, 90, "zh"))
    assert not ENGLISH_RUN.search(values_markdown(found, "zh"))


SERVED = [
    {"model": "llama-3.1-70b", "demand": "200 req/s", "parts": "h200", "ttft": "1s", "tpot": "50ms"},
    {"model": "deepseek-v3", "demand": "3 req/s", "parts": "mi300x,h200", "precision": "fp8"},
    {"model": "llama-3.1-8b", "parts": "h200", "concurrency": 64, "tpot": "1ms", "api_price": "0.1,0.3"},
    {"model": "gpt-oss-120b", "demand": "20 req/s", "parts": "b200", "usd_per_hour": "5", "spares": 0},
    {"model": "qwen3-32b", "parts": "h100", "prefill": "4xH200", "decode": "4xH100", "concurrency": 32},
]


@pytest.mark.parametrize("given", SERVED, ids=lambda given: str(given["model"]))
def test_serving_in_chinese_has_the_same_numbers_and_no_english_sentence(given: dict[str, object]) -> None:
    found = hm.serve(**given)
    english, chinese = served_text(found, "md"), served_text(found, "md", "zh")
    body = chinese.split("## 数字的依据")[0]
    assert not ENGLISH_RUN.search(body), ENGLISH_RUN.findall(body)
    numbers = re.compile(r"\d[\d,.]*\d")
    assert sorted(numbers.findall(body)) == sorted(numbers.findall(english.split("## What the figures rest on")[0]))
    assert not ENGLISH_RUN.search(serve_card(found, 100, "zh"))
    assert '<html lang="zh">' in served_text(found, "html", "zh")


TRAINED = [
    {"model": "llama-3.1-70b", "gpus": "8xH100"},  # does not fit
    {"model": "mixtral-8x7b", "gpus": "64xH100", "ep": 8, "precision": "fp8", "recompute": "layernorm,moe_act"},
    {"model": "llama-3.1-8b", "gpus": "64xMI300X", "task": "lora", "rank": 16, "tp": 1, "pp": 3, "micro_batch": 2},
    {"params": "8B", "gpus": "64xA100", "offload": "activations", "global_batch": 512},
]


@pytest.mark.parametrize("given", TRAINED, ids=lambda given: " ".join(map(str, given.values())))
def test_a_layout_in_chinese_holds_no_english_sentence(given: dict[str, object]) -> None:
    given = {**given, "gpus": "66xMI300X"} if given.get("pp") == 3 else given
    found = hm.train(**given)
    body = train_markdown(found, "zh").split("## 数字的依据")[0]
    assert not ENGLISH_RUN.search(body), ENGLISH_RUN.findall(body)
    assert not ENGLISH_RUN.search(train_card(found, 100, "zh"))
    assert train_markdown(found, "zh") != train_markdown(found)


def test_the_commands_speak_chinese(tmp_path: Path) -> None:
    for argv, said in (
        (["serve", "--model", "llama-3.1-8b", "--part", "h200", "--concurrency", "8"], "每百万 token"),
        (["train", "--model", "llama-3.1-8b", "--gpus", "8xH100"], "每加速器"),
    ):
        run = CliRunner().invoke(cli, [*argv, "--lang", "zh"])
        assert run.exit_code == 0
        assert said in run.output
        page = tmp_path / f"{argv[0]}.html"
        assert CliRunner().invoke(cli, [*argv, "--lang", "zh", "--out", str(page)]).exit_code == 0
        assert 'lang="zh"' in page.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="--lang"):
        CliRunner().invoke(cli, ["serve", "--model", "llama-3.1-8b", "--lang", "fr"], catch_exceptions=False)
