"""Money and energy of a plan: 1,000 hours of eight accelerators, each figure worked out in the comments."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hwmodel.solve.plan import money, ways
from hwmodel.solve.run.result import Band
from hwmodel.specs.economics import PriceQuote
from tests.solve.quiet import quiet


class Catalog:
    """Purchases of two years, and summaries of rents by kind."""

    def __init__(self, kinds: dict[str, float], *purchases: tuple[str, float]) -> None:
        self.kinds, self.bought = kinds, purchases

    def purchases(self, part: str, file: Any) -> list[Any]:
        return [SimpleNamespace(date=date, usd_purchase=usd) for date, usd in self.bought]

    def price_summary(self, part: str, kind: str, of: Any, region: Any) -> Any:
        if kind not in self.kinds:
            return None
        usd = self.kinds[kind]
        return SimpleNamespace(
            median_usd_per_accelerator_hour=usd, low_usd_per_accelerator_hour=usd - 0.5,
            high_usd_per_accelerator_hour=usd + 1.0, how="quotes", providers=("p",), last_date="2026-01", flag="f",
        )  # fmt: skip


BOUGHT = (("2024-05", 9e3), ("2025-01", 2e4), ("2025-06", 4e4), ("2025-03", 3e4))


def setting(*purchases: tuple[str, float], kinds: dict[str, float] | None = None, **price: Any) -> Any:
    found = quiet("8xH100", "1T")
    assert found.price is not None
    given = {"kind": "on_demand", "median_usd_per_accelerator_hour": 4.0, "low_usd_per_accelerator_hour": 3.0,
             "high_usd_per_accelerator_hour": 6.0}  # fmt: skip
    one: Any = SimpleNamespace(**{
        name: getattr(found, name) for name in ("part", "system", "energy", "reliability", "request")
    })  # fmt: skip
    one.catalog = Catalog(kinds or {}, *purchases)
    one.price = msgspec.structs.replace(found.price, **{**given, **price})
    return one


def test_purchases_of_the_newest_year() -> None:
    # Of 20, 30 and 40 thousand dollars of 2025 the middle one; the year before does not count.
    assert money.purchase_usd(setting(*BOUGHT)) == 3e4
    assert len(money.newest_purchases(setting(*BOUGHT))) == 3
    assert money.purchase_usd(setting()) is None
    assert money._owned(setting(), 1000.0) is None


def test_hours_owned(monkeypatch: pytest.MonkeyPatch) -> None:
    # Half a kWh at ten cents beside a dollar for each 30,000 of purchase.
    monkeypatch.setattr(money, "kwh_per_accelerator_hour", lambda setting: 0.5)
    monkeypatch.setattr(money, "owned_usd_per_accelerator_hour", lambda purchase, power: purchase / 3e4 + power)
    one = setting(*BOUGHT)
    one.energy = msgspec.structs.replace(one.energy, usd_per_kwh=0.1)
    found = money._owned(one, 1000.0)
    assert found is not None
    assert (found.usd_per_accelerator_hour, found.owned_usd) == pytest.approx((1.05, 1050.0))
    assert (found.first_date, found.last_date, found.n_quotes) == ("2025-01", "2025-06", 3)


def test_rent_and_a_year_of_it() -> None:
    one = setting(kinds={"reserved_1y": 2.5})
    found = money._rented(one, 1000.0)
    assert found is not None
    assert (found.rent_usd, found.low_usd_per_accelerator_hour, found.high_usd_per_accelerator_hour) == (
        4000.0,
        3.0,
        6.0,
    )
    year = found.one_year
    assert year is not None
    assert (year.median_usd_per_accelerator_hour, year.low_usd_per_accelerator_hour) == (2.5, 2.0)
    assert (year.high_usd_per_accelerator_hour, year.providers) == (3.5, ["p"])
    # Not beside other kinds, where nobody sells it, or of quotes of one's own.
    assert money._one_year(setting(kinds={"reserved_1y": 2.5}), msgspec.structs.replace(one.price, kind="spot")) is None
    assert money._one_year(setting(), one.price) is None
    own = setting(kinds={"reserved_1y": 2.5})
    own.request = msgspec.structs.replace(own.request, prices="mine.csv")
    assert money._one_year(own, one.price) is None
    unpriced = setting()
    unpriced.price = None
    assert money._rented(unpriced, 1000.0) is None


def plan(**fields: Any) -> Any:
    answer = SimpleNamespace(train_flop=6e21, tokens=1e12, tokens_per_s=Band(2e5, 1e5, 4e5))
    fleet = SimpleNamespace(accelerators=8)
    return SimpleNamespace(**{"answer": answer, "fleet": fleet, "used": 6, "sized": SimpleNamespace(n=1e9), **fields})


def test_where_the_energy_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One, two and three MWh of chips, servers and the site; what papers print are 7 MWh."""
    seen: dict[str, Any] = {}

    def share(fleet: Any, flop_per_token: float, tokens_per_s: float) -> float:
        seen["mfu"] = (flop_per_token, tokens_per_s)
        return 0.3

    used = SimpleNamespace(chip_j=3.6e9, server_j=7.2e9, facility_j=1.08e10, grid_kg_co2e=4000.0, market_kg_co2e=500.0,
                           embodied_kg_co2e=60.0, water_l=9000.0)  # fmt: skip
    monkeypatch.setattr(money, "six_nd_share", share)
    monkeypatch.setattr(money, "energy", lambda hours, part, system, facts, mfu: used)
    monkeypatch.setattr(money, "power", lambda *_: SimpleNamespace(chip_w=600.0, server_w=150.0))
    monkeypatch.setattr(money, "paper_convention_kwh", lambda hours, rated, pue: 7.0 * hours)
    monkeypatch.setattr(money, "rated_site_w", lambda part, system, facts: 1000.0)
    one = setting()
    one.energy = msgspec.structs.replace(one.energy, grid_kg_co2e_per_kwh=0.5)
    found = money._energy(one, plan(), 1000.0)
    assert seen["mfu"] == (6e9, 2e5)
    assert (found.chip_mwh, found.server_mwh, found.facility_mwh) == pytest.approx((1.0, 2.0, 3.0))
    assert (found.rated_site_w, found.it_w_per_accelerator, found.chip_w) == (8000.0, 750.0, 600.0)
    assert (found.grid_t_co2e, found.market_t_co2e, found.embodied_t_co2e) == pytest.approx((4.0, 0.5, 0.06))
    assert (found.water_m3, found.paper_convention_mwh) == (9.0, 7.0)
    assert found.paper_convention_t_co2e == pytest.approx(3.5)
    used.market_kg_co2e = used.water_l = None
    one.part = msgspec.structs.replace(one.part, tdp_w=None)
    bare = money._energy(one, plan(), 1000.0)
    assert (bare.market_t_co2e, bare.water_m3, bare.paper_convention_mwh) == (None, None, None)
    assert bare.paper_convention_t_co2e is None


