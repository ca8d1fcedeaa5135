"""The values of an axis: a list, a range such as `1B..500B log 40` or `8..64 step 8`, or the lines of a file."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwmodel import units
from hwmodel.catalog.reading import csv_lines, text_of
from hwmodel.errors import InputError, unknown
from hwmodel.plain import Options
from hwmodel.solve.question.parse import QUANTITIES
from hwmodel.solve.question.typed import parse_demand
from hwmodel.solve.question.values import quantity
from hwmodel.specs.layout import ASKED

Value = float | str | bool
MOST_VALUES = 1_000_000
DIGITS = 6  # of the values between the ends of a range: enough to mean them, few enough to read them
_RANGE = re.compile(
    r"\s*(?P<low>\S+?)\s*\.\.\s*(?P<high>\S+?)(?:\s+(?P<scale>log|linear)\s+(?P<count>\d{1,18})|\s+step\s+(?P<step>\S+))\s*"
)
_LIKE = "write it like 1B..500B log 40, 7d..90d linear 12, 8..64 step 8, or 64xH100..4096xH100 log 7"
# Quantities that vary as columns; then other numbers whose ranges are read with their units.
NUMBERS = ("params", "tokens", "flops", "loss", "time", "budget")


def _from_zero(read: Callable[..., float]) -> Callable[..., float]:
    """The reader, for what may be nothing."""
    return lambda text, what: 0.0 if text.strip() in ("0", "0%") else read(text, what)


_READERS: dict[str, Callable[..., float]] = {
    **{name: read for name, (_, read) in QUANTITIES.items()},
    "usd_per_hour": units.parse_usd, "confidence": units.parse_fraction, "nic_gbit_s": units.parse_gbit_per_s,
    "year": units.parse_positive, "pue": units.parse_positive, "recompute": units.parse_fraction,
    "ttft": units.parse_duration_s, "tpot": units.parse_duration_s, "p": units.parse_positive,
    "demand": lambda text, what: parse_demand(text), "acceptance": units.parse_positive,
    "peak_to_mean": units.parse_positive,
    "min_quality": units.parse_fraction, "prefix_hit": _from_zero(units.parse_fraction),
    "draft_tokens": _from_zero(units.parse_positive), "max_loss": _from_zero(units.parse_positive),
}  # fmt: skip
# Where a number alone would not be read: what it is multiplied by, and the unit.
_TYPED = {"recompute": (100.0, "%"), "ttft": (1.0, "s"), "tpot": (1.0, "s")}
_COUNTS: dict[str, Callable[..., float]] = {
    **dict.fromkeys((*ASKED, "seq_len", "global_batch", "global_batch_tokens", "samples", "concurrency", "input",
                     "output", "max_running", "step_tokens", "rounds", "prefill_tp"), units.parse_count),
    **dict.fromkeys(("seed", "spares", "zero"), _from_zero(units.parse_count)),
}  # fmt: skip
# Units of what is read, where it is no plain count or share.
UNITS = {
    "time": "s", "budget": "USD", "lifetime_budget": "USD", "power": "W", "flops": "FLOP", "loss": "nat/token",
    "usd_per_hour": "USD/h", "nic_gbit_s": "Gbit/s", "ttft": "s", "tpot": "s", "p": "%", "demand": "1/s",
    "max_loss": "nat/token",
}  # fmt: skip
WORDS = ("recompute",)  # what is read as a share in a range, and is a word elsewhere


def unit_of(name: str) -> str:
    """The unit of an option that is a quantity; empty for words."""
    return UNITS.get(name, "1" if _reader(name) is not None else "")


def _reader(name: str) -> Callable[..., float] | None:
    """What reads an option that is a quantity however it is written."""
    return None if name in WORDS else _READERS.get(name) or _COUNTS.get(name)


def numbers_of(name: str, values: tuple[Value, ...]) -> tuple[float, ...] | None:
    """The values of an axis as numbers in base units, where all of them are: a quantity with its units is one."""
    if bool in set(map(type, values)):
        return None
    try:
        return tuple(map(float, values))
    except ValueError:
        read = _reader(name)
    if read is None:
        return None
    try:
        return tuple(float(quantity(one, read, name)) for one in values)
    except InputError:
        return None


def is_number(name: str) -> bool:
    """Whether the option is a quantity of the run, which varies as a column."""
    return name in NUMBERS


def axis_values(name: str, given: Any, folder: Path) -> tuple[Value, ...]:
    """The values of an axis as written in a space. Raises InputError with the place of what cannot be read."""
    where = f"axes.{name}"
    if isinstance(given, dict):
        given = _file_values(where, given, folder)
    if isinstance(given, str) and ".." in given:
        return _range_values(name, given, where)
    listed = given if isinstance(given, (list, tuple)) else [given]
    if not listed:
        raise InputError(f"{where} has no values: the space would be empty; give some or drop the axis")
    if len(listed) > MOST_VALUES:
        raise InputError(f"{where} has {len(listed):,} values, at most {MOST_VALUES:,} are read")
    found: list[Value] = []
    for place, value in enumerate(listed):
        if isinstance(value, str) and ".." in value:
            found += _range_values(name, value, f"{where}[{place}]")
        else:
            found.append(_one(name, value, f"{where}[{place}]"))
    twice = next((value for value, count in Counter(found).items() if count > 1), None)
    if twice is not None:
        shown = f"{twice:.12g}" if isinstance(twice, float) else twice
        raise InputError(f"{where} holds {shown} twice: each value once")
    return tuple(found)


def _one(name: str, value: Any, where: str) -> Value:
    if value is None or isinstance(value, (list, tuple, dict)):
        raise InputError(f"{where} is {value!r}, not a value; {_LIKE}")
    if is_number(name):
        return float(quantity(value, QUANTITIES[name][1], where))
    return value if isinstance(value, (str, bool)) else float(value) if isinstance(value, float) else str(value)


def _range_values(name: str, text: str, where: str) -> tuple[Value, ...]:
    found = _RANGE.fullmatch(text)
    if found is None:
        raise InputError(f"cannot read the range {text[:80]!r} of {where}; {_LIKE}")
    if name == "gpus":
        (least, part), (most, other) = units.parse_fleet(found["low"]), units.parse_fleet(found["high"])
        if part != other:
            raise InputError(f"the range {text!r} of {where} goes from {part} to {other}: one part a range")
        counts = _between(text, where, float(least), float(most), found, units.parse_count)
        return tuple(dict.fromkeys(f"{round(count)}x{part}" for count in counts))
    read = _READERS.get(name) or _COUNTS.get(name)
    if read is None:
        raise InputError(f"{where} takes words, not a range: list them, like [a, b], instead of {text!r}")
    low, high = _read(found["low"], read, where), _read(found["high"], read, where)
    values = _between(text, where, low, high, found, read)
    if name in _TYPED:
        scale, unit = _TYPED[name]
        return tuple(f"{scale * value:.{DIGITS}g}{unit}" for value in values)
    if name in _READERS:
        return tuple(values)
    return tuple(dict.fromkeys(str(round(value)) for value in values))


def _read(text: str, read: Callable[..., float], where: str) -> float:
    """An end or a step of a range."""
    return float(quantity(text, read, where))


def _between(
    text: str, where: str, low: float, high: float, found: re.Match[str], read: Callable[..., float]
) -> list[float]:
    """The values of a range, its ends exact."""
    if not low < high:
        raise InputError(f"the range {text!r} of {where} does not rise: its first end must be the smaller")
    if found["step"]:
        step = _read(found["step"], read, where)
        steps = (high - low) / step if step else math.inf
        if not math.isfinite(steps):
            raise InputError(f"the range {text!r} of {where} has a step of nothing")
        count = math.floor(steps * (1.0 + 1e-12)) + 1
        _countable(text, where, count)
        return [float(f"{low + step * place:.12g}") for place in range(count)]
    count = int(found["count"])
    _countable(text, where, count)
    if count < 2:
        raise InputError(f"the range {text!r} of {where} needs at least 2 values")
    log = found["scale"] == "log"
    if log and low == 0.0:
        raise InputError(f"the range {text!r} of {where} cannot go by logarithms from 0: write linear, or begin above")
    a, b = (math.log(low), math.log(high)) if log else (low, high)
    inner = [a + (b - a) * place / (count - 1) for place in range(1, count - 1)]
    return [low, *(float(f"{math.exp(x) if log else x:.{DIGITS}g}") for x in inner), high]


def _countable(text: str, where: str, count: int) -> None:
    if count > MOST_VALUES:
        raise InputError(f"the range {text!r} of {where} has {count:,} values, at most {MOST_VALUES:,} are read")


def _file_values(where: str, given: Options, folder: Path) -> list[str]:
    """The lines of a text file, or a column of a CSV, as `{file: sizes.csv, column: params}` names them."""
    strange = next((key for key in given if key not in ("file", "column")), None)
    if strange is not None or not all(isinstance(value, str) for value in given.values()) or "file" not in given:
        raise InputError(f"{where}: write a file as {{file: sizes.csv, column: params}}, not {given!r:.80}")
    path = folder / str(given["file"])
    if "column" not in given:
        return [line.strip() for line in text_of(path, f"{where}:").splitlines() if line.strip()]
    return _column_values(where, path, str(given["column"]))


def _column_values(where: str, path: Path, name: str) -> list[str]:
    """The cells of a column of a CSV that are not empty."""
    lines = [cells for _, cells in csv_lines(path, f"{where}:") if any(cell.strip() for cell in cells)]
    head = [cell.strip() for cell in lines[0]] if lines else []
    if head.count(name) > 1:
        raise InputError(f"{where}: {path} has {head.count(name)} columns {name!r}: leave one")
    if name not in head:
        raise unknown("column", name, head, f"{where}: {path}") if head else InputError(f"{where}: {path} has no rows")
    place = head.index(name)
    return [cells[place].strip() for cells in lines[1:] if place < len(cells) and cells[place].strip()]
