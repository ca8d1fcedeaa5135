"""The demand of a life as it is read, each case worked out in its comment."""

from __future__ import annotations

import pytest

from hwmodel.solve.question.parse import parse_request


def test_samples_grow_the_answers_of_a_demand_and_not_its_prompts() -> None:
    # 1T tokens at 3:1 are 0.75T of prompts and 0.25T of answers. Four answers a prompt: 0.75T + 4 x 0.25T = 1.75T, of
    # which prompts are 0.75 / 1.75 = 3/7.
    found = parse_request(tokens="1T", inference_tokens="1T", prompt_output="3:1", samples="4")
    assert found.samples == 4.0
    assert found.inference_tokens == pytest.approx(1.75e12)
    assert found.prompt_share == pytest.approx(3.0 / 7.0)


def test_one_sample_changes_nothing() -> None:
    plain, one = (parse_request(tokens="1T", inference_tokens="2T", **more) for more in ({}, {"samples": 1}))
    assert (plain.inference_tokens, plain.prompt_share) == (one.inference_tokens, one.prompt_share)


def test_a_served_demand_is_its_rate_over_its_time() -> None:
    # 10 requests a second of 1,000 + 300 tokens for 100 days: 10 x 1,300 x 100 x 86,400 = 1.1232e11 tokens, 10/13 of
    # them prompts; with two answers a prompt 1,600 tokens a request, 1,000 / 1,600 of them prompts.
    asked = "10 req/s, 1k in, 300 out, 100 days"
    once, twice = (parse_request(tokens="1T", serve=asked, **more) for more in ({}, {"samples": "2"}))
    assert once.inference_tokens == pytest.approx(1.1232e11)
    assert once.prompt_share == pytest.approx(10.0 / 13.0)
    assert twice.inference_tokens == pytest.approx(10.0 * 1600.0 * 100.0 * 86400.0)
    assert twice.prompt_share == pytest.approx(1000.0 / 1600.0)
