"""The Chinese catalog is complete: every phrase of a report has a translation with the same places, and is used."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import hwmodel as hm
from hwmodel.errors import InputError
from hwmodel.report import plan_html, plan_markdown
from hwmodel.report.phrases import LANGUAGES, catalog, heard, known_language, lower_catalog, say, speaking

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
