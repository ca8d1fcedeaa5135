"""A serving question asked from Python or over HTTP: numbers and texts mean the same, what is no number is refused."""

from __future__ import annotations

from typing import Any

import pytest

from hwmodel.errors import InputError
from hwmodel.solve.question.typed import parse_demand
from hwmodel.solve.serve.ask import serve

ASKED: dict[str, Any] = {"model": "llama-3.1-8b", "parts": "h100", "precision": "fp8"}


def test_numbers_answer_as_texts() -> None:
    typed = serve(**ASKED, concurrency="8", input="1k", output="200", tp="2", ttft="2s")
    given = serve(**ASKED, concurrency=8, input=1000, output=200.0, tp=2, ttft="2s")
    assert typed.to_dict() == given.to_dict()
    assert given.to_dict()["request"]["prompt_tokens"] == 1000.0


@pytest.mark.parametrize(
    ("option", "value"),
    [("tp", "two"), ("tp", float("nan")), ("p", "inf"), ("spares", 1.5), ("acceptance", "x"), ("input", True)],
)
def test_what_is_no_number_is_refused_with_its_name(option: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"--{option}"):
        serve(**ASKED, concurrency=8, **{option: value})


def test_demand_is_read_per_second() -> None:
    # 3,000 requests a minute are 50 a second; 5k an hour 5000 / 3600.
    assert parse_demand("3000 req/min") == pytest.approx(50.0)
    assert parse_demand("5k req/h") == pytest.approx(5000.0 / 3600.0)
    with pytest.raises(InputError, match="fortnight"):
        parse_demand("3 req/fortnight")


def test_a_fleet_of_a_prediction_may_name_its_part() -> None:
    want = serve(model="llama-3.1-8b", gpus="2", parts="h100", concurrency=8).to_dict()["answer"]
    for gpus in ("2xH100", "H100:2"):
        assert serve(model="llama-3.1-8b", gpus=gpus, concurrency=8).to_dict()["answer"] == want
    with pytest.raises(InputError, match="names its accelerator: drop --part"):
        serve(model="llama-3.1-8b", gpus="2xH100", parts="a100", concurrency=8)
