"""Where a quote can be had: the price of a plan moves with its region, by the quotes of the continent alone."""

from __future__ import annotations

import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.catalog.continents import ELSEWHERE, EUROPE, US, continent, quotes_in
from hwmodel.errors import InputError
from hwmodel.solve.run.result import value_of

RUN = {"params": "7B", "tokens": "200B", "gpus": "64xA100"}
CATALOG = load_catalog()


@pytest.mark.parametrize(
    ("region", "place"),
    [
        ("Oregon", US), ("USA", US), ("us-west1", US), ("France", EUROPE), ("United Kingdom", EUROPE),
        ("europe-west9", EUROPE), ("Japan", ELSEWHERE), ("Morocco", ELSEWHERE),
    ],
)  # fmt: skip
def test_continent_of_a_region(region: str, place: str) -> None:
    found = CATALOG.region(region)
    assert continent(found.id, found.name) == place


def test_only_quotes_of_the_continent_count() -> None:
    quotes = CATALOG.data.prices["a100-sxm4-80gb"]
    there = quotes_in(quotes, EUROPE)
    assert 0 < len(there) < len(quotes)
    assert not any(q.region.lower().startswith("us") for q in there)


def test_a_plan_pays_the_price_of_its_region() -> None:
    anywhere, america, europe = (hm.plan(**RUN, **given) for given in ({}, {"region": "Oregon"}, {"region": "France"}))
    prices = [a.answer.cost_usd for a in (anywhere, america, europe)]
    assert len({round(value_of(p)) for p in prices}) == 3
    assert value_of(anywhere.answer.gpu_hours) == value_of(europe.answer.gpu_hours)
    assert america.money.price.place == US
    assert anywhere.money.price.place == ""
    assert "quotes that can be had in Europe" in europe.money.price.flag


def test_a_given_price_is_of_every_region() -> None:
    one, same = (hm.plan(**RUN, region=region, usd_per_hour=2) for region in ("Oregon", "France"))
    assert one.answer.cost_usd == same.answer.cost_usd


def test_where_nobody_quotes_the_other_places_stand_in() -> None:
    parts = [p for p, quotes in CATALOG.data.prices.items() if quotes and not quotes_in(quotes, EUROPE)]
    assert parts
    found = [s for s in (CATALOG.price_summary(p, region="France") for p in parts) if s is not None]
    assert all("nobody quotes it for Europe" in s.flag for s in found)


def test_serving_pays_the_price_of_its_region_and_computes_the_same() -> None:
    asked = {"model": "llama-3.1-70b", "parts": "h200", "precision": "fp8", "tp": 8, "concurrency": 64}
    america, europe = (hm.serve(**asked, region=region).to_dict() for region in ("Oregon", "France"))
    assert america["answer"]["usd_per_hour"] != europe["answer"]["usd_per_hour"]
    assert america["answer"]["usd_per_hour"]["value"] / 8 == pytest.approx(_median("h200-sxm-141gb", "Oregon"))
    assert europe["answer"]["usd_per_hour"]["value"] / 8 == pytest.approx(_median("h200-sxm-141gb", "France"))
    assert america["answer"]["tpot_s"] == europe["answer"]["tpot_s"]
    assert any("France (FRA)" in note for note in europe["notes"])
    with pytest.raises(InputError, match="nearest: Poland"):
        hm.serve(**asked, region="Pollland")
    with pytest.raises(InputError, match="--usd-per-hour gives the price: drop one"):
        hm.serve(**asked, region="France", usd_per_hour=3)


def _median(part: str, region: str) -> float:
    found = CATALOG.price_summary(part, region=region)
    assert found is not None
    return found.median_usd_per_accelerator_hour


def test_prices_are_listed_for_a_region() -> None:
    part = "a100-sxm4-80gb"
    there = hm.prices.list(part, region="France").to_dict()
    assert there["price"]["usd_per_hour"] == pytest.approx(_median(part, "France"), abs=5e-4)
    assert 0 < len(there["quotes"]) < len(hm.prices.list(part).to_dict()["quotes"])
    rows = {row["part"]: row for row in hm.prices.list(region="France").to_dict()["prices"]}
    assert rows[part]["usd_per_hour"] == there["price"]["usd_per_hour"]


@pytest.mark.parametrize(
    ("name", "region"),
    [("Deutschland", "DEU"), ("España", "ESP"), ("Polska", "POL"), ("中国", "CHN"), ("法国", "FRA"), ("England", "GBR"),
     ("日本", "JPN"), ("Suisse", "CHE")],
)  # fmt: skip
def test_countries_go_by_their_own_names(name: str, region: str) -> None:
    assert CATALOG.region(name).id == region


@pytest.mark.parametrize(("name", "near"), [("Orgeon", "Oregon (us-or)"), ("Sweeden", "Sweden (SWE)"),
                                            ("the-moon", "name a country")])  # fmt: skip
def test_a_region_that_is_none_names_what_is_near_and_nothing_far(name: str, near: str) -> None:
    with pytest.raises(InputError, match=r"unknown region") as found:
        CATALOG.region(name)
    assert near in str(found.value)


def test_three_places_compared_do_the_same_work_and_emit_by_their_grids() -> None:
    """One run in France, Poland and Oregon: energy alike, carbon by the grid, money by the continent's quotes."""
    found = hm.compare(gpus="512xH100", model="Qwen3-32B", tokens="1T", region="France,Poland,Oregon")
    answers = {plan.money.energy.grid_region: plan.answer for plan in found.plans}
    assert list(answers) == ["France", "Poland", "Oregon"]
    assert len({value_of(a.energy_mwh) for a in answers.values()}) == 1
    grids = [1e3 * plan.money.energy.grid_kg_co2e_per_kwh for plan in found.plans]
    carbon = [value_of(a.co2e_t) for a in answers.values()]
    assert carbon[0] < carbon[2] < carbon[1]
    embodied = found.plans[0].money.energy.embodied_t_co2e
    assert (carbon[1] - embodied) / (carbon[0] - embodied) == pytest.approx(grids[1] / grids[0], rel=1e-6)
    assert value_of(answers["France"].cost_usd) == value_of(answers["Poland"].cost_usd)
    assert "| energy | carbon |" in found.to_markdown()
