"""Where a quote can be had: the price of a plan moves with its region, by the quotes of the continent alone."""

from __future__ import annotations

import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.catalog.continents import ELSEWHERE, EUROPE, US, continent, quotes_in
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
