"""Energy, carbon and water: identities, directions, published runs by what they metered or multiplied."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.economics import draw, energy, paper_convention_kwh, power
from hwmodel.report.energy import energy_lines
from hwmodel.solve.run.result import value_of
from hwmodel.validation.board.published import energy_rows, written_to
from hwmodel.validation.board.published_page import page

CATALOG = load_catalog()
RUNS = Path(__file__).resolve().parents[2] / "catalogs" / "runs" / "energy.csv"


def published(how: str) -> list[dict[str, str]]:
    with RUNS.open(encoding="utf-8") as handle:
        return [row for row in csv.DictReader(handle) if row["how"] == how]


def test_the_draw_rises_from_idle_to_the_plateau() -> None:
    facts = CATALOG.energy()
    assert draw(facts, 0.0) == facts.idle_fraction
    assert draw(facts) == facts.load_fraction
    assert draw(facts, 0.6) == pytest.approx(facts.load_fraction, rel=1e-4)
    by_hand = facts.idle_fraction + (facts.load_fraction - facts.idle_fraction) * (1 - 1 / math.e)
    assert draw(facts, facts.draw_mfu_scale) == pytest.approx(by_hand)
    many = np.linspace(0, 1, 50)
    assert (np.diff(draw(facts, many)) >= 0).all()
    flat = msgspec.structs.replace(facts, draw_mfu_scale=0.0)
    assert draw(flat, 0.01) == facts.load_fraction


def test_a_metered_h100_node() -> None:
    """arXiv 2506.14551: 76 % of 10.2 kW; arXiv 2412.08602: the rest of the node took 2.8 kW with the chips at 700 W."""
    part = CATALOG.part("H100")
    drawn = power(part, CATALOG.system("dgx-h100"), CATALOG.energy())
    assert 8 * (drawn.chip_w + drawn.server_w) == pytest.approx(0.76 * 10200)
    assert 8 * drawn.server_w == pytest.approx(0.61 * (10200 - 5600), rel=0.01)
    assert 0.8 < drawn.chip_w / part.tdp_w < 1.0  # chips draw near their rating in training
    assert drawn.flag == ""


@pytest.mark.parametrize("name", ["H100", "A100", "L40S", "MI300X", "TPU-v5e", "TPU-v3", "trainium1", "B200", "T4"])
def test_terms_add_up_for_every_kind_of_part(name: str) -> None:
    part = CATALOG.part(name)
    system = CATALOG.default_system(part)
    facts = CATALOG.energy(system=system)
    one, two = (energy(hours, part, system, facts, 0.4) for hours in (10.0, 20.0))
    assert one.chip_j > 0
    assert one.server_j > 0
    assert two.total_j == pytest.approx(2 * one.total_j)
    assert one.total_j == pytest.approx((one.chip_j + one.server_j) * facts.pue)
    assert one.water_l == pytest.approx((one.chip_j + one.server_j) / 3.6e6 * facts.water_l_per_kwh)
    assert one.market_kg_co2e is None
    if part.tdp_w:
        assert one.chip_j <= part.tdp_w * 36000 * (1 + 1e-9)
    green = energy(10.0, part, system, msgspec.structs.replace(facts, market_kg_co2e_per_kwh=0.0), 0.4)
    assert green.market_kg_co2e == 0.0
    assert green.grid_kg_co2e == one.grid_kg_co2e


@pytest.mark.parametrize("row", published("multiplied"), ids=lambda row: row["run"])
def test_multiplied_runs_are_rating_times_hours(row: dict[str, str]) -> None:
    """Most published figures are no measurement: the paper convention gives them, our energy lies above."""
    hours, rated, pue = (float(row[name]) for name in ("accelerator_hours", "rated_w", "pue"))
    kwh = paper_convention_kwh(hours, rated, pue)
    if row["energy_mwh"]:
        assert kwh / 1e3 == pytest.approx(float(row["energy_mwh"]), rel=0.02)
    assert kwh / 1e3 * float(row["kg_co2e_per_kwh"]) == pytest.approx(float(row["t_co2e"]), rel=0.025)
    part = CATALOG.part(row["accelerator"])
    facts = msgspec.structs.replace(CATALOG.energy(), pue=pue)
    ours = energy(hours, part, CATALOG.default_system(part), facts)
    assert 1.25 < ours.total_kwh / kwh < 1.65  # servers draw what the convention leaves out


@pytest.mark.parametrize("row", [r for r in published("metered") if r["mfu"]], ids=lambda row: row["run"])
def test_metered_runs(row: dict[str, str]) -> None:
    part = CATALOG.part(row["accelerator"])
    facts = msgspec.structs.replace(CATALOG.energy(), pue=float(row["pue"]))
    hours, mfu = float(row["accelerator_hours"]), float(row["mfu"])
    ours = energy(hours, part, CATALOG.default_system(part), facts, mfu)
    assert ours.total_kwh / 1e3 == pytest.approx(float(row["energy_mwh"]), rel=0.03)


def test_a_plan_states_what_papers_would_print_and_what_is_not_counted() -> None:
    found = hm.plan(gpus="64xH100", params="8B", tokens="1T", region="France")
    used = found.money.energy
    hours = value_of(found.answer.gpu_hours)
    assert used.paper_convention_mwh == pytest.approx(hours * 0.7 * used.pue / 1e3)
    total = used.chip_mwh + used.server_mwh + used.facility_mwh
    assert value_of(found.answer.energy_mwh) == pytest.approx(total)
    sure = hm.plan(gpus="64xH100", params="8B", tokens="1T", confidence="80%")
    parts = [getattr(sure.money.energy, name) for name in ("chip_mwh", "server_mwh", "facility_mwh")]
    assert value_of(sure.answer.energy_mwh) == pytest.approx(sum(parts))  # of the hours that are billed at that
    assert value_of(found.answer.co2e_t) == pytest.approx(used.grid_t_co2e + used.embodied_t_co2e)
    assert used.market_t_co2e is None
    said = energy_lines(used)
    assert "no contract given" in said
    assert "power stations not counted" in said
    assert "papers would print" in said


def test_places_name_the_grid_they_stand_in() -> None:
    carbon = {place: CATALOG.energy(region=place).grid_kg_co2e_per_kwh for place in ("France", "Poland", "Oregon")}
    assert carbon["France"] < carbon["Oregon"] < carbon["Poland"]
    assert CATALOG.energy(region="hamina").grid_region == CATALOG.energy(region="europe-north1").grid_region
    assert CATALOG.energy(region="paris").grid_region == CATALOG.energy(region="europe-west9").grid_region


def test_a_given_pue_scales_energy_and_leaves_the_rent() -> None:
    # Site energy is IT energy times PUE: from 1.2 to 1.5 a factor 1.25; a rented hour is paid as it is.
    low, high = (hm.plan(gpus="64xH100", tokens="100B", pue=pue).answer for pue in (1.2, "1.5"))
    assert high.energy_mwh.value / low.energy_mwh.value == pytest.approx(1.25)
    assert high.cost_usd == low.cost_usd


@pytest.mark.parametrize("pue", [0.9, "5", "nan", True])
def test_a_pue_that_no_site_has_is_refused(pue: Any) -> None:
    with pytest.raises(hm.InputError, match="--pue"):
        hm.plan(gpus="64xH100", tokens="100B", pue=pue)


def test_published_runs_stand_beside_ours() -> None:
    """Runs that metered their accelerators alone draw less than our meter of the site, those multiplied agree with the
    convention; the page holds the same rows."""
    rows = {row.run: row for row in energy_rows()}
    assert {"BLOOM-176B", "OLMo 2 7B", "OLMo 2 13B", "Llama 3.1 405B", "GPT-3 175B"} <= set(rows)
    for name in ("OLMo 2 7B", "OLMo 2 13B"):
        row = rows[name]
        assert row.predicted_hours
        assert row.published_mwh is not None
        assert 0.6 < row.published_mwh / row.ours_mwh < 1.2  # hours and draw, both predicted
    assert rows["GPT-3 175B"].ours_mwh == pytest.approx(1287, rel=0.03)
    assert rows["BLOOM-176B"].paper_mwh == pytest.approx(433.196, rel=1e-4)
    stored, fresh = written_to().read_text(encoding="utf-8"), page()
    names = [[line.split("|")[1] for line in text.splitlines() if line.startswith("| ")] for text in (stored, fresh)]
    assert names[0] == names[1]
