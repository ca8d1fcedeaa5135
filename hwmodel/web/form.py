"""What the page and a client need before they ask: fields, completions, words and formulas, published runs."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

import hwmodel
from hwmodel.catalog import Catalog
from hwmodel.interop.export import TARGETS
from hwmodel.report.meanings import MEANINGS, TERMS, Meaning
from hwmodel.solve.question import choices
from hwmodel.web.fields import FIELDS, VERBS, Field, Verb


class Launches(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a target of launch files starts a training, a server, or both."""

    training: bool
    serving: bool


class PageForm(msgspec.Struct, frozen=True, kw_only=True):
    """What the page reads once: `choices` are pairs of a name and what it stands for, by table of completions."""

    version: str
    catalog_version: str
    verbs: tuple[Verb, ...]
    fields: Mapping[str, Field]
    choices: Mapping[str, tuple[tuple[str, str], ...]]
    meanings: Mapping[str, Meaning]
    terms: Mapping[str, str]
    targets: Mapping[str, Launches]


def form(catalog: Catalog) -> PageForm:
    """Verbs, fields, and for each table of completions the names with what they stand for."""
    wanted = sorted({field.choices for field in FIELDS.values() if field.choices})
    return PageForm(
        version=hwmodel.__version__,
        catalog_version=catalog.version,
        verbs=tuple(VERBS.values()),
        fields=FIELDS,
        choices={name: tuple(getattr(choices, name)(catalog)) for name in wanted},
        meanings=MEANINGS,
        terms=TERMS,
        targets={name: Launches(training=t.training, serving=t.serving) for name, t in TARGETS.items()},
    )
