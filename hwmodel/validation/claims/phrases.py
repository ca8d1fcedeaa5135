"""Known claims in a text: the ways to make each of them, in English and Chinese, and the numbers that decide."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from hwmodel.catalog.places import catalog_root
from hwmodel.errors import CatalogError, InputError
from hwmodel.validation.claims.check import Claim, ClaimFinding, judge
from hwmodel.validation.claims.text import PATTERNS, passages, value_of, written_to
from hwmodel.validation.claims.values import Lookup, Values

SHOWN = 200  # characters of a passage that a finding quotes


class _Phrase(msgspec.Struct, frozen=True, kw_only=True):
    """One way to make a claim, as the catalog states it (see catalogs/claim_phrases.yaml)."""

    all: tuple[str, ...]
    unless: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    within: str = "sentence"
    set: Values = {}
    quoted: bool = False


class Phrase(msgspec.Struct, frozen=True, kw_only=True):
    """The same with its patterns compiled."""

    claim: int
    all: tuple[re.Pattern[str], ...]
    unless: tuple[re.Pattern[str], ...]
    may: tuple[re.Pattern[str], ...]
    within: str
    set: Values


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """A number that a passage states, and half a unit in its last digit."""

    value: float
    rounding: float


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A passage that makes a known claim, judged with the numbers that it states."""

    line: int
    last: int  # line that the passage ends on
    text: str
    finding: ClaimFinding
    stated: Values  # inputs of the claim that the passage states


@lru_cache(maxsize=4)
def read_phrases(path: Path | None = None) -> tuple[Phrase, ...]:
    """All ways to make all claims. CatalogError for a broken file or pattern."""
    import yaml

    place = path or catalog_root() / "claim_phrases.yaml"
    try:
        record = yaml.load(place.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        words = {**PATTERNS, **record["words"]}
        known = msgspec.convert(record["phrases"], dict[int, list[_Phrase]])
        return tuple(_compiled(claim, phrase, words) for claim, several in known.items() for phrase in several)
    except (OSError, yaml.YAMLError, KeyError, TypeError, re.error, msgspec.ValidationError) as error:
        raise CatalogError(f"{place}: {error}") from error


def _compiled(claim: int, phrase: _Phrase, words: Mapping[str, str]) -> Phrase:
    def patterns(texts: Sequence[str]) -> tuple[re.Pattern[str], ...]:
        """Expressions with the words in angle brackets written out; ASCII, so that Chinese next to a word ends it."""
        return tuple(re.compile(_written_out(text, words), re.IGNORECASE | re.ASCII) for text in texts)

    unless = phrase.unless if phrase.quoted else (*phrase.unless, "<refuted>")
    return Phrase(
        claim=claim, all=patterns(phrase.all), unless=patterns(unless), may=patterns(phrase.may), within=phrase.within,
        set=phrase.set,
    )  # fmt: skip


def _written_out(text: str, words: Mapping[str, str]) -> str:
    """A pattern with each `<word>` replaced by what it stands for."""
    for _ in range(3):  # words may name words
        text = re.sub(r"(?<!\(\?P)<([a-z]+)>", lambda m: f"(?:{words[m[1]]})" if m[1] in words else m[0], text)
    return text


def find_claims(text: str, claims: Sequence[Claim], law: Lookup, path: Path | None = None) -> list[Match]:
    """The known claims that a text makes, in the order of its lines.

    A passage counts when it makes the claim in one of the known ways and what it states comes out as not right; the
    same words with the right number are no finding. A claim that is right as it is usually made is listed as such.
    """
    by_id = {claim.id: claim for claim in claims}
    pieces = passages(text)
    found: dict[tuple[int, int], Match] = {}
    for phrase in read_phrases(path):
        claim = by_id.get(phrase.claim)
        if claim is None:
            continue
        for piece in pieces[phrase.within]:
            stated = _stated(phrase, piece.text)
            if stated is None or (claim.id, piece.line) in found:
                continue
            finding = _judged(claim, phrase, stated, law)
            if finding is not None:
                values = {name: number.value for name, number in stated.items()} | phrase.set
                found[claim.id, piece.line] = Match(
                    line=piece.line, last=piece.last, text=_short(piece.text), finding=finding, stated=values
                )
    return sorted(_once(found), key=lambda m: (m.line, m.finding.id))


def _once(found: Mapping[tuple[int, int], Match]) -> list[Match]:
    """One match a claim and place: passages of a claim that overlap or follow each other closely count once."""
    kept: list[Match] = []
    ends: dict[int, int] = {}
    for (claim, line), match in sorted(found.items()):
        if claim in ends and line - ends[claim] <= 1:
            ends[claim] = max(ends[claim], match.last)
            continue
        ends[claim] = max(line, match.last)
        kept.append(match)
    return kept


def _stated(phrase: Phrase, text: str) -> dict[str, Stated] | None:
    """The numbers that the passage states of the claim's inputs, or None where it does not make the claim."""
    stated: dict[str, Stated] = {}
    for pattern in phrase.all:
        match = pattern.search(text)
        if match is None:
            return None
        stated |= _numbers(match)
    if any(pattern.search(text) for pattern in phrase.unless):
        return None
    for pattern in phrase.may:
        match = pattern.search(text)
        if match is not None:
            stated = {**_numbers(match), **stated}
    return stated


def _numbers(match: re.Match[str]) -> dict[str, Stated]:
    """The values of the named groups; `_b`, `_c` or `_d` at the end of a name is another place for the same input."""
    read = {}
    for name, text in match.groupdict().items():
        value = None if text is None else value_of(text)
        if value is not None and text is not None:
            read[re.sub("_[bcd]$", "", name)] = Stated(value=value, rounding=written_to(text))
    return read


def _judged(claim: Claim, phrase: Phrase, stated: Mapping[str, Stated], law: Lookup) -> ClaimFinding | None:
    """The finding, or None where what is stated is right.

    Inputs that are not stated are taken as they should be, and a number that is the right one rounded counts as right.
    """
    usual = judge(claim, law)
    if not stated and not phrase.set:
        return usual
    given: Values = {**({} if usual.verdict == "right" else claim.mend), **phrase.set}
    for name, number in stated.items():
        right = claim.mend.get(name)
        rounded = isinstance(right, (int, float)) and abs(right - number.value) <= number.rounding
        given[name] = right if rounded else number.value
    try:
        found = judge(claim, law, given)
    except InputError:
        return None
    return found if found.verdict != "right" or usual.verdict == "right" else None


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 4].rsplit(" ", 1)[0] + " ..."
