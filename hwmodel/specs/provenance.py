"""Where a number comes from."""

from __future__ import annotations

import msgspec


class Losing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A figure that contradicts a value of the catalog, and why it lost."""

    value: int | float | str | bool | None
    unit: str = ""
    source: str
    why: str
    as_of: str = ""
    locator: str = ""


class Sourced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A catalog value with its provenance. `other` keeps the losing figures of a conflict."""

    value: float | str | bool | None
    source: str
    unit: str = ""
    locator: str = ""
    as_of: str = ""
    status: str = "secondary"  # vendor | measured | derived | secondary | unconfirmed
    range: tuple[float, float] | None = None
    other: tuple[Losing, ...] = ()
    note: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of sources.yaml."""

    title: str
    locator: str = ""
    authors: str = ""
    year: int | None = None
    licence: str = ""
    redistributable: bool = True


class Cited(msgspec.Struct, frozen=True, kw_only=True):
    """A source of an answer: its id, what it gave (`for` in JSON), and where it stands."""

    id: str
    uses: str = msgspec.field(name="for")
    title: str
    locator: str = ""
    licence: str = ""
