"""Bands, lines of a budget, months of money and fleets of round numbers, worked out in the comments."""

from __future__ import annotations

import math
import types
from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel.economics import Z80
from hwmodel.errors import InfeasibleError
from hwmodel.physics import shape as shapes
from hwmodel.solve.run import fleet as fleets
from hwmodel.solve.run import power as powers
from hwmodel.solve.run.band import Band, value_of
from hwmodel.solve.run.billing import billed_hours_of, speedup, steady_days, utilisation
from hwmodel.solve.run.cash import DAYS_PER_MONTH, monthly, schedule
from hwmodel.solve.run.fleet import Fleet, fleet_for_budget, node_multiples, rate_of_size
from hwmodel.solve.run.lines import COMPUTED, ENTERED, StageLine, added, certain, joined, times
from hwmodel.solve.run.trend import Trend
from hwmodel.specs.intervals import Ends
from tests.solve.quiet import RATE, quiet


def near(band: Band | None, value: float, low: float, high: float) -> bool:
    assert band is not None
    return (band.value, band.low, band.high) == pytest.approx((value, low, high), rel=1e-9)


def test_bands() -> None:
    # A factor of two down and four up.
    one = Band.around(8.0, Ends(math.log(2.0), math.log(4.0)))
    assert near(one, 8.0, 4.0, 32.0)
    assert near(Band.around(8.0, math.log(2.0)), 8.0, 4.0, 16.0)
    assert near(one.scaled(0.5), 4.0, 2.0, 16.0)
    assert near(one.inverse(), 1 / 8, 1 / 32, 1 / 4)
    assert near(one.inverse(64.0), 8.0, 2.0, 16.0)
    # At its upper end a band has that value, at half of the quantile its square root; below, the lower side counts.
    assert near(one.at(Z80), 32.0, 4.0, 32.0)
    assert near(one.at(Z80 / 2), 16.0, 4.0, 32.0)
    assert near(one.at(2 * Z80), 128.0, 4.0, 128.0)
    assert near(one.at(-2 * Z80), 2.0, 2.0, 32.0)
    assert near(one.at(0.0), 8.0, 4.0, 32.0)
    # Sides add in squares of their logs: 3 and 4 are 5 down, 6 and 8 are 10 up.
    three, four = Band.around(2.0, Ends(0.3, 0.6)), Band.around(5.0, Ends(0.4, 0.8))
    assert near(three.times(four), 10.0, 10 * math.exp(-0.5), 10 * math.exp(1.0))
    assert (value_of(one), value_of(3)) == (8.0, 3.0)
    with pytest.raises(ValueError, match="no value"):
        value_of(None)


def test_days_shares_and_hours() -> None:
    # 86,400 tokens a second see 864 million in 10,000 s, of a day 0.1157; four accelerators of 1e15 FLOP/s at 3e15.
    assert steady_days(8.64e9, 1e5) == pytest.approx(1.0)
    assert utilisation(1e6, 3e9, 4.0, 1e15) == pytest.approx(0.75)
    assert speedup(6.0, 4.0) == 1.5
    assert billed_hours_of(2.0, 8.0) == 384.0


def line(**fields: Any) -> StageLine:
    return StageLine(**{"stage": "s", "kind": "k", "how": ENTERED, **fields})


def test_lines_add_and_repeat() -> None:
    one = line(part="p", gpu_hours=Band(2.0, 1.0, 4.0), cost_usd=certain(10.0), safe_cost_usd=12.0, accelerators=8)
    two = line(part="p", gpu_hours=Band(3.0, 2.0, 8.0), elapsed_days=certain(5.0), safe_cost_usd=20.0)
    found = joined([one, two], how=COMPUTED, note="both")
    assert near(found.gpu_hours, 5.0, 3.0, 12.0)
    assert found.cost_usd == certain(10.0)
    assert (found.elapsed_days, found.energy_mwh, found.safe_cost_usd) == (certain(5.0), None, 32.0)
    assert (found.how, found.note, found.accelerators, found.part) == (COMPUTED, "both", 8, "p")
    assert joined([line(), line()]).safe_cost_usd is None
    assert added([]) is None
    thrice = times(one, 3.0, stage="t")
    assert near(thrice.gpu_hours, 6.0, 3.0, 12.0)
    assert (thrice.stage, thrice.safe_cost_usd, thrice.co2e_t) == ("t", 36.0, None)
    assert times(line(), 3.0).safe_cost_usd is None
    row = one.row
    assert (row.stage, row.how, row.gpu_hours, row.cost_usd) == ("s", ENTERED, one.gpu_hours, one.cost_usd)


