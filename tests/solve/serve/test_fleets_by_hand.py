"""Fleets that carry a demand, what they cost, and pools before them: a few configurations of round figures."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from msgspec.structs import astuple

from hwmodel.predict.service.arrivals import Decoded, Loaded
from hwmodel.solve.run.band import Band
from hwmodel.solve.serve import fleet as fleets
from hwmodel.solve.serve import money as moneys
from hwmodel.solve.serve.fleet import (
    Fleets,
    cheapest,
    engines,
    fleet_accelerators,
    pooled,
    rank,
    replicas_for,
    sized,
)
from hwmodel.solve.serve.money import Spent, money, share_of, token_rate, usd_per_million
from hwmodel.solve.serve.pools import _front, pools
from hwmodel.specs.serving import ServingLayout


def column(*values: float) -> Any:
    return np.array(values)


# Four configurations: two accelerators an engine, four, two stages of two, eight.
LAYOUT = ServingLayout(tp=column(2, 4, 2, 8), pp=column(1, 1, 2, 1), dp=np.ones(4), ep=np.ones(4))


def decoded(**fields: Any) -> Decoded:
    one = np.ones(4)
    given = {"layout": LAYOUT, "batch": 8 * one, "room": 9 * one, "pass_s": one, "pass_tail_s": one,
             "step_s": 0.02 * one, "step_tail_s": column(0.04, 0.03, 0.02, 0.01)}  # fmt: skip
    return Decoded(**{**given, **fields})


def asked(**fields: Any) -> Any:
    """Ten requests a second, peaks of twice the mean, one spare."""
    usual = {"rate": 10.0, "peak_to_mean": 2.0, "spares": 1, "decode": None, "prefill": None, "tpot_s": 0.05,
             "ttft_s": 1.0, "output_tokens": 100.0, "prompt_tokens": 1000.0, "hit_rate": 0.25}  # fmt: skip
    return SimpleNamespace(**{**usual, **fields})


def price(usd: float | None) -> Any:
    return None if usd is None else SimpleNamespace(
        median_usd_per_accelerator_hour=usd, low_usd_per_accelerator_hour=0.8 * usd,
        high_usd_per_accelerator_hour=1.5 * usd, first_date="2026-01", last_date="2026-02", kind="on demand",
    )  # fmt: skip


def found(usd: Any, counts: Any, meets: Any = True, tails: Any = (0.4, 0.3, 0.2, 0.1), of: Any = None) -> Fleets:
    one = np.ones(4)
    return Fleets(
        options=None, pools=of, at=decoded(), prefill_share=one, replicas=one, accelerators=column(*counts),  # type: ignore[arg-type]
        usd_per_hour=column(*usd), requests_per_s=one, tpot_s=one, tpot_tail_s=column(*tails), ttft_s=one,
        ttft_tail_s=one, meets=np.broadcast_to(np.array(meets), (4,)),
    )  # fmt: skip


def test_how_many_engines() -> None:
    # 20 a second of 8 each are 2.5, three and a spare; of 5 each just four; the rounding of 20 / (20 / 3) adds none.
    assert replicas_for(20.0, 8.0, 1) == 4.0
    assert replicas_for(20.0, 5.0, 0) == 4.0
    assert replicas_for(20.0, 20.0 / 3, 0) == 3.0
    assert fleet_accelerators(4.0, 2.0, 5.0) == 13.0
    size = sized(asked(), SimpleNamespace(price=price(3.0)), decoded(), column(8.0, 20.0, 5.0, 40.0))  # type: ignore[arg-type]
    assert size.replicas.tolist() == [4, 2, 5, 2]
    assert size.accelerators.tolist() == [8, 8, 20, 16]
    assert size.usd_per_hour.tolist() == [24, 24, 60, 48]
    assert np.isnan(sized(asked(), SimpleNamespace(price=None), decoded(), np.ones(4)).usd_per_hour).all()  # type: ignore[arg-type]


def loaded(**fields: Any) -> Loaded:
    one = np.ones(4)
    given = {"tpot_s": 0.01 * one, "tpot_tail_s": column(0.04, 0.05, 0.06, 0.02), "ttft_s": 0.5 * one,
             "ttft_tail_s": column(0.9, 1.0, 0.9, 1.1), "requests_per_s": column(8.0, 20.0, 5.0, 40.0),
             "prefill_share": 0.3 * one}  # fmt: skip
    return Loaded(**{**given, **fields})


def test_engines_that_keep_their_limits() -> None:
    # The third decodes too slowly, the fourth answers too late.
    options: Any = SimpleNamespace(price=price(3.0))
    one = engines(asked(), options, decoded(), loaded())
    assert one.meets.tolist() == [True, True, False, False]
    assert (one.replicas.tolist(), one.accelerators.tolist()) == ([4, 2, 5, 2], [8, 8, 20, 16])
    assert one.pools is None
    # No more accelerators than the pool may have.
    limited = asked(decode=SimpleNamespace(most=8.0), tpot_s=1.0, ttft_s=2.0)
    assert engines(limited, options, decoded(), loaded()).meets.tolist() == [True, True, False, False]


def before() -> Any:
    """Two prefill pools: three accelerators at 5 dollars that answer in 0.6 s at the tail, six in 0.3."""
    return SimpleNamespace(
        options=SimpleNamespace(price=price(5.0)), workers=column(1.0, 2.0), accelerators=column(3.0, 6.0),
        first_s=column(0.5, 0.2), first_tail_s=column(0.6, 0.3),
    )  # fmt: skip


def test_pools_before_decode_workers() -> None:
    engine = SimpleNamespace(request_s=0.05, stream_steps=2.0)
    options: Any = SimpleNamespace(
        count=4, at=decoded(), price=price(3.0), setting=SimpleNamespace(worker=SimpleNamespace(engine=engine))
    )
    # Of a second 0.05 and two steps at the tail are gone, 0.13 to 0.07: the smaller pool does; of 0.7 s it does for the
    # quickest two; of 0.3 none does, and the quickest is taken.
    one = pools(options, asked(), before())
    assert one is not None
    assert one.place.tolist() == [0, 0, 0, 0]
    assert one.ttft_s == pytest.approx(np.full(4, 0.05 + 0.04 + 0.5))
    assert one.ttft_tail_s == pytest.approx([0.73, 0.71, 0.69, 0.67])
    # Eight running answer 100 tokens of 0.02 s: four a second.
    assert one.requests_per_s == pytest.approx(np.full(4, 4.0))
    mixed = pools(options, asked(ttft_s=0.7), before())
    assert mixed is not None
    assert mixed.place.tolist() == [1, 1, 0, 0]
    assert mixed.ttft_tail_s == pytest.approx([0.43, 0.41, 0.69, 0.67])
    late = pools(options, asked(ttft_s=0.3), before())
    assert late is not None
    assert late.place.tolist() == [1, 1, 1, 1]
    assert pools(SimpleNamespace(**{**vars(options), "count": 0}), asked(), before()) is None  # type: ignore[arg-type]
    # 20 a second of 4 are five workers and a spare, at 3 dollars, and three or six accelerators at 5.
    both = pooled(asked(ttft_s=0.7), options, mixed)
    assert both.replicas.tolist() == [6, 6, 6, 6]
    assert both.accelerators.tolist() == [12 + 6, 24 + 6, 24 + 3, 48 + 3]
    assert both.usd_per_hour.tolist() == [36 + 30, 72 + 30, 72 + 15, 144 + 15]
    assert both.meets.tolist() == [True] * 4
    assert both.prefill_share.tolist() == [0.0] * 4
    assert pooled(asked(ttft_s=0.7, tpot_s=0.02), options, mixed).meets.tolist() == [False, False, True, True]
    few = asked(ttft_s=0.7, prefill=SimpleNamespace(most=3.0), decode=SimpleNamespace(most=24.0))
    assert pooled(few, options, mixed).meets.tolist() == [False, False, True, False]


def test_pools_that_no_smaller_one_beats() -> None:
    # By size; of equal ones the quicker; one that is as quick as a smaller is none.
    assert _front(column(4.0, 2.0, 3.0, 3.0, 5.0), column(0.2, 0.5, 0.5, 0.4, 0.2)).tolist() == [1, 3, 0]
    assert _front(column(), column()).tolist() == []


def test_the_cheapest_fleet() -> None:
    # Dollars, then accelerators, then one stage, then the fastest.
    assert found((30, 20, 25, 40), (8, 8, 8, 8)).best == 1
    assert found((20, 20, 20, 40), (8, 4, 4, 4)).best == 1
    assert found((20, 20, 20, 20), (4, 4, 4, 4)).best == 3
    assert found((20, 20, 20, 20), (4, 8, 4, 8), tails=(0.4, 0.3, 0.2, 0.1)).best == 0
    assert found((30, 20, 25, 40), (8, 8, 8, 8), (True, False, True, True)).best == 2
    assert found((30, 20, 25, 40), (8, 8, 8, 8)).best_of(np.array([True, False, False, True])) == 0
    assert found((30, 20, 25, 40), (8, 8, 8, 8), False).best is None
    # Without a price accelerators decide.
    assert found((math.nan,) * 4, (8, 9, 7, 8)).best == 2
    assert rank(found((30, 20, 25, 40), (8, 9, 7, 6)), 2) == (25.0, 7.0, 0.0, 1.0, 0.2)
    assert rank(found((math.nan,) * 4, (8, 9, 7, 6), of=SimpleNamespace()), 0) == (0.0, 8.0, 1.0, 0.0, 0.4)
    assert rank(found((30, 20, 25, 40), (8, 9, 7, 6)), None) == (math.inf,)
    dear, cheap = found((30, 26, 25, 40), (8, 8, 8, 8)), found((30, 24, 25, 40), (8, 8, 8, 8))
    assert cheapest([dear, cheap]) == (cheap, 1)


def spent(usd: float | None, count: float) -> Spent:
    return Spent(SimpleNamespace(id="p"), SimpleNamespace(id="s"), price(usd), count)  # type: ignore[arg-type]


def test_what_a_pool_costs_of_all() -> None:
    # Three at 5 dollars of 15 + 30; without one of the prices three accelerators of thirteen.
    both = [spent(5.0, 3.0), spent(3.0, 10.0)]
    assert both[0].usd_per_hour == 15.0
    assert share_of(both[0], both) == pytest.approx(1 / 3)
    half = [spent(5.0, 3.0), spent(None, 10.0)]
    assert share_of(half[0], half) == pytest.approx(3 / 13)


def test_dollars_and_joules(monkeypatch: pytest.MonkeyPatch) -> None:
    """45 dollars an hour and 500 W an accelerator; 10 requests a second of 1,000 tokens in, a quarter of them found in
    a cache, and 100 out; a third of the time goes to prompts."""
    monkeypatch.setattr(moneys, "energy", lambda n, part, system, facts: SimpleNamespace(total_j=n * 500.0 * 3600.0))
    catalog: Any = SimpleNamespace(energy=lambda system: None)
    both = [spent(5.0, 3.0), spent(3.0, 10.0)]
    bill = money(asked(), both, 1 / 3, 10.0, catalog)
    # Quotes reach from a fifth less to half more.
    assert (bill.usd_per_hour, bill.watts) == (Band(45.0, 36.0, 67.5), 6500.0)
    assert bill.usd_per_accelerator_hour is not None
    assert bill.usd_per_accelerator_hour.value == pytest.approx(45 / 13)
    # 11,000 tokens a second are 39.6 million an hour, 7,500 new prompt tokens 27, 1,000 of output 3.6.
    assert astuple(bill.usd_per_million_tokens) == pytest.approx((45 / 39.6, 36 / 39.6, 67.5 / 39.6))
    assert astuple(bill.usd_per_million_input) == pytest.approx((15 / 27, 12 / 27, 22.5 / 27))
    assert astuple(bill.usd_per_million_output) == pytest.approx((30 / 3.6, 24 / 3.6, 45 / 3.6))
    assert bill.joules_per_input_token == pytest.approx(6500 / 3 / 7500)
    assert bill.joules_per_output_token == pytest.approx(6500 * 2 / 3 / 1000)
    assert (bill.price_dates, bill.price_kind) == ("2026-01 to 2026-02", "on demand")
    unknown = money(asked(), [spent(None, 3.0)], 0.5, 10.0, catalog)
    assert (unknown.usd_per_hour, unknown.usd_per_million_input, unknown.usd_per_accelerator_hour) == (None, None, None)
    assert (unknown.price_dates, unknown.price_kind) == (None, None)
    assert usd_per_million(36.0, 0.5, 1000.0) == pytest.approx(5.0)
    assert token_rate(10.0, 100.0) == 1000.0
    assert fleets.load(20.0, 8.0, 5.0) == 0.5
