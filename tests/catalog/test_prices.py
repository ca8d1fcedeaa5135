"""Prices: the aggregation rule, a user's own file, bad rows, licences."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.places import catalog_root
from hwmodel.catalog.prices import percentile, summarise
from hwmodel.catalog.ship import compile_into, unlicensed_rows
from hwmodel.errors import CatalogError, InputError
from hwmodel.specs.economics import PriceQuote

HEAD = "date,part,provider,kind,usd_per_accelerator_hour\n"


def quote(date: str, usd: float, provider: str = "a", kind: str = "on_demand", group: str = "neocloud") -> PriceQuote:
    return PriceQuote(
        part="p", provider=provider, provider_class=group, kind=kind, date=date, usd_per_accelerator_hour=usd
    )


def many(date: str, usd: float, n: int, group: str = "neocloud") -> list[PriceQuote]:
    return [quote(date, usd + i, f"{group}{i}", group=group) for i in range(n)]


def test_newest_ninety_days_of_neoclouds() -> None:
    old, new, others = many("2025-01-01", 100, 9), many("2026-01-01", 1, 5), many("2026-01-01", 50, 9, "hyperscaler")
    found = summarise("p", [*old, *new, *others])
    assert found is not None
    assert (found.median_usd_per_accelerator_hour, found.n_quotes, found.flag) == (3.0, 5, "")
    assert found.low_usd_per_accelerator_hour == pytest.approx(1.4)
    assert found.high_usd_per_accelerator_hour == pytest.approx(4.6)
    assert (found.first_date, found.last_date) == ("2026-01-01", "2026-01-01")


def test_below_five_the_window_widens_and_says_so() -> None:
    found = summarise("p", [*many("2026-01-01", 1, 3), *many("2025-06-01", 10, 3)])
    assert found is not None
    assert found.n_quotes == 6
    assert "365" in found.flag
    found = summarise("p", [*many("2026-01-01", 1, 2), *many("2026-01-01", 10, 5, "hyperscaler")])
    assert found is not None
    assert "every provider" in found.flag
    found = summarise("p", many("2026-01-01", 1, 2))
    assert found is not None
    assert found.flag.startswith("only 2 quotes")


def test_one_provider_counts_once_a_date() -> None:
    flood = [quote("2026-01-01", 100 + i, "loud") for i in range(50)]
    found = summarise("p", [*flood, *many("2026-01-01", 1, 5)])
    assert found is not None
    assert found.n_quotes == 6
    assert found.median_usd_per_accelerator_hour == pytest.approx(3.5)


def test_kinds_are_never_mixed() -> None:
    assert summarise("p", many("2026-01-01", 1, 9), kind="spot") is None
    assert summarise("q", many("2026-01-01", 1, 9)) is None


def test_percentile() -> None:
    assert percentile([1.0], 0.9) == 1.0
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0


def test_shipped_summaries() -> None:
    catalog = load_catalog()
    a100, h100 = (catalog.price_summary(catalog.part(n).id) for n in ("A100", "H100"))
    assert a100 is not None
    assert h100 is not None
    assert 1.0 < a100.median_usd_per_accelerator_hour < 3.0
    assert 2.5 < h100.median_usd_per_accelerator_hour < 5.0
    assert h100.providers
    assert all(q.date and q.provider and q.kind for q in catalog.prices("a100-sxm4-80gb"))
    assert catalog.price_summary("mtia-300") is None


def test_own_file_wins_whole(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(HEAD + "2026-11,A100,mine,on_demand,1.25\n")
    catalog = load_catalog()
    found = catalog.price_summary("a100-sxm4-80gb", file=path)
    assert found is not None
    assert (found.median_usd_per_accelerator_hour, found.providers) == (1.25, ("mine",))
    other = catalog.price_summary("h100-sxm5-80gb", file=path)
    assert other == catalog.price_summary("h100-sxm5-80gb")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("2026-13-01,A100,x,on_demand,1", "date"),
        ("~2024,A100,x,on_demand,1", "date"),
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


def test_missing_column_and_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("date,part\n")
    with pytest.raises(CatalogError, match="lacks the column"):
        load_catalog().quotes_of(path)
    with pytest.raises(InputError, match="no such file"):
        load_catalog().quotes_of(tmp_path / "none.csv")


def test_only_the_table_kept_out_of_the_wheel_holds_unlicensed_rows() -> None:
    assert set(unlicensed_rows(catalog_root())) <= {"not-in-wheel.csv"}


def test_compiling_for_the_wheel_refuses_unlicensed_rows(tmp_path: Path) -> None:
    import shutil

    shutil.copytree(catalog_root(), tmp_path / "c", ignore=shutil.ignore_patterns("runs", "calibrations"))
    if (tmp_path / "c" / "prices" / "not-in-wheel.csv").exists():
        with pytest.raises(CatalogError, match="may not be passed on"):
            compile_into(tmp_path / "c")
        (tmp_path / "c" / "prices" / "not-in-wheel.csv").unlink()
    assert [p.suffix for p in compile_into(tmp_path / "c")] == [".msgpack", ".msgpack"]
