"""Failures: published counts predicted from the other fleets, closed forms, directions."""

from __future__ import annotations

import math

import msgspec
import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.economics import at_rate, goodput, interruptions_per_hour, spares_needed
from hwmodel.errors import InputError
from hwmodel.specs import ReliabilityFacts
from hwmodel.validation.board.published import COUNTS, FleetCount, interruptions_without, pooled

CATALOG = load_catalog()


@pytest.mark.parametrize("count", COUNTS, ids=lambda c: c.name)
def test_each_published_count_lies_in_the_interval_of_the_others(count: FleetCount) -> None:
    error = math.log(interruptions_without(count) / count.counted)
    assert abs(error) < 1.6 * CATALOG.reliability().rate_log_half_width  # 80 % of them within it, below


def test_the_54_days_of_llama_3_predicted_without_them() -> None:
    assert (COUNTS[0].accelerators, COUNTS[0].counted) == (16384, 419)
    assert interruptions_without(COUNTS[0]) == pytest.approx(550, abs=5)


def test_the_interval_is_the_spread_of_left_out_errors() -> None:
    errors = [math.log(interruptions_without(count) / count.counted) for count in COUNTS]
    spread = math.sqrt(sum(e * e for e in errors) / len(errors))
    width = CATALOG.reliability().rate_log_half_width
    assert width == pytest.approx(1.440 * spread, rel=0.03)  # Student's t of six counts, 90th percentile
    assert len(errors) == 6
    assert sum(abs(e) <= width for e in errors) >= 5


def test_the_default_is_the_middle_of_the_fleets() -> None:
    default, found = CATALOG.reliability(), pooled()
    assert default.fleet == "published-fleets"
    for name in ("interruptions_per_accelerator_hour", "software_interruptions_per_hour"):
        assert getattr(default, name) == pytest.approx(getattr(found, name), rel=0.005)


def test_the_llama_3_fleet_counts_what_its_paper_counts() -> None:
    facts = CATALOG.reliability("llama-3-16k")
    assert interruptions_per_hour(16384, facts) * 1296 == pytest.approx(419, rel=0.002)


def test_fast_restarts_keep_a_fleet_of_bytedance_at_work() -> None:
    """ByteRobust: 97 % of the time on 9,600 accelerators with restarts 11 times as fast (arXiv 2509.16293)."""
    facts = CATALOG.reliability()
    slow = goodput(9600.0, 175e9, facts)
    fast = goodput(9600.0, 175e9, msgspec.structs.replace(facts, restart_s=facts.restart_s / 10.87))
    assert slow.goodput < fast.goodput
    assert fast.goodput == pytest.approx(0.97, abs=0.015)


def test_goodput_by_hand() -> None:
    facts = ReliabilityFacts(
        interruptions_per_accelerator_hour=1e-5, restart_s=600.0, checkpoint_bytes_per_param=12.0,
        storage_bytes_per_s_per_accelerator=1e8, software_interruptions_per_hour=0.1, rate_log_half_width=math.log(2),
    )  # fmt: skip
    found = goodput(10_000.0, 1e11, facts)
    assert found.mtbf_s == pytest.approx(3600 / 0.2)
    assert (found.checkpoint_bytes, found.checkpoint_write_s) == (1.2e12, pytest.approx(1.2))
    interval = math.sqrt(2 * 1.2 * 18_000)
    assert found.checkpoint_interval_s == pytest.approx(interval)
    assert found.goodput == pytest.approx((1 - (601.2 + interval / 2) / 18_000) / (1 + 1.2 / interval))
    high, low = (goodput(10_000.0, 1e11, at_rate(facts, z)) for z in (-1.0, 1.0))
    assert (high.mtbf_s, low.mtbf_s) == (pytest.approx(36_000), pytest.approx(9_000))
    assert low.goodput < found.goodput < high.goodput


def test_small_jobs_stop_by_software() -> None:
    facts = CATALOG.reliability()
    assert interruptions_per_hour(8, facts) == pytest.approx(facts.software_interruptions_per_hour, rel=0.01)


def test_spares_are_a_poisson_quantile() -> None:
    assert spares_needed(100, 0.0, 24.0) == 0
    # Mean 2: P(0..5) = 0.9834, P(0..6) = 0.9955.
    assert spares_needed(100, 0.001, 20.0, 0.98) == 5
    assert spares_needed(100, 0.001, 20.0, 0.99) == 6


def test_a_plan_takes_the_fleet_it_is_given() -> None:
    run = {"gpus": "1024xA100", "params": "7B", "tokens": "1T"}
    default, worse = hm.plan(**run).money.goodput, hm.plan(**run, reliability="opt-175b").money.goodput
    assert (default.fleet, worse.fleet) == ("published-fleets", "opt-175b")
    assert worse.goodput.value == worse.goodput.low == worse.goodput.high
    assert default.goodput.low < default.goodput.value < default.goodput.high < 1.0
    assert worse.checkpoint_bytes == pytest.approx(12 * 7e9, rel=0.02)
    with pytest.raises(InputError, match="meta-rsc-1"):
        hm.plan(**run, reliability="meta-rsc-9")
