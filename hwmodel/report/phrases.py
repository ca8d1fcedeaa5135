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
from typing import Any

from hwmodel.errors import unknown

ENGLISH = "en"
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


def say(template: str, **values: Any) -> str:
    """A phrase with its values filled in."""
    language = _language.get()
    said = template if language == ENGLISH else catalog(language)[template]
    return said.format(**values) if values else said


def heard(sentence: str) -> str:
    """A sentence of a lower layer; in another language the translation of its template, or itself where none fits."""
    language = _language.get()
    if language == ENGLISH:
        return sentence
    for pattern, said in _patterns(language):
        found = pattern.fullmatch(sentence)
        if found is not None:
            return said.format(**{name: heard(value) for name, value in found.groupdict().items()})
    return sentence


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
    parts = _PLACE.split(template)
    return "".join(re.escape(part) if i % 2 == 0 else f"(?P<{part}>.+?)" for i, part in enumerate(parts))
