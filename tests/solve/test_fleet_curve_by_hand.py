"""Time against accelerators, and lines of hours that no failures lengthen, on stand-ins of round numbers."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel.solve.plan import curves
from hwmodel.solve.run import lines
from hwmodel.solve.run.band import Band
from hwmodel.specs.economics import EnergyFacts, PriceSummary
from hwmodel.specs.intervals import CERTAIN, Z80, Ends
from tests.solve.quiet import quiet

change = msgspec.structs.replace


def near(band: Band | None, value: float, low: float, high: float) -> bool:
    assert band is not None
    return (band.value, band.low, band.high) == pytest.approx((value, low, high), rel=1e-9)


def stand_in(mfu: float | None = None, busy: float = 16.0, **answer: Any) -> Any:
    """8 accelerators that see 864,000 tokens a second by prediction, and 1.25 times as many in truth."""

    def evaluate(shape: str, n: float, counts: list[int]) -> Any:
        """In proportion up to 16 accelerators, which are all that the batch keeps busy; nothing fits on one."""
        assert (shape, n) == ("shape", 1e9)
        used = np.minimum(counts, busy)
        return SimpleNamespace(
            tokens_per_s=lambda case: 0.0 if counts[case] == 1 else 108_000.0 * used[case],
            best=[-1 if count == 1 else case for case, count in enumerate(counts)],
            space=SimpleNamespace(accelerators=used),
            ends=[Ends(math.log(2.0), math.log(4.0))] * len(counts),
        )

    setting = SimpleNamespace(request=SimpleNamespace(mfu=mfu), whole_run="whole")
    fleet = SimpleNamespace(accelerators=8, setting=setting, evaluate=evaluate)
    given = {"tokens_per_s": 1_080_000.0, "train_days": Band(4.0, 2.0, 12.0), "train_flop": 6e20, **answer}
    return SimpleNamespace(
        fleet=fleet, at=SimpleNamespace(shape="shape"), sized=SimpleNamespace(n=1e9, d=9.3312e10),
        answer=SimpleNamespace(**given), choice=SimpleNamespace(tokens_per_s=864_000.0),
    )  # fmt: skip


@pytest.fixture(autouse=True)
def rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fleets whose failures lengthen a run by a half and whose steps take a half to twice as long; runs spread
    fourfold."""

    def fleet(setting: Any, count: int) -> Any:
        return SimpleNamespace(
            setting=setting, count=count,
            doubt_of=lambda evaluation, case: evaluation.ends[case],
            elapsed_over_productive=lambda n, doubt, z: 1.5 if (n, doubt, z) == (1e9, CERTAIN, 0.0) else 9.0,
        )  # fmt: skip

    monkeypatch.setattr(curves, "Fleet", fleet)
    monkeypatch.setattr(curves, "flop_convention_rate", lambda own, at, rate: rate / (2_700_000.0 * own.count))
    spread = {(6e20, "whole"): math.log(4.0) / Z80}
    monkeypatch.setattr(curves, "whole_run_log_spread", lambda flop, whole: spread[flop, whole])


def test_time_against_accelerators() -> None:
    # 8 see 1.08M tokens a second of 9.3312e10: 86,400 s, a day. From an eighth of the fleet to sixteen times.
    rows = {row.accelerators: row for row in curves.fleet_curve(stand_in())}
    assert list(rows) == [1, 2, 4, 8, 16, 32, 64, 128]
    days = {2: 4.0, 4: 2.0, 8: 1.0, 16: 0.5, 32: 0.5, 128: 0.5}
    for count, each in days.items():
        # A step takes a half to four times as long.
        assert near(rows[count].train_days, each, each / 2, each * 4)
        # A half more with failures; the plan's own days reach down to a half and up to three, whole runs fourfold.
        down, up = math.hypot(math.log(2), math.log(4)), math.hypot(math.log(3), math.log(4))
        middle = 1.5 * each
        assert near(rows[count].elapsed_days, middle, middle * math.exp(-down), middle * math.exp(up))
        # 1.08M over 2.7M x 8 are 5 %; what lengthens a step lowers it.
        mfu = 0.05 * min(1.0, 16 / count)
        assert near(rows[count].mfu, mfu, mfu / 4, mfu * 2)
        assert rows[count].idle_accelerators == max(count - 16, 0)
        assert rows[count].batch_cap_binds is (count > 16)
    none = rows[1]
    assert (none.train_days, none.elapsed_days, none.mfu, none.idle_accelerators) == (None,) * 4
    assert none.batch_cap_binds is False


