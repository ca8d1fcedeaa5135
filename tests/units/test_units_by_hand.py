"""Every unit that is read and every one that is shown, once each, with the number of base units in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hwmodel import units
from hwmodel.errors import InputError

DAY = 24 * 60 * 60  # seconds
YEAR = 365.25 * DAY  # Julian: three of 365 days and one of 366


@pytest.mark.parametrize(
    ("units_of_two", "number"),
    [
        ("2", 2), ("2k 2K 2thousand", 2_000), ("2M 2m 2million", 2_000_000), ("2B 2b 2G 2billion", 2_000_000_000),
        ("2T 2t 2trillion", 2e12), ("2P 2Q", 2e15), ("2E", 2e18), ("2Z", 2e21), ("2Y", 2e24),
    ],
)  # fmt: skip
def test_every_suffix_of_a_count(units_of_two: str, number: float) -> None:
    for text in units_of_two.split():
        assert units.parse_count(text) == pytest.approx(number, rel=1e-15)


@pytest.mark.parametrize(
    ("units_of_two", "seconds"),
    [
        ("2us", 2e-6), ("2ms", 2e-3), ("2s 2sec", 2), ("2min 2m", 120), ("2h 2hr 2hour 2hours", 7200),
        ("2d 2day 2days", 2 * DAY), ("2w 2week 2weeks", 14 * DAY), ("2month 2months", YEAR / 6),
        ("2y 2year 2years", 2 * YEAR),
    ],
)  # fmt: skip
def test_every_unit_of_time(units_of_two: str, seconds: float) -> None:
    for text in units_of_two.split():
        assert units.parse_duration_s(text) == pytest.approx(seconds, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "watts"), [("2", 2), ("2W", 2), ("2kW", 2e3), ("2 KW", 2e3), ("2MW", 2e6), ("2GW", 2e9)]
)
def test_every_unit_of_power(text: str, watts: float) -> None:
    assert units.parse_power_w(text) == watts


@pytest.mark.parametrize(("prefix", "factor"), [("", 1), ("k", 1e3), ("M", 1e6), ("G", 1e9)])
def test_every_prefix_of_a_rate(prefix: str, factor: float) -> None:
    assert units.parse_rate(f"3{prefix}req/s", "req") == 3 * factor


def test_flop_in_all_their_writings() -> None:
    # 1e15 FLOP/s for 86,400 s are a PF-day: two are 1.728e20.
    for text in ("2PF-day", "2 PF-days", "2pfday", "2PFdays", "1.728e20", "172.8E", "172.8 EFLOP", "172.8EFLOPs"):
        assert units.parse_flop(text) == pytest.approx(1.728e20, rel=1e-12)


@pytest.mark.parametrize(
    ("show", "value", "text"),
    [
        # 2.5 of each unit; half a unit goes to the unit below.
        (units.format_count, 0.0, "0"), (units.format_count, 2.5, "2.5"), (units.format_count, 2500.0, "2.5k"),
        (units.format_count, 2.5e6, "2.5M"), (units.format_count, 2.5e9, "2.5B"), (units.format_count, 2.5e12, "2.5T"),
        (units.format_count, 5e8, "500M"), (units.format_count, 2.5e15, "2.5e15"), (units.format_count, 3e24, "3e24"),
        (units.format_count, -2500.0, "-2.5k"), (units.format_count, -2.5e15, "-2.5e15"),
        (units.format_duration, 2.5e-6, "2.5us"), (units.format_duration, 0.0025, "2.5ms"),
        (units.format_duration, 2.5, "2.5s"), (units.format_duration, 150.0, "2.5min"),
        (units.format_duration, 9000.0, "2.5h"), (units.format_duration, 216_000.0, "2.5d"),
        (units.format_power, 2.5, "2.5W"), (units.format_power, 2500.0, "2.5kW"),
        (units.format_power, 2.5e6, "2.5MW"), (units.format_power, 2.5e9, "2.5GW"),
        (units.format_usd, 2.5, "$2.5"), (units.format_usd, 2500.0, "$2.5k"), (units.format_usd, 2.5e6, "$2.5M"),
        (units.format_usd, 2.5e9, "$2.5B"), (units.format_usd, -2.5e6, "-$2.5M"), (units.format_usd, 2.5e12, "$2500B"),
        (units.format_bytes, 2.5, "2.5B"), (units.format_bytes, 2500.0, "2.5kB"), (units.format_bytes, 2.5e6, "2.5MB"),
        (units.format_bytes, 2.5e9, "2.5GB"), (units.format_bytes, 2.5e12, "2.5TB"),
        (units.format_fraction, 0.4521, "45.2%"), (units.format_percent, 0.4521, "45.2 %"),
    ],
)  # fmt: skip
def test_every_unit_that_is_shown(show: Callable[[float], str], value: float, text: str) -> None:
    assert show(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    # 2.5 times 1024, 1024^2 = 1,048,576, 1024^3 = 1,073,741,824 and 1024^4 = 1,099,511,627,776.
    [(2.5, "2.5B"), (2560, "2.5KiB"), (2_621_440, "2.5MiB"), (2_684_354_560, "2.5GiB"), (2_748_779_069_440, "2.5TiB")],
)
def test_every_binary_unit_that_is_shown(value: float, text: str) -> None:
    assert units.format_bytes(value, binary=True) == text


@pytest.mark.parametrize(
    ("show", "value", "digits", "text"),
    [
        # What rounds up to a whole larger unit is shown in it, and what does not stays in its own.
        (units.format_count, 999.6, 3, "1k"), (units.format_count, 999.4, 3, "999"),
        (units.format_count, 999_499.0, 3, "999k"), (units.format_count, 999_500.0, 3, "1M"),
        (units.format_count, 9.994e14, 3, "999T"), (units.format_count, 9.996e14, 3, "1e15"),
        (units.format_duration, 0.995, 2, "1s"), (units.format_duration, 0.994, 2, "990ms"),
        (units.format_duration, 59.96, 3, "1min"), (units.format_duration, 59.94, 3, "59.9s"),
        # 24 units make the next: 23.97 h are not a day in three digits ("24h"), 23.99 h are in three and not in four.
        (units.format_duration, 86_300.0, 3, "1d"), (units.format_duration, 86_040.0, 3, "23.9h"),
        (units.format_duration, 86_364.0, 4, "23.99h"), (units.format_duration, 3_000.0, 3, "50min"),
    ],
)  # fmt: skip
def test_what_rounding_carries_into_the_next_unit(
    show: Callable[[float, int], str], value: float, digits: int, text: str
) -> None:
    assert show(value, digits) == text


def test_a_network_of_so_many_gbit() -> None:
    assert units.parse_gbit_per_s("400") == 400.0
    with pytest.raises(InputError, match=r"nic must be at least 0\.001 and at most 1e\+06 Gbit/s, got '2e6'"):
        units.parse_gbit_per_s("2e6", "nic")


@pytest.mark.parametrize("kind", units.LIMITS)
def test_limits_include_their_ends(kind: str) -> None:
    least, most, why = units.LIMITS[kind]
    assert units.within(least, kind, "it", "x") == least
    assert units.within(most, kind, "it", "x") == most
    for outside in (least - 1.0, 2.0 * most):
        with pytest.raises(InputError, match=r"^x must be .*, got 'it': "):
            units.within(outside, kind, "it", "x")
    assert why


def test_shares_at_their_ends() -> None:
    assert units.parse_fraction("100%") == units.parse_fraction("1") == 1.0
    for text in ("0", "0%", "1.001", "100.1%", "-5%"):
        with pytest.raises(InputError, match="above 0 and at most 100 %"):
            units.parse_fraction(text)
    with pytest.raises(InputError, match="unknown unit 'x'"):
        units.parse_fraction("2x")


def test_a_count_below_a_million_is_whole() -> None:
    # A fraction of a small number has nearly always lost its suffix; 1.5 million and a half is what a fit gives.
    assert units.parse_count("1500000.5") == 1_500_000.5
    assert units.parse_count("999999") == 999_999
    for text, guessed in (("999999.5", False), ("1000.5", False), ("999.5", True)):
        with pytest.raises(InputError, match="whole number") as caught:
            units.parse_count(text)
        assert ("did you mean" in str(caught.value)) is guessed


def test_fleets_at_their_ends() -> None:
    assert units.parse_fleet("1xA100") == (1, "A100")
    assert units.parse_fleet("1e9xA100") == (1_000_000_000, "A100")
    with pytest.raises(InputError, match="at most 1e9"):
        units.parse_fleet("1000000001xA100")
