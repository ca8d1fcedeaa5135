"""Quantities as people write them, to and from SI floats. No other module parses or formats a quantity.

Counts `1.4T 300B 6.7e9 2_000`, fleets `1024xA100 1024*a100-80gb H100:8`, times `30d 12h 1w 90min`, money `$5M 2.1usd`,
shares `45%`, rates `200req/s`; sizes are written as `80GB` or `80GiB`, decimal and binary.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from hwmodel.errors import InputError

SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86400.0
FLOP_PER_PF_DAY = 1e15 * SECONDS_PER_DAY
JOULES_PER_KWH = 3.6e6
JOULES_PER_MWH = 3.6e9
KG_PER_TONNE = 1e3
HOURS_PER_YEAR = 8766.0


class Magnitude(NamedTuple):
    """The magnitudes of a quantity that are answered, and why no others: a slip of the pen, not a question."""

    least: float
    most: float
    why: str


# The one table of magnitudes. All are judgements, far outside what was ever built, trained or asked.
LIMITS = {
    "accelerators": Magnitude(1.0, 1e9, "more than were ever made"),
    "count": Magnitude(0.0, 1e30, "nothing that anybody counts is meant"),
    "model": Magnitude(0.0, 1e20, "no model has so many parameters, and no data so many tokens"),
    "FLOP": Magnitude(1.0, 1e36, "no physics computes so much"),
    "USD": Magnitude(0.0, 1e18, "more than all money"),
    "s": Magnitude(0.0, 1e12, "more than thirty thousand years"),
    "W": Magnitude(1.0, 1e15, "no site draws so much, and no accelerator so little"),
    "requests/s": Magnitude(1e-9, 1e12, "no service carries so many, or is built for one in thirty years"),
    "requests": Magnitude(1.0, 1e12, "no service holds so many at once"),
    "Gbit/s": Magnitude(1e-3, 1e6, "no network of an accelerator is so slow or so fast"),
    "USD an hour": Magnitude(1e-6, 1e9, "no accelerator-hour is sold for so little or so much"),
}


def within(value: float, kind: str, typed: object, what: str) -> float:
    """The value of a quantity. Raises InputError for one outside the limits of its kind, saying which and why."""
    least, most, why = LIMITS[kind]
    if least <= value <= most:
        return value
    unit = "" if kind in ("accelerators", "count", "model") else f" {kind}"
    span = f"at least {least:g} and at most {most:g}{unit}" if least else f"at most {most:g}{unit}"
    raise InputError(f"{what} must be {span}, got {typed!r}: {why}")


# Commas separate thousands: `1,000,000` is one number, `1,5` is none.
_NUMBER = r"[+-]?(?:\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*(.*?)\s*")
_FLEET = (
    re.compile(rf"\s*({_NUMBER})\s*[x×*]\s*(\S.*?)\s*"),
    re.compile(rf"\s*(\S[^:]*?)(?:\s*:\s*|\s+[x×*]\s*)({_NUMBER})\s*"),
)
# Digits, letters and signs as East Asian input methods write them, one column wider.
_WIDE = {0x3000: " ", 0xFF04: "$", 0xFF05: "%"} | {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}

_COUNT = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "m": 1e6, "B": 1e9, "b": 1e9, "G": 1e9, "T": 1e12, "t": 1e12,
          "P": 1e15, "Q": 1e15, "E": 1e18, "Z": 1e21, "Y": 1e24, "thousand": 1e3, "million": 1e6, "billion": 1e9,
          "trillion": 1e12}  # fmt: skip
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "hr": 3600.0,
            "hour": 3600.0, "hours": 3600.0, "d": 86400.0, "day": 86400.0, "days": 86400.0, "w": 7 * 86400.0,
            "week": 7 * 86400.0, "weeks": 7 * 86400.0, "month": 365.25 / 12 * 86400.0,
            "months": 365.25 / 12 * 86400.0, "y": 365.25 * 86400.0, "year": 365.25 * 86400.0,
            "years": 365.25 * 86400.0}  # fmt: skip
_WATTS = {"": 1.0, "W": 1.0, "kW": 1e3, "KW": 1e3, "MW": 1e6, "GW": 1e9}
_PREFIX = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}


def narrow(text: str) -> str:
    """The text with full-width letters, digits and signs in their common form: `１０Ｂ` is `10B`."""
    return text.translate(_WIDE)


def _split(text: str, what: str, example: str) -> tuple[float, str]:
    """The number and the unit of a quantity as written."""
    match = _QUANTITY.fullmatch(narrow(text))
    if match is None:
        raise InputError(f"cannot read {text!r} as {what}; write it like {example}")
    try:
        value = float(re.sub("[_,]", "", match[1]))
    except ValueError:
        raise InputError(f"cannot read {text!r} as {what}; write it like {example}") from None
    if not math.isfinite(value):
        raise InputError(f"{text!r} is too large to be {what}")
    return value, match[2]


def _scaled(text: str, what: str, units: dict[str, float], example: str, default: str | None = None) -> float:
    """The quantity in the base of these units."""
    value, unit = _split(text, what, example)
    unit = unit or (default if default is not None else "")
    if unit.startswith(","):
        raise InputError(
            f"cannot read {text!r} as {what}: commas separate thousands (1,000,000), a point decimals; write it like "
            f"{example}"
        )
    if unit not in units:
        listed = " ".join(u for u in units if u)
        raise InputError(f"unknown unit {unit!r} in {text!r} ({what}); use one of: {listed}; like {example}")
    if not math.isfinite(value * units[unit]):
        raise InputError(f"{text!r} is too large to be {what}")
    return value * units[unit]


def _positive(value: float, text: str, what: str) -> float:
    if value <= 0:
        raise InputError(f"{what} must be above zero, got {text!r}")
    return value


def parse_count(text: str, what: str = "a count") -> float:
    """Positive whole count of parameters, tokens, requests: `70B`, `1.4T`, `6.7e9`, `2_000`.

    A small number with a fraction and no suffix (`1.4`) is refused: it is nearly always a forgotten suffix.
    """
    value = _positive(_scaled(text, what, _COUNT, "70B, 1.4T or 6.7e9"), text, what)
    within(value, "count", text, what)
    if value < 1e6 and value != math.floor(value):
        number = text.strip()
        meant = f"; did you mean {number}B or {number}T?" if value < 1e3 else ""
        raise InputError(f"{what} must be a whole number, got {text!r}{meant}")
    return value


def parse_flop(text: str, what: str = "FLOPs") -> float:
    """Total floating-point operations: `5.76e23`, `1e22FLOP`, `1 PF-day`, `3.8YFLOP`."""
    value, unit = _split(text, what, "5.76e23 or 1000PF-days")
    if unit.lower() in ("pf-day", "pf-days", "pfday", "pfdays"):
        return _flop(value * FLOP_PER_PF_DAY, text, what)
    unit = re.sub(r"FLOPs?$", "", unit, flags=re.IGNORECASE)
    if unit not in _COUNT:
        raise InputError(f"unknown unit in {text!r} ({what}); write it like 5.76e23 or 1000PF-days")
    return _flop(value * _COUNT[unit], text, what)


def _flop(value: float, text: str, what: str) -> float:
    """At least one operation, at most what no physics computes."""
    return within(_positive(value, text, what), "FLOP", text, what)


def parse_fleet(text: str) -> tuple[int, str]:
    """(`1024`, `A100`) from `1024xA100`, `1024*A100` or `A100:1024`; the name is resolved by the catalog."""
    if "+" in text:
        raise InputError(
            f"cannot plan the mixed fleet {text!r}: one kind of accelerator a plan; plan each part alone, or "
            "several pools as a budget, which `plan` answers (hm.budget in Python)"
        )
    first, second = (pattern.fullmatch(narrow(text)) for pattern in _FLEET)
    if first is not None:
        number, name = first[1], first[2]
    elif second is not None:
        name, number = second[1], second[2]
    else:
        raise InputError(f"cannot read {text!r} as a fleet; write it like 1024xA100 or H100:8")
    count = float(re.sub("[_,]", "", number))
    if not 0 < count <= LIMITS["accelerators"].most or count != math.floor(count):
        raise InputError(
            f"a fleet needs a whole number of accelerators above zero and at most 1e9, got {number!r} in {text!r}"
        )
    return int(count), name


def parse_duration_s(text: str, what: str = "a duration", example: str = "30d, 12h or 90min") -> float:
    """Seconds from `30d`, `12h`, `1w`, `90min`, `40ms`; `m` is minutes."""
    if not _split(text, what, example)[1]:
        raise InputError(f"{what} {text!r} has no unit; write it like {example}")
    return _positive(_scaled(text, what, _SECONDS, example), text, what)


def parse_power_w(text: Any, what: str = "a power") -> float:
    """Watts from `10MW`, `250 kW`; a bare number is watts."""
    return within(_positive(_scaled(str(text), what, _WATTS, "10MW"), str(text), what), "W", text, what)


_CURRENCY = re.compile(
    "(?i)[\u00a3\u00a5\uffe5\u20a9\u20ac\u20b9]|\\b(?:aud|cad|chf|cny|eur|gbp|hkd|inr|jpy|krw|rmb|sgd)\\b|"
    "(?:cny|eur|gbp|jpy|rmb)$"
)


def parse_usd(text: str, what: str = "an amount of money") -> float:
    """US dollars from `$5M`, `5Musd`, `2.1 USD`, `250000`. InputError for another currency: rates are not known."""
    plain = narrow(text)
    other = _CURRENCY.search(plain)
    if other is not None:
        raise InputError(f"{what} counts US dollars, and {text!r} is in {other.group()}: convert it, like $5M")
    bare = re.sub(r"(?i)usd", "", plain.replace("$", "", 1)).strip()
    return _positive(_scaled(bare, what, _COUNT, "$5M"), text, what)


def parse_rate(text: str, unit: str, what: str = "a rate") -> float:
    """Units a second: `200req/s` or `2kreq/s` with unit `req`."""
    per_s = {f"{prefix}{unit}/s": factor for prefix, factor in _PREFIX.items()}
    return within(_positive(_scaled(text, what, per_s, f"200{unit}/s"), text, what), "requests/s", text, what)


def parse_fraction(text: str, what: str = "a share") -> float:
    """A share above 0 and up to 1 from `45%` or `0.45`."""
    value, unit = _split(text, what, "45% or 0.45")
    if unit not in ("", "%"):
        raise InputError(f"unknown unit {unit!r} in {text!r} ({what}); write it like 45% or 0.45")
    value = value / 100 if unit == "%" else value
    if not 0 < value <= 1:
        raise InputError(f"{what} must lie above 0 and at most 100 %, got {text!r}")
    return value


def parse_gbit_per_s(text: str, what: str = "a network") -> float:
    """Gbit/s of one accelerator and direction, as a plain number."""
    return within(parse_positive(text, what), "Gbit/s", text, what)


def parse_positive(text: str, what: str = "a number") -> float:
    """A plain positive number."""
    value, unit = _split(text, what, "2.5")
    if unit:
        raise InputError(f"cannot read {text!r} as {what}; write a plain number like 2.5")
    return _positive(value, text, what)


def _significant(value: float, digits: int) -> str:
    """So many significant digits, without an exponent or trailing zeros."""
    text = f"{value:.{digits}g}"
    if "e" in text:
        text = f"{float(text):f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits - 1}e}")


def _with_units(value: float, units: list[tuple[str, float]], digits: int) -> str:
    """The value in the largest of the units that leaves one or more before the point."""
    place = next((i for i, u in enumerate(units) if abs(_rounded(value / u[1], digits)) >= 1), len(units) - 1)
    shown = _rounded(value / units[place][1], digits)
    if place > 0 and abs(shown) * units[place][1] >= units[place - 1][1]:  # 0.995 s in two digits is 1 s, not 1000 ms
        place -= 1
        shown = _rounded(shown * units[place + 1][1] / units[place][1], digits)
    return f"{_significant(shown, digits)}{units[place][0]}"


def format_count(value: float, digits: int = 3) -> str:
    """`76.6B`, `1.4T`, `640`; beyond 1e15 in powers of ten, as FLOPs are written."""
    if value == 0:
        return "0"
    if abs(value) >= 9.995e14:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"
    return _with_units(value, [("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0)], digits)


def format_duration(seconds: float, digits: int = 3) -> str:
    """`38.7d`, `2.5h`, `14.2min`, `6.1s`, `310ms`, `12us`."""
    units = [("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("us", 1e-6)]
    return _with_units(seconds, units, digits)


def format_power(watts: float, digits: int = 3) -> str:
    """`9.84MW`, `1.2kW`."""
    return _with_units(watts, [("GW", 1e9), ("MW", 1e6), ("kW", 1e3), ("W", 1.0)], digits)


def format_usd(value: float, digits: int = 3) -> str:
    """`$5.1M`, `$820k`, `$2.1`."""
    sign = "-" if value < 0 else ""
    units = [("B", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0)]
    return f"{sign}${_with_units(abs(value), units, digits)}"


def format_bytes(value: float, digits: int = 3, *, binary: bool = False) -> str:
    """`80.2GB` or, with `binary`, `74.7GiB`."""
    if binary:
        units = [("TiB", 2.0**40), ("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0)]
    else:
        units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0)]
    return _with_units(value, units, digits)


def format_fraction(value: float, digits: int = 3) -> str:
    """`45.2%`."""
    return f"{_significant(100 * value, digits)}%"


def format_percent(share: float) -> str:
    """`45.2 %`, to a tenth."""
    return f"{100.0 * share:.1f} %"
