"""Renting, owning and restarting on round figures, worked out in the comments."""

from __future__ import annotations

import math

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.economics import Cluster, break_even_months, capex, commitment, goodput, spot
from hwmodel.economics.ownership import monthly_usd
from hwmodel.economics.price import rent_drawn
from hwmodel.laws.lifetime import lifetime_optimum
from hwmodel.specs import PriceSummary, ReliabilityFacts

# An interruption in 36,000 s; 1.2 s to write; a restart of 600 s.
FACTS = ReliabilityFacts(
    interruptions_per_accelerator_hour=1e-5, restart_s=600.0, checkpoint_bytes_per_param=12.0,
    storage_bytes_per_s_per_accelerator=1e8, software_interruptions_per_hour=0.0, rate_log_half_width=0.5,
)  # fmt: skip
Z80 = 1.2815515655446004


def test_spot() -> None:
    # 10,000 accelerators fail every 10 h; with 0.1 preemptions an hour something stops every 5 h, 18,000 s, for 600 s
    # and the 1.2 s that a checkpoint is read back.
    found = spot(100.0, 10_000.0, 1e11, 0.1, 2.0, FACTS)
    interval = math.sqrt(2 * 1.2 * 18_000)
    share = (1 - (601.2 + interval / 2) / 18_000) / (1 + 1.2 / interval)
    assert goodput(10_000.0, 1e11, FACTS).restart_s == pytest.approx(601.2)
    assert found.goodput == pytest.approx(share, rel=1e-12)
    assert found.billed_hours == pytest.approx(100 / share, rel=1e-12)
    assert found.preemptions == pytest.approx(0.1 * 100 / share, rel=1e-12)
    # Two hours of waiting for each.
    assert found.elapsed_hours == pytest.approx(1.2 * 100 / share, rel=1e-12)


def test_commitment() -> None:
    # Ten for a year of 8,766 h at $2: $175,320; half of it used: as much idle as $87,660; half of $4 pays off.
    found = commitment(hours=43_830.0, accelerators=10.0, usd_per_hour=2.0, on_demand_usd_per_hour=4.0)
    assert found.committed_usd == pytest.approx(175_320)
    assert found.idle_usd == pytest.approx(87_660)
    assert found.break_even_share == 0.5


def test_purchase() -> None:
    # 100 at $10,000; servers 64 % of it; the network 19 % of the whole: 1.64 / 0.81 x 0.19 = 38.469 %.
    found = capex(
        Cluster(accelerators=100.0, purchase_usd=1e4, site_w=1.0, usd_per_kwh=0.1, storage_usd=5.0, site_usd=7.0)
    )
    assert found.accelerators_usd == 1e6
    assert found.servers_usd == pytest.approx(640_000)
    assert found.network_usd == pytest.approx(1e6 * 1.64 / 0.81 * 0.19)
    assert (found.storage_usd, found.site_usd) == (5.0, 7.0)
    # As they were paid, where that is known.
    paid = capex(
        Cluster(accelerators=10.0, purchase_usd=1e4, site_w=1.0, usd_per_kwh=0.1, servers_usd=3e4, network_usd=2e4)
    )
    assert (paid.accelerators_usd, paid.servers_usd, paid.network_usd) == (1e5, 3e4, 2e4)


def test_power_and_staff_of_a_month() -> None:
    # 100 kW of which half works, the rest draws 40 %: 70 kW for 730.5 h at $0.1; staff of $12,000 a year.
    cluster = Cluster(accelerators=100.0, purchase_usd=1e4, site_w=1000.0, usd_per_kwh=0.1, idle_fraction=0.4,
                      staff_usd_per_year=12_000.0)  # fmt: skip
    assert monthly_usd(cluster, 0.5) == pytest.approx(70 * 730.5 * 0.1 + 1000)


def test_break_even_within_the_life() -> None:
    # 1 accelerator, servers and network paid too: $73,050 in all; $1 an hour saves $730.5 a month: exactly the 100th.
    cluster = Cluster(accelerators=1.0, purchase_usd=73_049.0, site_w=0.0, usd_per_kwh=0.0, servers_usd=0.0,
                      network_usd=0.0, life_months=100)  # fmt: skip
    assert break_even_months(cluster, 1.0) == 100
    assert break_even_months(msgspec.structs.replace(cluster, life_months=99), 1.0) is None


def test_rent_at_a_quote_and_a_drift() -> None:
    # $2, $1 to $4: a factor of two at z80 on either side; over a year and a half the drift is 30 % at z80.
    price = PriceSummary(
        part="round", kind="on_demand", median_usd_per_accelerator_hour=2.0, low_usd_per_accelerator_hour=1.0,
        high_usd_per_accelerator_hour=4.0, n_quotes=5, first_date="2026-10-01", last_date="2026-10-01",
    )  # fmt: skip
    long = 1.5 * 8766 * 3600
    assert rent_drawn(1000.0, price, long, Z80, 0.0) == pytest.approx(4000)
    assert rent_drawn(1000.0, price, long, -Z80, 0.0) == pytest.approx(1000)
    assert rent_drawn(1000.0, price, long, 0.0, Z80) == pytest.approx(2600)
    assert rent_drawn(1000.0, price, long, Z80, -Z80) == pytest.approx(4000 / 1.3)
    # A price that the user gives does not drift.
    assert rent_drawn(1000.0, msgspec.structs.replace(price, how="given"), long, 0.0, Z80) == pytest.approx(2000)


def test_costs_of_the_training_optimum() -> None:
    # L = 1 + 1e9 / N + 1e9 / D at 3: N = D = 1e9, 6 N D = 6e18; nothing is served.
    law = msgspec.structs.replace(
        load_catalog().law("besiroglu_2024"), constants={"E": 1.0, "A": 1e9, "alpha": 1.0, "B": 1e9, "beta": 1.0}
    )
    found = lifetime_optimum(law, 3.0, 0.0)
    assert (found.train_cost, found.serve_cost) == (pytest.approx(6e18, rel=1e-6), 0.0)
    assert found.epochs == 1.0
    assert found.loss == pytest.approx(3.0, rel=1e-9)
    assert found.training_optimal_params == pytest.approx(1e9, rel=1e-4)
    assert found.training_optimal_tokens == pytest.approx(1e9, rel=1e-4)
