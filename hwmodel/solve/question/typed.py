"""What a person types for one question: a fleet, a demand, and one value an option."""

from __future__ import annotations

import re
from typing import Any

from hwmodel import units
from hwmodel.errors import InputError

DEMAND_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0}


def check_single(name: str, value: object) -> None:
    """Raises InputError for an option of several values (`1T,2T`), which `compare` takes; thousands are one number."""
    if not isinstance(value, str) or "," not in value:
        return
    ways = (value.split(","), re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", value).split(","))
    if any(len(way) > 1 and all(re.search(r"[A-Za-z]", piece) for piece in way) for way in ways):
        several = "fleets: one job cannot span two parts" if name == "gpus" else "values, a plan takes one"
        raise InputError(
            f"--{name.replace('_', '-')} {value} names several {several}; hwmodel compare sets them side by side"
        )


def fleet_of(value: Any) -> tuple[int | None, str | None]:
    """The number of accelerators, None where it is solved, and the name of the part."""
    if value is None:
        return None, None
    text = units.narrow(str(value).strip())
    if not text or text.startswith("-"):
        raise InputError(f"--gpus {text!r} is no fleet; write it like 1024xA100, or H100 to solve the count")
    if re.fullmatch(r"[\d_,.]+\s+[^\sx×*].*", text):
        raise InputError(f"cannot read --gpus {text!r}; write it like 1024xA100")
    if any(mark in text for mark in "x×*:+") and any(c.isdigit() for c in text.split(":")[-1] + text[:1]):
        try:
            return units.parse_fleet(text)
        except InputError:
            if text[:1].isdigit() or ":" in text or "+" in text:
                raise
    if text.strip("+-").replace(".", "").isdigit():
        raise InputError(f"--gpus {text} names no accelerator; write it like 1024xA100")
    return None, text  # a part without a count: the size of the fleet is solved


def parse_demand(text: str) -> float:
    """Requests a second of `200 req/s`, `5k req/min`, `0.5 req/s` or a bare number a second. Raises InputError."""
    head, _, unit = text.partition("/")
    words = head.lower().replace("requests", "").replace("request", "").replace("req", "").strip()
    scale = {"k": 1e3, "m": 1e6}.get(words[-1:], 1.0)
    try:
        value = units.parse_positive(words[:-1] if scale > 1.0 else words, "--demand") * scale
    except InputError as error:
        if "above zero" in str(error):
            raise InputError(f"--demand must be above zero, not {text!r}") from error
        raise InputError(f"cannot read --demand {text!r}; write it like '200 req/s' or '5k req/min'") from error
    if unit.strip() not in DEMAND_SECONDS:
        raise InputError(f"--demand {text!r} counts per {unit.strip()!r}; use s, min, h or day")
    return units.within(value / DEMAND_SECONDS[unit.strip()], "requests/s", text, "--demand")
