"""Words in the reader's language: every phrase of a report is an English template with a translation in each catalog.

`say` takes a phrase that stands in the code as it is; `heard` takes a sentence that a lower layer has made, and finds
the template that it was made from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from hwmodel.errors import InputError, unknown

ENGLISH = "en"
JOINTS = ("; ", " and ")  # between sentences of lower layers; around the second both must be known
LANGUAGES = {ENGLISH: "English", "zh": "中文"}
_language: ContextVar[str] = ContextVar("language", default=ENGLISH)


def known_language(name: str | None) -> str:
    """The language of --lang. InputError for one without a catalog."""
    if name is None:
        return ENGLISH
    folded = name.strip().lower()
    if folded not in LANGUAGES:
        raise unknown("language", name, LANGUAGES, "--lang")
    return folded


def language_of(name: str | None, form: str) -> str:
    """The language of a result in a form. InputError for another one than English where programs read the form."""
    language = known_language(name)
    if language != ENGLISH and form in ("json", "csv"):
        raise InputError(
            f"--lang {language}: {form} holds names and numbers for programs, the same in every language; drop --lang, "
            "or take --format md, text or html"
        )
    return language


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """What is said inside is said in this language."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def spoken() -> str:
    """The language of what is being said."""
    return _language.get()


def say(template: str, **values: str | float | None) -> str:
    """A phrase with its values filled in."""
    language = _language.get()
    said = template if language == ENGLISH else catalog(language)[template]
    return said.format(**values) if values else said


def heard(sentence: str) -> str:
    """A sentence of a lower layer; in another language the translation of its template, or itself where none fits.

    Several in one (`this; that`) are translated one by one.
    """
    language = _language.get()
    return sentence if language == ENGLISH else _translated(sentence, language)


def _translated(sentence: str, language: str) -> str:
    plain = lower_catalog(language).get(sentence) or catalog(language).get(sentence)
    if plain is not None:
        return plain
    for pattern, said in _patterns(language):
        found = pattern.fullmatch(sentence)
        if found is not None:
            return said.format(**{name: _translated(value, language) for name, value in found.groupdict().items()})
    for joint in JOINTS:
        first, found_it, rest = sentence.partition(joint)
        if found_it:
            both = _translated(first, language), _translated(rest, language)
            if joint == JOINTS[0] or (both[0] != first and both[1] != rest):
                return lower_catalog(language)[joint].join(both)
    return sentence


def titled(title: str) -> str:
    """The title of a source as it is; what a fit says of its runs (`699 of 1,774 measured runs`) in words."""
    return heard(title) if title[:1].isdigit() else title


def catalog(language: str) -> Mapping[str, str]:
    """Template -> translation."""
    return _catalogs(language)["phrases"]


def lower_catalog(language: str) -> Mapping[str, str]:
    """The same for sentences of lower layers."""
    return _catalogs(language)["heard"]


@cache
def _catalogs(language: str) -> dict[str, dict[str, str]]:
    import json

    text = Path(__file__).with_name(f"phrases_{language}.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = json.loads(text)
    return found


_PLACE = re.compile(r"\{(\w+)\}")


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Templates of lower layers as patterns, the longest text first so that the most particular one is found."""
    templates = sorted(lower_catalog(language).items(), key=lambda pair: -len(_PLACE.sub("", pair[0])))
    return [(re.compile(_as_pattern(template)), said) for template, said in templates]


def _as_pattern(template: str) -> str:
    """A pattern of the sentences of a template: a `count` is a number, and what stands in brackets ends with them."""
    parts = _PLACE.split(template)
    return "".join(f"(?P<{part}>{_filling(parts, i)})" if i % 2 else re.escape(part) for i, part in enumerate(parts))


def _filling(parts: list[str], i: int) -> str:
    if parts[i] == "count":
        return r"\d[\d.,]*[kMBT]?"
    return "[^()]+?" if _bracketed(parts, i) else ".+?"


def _bracketed(parts: list[str], i: int) -> bool:
    return parts[i - 1].endswith("(") and parts[i + 1].startswith(")")
