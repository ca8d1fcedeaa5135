"""The body of a request read into a question: names that a verb knows, values that are numbers, texts or yes and no."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TypeAlias

from hwmodel.errors import InputError, unknown
from hwmodel.plain import JsonObject, JsonValue
from hwmodel.solve.question.options import own_name
from hwmodel.web.fields import FIELDS, FILES, VERBS, Verb

MOST_CHARACTERS = 300  # of one value: a list of a dozen names is far below
# What a verb is asked over HTTP: its options by name, each a text as it is typed, yes or no, or (`rank`) a number.
Question: TypeAlias = Mapping[str, str | bool | float]


def read_json(body: bytes) -> JsonObject:
    """The object of a body. Raises InputError for what is none, a name given twice and numbers that JSON has not."""
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InputError('the body is not JSON: send an object like {"gpus": "512xH100", "tokens": "2T"}') from error
    if not isinstance(found, dict):
        raise InputError('the body is not an object: send one like {"gpus": "512xH100", "tokens": "2T"}')
    return found


def _once(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    """The pairs as a mapping. Raises InputError for a name that stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError("a name stands twice in the body: give it once")
    return found


def _no_number(word: str) -> float:
    raise InputError(f"{word} is no number: leave the option out, or give a finite one")


def read_question(verb: str, given: Mapping[str, JsonValue]) -> Question:
    """The options of a question, empty ones left out. Raises InputError for a name or a value that it cannot take."""
    asked = VERBS[verb]
    found: dict[str, str | bool | float] = {}
    for written, value in given.items():
        name = own_name(written, asked.fields)
        _check_name(asked, name)
        if value is None or value == "":
            continue
        if name in found:
            raise InputError(f"{name} stands under both of its spellings in the body: give one of them")
        found[name] = _value(name, value)
    return found


def _check_name(verb: Verb, name: str) -> None:
    """Raises InputError for an option that the verb has not, or that names a file."""
    if name in verb.fields:
        return
    if name in FILES:
        raise InputError(f"{name} names a file, and a request over HTTP reads none: use the command line for it")
    raise unknown("option", name[:80], verb.fields, verb.name)


def _value(name: str, value: JsonValue) -> str | bool | float:
    """A value of the kind that the option takes. Raises InputError."""
    if FIELDS[name].flag:
        if not isinstance(value, bool):
            raise InputError(f"{name} is true or false")
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{name} takes a number or a text like {FIELDS[name].example}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name} is no finite number: give a text like {FIELDS[name].example}")
    text = _text(name, value if isinstance(value, str) else _typed(value))
    return _number(name, text) if name == "rank" else text


def _typed(value: int | float) -> str:
    """A number as it would be typed, so that it is read as on the command line."""
    return f"{value:.12g}" if isinstance(value, float) or abs(value) < 10**12 else str(value)


def _number(name: str, text: str) -> float:
    """The number of an option that takes nothing else. Raises InputError."""
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{name} takes a number like {FIELDS[name].example}, not {text!r}") from None


def _text(name: str, value: str) -> str:
    """A short text of one line; no path where a model is named. Raises InputError."""
    if len(value) > MOST_CHARACTERS:
        raise InputError(f"{name} has {len(value):,} characters: give at most {MOST_CHARACTERS}")
    if not value.isprintable():
        raise InputError(f"{name} holds a character that cannot be shown: give it as plain text")
    if name == "model" and (value.endswith(".json") or value.startswith((".", "/", "~")) or "\\" in value):
        raise InputError("model names a file, and a request over HTTP reads none: name one of the catalog's models")
    return value
