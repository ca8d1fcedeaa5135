"""The API described for machines: OpenAPI 3.1, its schemas generated from the fields and from the answers' records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

import hwmodel
from hwmodel.plain import JsonValue
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.run.result import RunAnswer
from hwmodel.web.answers import JSON, MARKDOWN, MEANING, STATUS, ZIP
from hwmodel.web.fields import FIELDS, VERBS, Verb
from hwmodel.web.question import MOST_CHARACTERS

Schema: TypeAlias = Mapping[str, JsonValue]  # a JSON Schema, or a part of OpenAPI's own document
REFS = "#/components/schemas/{name}"
# Keys of the contract that answers of these verbs always hold; the rest of them depends on the question.
ALWAYS = {
    "train": ("request", "resolved", "layout", "accelerators", "step_s", "tokens_per_s", "step", "mfu", "memory",
              "fits", "near", "warnings", "sources"),
    "serve": ("request", "resolved", "answer", "notes", "sources"),
}  # fmt: skip
# A plan of several pools, or of accelerators bought.
BUDGET: Schema = {
    "type": "object", "required": ["budget", "stages", "pools"],
    "properties": {"budget": {"type": "object"}, "stages": {"type": "array"}, "pools": {"type": "array"}},
}  # fmt: skip
LIMITED = {
    401: "no token, where the server is bound off loopback", 403: "a foreign Host or Origin",
    404: "no such place", 405: "another method", 408: "the body came too slowly", 413: "the body is too long",
    415: "the body is not application/json", 422: "infeasible (exit code 3), or beyond the limits of a request",
    503: "too many questions wait",
}  # fmt: skip


def document() -> Schema:
    """The whole description."""
    paths: dict[str, Schema] = {}
    for verb in VERBS.values():
        paths |= _paths(verb)
    paths["/api/form"] = {"get": _read("form", "Fields, their explanations and completions, the words of numbers")}
    paths["/api/runs"] = {"get": _read("runs", "Published training runs by part: fleet and utilisation")}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hwmodel",
            "version": hwmodel.__version__,
            "description": "The questions of the command line over HTTP: the same names, the same answers. Numbers are "
            "base SI units unless a name ends in _usd, _days or the like; an uncertain value is a record of value, low "
            "and high (80 % interval).",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas(), "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def schemas() -> dict[str, Schema]:
    """All named schemas: a question and an answer a verb, the records in them, and errors."""
    (plan, row), records = msgspec.json.schema_components(
        (Plan, RunAnswer), schema_hook=_of_any_kind, ref_template=REFS
    )
    found: dict[str, Schema] = {**records, "Error": _error()}
    for verb in VERBS.values():
        found[f"{verb.name}_question"] = question_schema(verb)
    rows: Schema = {"type": "array", "minItems": 2, "items": {"type": "object", "properties": {"answer": row}}}
    table: Schema = {
        "type": "object",
        "required": ["option", "rows"],
        "properties": {"option": {"type": "string"}, "rows": rows},
    }
    found["plan_answer"], found["compare_answer"] = {"anyOf": [plan, BUDGET]}, {"anyOf": [plan, table]}
    for name in VERBS:
        keys = ALWAYS.get(name, ())
        known: Schema = {"type": "object", "required": list(keys), "properties": {key: {} for key in keys}}
        found.setdefault(f"{name}_answer", known)
    return found


def _of_any_kind(kind: type) -> dict[str, str]:
    """The schema of a value that may be of any type (`object`); NotImplementedError for another, which msgspec's
    `schema_hook` takes for "not mine"."""
    if kind is not object:
        raise NotImplementedError(kind)
    return {"description": "any value"}


def schema_of(name: str) -> Schema:
    """One named schema as a document of its own, with what it refers to under `$defs`."""
    found = schemas()
    places = json.loads(json.dumps(found).replace(REFS.format(name=""), "#/$defs/"))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": f"#/$defs/{name}", "$defs": places}


def question_schema(verb: Verb) -> Schema:
    """What the body of a question may hold."""
    return {
        "type": "object",
        "properties": {name: _value_schema(name) for name in verb.fields},
        "additionalProperties": False,
        "example": verb.start,
    }


def _value_schema(name: str) -> Schema:
    field = FIELDS[name]
    words = f"{field.label}. {field.explains}"
    if field.flag:
        return {"type": ["boolean", "null"], "description": words}
    return {"type": ["string", "number", "null"], "maxLength": MOST_CHARACTERS, "description": words,
            "examples": [field.example]}  # fmt: skip


def _error() -> Schema:
    """A refusal: one line, and what the command line's exit code means."""
    codes: Schema = {
        "type": ["integer", "null"],
        "enum": [*MEANING, None],
        "description": "Of the command line; null for a request that was refused before it was read as a question.",
    }
    words: Schema = {"message": {"type": "string"}, "meaning": {"type": "string"}, "exit_code": codes}
    line: Schema = {"type": "object", "required": list(words), "properties": words}
    return {"type": "object", "required": ["error"], "properties": {"error": line}}


def _paths(verb: Verb) -> dict[str, Schema]:
    """The three forms of an answer."""
    asked = {"$ref": f"#/components/schemas/{verb.name}_question"}
    both: Schema = {"question": asked, "targets": {"type": "string", "examples": ["megatron,slurm"]}}
    launch: Schema = {"type": "object", "required": list(both), "additionalProperties": False, "properties": both}
    answer = {"$ref": f"#/components/schemas/{verb.name}_answer"}
    text, binary = {"type": "string"}, {"type": "string", "format": "binary"}
    found = {
        f"/api/{verb.name}": _post(verb.name, verb.asks, asked, JSON, answer),
        f"/api/{verb.name}/report": _post(f"{verb.name}_report", "The report in Markdown", asked, MARKDOWN, text),
    }
    if verb.name != "compare":
        found[f"/api/{verb.name}/launch"] = _post(f"{verb.name}_launch", "Launch files in a ZIP", launch, ZIP, binary)
    return {path: {"post": operation} for path, operation in found.items()}


def _post(name: str, summary: str, body: Schema, media: str, answer: Schema) -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: {"schema": body}}},
        "responses": {"200": {"description": "answered", "content": {media: {"schema": answer}}}, **_refusals()},
    }


def _read(name: str, summary: str) -> Schema:
    answer: Schema = {"description": "answered", "content": {JSON: {"schema": {"type": "object"}}}}
    return {"operationId": name, "summary": summary, "responses": {"200": answer, **_refusals()}}


def _refusals() -> Mapping[str, Schema]:
    """Every status but 200, by what it means."""
    means = {STATUS[2]: "bad input (exit code 2)", STATUS[1]: "internal error (1) or an invalid catalog (4)", **LIMITED}
    content = {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {str(code): {"description": words, "content": content} for code, words in sorted(means.items())}