def test_a_given_utilisation_has_no_doubt_of_a_step() -> None:
    (row,) = (one for one in curves.fleet_curve(stand_in(mfu=0.4, train_days=1.0)) if one.accelerators == 8)
    assert near(row.train_days, 1.0, 1.0, 1.0)
    assert near(row.elapsed_days, 1.5, 1.5 / 4, 1.5 * 4)


@pytest.mark.parametrize(("busy", "held"), [(21.0, False), (20.0, False), (19.0, True)])
def test_a_fleet_that_leaves_a_twentieth_idle_is_held_back(busy: float, held: bool) -> None:
    # 20 of 21 are 95.2 %, 19 are 90.5 %.
    found = stand_in(busy=busy)
    found.fleet.accelerators = 21
    rows = {row.accelerators: row for row in curves.fleet_curve(found)}
    assert list(rows) == [2, 5, 10, 21, 42, 84, 168, 336]
    assert (rows[21].idle_accelerators, rows[21].batch_cap_binds) == (21 - busy, held)
    assert (rows[10].idle_accelerators, rows[10].batch_cap_binds) == (0, False)


def test_hours_that_no_failures_lengthen() -> None:
    # 480 hours (a half to twice as many) of 10 accelerators: two days. At $2 (1 to 4) $960, both doubts in squares.
    price = PriceSummary(
        part="H100", kind="on_demand", median_usd_per_accelerator_hour=2.0, low_usd_per_accelerator_hour=1.0,
        high_usd_per_accelerator_hour=4.0, n_quotes=1, first_date="", last_date="", age_days=0, how="given",
    )  # fmt: skip
    # 1,600 W are drawn of the 2,000 rated, a quarter more at the site: 2 kWh an hour; 0.5 kg a kWh and 0.1 kg of
    # hardware.
    facts = EnergyFacts(
        pue=1.25, load_fraction=0.8, server_overhead_fraction=1.0, grid_kg_co2e_per_kwh=0.5, grid_region="round",
        embodied_kg_co2e_per_accelerator_hour=0.1, usd_per_kwh=0.1,
    )  # fmt: skip
    setting = quiet("8xH100", "1T")
    setting = change(
        setting, price=price, energy=facts, part=change(setting.part, tdp_w=500.0),
        system=change(setting.system, node_power_w=16000.0, accelerators_per_node=8),
    )  # fmt: skip
    hours = Band(480.0, 240.0, 960.0)
    found = lines.of_hours(hours, setting, 10.0, stage="s", kind="k")
    assert (found.part, found.accelerators, found.gpu_hours, found.how) == (setting.part.id, 10, hours, lines.COMPUTED)
    assert near(found.elapsed_days, 2.0, 1.0, 4.0)
    both = math.exp(math.hypot(math.log(2), math.log(2)))
    assert near(found.cost_usd, 960.0, 960 / both, 960 * both)
    # What four in five stay below lies 0.8416 / 1.2816 of the upper side up.
    assert found.safe_cost_usd == pytest.approx(960 * both ** (0.8416212335729143 / 1.2815515655446004), rel=1e-9)
    # 960 kWh; what is drawn is known to 0.76 to 0.9 of a rating, a factor of 0.9 / 0.76.
    drawn = math.exp(math.hypot(math.log(2), math.log(0.9 / 0.76)))
    assert near(found.energy_mwh, 0.96, 0.96 / drawn, 0.96 * drawn)
    assert near(found.co2e_t, 0.528, 0.528 / drawn, 0.528 * drawn)
    # In a year and a half the mean rent drifts as far as in half a year at its end, 30 %.
    long, drifts = 10 * 24 * 547.875, change(setting, price=change(price, how="quotes"))
    late = lines.of_hours(Band(long, long, long), drifts, 10.0, stage="s", kind="k").cost_usd
    wide = math.exp(math.hypot(math.log(2), math.log(1.3)))
    assert late is not None
    assert (late.low, late.high) == pytest.approx((2 * long / wide, 2 * long * wide), rel=1e-3)
    free = lines.of_hours(hours, change(setting, price=None), 10.0, stage="s", kind="k", how=lines.ENTERED)
    assert (free.cost_usd, free.safe_cost_usd, free.how) == (None, None, lines.ENTERED)
