"""Money, energy and the objective on round figures, worked out in the comments, not by calling the code."""

from __future__ import annotations

import math

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.economics import energy, power, rated_w, rent
from hwmodel.laws.lifetime import lifetime_optimum
from hwmodel.specs import EnergyFacts, PriceSummary
from hwmodel.specs.law import LawSpec

CATALOG = load_catalog()
HOURS = 1000.0


def test_energy() -> None:
    # 8 parts of 500 W in a node rated 8,000 W: 1,000 W for each and its share, of which it draws 80 %.
    # The server's half is drawn as the rest: 400 W for the chip, 400 W beside it.
    part = msgspec.structs.replace(CATALOG.part("H100"), tdp_w=500.0)
    system = msgspec.structs.replace(CATALOG.system("dgx-h100"), node_power_w=8000.0, accelerators_per_node=8)
    facts = EnergyFacts(
        pue=1.25, load_fraction=0.8, server_overhead_fraction=1.0, grid_kg_co2e_per_kwh=0.5, grid_region="round",
        embodied_kg_co2e_per_accelerator_hour=0.02, usd_per_kwh=0.1, water_l_per_kwh=1.5, market_kg_co2e_per_kwh=0.1,
    )  # fmt: skip
    found = energy(HOURS, part, system, facts)
    assert found.chip_j == pytest.approx(400 * 3.6e6)
    assert found.server_j == pytest.approx(400 * 3.6e6)
    # 800 kWh at the machine, a quarter more at the site: 1,000 kWh.
    assert found.facility_j == pytest.approx(200 * 3.6e6)
    assert found.total_kwh == pytest.approx(1000)
    # 0.5 and 0.1 kg a kWh of the site, 0.02 kg an hour of hardware, 1.5 L a kWh of the machine.
    assert found.grid_kg_co2e == pytest.approx(500)
    assert found.market_kg_co2e == pytest.approx(100)
    assert found.embodied_kg_co2e == pytest.approx(20)
    assert found.kg_co2e == pytest.approx(520)
    assert found.water_l == pytest.approx(1200)


def test_a_server_draws_no_more_than_the_whole() -> None:
    # 400 W of 1,000 W are the chip's; the node draws 500 W. Beside the chip 600 W are rated and nine tenths of them,
    # 540 W, were metered: more than the whole draws, which then is all the server's. At 1,000 W drawn the chip keeps
    # its 400 W, at 250 W metered it has the rest of the 500.
    part = msgspec.structs.replace(CATALOG.part("H100"), tdp_w=400.0)
    system = msgspec.structs.replace(CATALOG.system("dgx-h100"), node_power_w=8000.0, accelerators_per_node=8)
    facts = EnergyFacts(
        pue=1.0, load_fraction=0.5, server_overhead_fraction=1.0, grid_kg_co2e_per_kwh=0.5, grid_region="round",
        embodied_kg_co2e_per_accelerator_hour=0.0, usd_per_kwh=0.1, server_load_fraction=0.9,
    )  # fmt: skip
    for load, metered, chip, server in (
        (0.5, 0.9, 0.0, 500.0),
        (1.0, 0.5, 400.0, 600.0),
        (0.5, 250 / 600, 250.0, 250.0),
    ):
        drawn = power(part, system, msgspec.structs.replace(facts, load_fraction=load, server_load_fraction=metered))
        assert (drawn.chip_w, drawn.server_w) == (pytest.approx(chip), pytest.approx(server))


def test_energy_where_nobody_rates_the_part() -> None:
    facts = EnergyFacts(
        pue=1.25, load_fraction=0.8, server_overhead_fraction=0.5, grid_kg_co2e_per_kwh=0.5, grid_region="round",
        embodied_kg_co2e_per_accelerator_hour=0.0, usd_per_kwh=0.1,
    )  # fmt: skip
    unrated = msgspec.structs.replace(
        CATALOG.part("H100"), tdp_w=0.0, average_power_w=None, peak_dense_flop_per_s={"bf16": 1e15}
    )
    # 0.71 pJ for each of 1e15 FLOP/s: a rating of 710 W, of which it draws 80 %; the server half as much.
    drawn = power(unrated, CATALOG.system("dgx-h100"), facts)
    assert drawn.chip_w == pytest.approx(568)
    assert drawn.server_w == pytest.approx(284)
    assert "unconfirmed" in drawn.flag
    assert rated_w(unrated, CATALOG.system("dgx-h100"), facts) == pytest.approx(852 / 0.8)
    # A measured fleet average is a mean already.
    metered = power(msgspec.structs.replace(unrated, average_power_w=300.0), CATALOG.system("dgx-h100"), facts)
    assert metered.chip_w == 300.0


def test_rent() -> None:
    # Quotes of $2, $1 to $4: factors of two; fresh ones, and a run of one and a half years, over which the mean price
    # has a third of the variance of 3 half-years: exactly the 30 % of one.
    price = PriceSummary(
        part="round", kind="on_demand", median_usd_per_accelerator_hour=2.0, low_usd_per_accelerator_hour=1.0,
        high_usd_per_accelerator_hour=4.0, n_quotes=5, first_date="2026-10-01", last_date="2026-10-01",
    )  # fmt: skip
    found = rent(HOURS, price, duration_s=1.5 * 8766 * 3600)
    factor = math.exp(math.hypot(math.log(2), math.log(1.3)))
    assert found.median_usd == pytest.approx(2000)
    assert found.low_usd == pytest.approx(2000 / factor)
    assert found.high_usd == pytest.approx(2000 * factor)
    # A price that the user gives neither spreads nor drifts.
    given = msgspec.structs.replace(
        price, how="given", low_usd_per_accelerator_hour=2.0, high_usd_per_accelerator_hour=2.0
    )
    assert rent(HOURS, given, duration_s=1.5 * 8766 * 3600).high_usd == pytest.approx(2000)


def test_objective() -> None:
    # L = 1 + 1e9 / N + 1e9 / D at a loss of 3: x = 1e9 / N and y = 1e9 / D with x + y = 2. Training alone, 6 N D, is
    # least where 1 / (x y) is: x = y = 1, N = D = 1e9, 6e18 FLOP.
    law = msgspec.structs.replace(
        CATALOG.law("besiroglu_2024"), constants={"E": 1.0, "A": 1e9, "alpha": 1.0, "B": 1e9, "beta": 1.0}
    )
    assert isinstance(law, LawSpec)
    alone = lifetime_optimum(law, 3.0, 0.0)
    assert alone.params == pytest.approx(1e9, rel=1e-5)
    assert alone.total_cost == pytest.approx(6e18, rel=1e-9)
    # 9e9 tokens served at 2 N each: least of (6 / (x y) + 18 / x) 1e18 with y = 2 - x. Its slope vanishes where
    # 6 (2 x - 2) x^2 = 18 (2 x - x^2)^2, that is 2 x - 2 = 3 (2 - x)^2, 3 x^2 - 14 x + 14 = 0: x = 1.4514.
    x = (14 - math.sqrt(28)) / 6
    served = lifetime_optimum(law, 3.0, 9e9)
    assert served.params == pytest.approx(1e9 / x, rel=1e-5)
    assert served.tokens == pytest.approx(1e9 / (2 - x), rel=1e-5)
    assert served.total_cost == pytest.approx((6 / (x * (2 - x)) + 18 / x) * 1e18, rel=1e-9)
    # The training optimum costs 6 + 18 in its whole life.
    assert served.training_optimal_cost == pytest.approx(24e18, rel=1e-9)
