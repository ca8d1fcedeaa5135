"""Which quotes count where, what a kind costs that nobody publishes, slices of pods and names without their maker's,
worked out in the comments.
"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from hwmodel.catalog import build, load_catalog
from hwmodel.catalog.continents import ELSEWHERE, EUROPE, US, quotes_in
from hwmodel.catalog.prices import Ratio, by_ratio, ratio_to_on_demand
from hwmodel.catalog.records import Raw
from hwmodel.errors import InputError
from hwmodel.specs.economics import PriceQuote, PriceSummary


def quote(
    provider: str, region: str, basis: str = "list", usd: float = 1.0, kind: str = "on_demand", date: str = "2026-01-01"
) -> PriceQuote:
    return PriceQuote(
        part="p", provider=provider, provider_class="neocloud", kind=kind, date=date, region=region,
        basis=basis, usd_per_accelerator_hour=usd,
    )  # fmt: skip


def test_a_provider_quoted_for_one_place_counts_elsewhere_with_its_median() -> None:
    # `only` has a list price of the United States and a median over its regions; `both` lists Europe too; `every` asks
    # the same of all places.
    only = [quote("only", "us-east-1", usd=1.0), quote("only", "12 regions", "regions_median", 1.5)]
    both = [quote("both", "us"), quote("both", "europe-west4", usd=2.0), quote("both", "9 regions", "regions_median")]
    every = [quote("every", "")]
    given = [*only, *both, *every]
    there = {(q.provider, q.region): q.basis for q in quotes_in(given, EUROPE)}
    assert there == {
        ("only", "12 regions"): "list", ("both", "europe-west4"): "list", ("both", "9 regions"): "regions_median",
        ("every", ""): "list",
    }  # fmt: skip
    # In the United States medians stay beside the list; elsewhere both have a median alone.
    america = {(q.provider, q.region): q.basis for q in quotes_in(given, US)}
    assert america[("only", "12 regions")] == america[("both", "9 regions")] == "regions_median"
    assert set(america) == {(q.provider, q.region) for q in given} - {("both", "europe-west4")}
    other = {(q.provider, q.region): q.basis for q in quotes_in(given, ELSEWHERE)}
    assert other == {("only", "12 regions"): "list", ("both", "9 regions"): "list", ("every", ""): "list"}


def test_both_ends_of_a_kind_by_its_ratio() -> None:
    # $4 from 2 to 16, half of it, from a quarter to the whole: $2. In logs of 2 the ends lie 1 and 2 from the price and
    # 1 from the ratio: together 2^0.5 down and 5^0.5 up.
    base = PriceSummary(
        part="p", kind="on_demand", median_usd_per_accelerator_hour=4.0, low_usd_per_accelerator_hour=2.0,
        high_usd_per_accelerator_hour=16.0, n_quotes=5, first_date="", last_date="", age_days=0,
    )  # fmt: skip
    found = by_ratio(base, "spot", Ratio(0.5, 0.25, 1.0, 3))
    assert (found.kind, found.how) == ("spot", "ratio")
    assert found.median_usd_per_accelerator_hour == 2.0
    assert found.low_usd_per_accelerator_hour == pytest.approx(2.0 * 2.0 ** -math.sqrt(2.0))
    assert found.high_usd_per_accelerator_hour == pytest.approx(2.0 * 2.0 ** math.sqrt(5.0))


def test_ratios_of_providers_that_quote_both() -> None:
    # 0.5, 0.6 and 0.9 of the same provider's price on demand: the middle, and a fifth of the way from each end.
    both = [quote(name, "", usd=2.0) for name in "abc"]
    both += [quote(name, "", kind="spot", usd=usd) for name, usd in (("a", 1.0), ("b", 1.2), ("c", 1.8))]
    found = ratio_to_on_demand([*both, quote("d", "", kind="spot", usd=9.0)], "spot")
    assert found == Ratio(0.6, pytest.approx(0.52), pytest.approx(0.84), 3)
    assert ratio_to_on_demand([quote("d", "", kind="spot")], "spot") is None
    # Of one provider the newest counts, $1 beside the $4 on demand of a month before it, not of a year.
    dated = [quote("a", "", usd=10.0, date="2025-01-01"), quote("a", "", usd=4.0, date="2025-12-01")]
    spot = [quote("a", "", kind="spot", usd=usd, date=date) for usd, date in ((7.0, "2025-01-01"), (1.0, "2026-01-01"))]
    for quotes in ([*dated, *spot], [*reversed(spot), *reversed(dated)]):
        assert ratio_to_on_demand(quotes, "spot") == Ratio(0.25, 0.25, 0.25, 1)


@pytest.mark.parametrize(("name", "chips"), [("v4-8", 4), ("v4-2", 1), ("v5e-1", 1), ("v5p-512", 256)])
def test_slices_count_cores_or_chips(name: str, chips: int) -> None:
    box = load_catalog().box(name)
    assert box is not None
    assert (box.id, box.kind, box.accelerators) == (name, "slice", chips)


@pytest.mark.parametrize(
    ("name", "held"), [("v4-1", "1 of them are 0.5"), ("v4-9", "9 of them are 4.5"), ("v5e-0", "0")]
)
def test_no_slice_holds_a_part_of_a_chip(name: str, held: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' is no slice: .*{held}"):
        load_catalog().box(name)


def test_a_name_with_and_without_its_maker_s() -> None:
    raw = Raw(path=Path("x.yaml"), place=(), root=0, fields={"id": "x", "vendor": "amd"})
    assert build._with_vendor(raw, "MI300X") == ["amdmi300x", "instinctmi300x", "amdinstinctmi300x"]
    assert build._with_vendor(raw, "Instinct MI9")[3:] == ["mi9"]
    # A name that is the maker's alone leaves no empty one.
    assert "" not in build._with_vendor(raw, "AMD")
    other = Raw(path=Path("x.yaml"), place=(), root=0, fields={"id": "x", "vendor": "cerebras"})
    assert build._with_vendor(other, "Cerebras WSE") == ["cerebrascerebraswse", "wse"]
    none = Raw(path=Path("x.yaml"), place=(), root=0, fields={"id": "x"})
    assert build._with_vendor(none, "WSE") == []


@pytest.mark.parametrize("name", ["p5", "aws-p5", "A3 High", "a3-mega"])
def test_a_node_by_a_name_of_its_system(name: str) -> None:
    # Instances of eight, by their system's id or by what else that is called.
    box = load_catalog().box(name)
    assert box is not None
    assert (box.part, box.accelerators) == ("h100-sxm5-80gb", 8)


def test_names_that_are_no_node() -> None:
    # A part, nothing at all, and the pod that slices are of; a system of no known size is refused.
    assert [load_catalog().box(name) for name in ("H100", "nothing", "v4")] == [None] * 3
    with pytest.raises(InputError, match="names a whole system, not a node or rack"):
        load_catalog().box("tpu-v4-pod")