def test_stages_follow_each_other_on_each_pool() -> None:
    # Pool a: days 0 to 3 and 3 to 5; pool b beside it; what has no pool follows the line before it and takes no time.
    a, b = line(part="a", elapsed_days=certain(3.0)), line(part="b", elapsed_days=certain(4.0))
    again, none = line(part="a", elapsed_days=certain(2.0)), line()
    slots = schedule([a, b, none, again, none])
    assert [(s.start_days, s.end_days) for s in slots] == [(0, 3), (0, 4), (4, 4), (3, 5), (5, 5)]
    assert schedule([none])[0].start_days == 0.0


def test_money_by_month() -> None:
    month = DAYS_PER_MONTH
    assert pytest.approx(365.25 / 12) == month
    # From the middle of the first to the middle of the third: a quarter, a half, a quarter of 400.
    slots = schedule([line(part="a", elapsed_days=certain(month / 2)),
                      line(part="a", elapsed_days=certain(2 * month), cost_usd=certain(400.0))])  # fmt: skip
    assert [(m.month, m.usd) for m in monthly(slots)] == [(1, pytest.approx(100)), (2, pytest.approx(200)),
                                                          (3, pytest.approx(100))]  # fmt: skip
    # A sum of one day falls into its month; what begins after two months leaves these empty; a month that just ends is
    # the last.
    found = monthly([], [(3 * month + 1, 3 * month + 1, 50.0), (2 * month, 3 * month, 30.0)])
    assert [(m.month, m.usd) for m in found] == [(1, 0.0), (2, 0.0), (3, pytest.approx(30)), (4, 50.0)]
    assert monthly([]) == []


def test_a_trend_goes_through_its_rungs() -> None:
    # A cubic in the logarithm through five rungs that fit; the sixth, 1 where nothing fits, sets its end half way.
    rungs = np.exp(np.arange(6.0))
    rates = np.exp(2.0 + 0.1 * np.arange(6.0) ** 3)
    rates[-1] = 1.0
    found = Trend(rungs, rates)
    assert found.middle == pytest.approx(2.5)
    assert found.end == pytest.approx(4.5)
    at = found.at(np.array([0.5, 3.0, 4.4, 4.6, -2.0]))
    # Beyond its ends it stays as it is there.
    assert at == pytest.approx([math.exp(2 + 0.1 * 0.125), math.exp(4.7), math.exp(8.4), 1.0, math.exp(2.0)])
    # A rung that does not fit below those that do is no end.
    rates = np.array([1.0, *np.exp(2.0 + np.arange(5.0))])
    assert Trend(rungs, rates).end == math.inf
    assert Trend(rungs, rates).at(np.array([9.0, 1.5])) == pytest.approx([math.exp(6.0), math.exp(2.5)])
    # Between few a line.
    rates = np.array([8.0, 6.0, 4.0, 2.0, 1.0, 1.0])
    few = Trend(rungs, rates)
    assert few.cubic is None
    assert few.at(np.array([0.5, 9.0])) == pytest.approx([7.0, 1.0])


def test_fleets_worth_trying() -> None:
    # Powers of two below a node of eight, then whole nodes a sixth apart: 1 to 6, 6 x 1.19 = 7.1, 8.3, 9.5 (10), 11.9.
    assert node_multiples(8, 100) == [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96]
    assert node_multiples(1, 4) == [1, 2, 3, 4]
    assert node_multiples(6, 12) == [1, 2, 4, 6, 12]
    assert node_multiples(8)[-1] <= 131072 < 1.2 * node_multiples(8)[-1]
    # 300 tokens a second of 8 billion are 200 of 12, measured a quarter slower 160.
    assert rate_of_size(300.0, 8e9, 12e9, 1.25) == pytest.approx(160.0)


def priced(usd: float, gpus: str = "8xH100", **request: Any) -> Any:
    setting = quiet(gpus, "1T")
    assert setting.price is not None
    price = msgspec.structs.replace(setting.price, median_usd_per_accelerator_hour=usd)
    return msgspec.structs.replace(
        setting, price=price, request=msgspec.structs.replace(setting.request, **request)
    )  # fmt: skip


def test_fleets_that_spend_a_budget() -> None:
    # Ten hours at 2 $: a node of eight takes 160 $. 500 $ are 25, three nodes; 159.9 $ are seven, four of them.
    asked = priced(2.0, time_s=36000.0)
    assert fleet_for_budget(asked, 500.0) == 24
    assert fleet_for_budget(asked, 160.0) == 8
    assert fleet_for_budget(asked, 159.9) == 4
    assert fleet_for_budget(asked, 20.0) == 1
    with pytest.raises(InfeasibleError, match="does not pay for one accelerator"):
        fleet_for_budget(asked, 19.9)
    # Without a time, ninety days.
    assert fleet_for_budget(priced(2.0, time_s=None), 90 * 24 * 2.0 * 16.5) == 16


