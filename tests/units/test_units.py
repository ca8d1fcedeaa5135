"""Quantities: what is read, what is refused with which words, and that a shown number reads back as itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwmodel import units
from hwmodel.errors import InputError

REASONABLE = st.floats(min_value=1.0, max_value=1e14)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.4T", 1.4e12),
        ("300B", 3e11),
        ("6.7e9", 6.7e9),
        ("2_000", 2000.0),
        ("70b", 7e10),
        ("5.76e23", 5.76e23),
        ("1,400B", 1.4e12),
        ("70,000,000,000", 7e10),
        ("1,234.5M", 1.2345e9),
        ("１０Ｂ", 1e10),
        ("１．４　Ｔ", 1.4e12),
        ("1.4 trillion", 1.4e12),
        ("7 billion", 7e9),
    ],
)
def test_counts(text: str, value: float) -> None:
    assert units.parse_count(text) == value


@pytest.mark.parametrize(
    ("text", "fleet"),
    [
        ("1024xA100", (1024, "A100")),
        ("H100:8", (8, "H100")),
        ("1024*a100-80gb", (1024, "a100-80gb")),
        ("4096xTPUv4", (4096, "TPUv4")),
        ("8 x MI300X", (8, "MI300X")),
        ("1,024xA100", (1024, "A100")),
        ("１０２４ｘA100", (1024, "A100")),
        ("A100 x 1024", (1024, "A100")),
        ("MI300X x8", (8, "MI300X")),
    ],
)
def test_fleets(text: str, fleet: tuple[int, str]) -> None:
    assert units.parse_fleet(text) == fleet


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 30 * 86400), ("12h", 43200), ("1w", 604800), ("90min", 5400), ("40ms", 0.04)]
)
def test_durations(text: str, seconds: float) -> None:
    assert units.parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["1,4T", "1,00,000", "1000,000", ",5", "1,2345"])
def test_commas_separate_thousands_only(text: str) -> None:
    with pytest.raises(InputError, match="write it like"):
        units.parse_count(text)


@pytest.mark.parametrize(
    ("text", "usd"),
    [
        ("$5M", 5e6),
        ("2.1usd", 2.1),
        ("250000", 250000.0),
        ("$1.5B", 1.5e9),
        ("$1,000,000", 1e6),
        ("1,000usd", 1e3),
        ("＄１Ｍ", 1e6),
        ("$1 million", 1e6),
    ],
)
def test_money(text: str, usd: float) -> None:
    assert units.parse_usd(text) == pytest.approx(usd)


def test_rates_fractions_and_flop() -> None:
    assert units.parse_rate("2kreq/s", "req") == 2000.0
    assert units.parse_fraction("45%") == pytest.approx(0.45)
    assert units.parse_flop("1PF-day") == pytest.approx(8.64e19)


@pytest.mark.parametrize(
    ("call", "text", "words"),
    [
        (units.parse_count, "1.4", "did you mean 1.4B or 1.4T"),
        (units.parse_usd, "1e308b", "too large"),
        (units.parse_duration_s, "1e307w", "too large"),
        (units.parse_count, "4096.5", "must be a whole number, got '4096.5'"),
        (units.parse_count, "½T", "cannot read"),
        (units.parse_count, "1²T", "unknown unit"),
        (units.parse_count, "-3B", "above zero"),
        (units.parse_count, "lots", "cannot read 'lots'"),
        (units.parse_count, "3X", "unknown unit 'X'"),
        (units.parse_fleet, "0xA100", "above zero"),
        (units.parse_fleet, "1.5xA100", "whole number"),
        (units.parse_fleet, "A100", "like 1024xA100"),
        (units.parse_fleet, "8xA100+8xH100", "mixed fleet"),
        (units.parse_duration_s, "30", "no unit"),
        (units.parse_duration_s, "30 fortnights", "unknown unit"),
        (units.parse_usd, "-3", "above zero"),
        (units.parse_fraction, "140%", "at most 100 %"),
    ],
)
def test_refusals_say_what_and_how_to_mend(call, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        call(text)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message


@given(REASONABLE, st.integers(2, 6))
def test_shown_count_reads_back(value: float, digits: int) -> None:
    shown = units.format_count(value, digits)
    reread = units.parse_flop(shown)
    assert reread == pytest.approx(value, rel=0.51 * 10.0 ** (1 - digits))
    assert units.format_count(reread, digits) == shown


@given(st.floats(min_value=1e-5, max_value=1e9), st.integers(2, 6))
def test_shown_duration_reads_back(value: float, digits: int) -> None:
    shown = units.format_duration(value, digits)
    assert units.format_duration(units.parse_duration_s(shown), digits) == shown


@given(st.floats(min_value=1.0, max_value=1e12), st.integers(2, 6))
def test_shown_money_reads_back(value: float, digits: int) -> None:
    money = units.format_usd(value, digits)
    assert units.format_usd(units.parse_usd(money), digits) == money


def test_decimal_and_binary_bytes_differ() -> None:
    assert units.format_bytes(80e9) == "80GB"
    assert units.format_bytes(80 * 2.0**30, binary=True) == "80GiB"


@given(st.floats(min_value=1e-3, max_value=1.0), st.integers(2, 5))
def test_shown_share_reads_back(value: float, digits: int) -> None:
    shown = units.format_fraction(value, digits)
    assert units.format_fraction(units.parse_fraction(shown), digits) == shown
