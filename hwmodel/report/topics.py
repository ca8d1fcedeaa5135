"""Topics of the field and the history of models, as rows for people and as documents for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import asdict

from hwmodel import laws
from hwmodel.catalog.topics import Figure, Model, Topic
from hwmodel.plain import Rows
from hwmodel.specs.law import LawSpec
from hwmodel.units import format_count


class TopicLaw(msgspec.Struct, frozen=True, kw_only=True):
    """A law of a topic: its status, and why it refuses (None where it does not)."""

    law: str
    title: str
    status: str
    refusal: str | None


class TopicPage(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as JSON: the fields of the catalog's record, its laws looked up, and whether it is answered."""

    id: str
    title: str
    answer: str
    laws: list[TopicLaw]
    claims: tuple[int, ...]
    missing: str
    words: tuple[str, ...]
    source: str
    figure: Figure | None
    status: str


class ModelOfHistory(Model, frozen=True, kw_only=True):
    """A model of its year with the FLOPs of its training, 6 N D."""

    train_flop: float


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Models by year."""

    models: list[ModelOfHistory]


def topics_rows(topics: Sequence[Topic]) -> Rows:
    """All topics, a row each."""
    return [
        {"topic": t.id, "title": t.title, "status": t.status, "laws": len(t.laws), "claims": len(t.claims)}
        for t in topics
    ]


def topic_rows(topic: Topic, specs: Mapping[str, LawSpec]) -> Rows:
    """What is answered, by which laws and claims, and what is missing."""
    rows = [{"what": topic.status, "value": topic.answer or topic.missing}]
    for spec in _laws_of(topic, specs):
        state = f"refuses: {spec.refusal}" if spec.refusal else spec.status
        rows.append({"what": f"law {spec.id}", "value": f"{spec.title} ({state})"})
    if topic.claims:
        rows.append({"what": "claims", "value": ", ".join(map(str, topic.claims)) + " (hwmodel claims show ID)"})
    if topic.answer and topic.missing:
        rows.append({"what": "not answered", "value": topic.missing})
    if topic.source:
        rows.append({"what": "source", "value": topic.source})
    return rows


def topic_page(topic: Topic, specs: Mapping[str, LawSpec]) -> TopicPage:
    """The same as JSON."""
    laws_of = [
        TopicLaw(law=s.id, title=s.title, status="refuses" if s.refusal else s.status, refusal=s.refusal or None)
        for s in _laws_of(topic, specs)
    ]
    return TopicPage(**{**asdict(topic), "laws": laws_of}, status=topic.status)


def _laws_of(topic: Topic, specs: Mapping[str, LawSpec]) -> list[LawSpec]:
    """The topic's laws; a law of several variants stands for all of them."""
    return [spec for name in topic.laws for key, spec in specs.items() if key == name or key.startswith(f"{name}/")]


def history(models: Sequence[Model], cost: LawSpec) -> History:
    """Models by year with their training FLOPs."""
    return History(models=[ModelOfHistory(**asdict(m), train_flop=_flop(m, cost)) for m in models])


def history_rows(models: Sequence[Model], cost: LawSpec) -> Rows:
    """The same for people."""
    return [
        {
            "year": m.year,
            "model": m.model,
            "params": format_count(m.params),
            "tokens": format_count(m.tokens),
            "tokens_per_param": f"{m.tokens / m.params:.3g}",
            "train_flop": f"{_flop(m, cost):.3g}",
            "chips": "unknown" if m.chips is None else f"{m.chips} {m.chip}",
            "source": m.source + (f" ({m.note})" if m.note else ""),
        }
        for m in models
    ]


def _flop(model: Model, cost: LawSpec) -> float:
    """6 N D."""
    return float(laws.evaluate(cost, params=model.params, tokens=model.tokens)["train_flop"])
