"""Intervals of a serving row from the doubts of its latencies, its throughput and its price, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import astuple

from hwmodel.solve.run.band import Band
from hwmodel.solve.serve import doubt
from hwmodel.solve.serve.doubt import banded, saving
from hwmodel.solve.serve.records import FleetRow, PrefillPool
from hwmodel.specs.intervals import Z80, Ends, Familiarity, IntervalConstants

LN2 = math.log(2.0)
# Tokens may come in half or twice the time, first ones in a third or thrice; work may take half or four times as long.
DOUBTS = {"tpot": Ends(LN2, LN2), "ttft": Ends(math.log(3.0), math.log(3.0)), "throughput": Ends(LN2, 2.0 * LN2)}


def fleet(**fields: Any) -> FleetRow:
    sizes = {"tp": 2.0, "pp": 1.0, "dp": 1.0, "ep": 1.0}
    usual = {
        "part": "p", "system": "s", "precision": "fp8", **sizes, "batch": 8.0, "cache_requests": Band(9.0, 8.0, 10.0),
        "mode": "disaggregated", "replicas": 3, "accelerators": 10.0, "ttft_s": 0.3, "tpot_s": 0.02,
        "prefill_share": 0.25, "accelerators_per_replica": 2.0, "ttft_tail_s": 0.6, "tpot_tail_s": 0.03,
        "requests_per_s_per_replica": 4.0, "spare_replicas": 1, "headroom": 0.6, "load": 0.4,
        "prefill": PrefillPool(part="p", **sizes, workers=2, accelerators_per_worker=2.0, accelerators=4.0, busy=0.5,
                               cache_transfer_s=0.1),
        "usd_per_hour": Band(20.0, 20.0, 20.0), "usd_per_accelerator_hour": Band(2.0, 2.0, 2.0),
        "usd_per_million_tokens": Band(1.0, 1.0, 1.0), "usd_per_million_input": Band(0.5, 0.25, 1.0),
        "usd_per_million_cached_input": None, "usd_per_million_output": Band(4.0, 4.0, 4.0), "price_dates": None,
        "price_kind": "given", "watts": 5e3, "joules_per_output_token": 8.0, "joules_per_input_token": 1.0,
    }  # fmt: skip
    return FleetRow(**{**usual, **fields})


def ends(value: Any) -> tuple[float, ...]:
    return astuple(value)


def test_each_figure_has_the_doubt_of_its_own_runs() -> None:
    row = banded(fleet(), DOUBTS)
    assert ends(row.tpot_s) == pytest.approx((0.02, 0.01, 0.04))
    assert ends(row.tpot_tail_s) == pytest.approx((0.03, 0.015, 0.06))
    assert ends(row.ttft_s) == pytest.approx((0.3, 0.1, 0.9))
    assert ends(row.ttft_tail_s) == pytest.approx((0.6, 0.2, 1.8))
    # Work that takes half or four times as long: twice or a quarter of the rate, half or four times its energy.
    assert ends(row.requests_per_s_per_replica) == pytest.approx((4.0, 1.0, 8.0))
    assert ends(row.joules_per_output_token) == pytest.approx((8.0, 4.0, 32.0))
    assert ends(row.load) == pytest.approx((0.4, 0.2, 1.6))
    assert ends(row.prefill.busy) == pytest.approx((0.5, 0.25, 2.0))  # type: ignore[union-attr]
    # 1.6 times the peak: 0.4 to 3.2 times, so that 0.6 beyond it may be missing and 2.2 beyond it may be there.
    assert ends(row.headroom) == pytest.approx((0.6, -0.6, 2.2))


def test_dollars_a_token_are_in_doubt_by_price_and_by_work_and_the_rent_by_its_price_alone() -> None:
    row = banded(fleet(), DOUBTS)
    assert ends(row.usd_per_hour) == (20.0, 20.0, 20.0)
    assert ends(row.usd_per_million_tokens) == pytest.approx((1.0, 0.5, 4.0))
    # A price of half to twice, beside work of half to four times: sqrt 2 and sqrt 5 doublings.
    assert ends(row.usd_per_million_input) == pytest.approx((0.5, 0.5 / 2.0**2**0.5, 0.5 * 2.0**5**0.5))
    free = banded(fleet(**dict.fromkeys(("usd_per_million_tokens", "usd_per_million_output", "usd_per_hour"))), DOUBTS)
    assert (free.usd_per_hour, free.usd_per_million_tokens, free.usd_per_million_cached_input) == (None, None, None)


def test_a_saving_is_that_of_a_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    # Rows of one engine and model scatter by 1/(Z80 sqrt 2) each: e both ways. Three dollars for four.
    constants = IntervalConstants(row=1.0 / (Z80 * 2**0.5), level=9.0, shares={}, distances={})
    monkeypatch.setattr(doubt, "interval_calibration", lambda: {"throughput": constants})
    alike = Familiarity(shares={}, distances={})
    found = saving(3.0, 4.0, alike, alike)
    assert ends(found) == pytest.approx((0.25, 1.0 - 0.75 * math.e, 1.0 - 0.75 / math.e))


def test_of_nothing_nothing_is_in_doubt() -> None:
    """One token of output has no further ones, and costs nothing beside its prompt."""
    row = banded(fleet(tpot_s=0.0, usd_per_million_output=Band(0.0, 0.0, 0.0)), DOUBTS)
    assert (row.tpot_s, row.usd_per_million_output) == (Band(0.0, 0.0, 0.0), Band(0.0, 0.0, 0.0))
