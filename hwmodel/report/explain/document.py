"""What stands where in the JSON of an answer: its numbers, and the names under which it holds none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from hwmodel.plain import JsonValue

BAND = {"value", "low", "high"}
Number = float | Mapping[str, float]  # plain, or an interval


def numbers(place: JsonValue, path: str = "") -> Iterator[tuple[str, Number]]:
    """Every number by its dotted name."""
    if isinstance(place, (int, float)) and not isinstance(place, bool):
        yield path, place
    elif band := _band(place):
        yield path, band
    else:
        for key, one in inside(place):
            yield from numbers(one, f"{path}.{key}" if path else key)


def _band(place: JsonValue) -> dict[str, float]:
    """An interval as such; empty for anything else."""
    if not isinstance(place, Mapping) or not set(place) >= BAND:
        return {}
    ends = {name: end for name, end in place.items() if isinstance(end, (int, float))}
    return ends if set(ends) >= BAND else {}


def empty(place: JsonValue, path: str = "") -> Iterator[str]:
    """The names under which nothing stands."""
    if place is None:
        yield path
    for key, one in inside(place):
        yield from empty(one, f"{path}.{key}" if path else key)


def at(place: JsonValue, path: str) -> JsonValue:
    """What stands at a dotted name; None where nothing does."""
    for key in path.split("."):
        place = dict(inside(place)).get(key)
    return place


def inside(place: JsonValue) -> list[tuple[str, JsonValue]]:
    """The parts of a group or of a list, by their names."""
    if isinstance(place, Mapping):
        return [(str(key), one) for key, one in place.items()]
    if isinstance(place, Sequence) and not isinstance(place, str):
        return list(zip(_keys(place), place, strict=True))
    return []


def _keys(rows: Sequence[JsonValue]) -> list[str]:
    """Rows by what their first word says (`precisions.fp8`), or by their place."""
    words = [next((v for v in row.values() if isinstance(v, str)), "") if isinstance(row, Mapping) else ""
             for row in rows]  # fmt: skip
    clear = len(set(words)) == len(words) and all(re.fullmatch(r"[\w/-]+", word) for word in words)
    return words if clear else [str(i) for i in range(len(rows))]
