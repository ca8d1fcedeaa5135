"""Prices: the rule of aggregation, kinds and ratios, a user's own file, bad rows, licences."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog import prices as pricing
from hwmodel.catalog.places import catalog_root
from hwmodel.catalog.ship import compile_into, unlicensed_rows
from hwmodel.errors import CatalogError, InputError
from hwmodel.specs.economics import PriceQuote, PriceSummary

HEAD = "date,part,provider,kind,usd_per_accelerator_hour\n"


def quote(
    date: str, usd: float, provider: str = "a", kind: str = "on_demand", group: str = "neocloud", **more: str
) -> PriceQuote:
    return PriceQuote(
        part="p", provider=provider, provider_class=group, kind=kind, date=date, usd_per_accelerator_hour=usd, **more
    )


def many(date: str, usd: float, n: int, group: str = "neocloud") -> list[PriceQuote]:
    return [quote(date, usd + i, f"{group}{i}", group=group) for i in range(n)]


def price(quotes: list[PriceQuote], kind: str | None = None, provider_class: str = "") -> PriceSummary:
    found = priced(quotes, kind, provider_class)
    assert found is not None
    return found


def priced(
    quotes: list[PriceQuote], kind: str | None = None, provider_class: str = "", part: str = "p"
) -> PriceSummary | None:
    own = [q for q in quotes if q.part == part]
    return pricing.price_of(part, own, quotes, pricing.newest_date(quotes), kind, provider_class)


def usd(found: PriceSummary) -> tuple[float, float, float]:
    return (
        found.low_usd_per_accelerator_hour,
        found.median_usd_per_accelerator_hour,
        found.high_usd_per_accelerator_hour,
    )


def test_newest_ninety_days_of_neoclouds() -> None:
    old = many("2025-01-01", 100, 9)
    new = [quote("2026-01-01", 1.0 + i, f"new{i}") for i in range(5)]
    found = price([*old, *new, *many("2026-01-01", 50, 9, "hyperscaler"), *many("2026-01-01", 0.5, 3, "marketplace")])
    assert usd(found) == pytest.approx((1.4, 3.0, 4.6))
    assert (found.n_quotes, found.flag, found.how, found.provider_class) == (5, "", "market", "neocloud")
    assert (found.first_date, found.last_date) == ("2026-01-01", "2026-01-01")
    assert [(o.provider_class, o.median_usd_per_accelerator_hour, o.n_quotes) for o in found.other_classes] == [
        ("hyperscaler", 54.0, 9),
        ("marketplace", 1.5, 3),
    ]


def test_a_provider_read_daily_counts_once_with_its_newest() -> None:
    daily = [quote(f"2026-01-{day:02}", 100.0 + day, "loud") for day in range(1, 29)]
    found = price([*daily, *many("2026-01-01", 1, 4)])
    assert found.n_quotes == 5
    assert usd(found)[1] == 3.0
    assert price([*daily, *many("2026-01-01", 1, 2)]).quotes[-1].date == "2026-01-28"


def test_few_sellers_give_every_quote_and_no_percentile() -> None:
    found = price(many("2026-01-01", 2, 3))
    assert found.how == "few_sellers"
    assert usd(found) == (2.0, 3.0, 4.0)
    assert [q.usd_per_accelerator_hour for q in found.quotes] == [2.0, 3.0, 4.0]
    assert found.flag.startswith("3 neoclouds quote it, too few for a percentile: neocloud0 2 (2026-01-01)")


def test_one_seller_is_at_list_with_its_regions_beside() -> None:
    us = quote("2026-01-01", 1.2, "G", group="hyperscaler", region="us (us-central1)")
    mean = quote("2026-01-01", 1.32, "G", group="hyperscaler", region="median of 16 regions", basis="regions_median")
    found = price([us, mean])
    assert (found.how, usd(found)) == ("one_seller", (1.2, 1.2, 1.2))
    assert (
        found.flag == "one hyperscaler quotes it, at list: G 1.2 (us-central1, 2026-01-01), median of 16 regions 1.32"
    )


@pytest.mark.parametrize("bad", [{"basis": "minimum"}, {"basis": "serverless"}, {"status": "unconfirmed"}])
def test_minima_serverless_and_unconfirmed_never_count(bad: dict[str, str]) -> None:
    assert priced([quote("2026-01-01", 1.0, **bad)]) is None
    assert usd(price([quote("2026-01-01", 1.0, "x", **bad), quote("2025-12-01", 3.0, "y")]))[1] == 3.0


def test_old_quotes_say_their_age() -> None:
    fresh = PriceQuote(part="q", provider="z", provider_class="neocloud", kind="on_demand", date="2026-10-01",
                       usd_per_accelerator_hour=1.0)  # fmt: skip
    found = price([*many("2026-05-24", 1, 5), fresh])
    assert found.age_days == 130
    assert "130 days older" in found.flag


def test_kinds_are_never_mixed() -> None:
    assert priced(many("2026-01-01", 1, 9), "capacity_block") is None
    assert priced(many("2026-01-01", 1, 9), part="q") is None
    assert usd(price([*many("2026-01-01", 10, 5), quote("2026-01-01", 1, "s", "spot")]))[1] == 12.0


def test_a_kind_that_nobody_publishes_follows_the_ratio_of_one_provider() -> None:
    pairs = [
        PriceQuote(part=part, provider="A", provider_class="neocloud", kind=kind, date="2026-01-01",
                   usd_per_accelerator_hour=value)
        for part, kind, value in (("r", "on_demand", 10.0), ("r", "reserved_1y", 5.0), ("s", "on_demand", 10.0),
                                  ("s", "reserved_1y", 7.0))
    ]  # fmt: skip
    ratio = pricing.ratio_to_on_demand(pairs, "reserved_1y")
    assert ratio == pricing.Ratio(0.6, pytest.approx(0.52), pytest.approx(0.68), 2)
    found = price([*many("2026-01-01", 2, 5), *pairs], "reserved_1y")
    assert (found.how, found.kind) == ("ratio", "reserved_1y")
    assert usd(found)[1] == pytest.approx(4.0 * 0.6)
    # Ends: the range of quotes (2.4 to 5.6 about 4) and of ratios (0.52 to 0.68 about 0.6), as independent logs.
    assert math.log(usd(found)[2] / 2.4) == pytest.approx(math.hypot(math.log(5.6 / 4), math.log(0.68 / 0.6)))
    assert "0.60 (0.52 to 0.68, 2 pairs" in found.flag


def test_a_ratio_takes_the_price_of_its_own_time() -> None:
    before = quote("2024-12-01", 12.0, "A", group="hyperscaler")
    after = quote("2026-01-01", 6.0, "A", group="hyperscaler")
    block = quote("2025-01-01", 3.0, "A", "reserved_3y", "hyperscaler")
    assert pricing.ratio_to_on_demand([before, after, block], "reserved_3y") == pricing.Ratio(0.25, 0.25, 0.25, 1)


def test_a_published_commitment_of_the_class_beats_the_ratio_and_other_classes() -> None:
    neo, big = quote("2026-01-01", 3.0, "N", "reserved_1y"), quote("2026-01-01", 7.0, "H", "reserved_1y", "hyperscaler")
    pair = quote("2026-01-01", 9.0, "H", group="hyperscaler")
    base = many("2026-01-01", 4, 5)
    assert usd(price([*base, neo, big, pair], "reserved_1y"))[1] == 3.0
    found = price([*base, big, pair], "reserved_1y")
    assert found.how == "ratio"
    assert [(o.provider_class, o.median_usd_per_accelerator_hour) for o in found.other_classes] == [
        ("hyperscaler", 7.0)
    ]


def test_a_part_with_a_capacity_block_alone_says_so() -> None:
    block = quote("2026-01-01", 2.2, "A", "capacity_block", "hyperscaler")
    found = price([block])
    assert (found.kind, usd(found)[1]) == ("capacity_block", 2.2)
    assert found.flag.startswith("no on-demand price exists")
    neo = many("2026-01-01", 1, 5)
    assert price([*neo, block], "capacity_block").provider_class == "hyperscaler"
    assert price([*neo, block]).kind == "on_demand"


def test_percentile() -> None:
    assert pricing.percentile([1.0], 0.9) == 1.0
    assert pricing.percentile([1.0, 2.0, 3.0], 0.5) == 2.0


@pytest.mark.parametrize(
    ("part", "low", "middle", "high", "n"),
    [
        ("h100-sxm5-80gb", 3.49, 3.99, 4.50, 11),
        ("h200-sxm-141gb", 4.23, 4.73, 6.05, 9),
        ("b200-sxm6-180gb", 6.35, 7.45, 8.55, 6),
        ("b300-sxm6", 7.85, 8.62, 9.30, 5),
        ("a100-sxm4-80gb", 1.69, 2.04, 2.75, 6),
        ("l40s", 1.38, 1.56, 1.84, 8),
    ],
)
def test_shipped_neocloud_prices_of_autumn_2026(part: str, low: float, middle: float, high: float, n: int) -> None:
    found = load_catalog().price_summary(part)
    assert found is not None
    assert usd(found) == pytest.approx((low, middle, high), abs=0.006)
    assert (found.n_quotes, found.how, found.provider_class) == (n, "market", "neocloud")
    assert found.other_classes


@pytest.mark.parametrize(
    ("part", "middle", "how", "kind"),
    [
        ("tpu-v5e", 1.20, "one_seller", "on_demand"),
        ("tpu-v6e", 2.70, "one_seller", "on_demand"),
        ("trainium1", 1.3438, "one_seller", "on_demand"),
        ("trainium2", 2.235, "one_seller", "capacity_block"),
        ("a10g", 1.006, "one_seller", "on_demand"),
        ("mi355x-288gb", 8.60, "one_seller", "on_demand"),
        ("gb200", 10.50, "one_seller", "on_demand"),
        ("mi300x-192gb", 2.59, "few_sellers", "on_demand"),
        ("gh200-96gb", 4.395, "few_sellers", "on_demand"),
    ],
)
def test_shipped_prices_of_parts_with_few_sellers(part: str, middle: float, how: str, kind: str) -> None:
    found = load_catalog().price_summary(part)
    assert found is not None
    assert (found.median_usd_per_accelerator_hour, found.how, found.kind) == (pytest.approx(middle), how, kind)
    assert found.flag
    assert found.quotes


def test_shipped_quotes_are_dated_placed_and_sourced() -> None:
    catalog = load_catalog()
    for q in catalog.every_quote:
        assert q.date
        assert q.provider
        assert q.locator or q.source in ("epoch-ai-chip-counts", "aws-capacity-blocks")
    misfiled = {q.instance: q.part for q in catalog.every_quote if q.instance in ("NC40ads_H100_v5", "NC24ads_A100_v4")}
    assert misfiled == {"NC40ads_H100_v5": "h100-nvl-94gb", "NC24ads_A100_v4": "a100-pcie-80gb"}
    assert catalog.price_summary("gaudi3") is None
    assert catalog.price_summary("tpu7x") is None


def test_own_file_wins_whole(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(HEAD + "2026-11,A100,mine,on_demand,1.25\n")
    catalog = load_catalog()
    found = catalog.price_summary("a100-sxm4-80gb", file=path)
    assert found is not None
    assert (found.median_usd_per_accelerator_hour, found.providers) == (1.25, ("mine",))
    other = catalog.price_summary("h100-sxm5-80gb", file=path)
    assert other is not None
    shipped = catalog.price_summary("h100-sxm5-80gb")
    assert shipped is not None
    assert usd(other) == usd(shipped)
    assert "quotes no hour of h100-sxm5-80gb" in other.flag


def test_own_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    catalog = load_catalog()
    path.write_text(HEAD + "2026-11,A100,mine,reserved_1y,1.25\n2026-11,A100,us,reserved_1y,1.35\n")
    found = catalog.price_summary("a100-sxm4-80gb", file=path)
    assert found is not None
    assert (found.kind, found.median_usd_per_accelerator_hour) == ("reserved_1y", 1.30)
    path.write_text(HEAD + "2026-11,A100,mine,reserved_1y,1.25\n2026-11,A100,us,spot,0.35\n")
    with pytest.raises(InputError, match="reserved_1y, spot, not as on_demand: name one with --price-kind"):
        catalog.price_summary("a100-sxm4-80gb", file=path)
    spot = catalog.price_summary("a100-sxm4-80gb", "spot", file=path)
    assert spot is not None
    assert spot.median_usd_per_accelerator_hour == 0.35


def test_own_purchases_win_whole(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("date,part,provider,kind,usd_per_accelerator_hour,usd_purchase\n2026-11,A100,mine,purchase,,9000\n")
    catalog = load_catalog()
    assert [q.usd_purchase for q in catalog.purchases("a100-sxm4-80gb", path)] == [9000.0]
    assert catalog.purchases("h100-sxm5-80gb", path) == catalog.purchases("h100-sxm5-80gb")
    assert all(q.status != "unconfirmed" for q in catalog.purchases("b200-sxm6-180gb"))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("2026-13-01,A100,x,on_demand,1", "date"),
        ("~2024,A100,x,on_demand,1", "date"),
        (",A100,x,on_demand,1", "date"),
        ("2026-01-01,A10O,x,on_demand,1", "no accelerator"),
        ("2026-01-01,A100,x,weekly,1", "kind"),
        ("2026-01-01,A100,x,on_demand,-3", "usd_per_accelerator_hour"),
        ("2026-01-01,A100,x,on_demand,nan", "usd_per_accelerator_hour"),
        ("2026-01-01,A100,x,on_demand,", "neither"),
        ("2026-01-01,A100,x,on_demand", "cells"),
        ("2026-01-01,A100,x,on_demand,1,2,3", "cells"),
    ],
)
def test_bad_rows_name_the_line(row: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(HEAD + "2026-01-01,H100,x,on_demand,2\n" + row + "\n")
    with pytest.raises(CatalogError, match=words) as refused:
        load_catalog().quotes_of(path)
    assert "mine.csv:3" in str(refused.value)


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("currency", "EUR", "quotes are in USD"),
        ("status", "sure", "none of primary, secondary, unconfirmed"),
        ("basis", "guess", "none of list"),
        ("eur_per_hour", "3", "unknown column"),
    ],
)
def test_bad_optional_columns(column: str, cell: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"{HEAD.strip()},{column}\n2026-01-01,H100,x,on_demand,2,{cell}\n")
    with pytest.raises(CatalogError, match=words):
        load_catalog().quotes_of(path)


def test_missing_column_and_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("date,part\n")
    with pytest.raises(CatalogError, match="lacks the column"):
        load_catalog().quotes_of(path)
    with pytest.raises(InputError, match="no such file"):
        load_catalog().quotes_of(tmp_path / "none.csv")


def test_every_shipped_row_may_be_passed_on() -> None:
    assert unlicensed_rows(catalog_root()) == {}


def test_compiling_for_the_wheel_refuses_unlicensed_rows(tmp_path: Path) -> None:
    shutil.copytree(catalog_root(), tmp_path / "c", ignore=shutil.ignore_patterns("runs", "calibrations"))
    assert [p.suffix for p in compile_into(tmp_path / "c")] == [".msgpack", ".msgpack"]
    table = tmp_path / "c" / "prices" / "more.csv"
    table.write_text(f"{HEAD.strip()},source\n2026-01-01,H100,x,on_demand,2,epoch-hardware-prices\n")
    with pytest.raises(CatalogError, match="may not be passed on"):
        compile_into(tmp_path / "c")
