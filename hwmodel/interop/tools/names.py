"""Tables of the names that a tool knows, and the check that a writer used no other, each with a value of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from hwmodel.catalog.yamlfile import parse_yaml, read_text
from hwmodel.plain import JsonValue

FOLDER = Path(__file__).parent / "names"


class ToolNames(msgspec.Struct, frozen=True, kw_only=True):
    """The names of one tool that hwmodel writes or reads, with their kinds, and where they were checked.

    Kinds: int, float, bool, str, flag (a switch without a value), list, or `one of a, b`.
    `harmless` lists names, or with `*` beginnings of names, that a reader passes over, because nothing that is
    predicted depends on them; `noted` those that bear a little on it, and on what.
    """

    target: str
    verified_against: str
    where: str
    names: Mapping[str, str]
    harmless: tuple[str, ...] = ()
    noted: Mapping[str, str] = {}
    script: tuple[str, ...] = ()  # those that a script of the tool's repository adds to its package's
    toml: Mapping[str, str] = {}  # of an older format that is read and no longer written

    def check(self, name: str, value: JsonValue) -> None:
        """Raise ValueError for a name that the table lacks, or a value that is not of its kind."""
        if name not in self.names:
            raise ValueError(f"{self.target}: {name} is in no table of names")
        if not fits(self.names[name], value):
            raise ValueError(f"{self.target}: {name} takes {self.names[name]}, not {value!r}")

    def ignores(self, name: str) -> bool:
        """Whether a name changes nothing that is predicted."""
        return any(name == each or (each.endswith("*") and name.startswith(each[:-1])) for each in self.harmless)


def fits(kind: str, value: JsonValue) -> bool:
    """Whether a value is of a kind of the tables."""
    if kind.startswith("one of "):
        return str(value) in kind.removeprefix("one of ").split(", ")
    if kind == "any":
        return True
    if kind == "flag":
        return value is None or value is True
    if kind == "float":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    kinds: dict[str, type | tuple[type, ...]] = {"bool": bool, "str": str, "list": (list, tuple), "dict": dict}
    return isinstance(value, kinds[kind])


@cache
def names_of(target: str) -> ToolNames:
    """The table of a target, from names/TARGET.yaml."""
    path = FOLDER / f"{target}.yaml"
    data = parse_yaml(read_text(path), path)
    assert isinstance(data, dict)
    return msgspec.convert(data | {"target": target}, ToolNames)
