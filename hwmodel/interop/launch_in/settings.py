"""The settings of a tool's file by name, each read as the kind of value that its reader needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TypeAlias

from hwmodel.errors import InputError
from hwmodel.plain import JsonObject, JsonValue


class Unread(Enum):
    """In the place of a value that only running the file would tell."""

    UNREAD = "unread"


Setting: TypeAlias = "JsonValue | Unread"  # a value as it stands in another program's file


class Settings(Mapping[str, Setting]):
    """Settings as they stand in a file; of one that is left out or empty its default is taken."""

    def __init__(self, values: Mapping[str, Setting], path: Path) -> None:
        self.values_by_name, self.path = values, path

    def __getitem__(self, name: str) -> Setting:
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)

    def number(self, name: str, default: float) -> float:
        """A number. InputError for what is none."""
        value = self.get(name)
        try:
            found = float(default if value is None else str(value))
        except ValueError:
            found = math.nan
        if not math.isfinite(found):
            raise InputError(f"{self.path}: {name} {str(value)[:40]!r} is no number")
        return found

    def whole(self, name: str, default: int) -> int:
        """A whole number. InputError for what is none."""
        found = self.number(name, default)
        if not found.is_integer():
            raise InputError(f"{self.path}: {name} {found:g} is no whole number")
        return int(found)

    def stated(self, name: str) -> int | None:
        """A count, from 1 on; None where the file does not state it. InputError for what is none."""
        return None if self.get(name) is None else counted(self.whole(name, 1), name, self.path)

    def count(self, name: str, default: int = 1) -> int:
        """A count, from 1 on. InputError for what is none."""
        return self.stated(name) or default

    def word(self, name: str, default: str = "") -> str:
        """A word, as it stands."""
        value = self.get(name)
        return default if value is None else str(value)


def counted(number: int, name: str, path: Path) -> int:
    """The number, where something can be counted so. InputError for 0 and less, which is not what was left out."""
    if number < 1:
        raise InputError(f"{path}: {name} {number} counts nothing; write 1 or more, or leave it out")
    return number


def flat(data: Mapping[str, JsonValue], prefix: str = "") -> JsonObject:
    """Nested mappings as one, their keys joined by points."""
    out: JsonObject = {}
    for key, value in data.items():
        out |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return out
