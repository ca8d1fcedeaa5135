"""Questions of the field and a history of models: records that the laws, claims and sources of the catalog answer."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import msgspec

from hwmodel.catalog.places import catalog_root
from hwmodel.catalog.yamlfile import parse_yaml, read_text
from hwmodel.errors import CatalogError, unknown
from hwmodel.plain import JsonValue

T = TypeVar("T")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """The number that answers a topic, with its published range."""

    value: float
    low: float
    high: float
    unit: str
    source: str = ""


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A question with its answer ('' where none can be given), the laws and claims behind it, and what is missing."""

    id: str
    title: str
    answer: str
    laws: tuple[str, ...]
    claims: tuple[int, ...]
    missing: str
    words: tuple[str, ...] = ()
    source: str = ""
    figure: Figure | None = None

    @property
    def status(self) -> str:
        """answered, or refused with the reason in `missing`."""
        return "answered" if self.answer else "refused"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model of its year: parameters that a token uses, training tokens, chips (None: not published here)."""

    model: str
    year: int
    params: float
    tokens: float
    chips: int | None
    chip: str
    source: str
    note: str = ""


@lru_cache(maxsize=4)
def _records(name: str, key: str, root: Path) -> tuple[JsonValue, ...]:
    path = root / name
    record = parse_yaml(read_text(path), path)
    listed = record.get(key) if isinstance(record, dict) else None
    if not isinstance(listed, list):
        raise CatalogError(f"{path}: a list `{key}` is needed")
    return tuple(listed)


def text_stock(root: Path | None = None) -> Figure:
    """Tokens of public human text (arXiv 2211.04325), with the 90 % interval of the estimate."""
    topic = next(one for one in read_topics(root) if one.id == "data-stock")
    if topic.figure is None:
        raise CatalogError("topics.yaml: data-stock has no figure")
    return msgspec.structs.replace(topic.figure, source=topic.source)


def read_topics(root: Path | None = None) -> tuple[Topic, ...]:
    """All topics. CatalogError for a broken file."""
    return _converted("topics.yaml", "topics", Topic, root)


def read_history(root: Path | None = None) -> tuple[Model, ...]:
    """Models by year. CatalogError for a broken file."""
    return _converted("history.yaml", "models", Model, root)


def _converted(name: str, key: str, kind: type[T], root: Path | None) -> tuple[T, ...]:
    place = root or catalog_root()
    found = []
    for number, record in enumerate(_records(name, key, place), start=1):
        try:
            found.append(msgspec.convert(record, kind, strict=False))
        except msgspec.ValidationError as error:
            raise CatalogError(f"{place / name}: {key}, record {number}: {error}") from error
    return tuple(found)


def topic_named(name: str) -> Topic:
    """The topic of this id or other name. InputError with the nearest."""
    known: dict[str, Topic] = {}
    for topic in read_topics():
        known |= {_fold(word): topic for word in (topic.id, topic.title, *topic.words)}
    if _fold(name) not in known:
        raise unknown("topic", name, [word for t in read_topics() for word in (t.id, *t.words)])
    return known[_fold(name)]


def _fold(name: str) -> str:
    return name.strip().lower().replace("-", " ").replace("_", " ")
