"""What the page and a client need before they ask: fields, completions, words and formulas, published runs."""

from __future__ import annotations

import msgspec

import hwmodel
from hwmodel.catalog import Catalog
from hwmodel.interop.export import TARGETS
from hwmodel.plain import Document
from hwmodel.report.meanings import MEANINGS, TERMS
from hwmodel.solve.question import choices
from hwmodel.web.fields import FIELDS, VERBS


def form(catalog: Catalog) -> Document:
    """Verbs, fields, and for each table of completions the names with what they stand for."""
    wanted = sorted({field.choices for field in FIELDS.values() if field.choices})
    return {
        "version": hwmodel.__version__,
        "catalog_version": catalog.version,
        "verbs": [msgspec.to_builtins(verb) for verb in VERBS.values()],
        "fields": {name: msgspec.to_builtins(field) for name, field in FIELDS.items()},
        "choices": {name: [list(pair) for pair in getattr(choices, name)(catalog)] for name in wanted},
        "meanings": {name: msgspec.to_builtins(meaning) for name, meaning in MEANINGS.items()},
        "terms": TERMS,
        "targets": {name: {"training": t.training, "serving": t.serving} for name, t in TARGETS.items()},
    }
