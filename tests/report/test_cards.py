"""Cards: one screen each, whatever the question and the width; rows whole, sentences shortened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwmodel as hm
from hwmodel.report import compare_card, plan_card, train_card, values_card
from hwmodel.report.card import card
from hwmodel.solve.plan.compare_values import compare_values
from hwmodel.solve.train import train

WORDS = st.text("abc defghi-9.", max_size=300)


@given(
    st.text("ab c", min_size=1, max_size=400),
    st.lists(st.tuples(WORDS, WORDS, WORDS), max_size=12),
    st.lists(st.tuples(st.sampled_from(["notes", "assumed"]), WORDS), max_size=6),
    st.integers(20, 80),
)
def test_a_card_is_one_screen(
    head: str, rows: list[tuple[str, str, str]], said: list[tuple[str, str]], columns: int
) -> None:
    lines = card(head, rows, said, columns, "the whole answer").splitlines()
    assert len(lines) <= (24 if columns >= 70 else 24 * 80 // columns)
    assert max(map(len, lines)) <= columns
    assert lines[-1] == "the whole answer"


def test_a_card_by_hand() -> None:
    shown = card("Ten days.", [("time", "10 days", "(9 to 11)")], [("notes", "one two three")], 80, "more")
    assert shown.splitlines()[2].split() == ["time", "10", "days", "(9", "to", "11)"]
    assert shown.splitlines()[0] == "Ten days."
    assert shown.splitlines()[-2:] == ["notes     one two three", "more"]


def test_sentences_are_shortened_before_rows() -> None:
    rows = [(f"row {i}", "1", "") for i in range(15)]
    shown = card("head", rows, [("notes", "word " * 200), ("assumed", "bf16")], 80, "more").splitlines()
    assert sum(line.startswith("row") for line in shown) == 15
    assert any(line.startswith("notes") for line in shown)
    assert "assumed   bf16" in shown
    assert any(line.endswith(" ...") for line in shown)


QUESTIONS = [
    {"gpus": "1024xA100", "tokens": "1.4T"},
    {"tokens": "1T", "params": "7B"},
    {"gpus": "512xH100", "loss_like": "70B@1.4T", "inference_tokens": "20T", "moe": True},
    {"gpus": "64xB200", "time": "30d", "confidence": "90%"},
    {"gpus": "16384xH100", "model": "llama-3.1-405b", "tokens": "15.6T"},
    {"gpus": "100xA100"},
]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("columns", [60, 80])
def test_plans_on_a_screen(question: dict[str, object], columns: int) -> None:
    found = hm.plan(**question)
    lines = plan_card(found, columns).splitlines()
    assert len(lines) <= (24 if columns >= 70 else 24 * 80 // columns)
    assert max(map(len, lines)) <= columns
    assert any(line.startswith("assumed") for line in lines)
    if found.answer.cost_usd is not None:
        assert any(line.startswith("rent") and " to $" in line for line in lines)


def test_other_cards_on_a_screen() -> None:
    formats = compare_card(hm.compare(gpus="512xH100", tokens="2T", precision="bf16,fp8,nvfp4,mxfp8"))
    values = values_card(compare_values({"params": ["10B", "100B"]}, gpus="1024xH100"))
    layout = train_card(train(model="mixtral-8x7b", gpus="64xH100"))
    for shown in (formats, values, layout):
        assert len(shown.splitlines()) <= 24
        assert max(map(len, shown.splitlines())) <= 80
    assert "nvfp4" in formats
    assert "lacking" in formats
    assert "matrix products" in layout
    assert "**" not in layout