def test_how_often_a_job_stops() -> None:
    # Six accelerators that fail once in 100 hours each and software once in 50: 0.08 an hour, every 12.5 hours. The
    # fleet of eight runs 1,000 / 8 = 125 hours: ten times. At the ends the rates are e^0.5 more and less.
    one = setting()
    one.reliability = msgspec.structs.replace(
        one.reliability, interruptions_per_accelerator_hour=0.01, software_interruptions_per_hour=0.02,
        rate_log_half_width=0.5, checkpoint_bytes_per_param=10.0, storage_bytes_per_s_per_accelerator=1e8,
        restart_s=60.0,
    )  # fmt: skip
    found = money._failures(one, plan(), 1000.0)
    assert found.mtbf_s == pytest.approx(45000.0)
    assert (found.mtbf_low_s, found.mtbf_high_s) == pytest.approx((45000 / math.e**0.5, 45000 * math.e**0.5))
    assert found.interruptions_expected == pytest.approx(10.0)
    # 10 GB by six at 1e8: 16.67 s, of a restart too.
    write = 10e9 / 6e8
    assert (found.checkpoint_bytes, found.checkpoint_write_s) == pytest.approx((1e10, write))
    assert found.restart_s == pytest.approx(60 + write)
    assert found.checkpoint_interval_s == pytest.approx((2 * write * 45000) ** 0.5)
    assert found.goodput.low < found.goodput.value < found.goodput.high
    assert found.software_mtbf_s == 180000.0
    one.reliability = msgspec.structs.replace(one.reliability, software_interruptions_per_hour=0.0)
    assert money._failures(one, plan(), 1000.0).software_mtbf_s is None


def test_ways_to_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def breaks(accelerators: float, params: float, share: float, facts: Any) -> float:
        asked["spot"] = (accelerators, params, share)
        return 0.25

    monkeypatch.setattr(ways, "break_even_preemptions_per_hour", breaks)
    # On demand at 4 dollars; spot at 1, a quarter; a year at 2.5: eight of 8,766 hours; owned.
    rows = ways.ways(setting(kinds={"spot": 1.0, "reserved_1y": 2.5}), plan(), 1000.0, 3e4)
    assert [(row.way, row.usd_per_accelerator_hour, row.run_usd) for row in rows[:3]] == [
        ("on_demand", 4.0, 4000.0), ("spot", 1.0, 1000.0), ("reserved_1y", 2.5, 2500.0)
    ]  # fmt: skip
    assert asked["spot"] == (8.0, 1e9, 0.25)
    assert rows[1].break_even == 0.25
    assert rows[2].committed_usd == pytest.approx(8 * 8766 * 2.5)
    assert rows[2].break_even == pytest.approx(2.5 / 4)
    assert rows[3].way == "owned_3y"
    assert rows[3].run_usd == pytest.approx(1000 * rows[3].usd_per_accelerator_hour)
    # Dearer on the spot than on demand: no preemption is paid for.
    ways.ways(setting(kinds={"spot": 8.0}), plan(), 1000.0, None)
    assert asked["spot"][2] == 1.0
    assert len(ways.ways(setting(kinds={"spot": 1.0}, kind="spot"), plan(), 1000.0, None)) == 1
    unpriced = setting()
    unpriced.price = None
    assert ways.ways(unpriced, plan(), 1000.0, 3e4) == []


def test_a_quote_as_it_is_shown() -> None:
    fields = dict.fromkeys(PriceQuote.__struct_fields__, "")
    quote: Any = SimpleNamespace(**{**fields, "provider": "p", "usd_per_accelerator_hour": 2.0, "date": "2026-01"})
    found = money._quote(quote)
    assert (found.provider, found.usd_per_accelerator_hour, found.date) == ("p", 2.0, "2026-01")
