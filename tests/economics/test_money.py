"""Owning and renting: closed forms, directions, the components of arXiv 2405.21015."""

from __future__ import annotations

import msgspec
import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.economics import (
    Cluster,
    break_even_months,
    break_even_preemptions_per_hour,
    break_even_utilisation,
    capex,
    cash_flow,
    commitment,
    goodput,
    owned_usd_per_accelerator_hour,
    owned_usd_per_hour,
    present_value,
    spot,
    usd_per_further_hour,
    worth,
)
from hwmodel.report.ways import ways_table
from hwmodel.validation.board.published import owned_rows

FACTS = load_catalog().reliability()
MONTH_H = 8766 / 12
PLAIN = Cluster(accelerators=100.0, purchase_usd=30_000.0, site_w=1000.0, usd_per_kwh=0.1, idle_fraction=0.4)


def test_capital_lines_are_those_of_the_paper() -> None:
    """arXiv 2405.21015: a server is 1.64 times its accelerators, the network 19 % of the whole."""
    lines = capex(PLAIN)
    assert lines.accelerators_usd == 3e6
    assert lines.servers_usd == pytest.approx(0.64 * 3e6)
    assert lines.network_usd / lines.hardware_usd == pytest.approx(0.19)
    assert lines.total_usd == pytest.approx(3e6 * 1.64 / 0.81)
    with_site = capex(msgspec.structs.replace(PLAIN, storage_usd=5.0, site_usd=7.0))
    assert with_site.total_usd == pytest.approx(lines.total_usd + 12.0)


def test_hardware_loses_a_factor_ten_in_seven_years() -> None:
    assert worth(100.0, 12 / 0.14) == pytest.approx(10.0)
    assert worth(100.0, 0.0) == 100.0


def test_present_value_of_an_annuity() -> None:
    monthly = 1.1 ** (1 / 12) - 1
    closed = 7.0 * (1 - (1 + monthly) ** -36) / monthly
    assert present_value([0.0] + [7.0] * 36, 0.1) == pytest.approx(closed)
    assert present_value([-3.0, 1.0, 4.0], 0.0) == pytest.approx(2.0)


def test_cash_flow_by_month() -> None:
    flow = cash_flow(PLAIN, 0.5)
    power_usd = 100 * (0.5 + 0.5 * 0.4) * MONTH_H * 0.1  # 1 kW each
    assert len(flow) == 37
    assert flow[0] == -capex(PLAIN).total_usd
    assert flow[1] == pytest.approx(-power_usd)
    assert flow[-1] == pytest.approx(-power_usd + worth(capex(PLAIN).hardware_usd, 36))


def test_the_owned_hour_pays_for_the_cluster() -> None:
    capital = msgspec.structs.replace(PLAIN, cost_of_capital=0.08)
    for cluster in (PLAIN, capital):
        usd = owned_usd_per_hour(cluster, 0.7)
        earned = usd * 100 * MONTH_H * 0.7
        flow = cash_flow(cluster, 0.7)
        assert present_value([flow[0], *(x + earned for x in flow[1:])], cluster.cost_of_capital) == pytest.approx(
            0.0, abs=1e-3
        )
    assert owned_usd_per_hour(capital, 0.7) > owned_usd_per_hour(PLAIN, 0.7) > owned_usd_per_hour(PLAIN, 1.0)


def test_break_even_utilisation_is_where_rent_and_ownership_cost_alike() -> None:
    share = break_even_utilisation(PLAIN, 4.0)
    assert share is not None
    assert 0 < share < 1
    assert owned_usd_per_hour(PLAIN, share) == pytest.approx(4.0)
    assert break_even_utilisation(PLAIN, 0.2) is None
    assert break_even_months(PLAIN, 0.2) is None


def test_break_even_months_is_the_first_that_pays() -> None:
    month = break_even_months(PLAIN, 4.0)
    assert month is not None
    saved = 4.0 * 100 * MONTH_H - 100 * MONTH_H * 0.1
    assert saved * month >= capex(PLAIN).total_usd > saved * (month - 1)
    dear = msgspec.structs.replace(PLAIN, cost_of_capital=0.3)
    later = break_even_months(dear, 4.0)
    assert later is not None
    assert later > month


@pytest.mark.parametrize(
    ("run", "hours", "age_years", "published_usd"),
    [("LLaMA-65B", 1_024_000, 2.2, 576_476), ("BloombergGPT", 650_240, 2.3, 369_586)],
)
def test_components_of_the_paper_on_its_runs(run: str, hours: float, age_years: float, published_usd: float) -> None:
    """A100 at 15,000 (middle of its band of 2022), bought when it came out; charged as new it costs twice as much."""
    power_usd = 0.4 * 2.03 * 0.75 * 1.1 * 0.0806
    usd = owned_usd_per_accelerator_hour(15_000.0, power_usd, age_years) * hours
    assert usd == pytest.approx(published_usd, rel=0.15)
    assert owned_usd_per_accelerator_hour(15_000.0, power_usd) * hours > 1.7 * published_usd


