"""The expected use in words, and what serving in fewer bits does to the choice of size."""

from __future__ import annotations

import pytest

import hwmodel as hm
from hwmodel.errors import InputError
from hwmodel.solve.question.service import parse_service
from hwmodel.solve.run.result import value_of
from hwmodel.solve.serve.quality import measured_quality


def test_service_in_words() -> None:
    found = parse_service("200 req/s, 1k in, 300 out, 2 years, p50 tpot 40ms")
    assert found.requests_per_s == 200
    assert found.prompt_tokens == 1000
    assert found.output_tokens == 300
    assert found.tpot_limit_s == pytest.approx(0.04)
    assert found.tokens == pytest.approx(200 * 1300 * 2 * 365.25 * 86400)
    assert found.prompt_share == pytest.approx(10 / 13)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("200 req/s, 1k in", r"lacks the answer .*, the time"),
        ("200 req/s, 1k in, 300 out, soon", "cannot read 'soon'"),
        ("200 req/s, 1k in, 1k in, 300 out, 2 years", "twice"),
        ("0 req/s, 1k in, 300 out, 2 years", "above zero"),
    ],
)
def test_service_refusals(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_service(text)


def test_demand_is_said_once() -> None:
    with pytest.raises(InputError, match="both say the demand"):
        hm.plan(tokens="1T", inference_tokens="1T", serve="200 req/s, 1k in, 300 out, 2 years")
    with pytest.raises(InputError, match="--samples multiplies"):
        hm.plan(tokens="1T", samples="4")


def test_more_samples_make_a_smaller_model() -> None:
    question = {"gpus": "512xH100", "loss_like": "70B@1.4T", "usd_per_hour": "2", "inference_tokens": "4T"}
    one, many = (hm.plan(**question, samples=k).answer for k in ("1", "16"))
    assert value_of(many.params) < value_of(one.params)


def test_quality_is_measured_where_it_can_be() -> None:
    eight, four = measured_quality("fp8"), measured_quality("w4a16")
    assert eight is not None
    assert four is not None
    assert measured_quality("bf16") is None
    assert eight.loss_increase_nats is not None
    assert four.loss_increase_nats is not None
    assert 0 < eight.loss_increase_nats.value < four.loss_increase_nats.value < 0.2


def test_fewer_bits_in_service_cost_training() -> None:
    question = {"gpus": "512xH100", "loss_like": "70B@1.4T", "usd_per_hour": "2", "inference_tokens": "20T"}
    plain, eight = (hm.plan(**question, serving_precision=p) for p in ("bf16", "fp8"))
    assert eight.saving is not None
    assert plain.saving is not None
    assert "nats at 70B on 15T" in eight.saving.note
    assert "nats" not in plain.saving.note
    # Serving in eight bits is cheaper a token, training away its loss is not free; both are inside one objective.
    assert eight.saving.lifetime_cost != pytest.approx(plain.saving.lifetime_cost, rel=1e-3)
