"""Money, energy and goodput: identities, directions, published anchors."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.catalog import load_catalog
from hwmodel.economics import energy, goodput, owned_usd_per_accelerator_hour, rent
from hwmodel.economics.price import drift_log_half_width
from hwmodel.specs import PriceSummary
from hwmodel.specs.economics import given_price

CATALOG = load_catalog()
FLEET = st.floats(min_value=8.0, max_value=1e5)
SIZE = st.floats(min_value=1e8, max_value=1e12)


@settings(deadline=None, max_examples=40)
@given(FLEET, SIZE)
def test_goodput_falls_with_the_fleet(accelerators: float, params: float) -> None:
    """At the same store: a larger one writes faster, which outweighs failures on a few accelerators."""
    facts = CATALOG.reliability()
    shared = msgspec.structs.replace(
        facts, storage_bytes_per_s_per_accelerator=facts.storage_bytes_per_s_per_accelerator / 2
    )
    one, two = goodput(accelerators, params, facts), goodput(2 * accelerators, params, shared)
    assert 0 < two.goodput <= one.goodput < 1
    assert one.mtbf_s / 2 <= two.mtbf_s * (1 + 1e-9)
    assert two.mtbf_s < one.mtbf_s  # software stops a job whatever its size


def test_llama_3_fleet_keeps_what_its_paper_reports() -> None:
    found = goodput(16384.0, 405e9, CATALOG.reliability("llama-3-16k"))
    assert found.mtbf_s / 3600 == pytest.approx(3.1, rel=0.02)  # 419 interruptions in 54 days
    assert 0.85 < found.goodput < 0.97  # "more than 90 %" of effective training time


def test_energy_adds_up_and_follows_pue() -> None:
    part = CATALOG.part("A100")
    system = CATALOG.default_system(part)
    used = energy(1000.0, part, system, CATALOG.energy())
    assert used.total_j == pytest.approx(used.chip_j + used.server_j + used.facility_j)
    assert used.facility_j == pytest.approx((used.chip_j + used.server_j) * (CATALOG.energy().pue - 1))
    assert used.chip_j + used.server_j == pytest.approx(6500 / 8 * CATALOG.energy().load_fraction * 1000 * 3600)
    assert used.grid_kg_co2e == pytest.approx(used.total_kwh * CATALOG.energy().grid_kg_co2e_per_kwh)


def test_rent_is_hours_times_quotes() -> None:
    price = PriceSummary(
        part="x", kind="on_demand", median_usd_per_accelerator_hour=2.0, low_usd_per_accelerator_hour=1.0,
        high_usd_per_accelerator_hour=4.0, n_quotes=5, first_date="2026-01-01", last_date="2026-02-01",
    )  # fmt: skip
    paid = rent(100.0, price)
    assert (paid.low_usd, paid.median_usd, paid.high_usd) == (100.0, 200.0, 400.0)


def test_owned_hour_is_the_value_lost_in_it() -> None:
    # arXiv 2405.21015: 0.14 orders of magnitude a year is 32.2 % a year; server 1.64, network 19 % of the cluster.
    hour = owned_usd_per_accelerator_hour(30_000.0, 0.0)
    assert hour == pytest.approx(30_000 * 1.64 / 0.81 * 0.3224 / 8766, rel=0.001)


def test_drift_is_that_of_a_random_walk() -> None:
    half_year = 8766 * 3600 / 2
    assert math.exp(drift_log_half_width(half_year, 0.0)) == pytest.approx(1.3)
    # The mean of a walk over (0, T) varies by a third of its end.
    assert drift_log_half_width(0.0, half_year) == pytest.approx(math.log(1.3) / math.sqrt(3))
    assert drift_log_half_width(0.0, 1e6 * half_year) == 3.0
    walk = np.random.default_rng(0).normal(size=(20_000, 400)).cumsum(axis=1) / math.sqrt(400)
    a, span = 100, 300  # begins a quarter in: variance 1/4 + 3/4 / 3
    assert walk[:, a : a + span].mean(axis=1).std() == pytest.approx(math.sqrt(0.5), rel=0.03)
    found = drift_log_half_width(0.25 * half_year, 0.75 * half_year) / drift_log_half_width(half_year, 0.0)
    assert found == pytest.approx(math.sqrt(0.5))


def test_rent_over_a_long_run_widens_but_a_given_price_stands() -> None:
    quoted = PriceSummary(
        part="x", kind="on_demand", median_usd_per_accelerator_hour=2.0, low_usd_per_accelerator_hour=2.0,
        high_usd_per_accelerator_hour=2.0, n_quotes=1, first_date="2026-01-01", last_date="2026-01-01",
    )  # fmt: skip
    year = 8766 * 3600.0
    paid = rent(1.0, quoted, year)
    assert (paid.low_usd, paid.median_usd) == (pytest.approx(2.0 * 1.3 ** -math.sqrt(2 / 3)), 2.0)
    aged = rent(1.0, msgspec.structs.replace(quoted, age_days=183))
    assert aged.high_usd == pytest.approx(2.6, rel=0.001)
    kept = rent(1.0, given_price("x", 2.0), year)
    assert (kept.low_usd, kept.high_usd) == (2.0, 2.0)
