"""One catalog value: a number with its unit, source and standing, checked on the way in."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection

import msgspec

from hwmodel.catalog.quantities import known_units, si_factor
from hwmodel.plain import JsonObject, JsonValue
from hwmodel.specs.provenance import Losing, Sourced

STATUSES = ("vendor", "measured", "derived", "secondary", "unconfirmed")
KEYS = ("value", "unit", "source", "locator", "as_of", "status", "range", "other", "note")
OTHER_KEYS = Losing.__struct_fields__
TEXT = "text"


class FaultError(Exception):
    """Something wrong inside a record, at the path of keys `at`."""

    def __init__(self, at: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.at = at
        self.message = message


def near(given: str, known: Collection[str]) -> str:
    """`; nearest: ...` for a misspelt key, or nothing."""
    close = difflib.get_close_matches(given, sorted(known), n=2, cutoff=0.5)
    return f"; nearest: {', '.join(close)}" if close else ""


def one_of(value: JsonValue, known: Collection[str], at: tuple[str | int, ...]) -> str:
    """A text out of a list."""
    if not isinstance(value, str) or value not in known:
        raise FaultError(at, f"{at[-1]} {str(value)[:40]!r} is none of {', '.join(known)}")
    return value


def source_id(value: JsonValue, sources: Collection[str], at: tuple[str | int, ...]) -> str:
    """An id of sources.yaml."""
    if value is None:
        raise FaultError(at, "has no source; name an id of sources.yaml")
    if not isinstance(value, str) or value not in sources:
        raise FaultError(
            (*at, "source"), f"source {str(value)[:60]!r} is not in sources.yaml{near(str(value), sources)}"
        )
    return value


def number(raw: JsonValue, at: tuple[str | int, ...]) -> float:
    """A finite number; strings, booleans and NaN are refused."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        hint = " (YAML reads 1e20 as text: write 1.0e+20)" if isinstance(raw, str) and "e" in raw.lower() else ""
        raise FaultError(at, f"expected a number, got {str(raw)[:40]!r}{hint}")
    try:
        value = float(raw)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise FaultError(at, f"{raw} is not a finite number")
    return value


def _checked_unit(raw: JsonObject, dimension: str, at: tuple[str | int, ...]) -> float:
    unit = raw.get("unit", "")
    factor = si_factor(unit, dimension) if isinstance(unit, str) else None
    if factor is None:
        what = f"unit {unit!r} is not known here" if unit else "has no unit"
        raise FaultError((*at, "unit") if unit else at, f"{what}; one of {known_units(dimension)}")
    return factor


def _others(raw: JsonObject, at: tuple[str | int, ...], sources: Collection[str]) -> tuple[Losing, ...]:
    found = []
    others = raw.get("other", ())
    if not isinstance(others, (list, tuple)):
        raise FaultError((*at, "other"), "expected a list of {value, source, why}")
    for i, item in enumerate(others):
        place = (*at, "other", i)
        if not isinstance(item, dict) or set(item) - set(OTHER_KEYS) or "value" not in item:
            raise FaultError(place, f"expected {{{', '.join(OTHER_KEYS)}}}")
        source_id(item.get("source"), sources, place)
        if not item.get("why"):
            raise FaultError(place, "does not say why it lost (`why`)")
        try:
            found.append(msgspec.convert(item, Losing))
        except msgspec.ValidationError as error:
            raise FaultError(place, str(error)) from error
    return tuple(found)


def sourced(
    raw: JsonValue, dimension: str, at: tuple[str | int, ...], sources: Collection[str], words: Collection[str] = ()
) -> tuple[Sourced, float | str]:
    """The record of a value and the value itself in SI. `words` are texts that may stand instead of a number."""
    if not isinstance(raw, dict):
        raise FaultError(at, "has no source; write {value: ..., unit: ..., source: ..., status: ...}")
    for key in raw:
        if key not in KEYS:
            raise FaultError((*at, str(key)), f"unknown key {key!r}{near(str(key), KEYS)}")
    if "value" not in raw:
        raise FaultError(at, "has no value")
    source = source_id(raw.get("source"), sources, at)
    status = one_of(raw.get("status", "secondary"), STATUSES, (*at, "status"))
    for key in ("locator", "as_of", "note"):
        if key in raw and not isinstance(raw[key], str):
            raise FaultError((*at, key), f"{key} must be text (quote it)")
    value = raw["value"]
    si: float | str
    if dimension == TEXT:
        if not isinstance(value, str):
            raise FaultError((*at, "value"), f"expected text, got {str(value)[:40]!r} (quote it)")
        si = value
    elif isinstance(value, str) and value in words:
        si = value
    else:
        si = number(value, (*at, "value")) * _checked_unit(raw, dimension, at)
    span = raw.get("range")
    if span is not None:
        if not isinstance(span, list) or len(span) != 2:
            raise FaultError((*at, "range"), "expected [low, high]")
        span = (number(span[0], (*at, "range")), number(span[1], (*at, "range")))
    record = Sourced(
        value=value, source=source, unit=raw.get("unit", ""), locator=raw.get("locator", ""),
        as_of=raw.get("as_of", ""), status=status, range=span, other=_others(raw, at, sources),
        note=raw.get("note", ""),
    )  # fmt: skip
    return record, si
