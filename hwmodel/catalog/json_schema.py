"""JSON Schema of the record files, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from hwmodel.catalog import hardware, models
from hwmodel.catalog.quantities import UNITS
from hwmodel.catalog.values import OTHER_KEYS, STATUSES, TEXT
from hwmodel.errors import unknown
from hwmodel.plain import JsonValue
from hwmodel.specs.formats import FORMATS

Schema: TypeAlias = Mapping[str, JsonValue]
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def _value(dimension: str, words: tuple[str, ...] = ()) -> Schema:
    kind: Schema = {"type": "string"} if dimension == TEXT else {"type": "number"}
    if words:
        kind = {"anyOf": [{"type": "number"}, {"enum": list(words)}]}
    fields: dict[str, JsonValue] = {
        "value": kind,
        "source": {"type": "string", "description": "an id of sources.yaml"},
        "status": {"enum": list(STATUSES)},
        "locator": {"type": "string"},
        "as_of": {"type": "string"},
        "note": {"type": "string"},
        "range": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "other": {"type": "array", "items": {"type": "object", "required": ["value", "source", "why"],
                                             "properties": {k: {} for k in OTHER_KEYS}}},
    }  # fmt: skip
    units = [] if dimension == TEXT else [u for u in UNITS[dimension] if u]
    if units:
        fields["unit"] = {"enum": units}
    return {"type": "object", "required": ["value", "source"], "properties": fields, "additionalProperties": False}


def _tree(table: dict[str, tuple[str, str]]) -> Schema:
    """The values of a table of `section.key`, those of a section together, with the texts of that section."""
    sections: dict[str, dict[str, Schema]] = {}
    for name, (dimension, _) in table.items():
        section, _, key = name.partition(".")
        words = (hardware.NOT_PUBLISHED,) if name == "power.tdp" else ()
        sections.setdefault(section, {})[key] = _value(dimension, words)
    for section, keys in hardware.SECTION_TEXTS.items():
        if section in sections:
            sections[section] |= {key: {"type": "string"} for key in keys}
    return {name: keys[""] if "" in keys else _group(keys) for name, keys in sections.items()}


def _group(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _record(properties: Schema, required: list[str]) -> Schema:
    names: Schema = {"type": "array", "items": {"type": "string"}}
    common: Schema = {
        "id": {"type": "string", "pattern": "^[a-z0-9][a-z0-9.+-]*$"}, "name": {"type": "string"},
        "extends": {"type": "string"}, "aliases": names, "notes": {"type": "string"},
        "lint_exceptions": {"type": "object", "additionalProperties": {"type": "string"}},
    }  # fmt: skip
    item: Schema = {
        "type": "object", "required": ["id"], "properties": {**common, **properties}, "additionalProperties": False,
        "anyOf": [{"required": required}, {"required": ["extends"]}],
    }  # fmt: skip
    return {"$schema": DRAFT, "type": "array", "items": item}


def _accelerators() -> Schema:
    peaks = {fmt: _value("flop_per_s", (hardware.NONE,)) for fmt in FORMATS}
    group = _group(peaks)
    text = {"type": "string"}
    properties: Schema = {
        **_tree(hardware.PART_VALUES),
        "peak_dense": group,
        "peak_dense_fp16_accumulate": group,
        **dict.fromkeys(("vendor", "family", "architecture", "default_system", "form_factor", "accumulate"), text),
        "status": {"enum": list(hardware.STATUSES)},
    }
    return _record(properties, ["name", "vendor", "family", "peak_dense"])


def _systems() -> Schema:
    text = {"type": "string"}
    return _record({**_tree(hardware.SYSTEM_VALUES), "part": text, "region": text}, ["name", "part"])


def _models() -> Schema:
    number = {"type": "number"}
    block: Schema = {"type": "object", "required": ["count"], "additionalProperties": False,
             "properties": dict.fromkeys(models.BLOCK, number)}  # fmt: skip
    shape: Schema = {
        "type": "object", "required": ["d_model", "vocab", "blocks"], "additionalProperties": False,
        "properties": {**dict.fromkeys(models.SHAPE, number), "blocks": {"type": "array", "items": block}},
    }  # fmt: skip
    text = {"type": "string"}
    properties: Schema = {
        **dict.fromkeys(("source", "locator", "params_note", "not_modelled"), text), "status": {"enum": list(STATUSES)},
        "params": _value("count"), "active_params": _value("count"), "max_seq_len": number, "shape": shape,
    }  # fmt: skip
    return _record(properties, ["name", "source"])


def schema_of(kind: str) -> Schema:
    """The schema of a file of `kind`. InputError for an unknown kind."""
    makers = {"accelerators": _accelerators, "systems": _systems, "models": _models}
    if kind not in makers:
        raise unknown("kind of record", kind, makers)
    return {"title": f"hwmodel {kind}", **makers[kind]()}
