"""Prices of accelerator-hours as the user states them: one for all parts, or one for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hwmodel.catalog import Catalog
from hwmodel.catalog.tables import HOURLY_KINDS, KINDS
from hwmodel.errors import InputError, unknown
from hwmodel.units import parse_usd, within

Rates = tuple[tuple[str, float], ...]  # part as typed (empty: every part) and dollars an accelerator-hour
FLAG = "--usd-per-hour"


def parse_rates(value: Any) -> Rates:
    """Pairs of `2.5`, of `h100=2.5,gb200=8`, of a number or of a mapping. Raises InputError for anything else."""
    if value is None or value == "":
        return ()
    if isinstance(value, Mapping):
        value = ",".join(f"{part}={usd}" for part, usd in value.items())
    text = str(value)
    words = [word.strip() for word in text.split(",")] if "=" in text else [text]
    found = []
    for word in words:
        part, equals, usd = word.rpartition("=")
        if not usd.strip() or bool(equals) != bool(part.strip()) or (not equals and len(words) > 1):
            raise InputError(f"cannot read {FLAG} {text!r}; write one price, or h100=2.5,gb200=8")
        found.append((part.strip(), within(parse_usd(usd.strip(), FLAG), "USD an hour", usd.strip(), FLAG)))
    return tuple(found)


def rate_of(rates: Rates, part: str, catalog: Catalog) -> float | None:
    """The price stated for a part; None where only others have one."""
    return next((usd for name, usd in rates if not name or catalog.part(name).id == part), None)


def check_rates(rates: Rates, parts: Sequence[str], catalog: Catalog) -> None:
    """Raises InputError for a price of a part that the question does not name, and for two of one part."""
    priced = [catalog.part(name).id for name, _ in rates if name]
    stray = next((part for part in priced if part not in parts), None)
    if stray:
        raise InputError(f"{FLAG} prices {stray}, which the question does not use; its parts: {', '.join(parts)}")
    twice = next((part for part in priced if priced.count(part) > 1), None)
    if twice:
        raise InputError(f"{FLAG} prices {twice} twice: give it one price")


def rates_for(rates: Rates, part: str, catalog: Catalog) -> Rates:
    """Of several parts' prices the one of this part, for a question about it alone."""
    usd = rate_of(rates, part, catalog)
    return () if usd is None else ((part, usd),)


def known_kind(kind: str | None) -> str | None:
    """The kind of quote asked for. Raises InputError for one that there is not."""
    if kind in KINDS and kind not in HOURLY_KINDS:
        raise InputError(
            f"--price-kind {kind} buys an accelerator, and no hour of it; --own counts what is bought, and kinds of an"
            f" hour's price are {', '.join(HOURLY_KINDS)}"
        )
    if kind is not None and kind not in HOURLY_KINDS:
        raise unknown("kind of price", kind, HOURLY_KINDS, "--price-kind")
    return kind