def test_owned_runs_of_the_paper_are_given_again() -> None:
    """All its runs on A100 but one small one within a sixth; charged as new they would be up to twice too dear."""
    rows = owned_rows()
    assert {"GPT-NeoX-20B", "Megatron-Turing NLG 530B", "LLaMA-65B", "GLM-130B", "StarCoder"} <= {r.run for r in rows}
    off = [abs(row.ours_usd / row.published_usd - 1.0) for row in rows]
    assert max(off) < 0.17
    assert max(row.as_new_usd / row.published_usd for row in rows) > 1.9


def test_spot_without_preemptions_is_the_run() -> None:
    one = spot(1000.0, 512.0, 7e9, 0.0, 1.0, FACTS)
    assert one.goodput == pytest.approx(float(goodput(512.0, 7e9, FACTS).goodput))
    assert one.billed_hours == one.elapsed_hours == pytest.approx(1000.0 / one.goodput)
    assert one.preemptions == 0.0


def test_spot_pays_for_lost_work_and_waits_for_free() -> None:
    one = spot(1000.0, 512.0, 7e9, 0.5, 2.0, FACTS)
    assert one.preemptions == pytest.approx(0.5 * one.billed_hours)
    assert one.elapsed_hours == pytest.approx(one.billed_hours * (1 + 0.5 * 2.0))
    rates = [spot(1000.0, 512.0, 7e9, rate, 0.0, FACTS).billed_hours for rate in (0.0, 0.1, 1.0, 3.0)]
    assert rates == sorted(rates)


def test_spot_breaks_even_where_its_dollars_are_those_on_demand() -> None:
    rate = break_even_preemptions_per_hour(512.0, 7e9, 0.5, FACTS)
    on_demand = spot(1.0, 512.0, 7e9, 0.0, 0.0, FACTS).billed_hours
    assert 0.5 * spot(1.0, 512.0, 7e9, rate, 0.0, FACTS).billed_hours == pytest.approx(on_demand, rel=1e-6)
    assert break_even_preemptions_per_hour(512.0, 7e9, 0.3, FACTS) > rate
    assert break_even_preemptions_per_hour(512.0, 7e9, 1.0, FACTS) == pytest.approx(1 / 720)


def test_a_commitment_pays_every_hour_of_its_term() -> None:
    terms = commitment(hours=100 * 8766 * 0.4, accelerators=100.0, usd_per_hour=2.0, on_demand_usd_per_hour=4.0)
    assert terms.committed_usd == pytest.approx(100 * 8766 * 2.0)
    assert terms.idle_usd == pytest.approx(0.6 * terms.committed_usd)
    assert terms.break_even_share == 0.5
    longer = commitment(hours=100 * 8766 * 1.4, accelerators=100.0, usd_per_hour=2.0, on_demand_usd_per_hour=4.0)
    assert longer.committed_usd == pytest.approx(2 * terms.committed_usd)


def test_spot_against_on_demand_against_three_years_owned() -> None:
    plan = hm.plan(gpus="2048xH100", params="70B", tokens="2T")
    rows = {row.way: row for row in plan.money.ways}
    assert list(rows) == ["on_demand", "spot", "reserved_1y", "owned_3y"]
    assert rows["spot"].run_usd < rows["on_demand"].run_usd
    assert rows["reserved_1y"].committed_usd > rows["reserved_1y"].run_usd
    own = rows["owned_3y"]
    assert own.committed_usd == pytest.approx(sum(msgspec.structs.astuple(own.capex_lines)))
    assert 0 < own.break_even < 1
    assert own.not_counted == ["storage", "site", "staff", "cost of capital"]
    table = ways_table(plan.money.ways)
    assert "owned for three years" in [row[0] for row in table.rows]
    assert any("one preemption of the whole job every" in row[-1] for row in table.rows)
    given = hm.plan(gpus="64xgaudi3", params="8B", tokens="1T", usd_per_hour="2").money.ways
    assert [row.way for row in given] == ["given", "owned_3y"]


def test_a_further_hour_of_ones_own_costs_its_power_and_what_else_would_have_used_it() -> None:
    # Working draws 1 kW where waiting draws 0.4: 0.6 kW at $0.1 a kWh are $0.06. A quarter of the hours would have been
    # used at $2: 0.25 x 2 + 0.75 x 0.06 = $0.545; all of them: $2.
    assert usd_per_further_hour(PLAIN, 2.0, 0.0) == pytest.approx(0.06, rel=1e-12)
    assert usd_per_further_hour(PLAIN, 2.0, 0.25) == pytest.approx(0.545, rel=1e-12)
    assert usd_per_further_hour(PLAIN, 2.0, 1.0) == pytest.approx(2.0, rel=1e-12)