def test_time_and_money_that_a_size_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    # Elapsed time is twice the steady one: 1,000 s leave 500; 16 $ of eight at 2 $ are an hour, half of it.
    monkeypatch.setattr(Fleet, "elapsed_over_productive", lambda self, params, **more: 2.0)
    assert Fleet(priced(2.0, time_s=1000.0), 8).productive_s_available(1e9) == 500.0
    assert Fleet(priced(2.0, budget_usd=16.0), 8).productive_s_available(1e9) == 1800.0
    assert Fleet(priced(2.0, budget_usd=16.0, time_s=1000.0), 8).productive_s_available(1e9) == 500.0
    assert Fleet(priced(2.0), 8).productive_s_available(1e9) == math.inf
    # 8 x 1e5 tokens a second, corrected by a tenth, over 500 s.
    assert Fleet(priced(2.0, time_s=1000.0), 8).tokens_affordable(1e9, 1.1) == pytest.approx(8 * RATE * 500 * 1.1)


def test_elapsed_time_at_a_confidence() -> None:
    # A spread of runs of 0.3 and of the step's upper end (Z80 x 0.4): 0.5 in squares. At the median neither counts.
    setting = quiet("8xH100", "1T", 0.3)
    fleet, doubt = Fleet(setting, 8), Ends(0.0, Z80 * 0.4)
    assert fleet.elapsed_over_productive(1e9, doubt) == pytest.approx(1.0, rel=1e-4)
    assert fleet.elapsed_over_productive(1e9, doubt, z=1.0) == pytest.approx(math.exp(0.5), rel=1e-4)
    assert fleet.elapsed_over_productive(1e9, doubt, z=-1.0) == pytest.approx(math.exp(-0.3), rel=1e-4)
    asked = msgspec.structs.replace(setting, request=msgspec.structs.replace(setting.request, confidence=0.9))
    assert Fleet(asked, 8).elapsed_over_productive(1e9, doubt) == pytest.approx(math.exp(Z80 * 0.5), rel=1e-4)
    # The spread is that of the FLOPs: 6 x 1e9 x 1e12 are 6e21, of 20 tokens a parameter 1.2e20: of runs that repeat
    # their data a decade more of 1e23 adds 0.4.
    whole = msgspec.structs.replace(setting.whole_run, log_spread=0.0, repeated=1.0, repeated_per_decade=0.4)
    for tokens, decades in ((1e12, math.log10(1e23 / 6e21)), (None, math.log10(1e23 / 1.2e20))):
        request = msgspec.structs.replace(setting.request, tokens=tokens)
        one = Fleet(msgspec.structs.replace(setting, whole_run=whole, request=request), 8)
        found = one.elapsed_over_productive(1e9, Ends(0.0, 0.0), z=1.0)
        assert found == pytest.approx(math.exp(0.4 * decades), rel=1e-4)


def test_idle_accelerators_fail_nobody() -> None:
    # Every doubling of those that train costs a tenth more.
    setting = quiet("16xH100", "1T")
    whole = msgspec.structs.replace(setting.whole_run, per_doubling=0.1, accelerators=8.0)
    fleet = Fleet(msgspec.structs.replace(setting, whole_run=whole), 16)
    assert fleet.whole_run_log_factor() == pytest.approx(0.1)
    assert fleet.whole_run_log_factor(8) == pytest.approx(0.0)
    early = msgspec.structs.replace(whole, per_year=0.2)
    request = msgspec.structs.replace(setting.request, year=2023.0)
    fleet = Fleet(msgspec.structs.replace(setting, whole_run=early, request=request), 16)
    assert fleet.whole_run_log_factor(8) == pytest.approx(0.2)


