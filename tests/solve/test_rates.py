"""Prices of accelerator-hours as given: one for all parts, one for each, and what cannot be used."""

from __future__ import annotations

import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.solve.plan.compare_values import compare_values
from hwmodel.solve.question.rates import parse_rates, rate_of
from hwmodel.solve.run.result import value_of

RUN = {"gpus": "64xH100", "params": "8B", "tokens": "1T"}


def test_forms() -> None:
    assert parse_rates("2.5") == (("", 2.5),)
    assert parse_rates(2.5) == (("", 2.5),)
    assert parse_rates("$2.50") == (("", 2.5),)
    assert parse_rates("h100=2.5, gb200=8") == (("h100", 2.5), ("gb200", 8.0))
    assert parse_rates({"h100": 2.5}) == (("h100", 2.5),)
    assert parse_rates(None) == ()


@pytest.mark.parametrize("text", ["h100=", "=3", "h100=3,4", "h100=-1", "h100=0", "three", "3,4", "€3", "nan"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--usd-per-hour"):
        parse_rates(text)


def test_the_price_of_one_part_of_several() -> None:
    catalog = load_catalog()
    assert rate_of((("", 2.0),), "a100-sxm4-80gb", catalog) == 2.0
    several = (("h200", 4.0), ("h100", 3.0))
    assert rate_of(several, "h100-sxm5-80gb", catalog) == 3.0
    assert rate_of(several, "a100-sxm4-80gb", catalog) is None


def test_a_plan_takes_the_price_of_its_part() -> None:
    one, same = (hm.plan(**RUN, usd_per_hour=given) for given in ("3", "H100=3"))
    assert one.answer.cost_usd == same.answer.cost_usd
    hours = value_of(one.answer.gpu_hours)
    assert value_of(one.answer.cost_usd) == pytest.approx(3 * hours)


@pytest.mark.parametrize("given", ["a100=2", "h100=2,a100=3"])
def test_a_price_of_another_part_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="prices a100-sxm4-80gb, which the question does not use"):
        hm.plan(**RUN, usd_per_hour=given)


def test_two_prices_of_one_part_are_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        hm.plan(**RUN, usd_per_hour="h100=2,H100=3")
    with pytest.raises(InputError, match="give one of them"):
        hm.plan(**RUN, usd_per_hour="2", price_kind="spot")


def test_fleets_side_by_side_pay_their_own_price() -> None:
    found = compare_values({"gpus": ["64xH100", "64xA100"]}, params="8B", tokens="100B", usd_per_hour="h100=3,a100=1")
    for plan, usd in zip(found.plans, (3.0, 1.0), strict=True):
        assert value_of(plan.answer.cost_usd) == pytest.approx(usd * value_of(plan.answer.gpu_hours))
    part = compare_values({"gpus": ["64xH100", "64xA100"]}, params="8B", tokens="100B", usd_per_hour="h100=3")
    assert part.plans[1].money.price.how == "market"
    with pytest.raises(InputError, match="prices b200"):
        compare_values({"gpus": ["64xH100", "64xA100"]}, params="8B", tokens="100B", usd_per_hour="b200=3")


def test_a_life_in_dollars_needs_a_price() -> None:
    life = {"gpus": "64xgaudi3", "params": "8B", "tokens": "1T", "inference_tokens": "1T"}
    with pytest.raises(InputError, match="no price of gaudi3 is known: give one with --usd-per-hour"):
        hm.plan(**life)
    assert hm.plan(**life, objective="flops").resolved.objective == "flops"
    assert hm.plan(**life, usd_per_hour="gaudi3=2").resolved.objective == "usd"


def test_a_price_to_buy_is_no_price_of_an_hour() -> None:
    with pytest.raises(InputError, match=r"buys an accelerator, and no hour of it; --own counts"):
        hm.plan(**RUN, price_kind="purchase")
    with pytest.raises(InputError, match=r"unknown kind of price 'lease'"):
        hm.plan(**RUN, price_kind="lease")


def test_every_price_of_a_plan_says_what_it_rests_on() -> None:
    price = hm.plan(**{**RUN, "gpus": "64xGB200"}).money.price
    assert (price.how, price.provider_class) == ("one_seller", "neocloud")
    assert [q.provider for q in price.quotes] == ["CoreWeave"]
    assert {o.provider_class for o in price.other_classes} == {"hyperscaler", "marketplace"}
    assert price.one_year.how == "ratio"
    year = hm.plan(**RUN, price_kind="reserved_1y").money.price
    assert (year.kind, year.how, year.one_year) == ("reserved_1y", "ratio", None)
