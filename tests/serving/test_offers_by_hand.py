"""The demand from which a fleet costs less than an offer by the token, worked out in the comments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from hwmodel.solve.run.band import Band, certain
from hwmodel.solve.serve.money import break_even, computed_prompts, joules_per_token


def asked(**other: Any) -> Any:
    """Requests of 1,000 tokens in and 500 out, peaks of twice the mean, an offer of $1 and $2 a million."""
    usual = {"prompt_tokens": 1000.0, "output_tokens": 500.0, "api_price": (1.0, 2.0), "peak_to_mean": 2.0, "rate": 5.0}
    return SimpleNamespace(**{**usual, **other})


def fleet(each: float, **other: Any) -> Any:
    """Three replicas, one of them a spare, for $36 an hour; `each` serves so many requests a second. A token may cost
    half as much, or a quarter more."""
    usual = {
        "replicas": 3, "spare_replicas": 1, "requests_per_s_per_replica": each, "usd_per_hour": certain(36.0),
        "usd_per_million_tokens": Band(2.0, 1.0, 2.5),
    }  # fmt: skip
    return SimpleNamespace(**{**usual, **other})


def test_the_demand_that_breaks_even() -> None:
    # A request costs $0.002 there; a replica $12 an hour, what 5/3 requests a second pay. With the spare two replicas
    # are paid by 10/3 a second, and the one that works carries 10/2.
    found = break_even(asked(), fleet(10.0))
    assert found is not None
    assert found.requests_per_s.value == pytest.approx(10 / 3)
    assert found.tokens_per_day.value == pytest.approx(10 / 3 * 86_400 * 1500)
    assert found.api_usd_per_hour == pytest.approx(5 * 3600 * 0.002)
    assert found.api_usd_per_million_tokens == pytest.approx(2000 / 1500)
    # Of 6 a second each, one carries 3, less than 10/3; three replicas need 5 a second and two of them carry 6.
    slower = break_even(asked(), fleet(6.0))
    assert slower is not None
    assert slower.requests_per_s.value == pytest.approx(5.0)
    # At half the cost two replicas are paid by 5/3 a second; at a quarter more three need 6.25 and carry 6, four need
    # 25/3 and carry 9.
    assert (slower.requests_per_s.low, slower.requests_per_s.high) == pytest.approx((5 / 3, 25 / 3))
    # Without a spare one replica is paid by 5/3.
    alone = break_even(asked(), fleet(6.0, spare_replicas=0))
    assert alone is not None
    assert alone.requests_per_s.value == pytest.approx(5 / 3 * 3 / 3)


def test_an_offer_that_no_full_fleet_beats() -> None:
    # A replica of 3 a second carries 1.5 on average and needs 5/3.
    found = break_even(asked(), fleet(3.0))
    assert found is not None
    assert found.requests_per_s is None
    assert found.tokens_per_day is None
    assert found.api_usd_per_million_tokens == pytest.approx(2000 / 1500)
    # One of 3.6 carries 1.8, enough at $12 an hour, never at $15: 25/12 a second pay it, however many there are.
    open_end = break_even(asked(), fleet(3.6, spare_replicas=0))
    assert open_end is not None
    assert open_end.requests_per_s.value == pytest.approx(5 / 3)
    assert open_end.requests_per_s.high is None


def test_nothing_to_compare() -> None:
    assert break_even(asked(api_price=None), fleet(10.0)) is None
    assert break_even(asked(), fleet(10.0, usd_per_hour=None)) is None


def test_energy_and_prompts_by_hand() -> None:
    # 1,000 W, a quarter of the time, 50 tokens a second; 2 requests of 1,000 tokens, three tenths of them in a cache.
    assert joules_per_token(1000.0, 0.25, 50.0) == pytest.approx(5.0)
    assert computed_prompts(2.0, 1000.0, 0.3) == pytest.approx(1400.0)
    assert computed_prompts(2.0, 1000.0, 1.0) == pytest.approx(2e-6)