def laddered(rates: dict[int, float], monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Fleet:
    """A fleet whose rungs (by their power of a quarter of a decade) have these FLOP/s."""
    setting = quiet("8xH100", "1T")
    request = msgspec.structs.replace(setting.request, mfu=None)
    rung = {round(4 * math.log10(params)): rate for params, rate in ((10 ** (i / 4), r) for i, r in rates.items())}
    monkeypatch.setattr(Fleet, "rung", lambda self, params: rung.get(round(4 * math.log10(params)), 0.0))
    return Fleet(msgspec.structs.replace(setting, request=request, **changes), 8)


def test_rates_between_rungs(monkeypatch: pytest.MonkeyPatch) -> None:
    # Rungs at 1e9 and 1.778e9 (36 and 37 quarters): half way on the log scale the mean of 2e15 and 4e15.
    fleet = laddered({36: 2e15, 37: 4e15}, monkeypatch)
    middle = 10**9.125
    assert fleet.tokens_per_s(middle) == pytest.approx(3e15 / (6 * middle))
    assert fleet.tokens_per_s(1.0001e9) == pytest.approx(2e15 / 6e9, rel=1e-3)
    # Above the last rung that fits nothing is known to fit; a measured level divides.
    assert fleet.tokens_per_s(10**9.3) == 0.0
    assert fleet.holds_no_larger(10**9.3)
    assert not fleet.holds_no_larger(middle)
    slower = laddered({36: 2e15, 37: 4e15}, monkeypatch, measured_level=1.5)
    assert slower.tokens_per_s(middle) == pytest.approx(2e15 / (6 * middle))
    # Sizes beyond the ladder stand at its ends: 1e8 and 3e13 (53 quarters).
    ends = laddered({32: 1e15, 33: 9e15, 53: 5e15, 54: 7e15}, monkeypatch)
    assert ends.tokens_per_s(1e7) == pytest.approx(1e15 / 6e7)
    assert ends.tokens_per_s(1e15) == pytest.approx(7e15 / 6e15)


def test_a_rung_is_its_best_layouts_tokens_times_six_n(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 tokens a second of a shape of N active parameters are 2,000 x 6 N FLOP/s."""
    setting = quiet("8xH100", "1T")
    found = types.SimpleNamespace(tokens_per_s=lambda case: {0: 2000.0}[case])
    monkeypatch.setattr(Fleet, "evaluate", lambda self, shape, n: found)
    n = float(shapes.parameters(shapes.shape_for_params(1e9)).active)
    fleet = Fleet(msgspec.structs.replace(setting, request=msgspec.structs.replace(setting.request, mfu=None)), 8)
    assert fleet.rung(1e9) == pytest.approx(2000.0 * 6.0 * n)


def test_many_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    # A rate that doubles with each rung is a line in logarithms; one rung more than the span on its right.
    fleet = laddered({i: 1e15 * 2.0 ** (i - 36) for i in range(36, 43)}, monkeypatch)
    span = (1.01e9, 2e10)
    sizes, rates = fleet._rungs(span)
    assert sizes == pytest.approx(10 ** (np.arange(36, 43) / 4))
    assert rates[-1] == pytest.approx(64e15)
    assert fleet.flop_rates(np.array([1e10]), span) == pytest.approx([16e15])
    slower = laddered({i: 1e15 * 2.0 ** (i - 36) for i in range(36, 43)}, monkeypatch, measured_level=2.0)
    assert slower.flop_rates(np.array([1e10]), span) == pytest.approx([8e15])
    # By a given utilisation: 8 x 1e15 x 0.6, whatever the size.
    given = Fleet(quiet("8xH100", "1T"), 8)
    assert given._rungs(span)[1] == pytest.approx(np.full(7, 4.8e15))


def test_what_power_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    # A kilowatt each at the meter: whole nodes of eight, below them powers of two.
    monkeypatch.setattr(powers, "rated_site_w", lambda part, system, facts: 1000.0)
    setting = quiet("8xH100", "1T")
    for power, count in ((25e3, 24), (8e3, 8), (7.9e3, 4), (1e3, 1), (3e3, 2)):
        assert powers.accelerators_within(power, setting) == count
    with pytest.raises(InfeasibleError, match="carry not one"):
        powers.accelerators_within(999.0, setting)
    limited = msgspec.structs.replace(setting, request=msgspec.structs.replace(setting.request, power_w=16e3))
    powers.check_power(limited, 16)
    powers.check_power(setting, 10**6)
    with pytest.raises(InfeasibleError, match="at most 16 of them"):
        powers.check_power(limited, 17)


def test_a_given_utilisation_is_that_of_its_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    # 8 x 1e15 x 0.6 over 6 N; by a convention that counts half as much again, two thirds of it.
    assert Fleet(quiet("8xH100", "1T"), 8).given_rate(1e9) == pytest.approx(8 * RATE)
    setting = quiet("8xH100", "1T")
    request = msgspec.structs.replace(setting.request, flop_convention="megatron")
    monkeypatch.setattr(fleets.shapes, "flop_per_token", lambda shape, seq, how: 6e9 if how == "6nd" else 9e9)
    other = Fleet(msgspec.structs.replace(setting, request=request), 8)
    assert other.given_rate(1e9) == pytest.approx(8 * RATE / 1.5)
