"""A saved answer (`--format json`) of `plan`, `compare`, `train` or `serve`, read back into the record that made it.

`explain`, `diff` and `export` read answers here and nowhere else: one that was cut, edited or written by another
version is refused in one line that names the key. Nothing is predicted here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from hwmodel.catalog.reading import text_of
from hwmodel.errors import InputError
from hwmodel.plain import JsonObject, JsonValue
from hwmodel.solve.plan.answer import FormatPlan, Plan
from hwmodel.solve.serve.records import EngineFound, FleetFound
from hwmodel.solve.train_answer import TrainAnswer

WRITE = "write one with `hwmodel plan|train|serve ... --format json`"


class ServeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The question of an answer of `serve`, as far as a launch depends on it; units as in `ServingQuestion`."""

    model: str
    prompt_tokens: float
    output_tokens: float
    percentile: float = 0.95
    rate: float | None = None  # requests a second
    longest_tokens: float | None = None
    engine: str = "generic"
    ttft_s: float | None = None
    tpot_s: float | None = None
    hit_rate: float = 0.0
    draft_tokens: float = 0.0
    peak_to_mean: float = 1.0
    spares: float = 1
    tp: float | None = None
    pp: float | None = None
    dp: float | None = None
    ep: float | None = None
    parts: list[str] = []
    precisions: list[str] = []


class SavedEngine(EngineFound, frozen=True, kw_only=True):
    """One configuration predicted, with its question."""

    request: ServeRequest


class SavedFleet(FleetFound, frozen=True, kw_only=True):
    """A fleet chosen, with its question."""

    request: ServeRequest


SavedRun = Plan | TrainAnswer  # FormatPlan is a Plan
SavedService = SavedEngine | SavedFleet


def read_answer(path: Path) -> JsonObject:
    """The JSON of an answer, known to be whole. InputError for what is none."""
    document = _read(path)
    saved(document, str(path))
    return document


def read_document(path: Path) -> JsonObject:
    """The JSON of any answer, sums of several included, as it stands: who takes it checks it. InputError for none."""
    return _read(path)


def read_saved(path: Path) -> SavedRun | SavedService:
    """The record of an answer. InputError for what is none."""
    return saved(_read(path), str(path))


def _read(path: Path) -> JsonObject:
    """The object in a JSON file. InputError for anything else."""
    text = text_of(path)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); save an answer with --format json --out {path}") from error
    if not isinstance(document, dict):
        raise InputError(f"{path}: not a saved answer; {WRITE}")
    return cast("JsonObject", document)


def saved(document: Mapping[str, JsonValue], where: str) -> SavedRun | SavedService:
    """The record of an answer's JSON. InputError, naming the key, for a document that is no whole answer."""
    kind = _kind(document)
    if kind is None:
        raise InputError(f"{where}: {_other(document)}; {WRITE}")
    try:
        found = msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {_said(str(error))}; save the answer again with this version") from error
    if isinstance(found, SavedRun) and found.layout is not None:
        _known(document["layout"], found.layout.__struct_fields__, where)
    return found


def _known(layout: JsonValue, names: tuple[str, ...], where: str) -> None:
    """Raise InputError for a key of a layout that this version does not know: dropped, it would be another layout."""
    strange = [name for name in layout if name not in names] if isinstance(layout, Mapping) else []
    if strange:
        raise InputError(
            f"{where}: the layout has {strange[0]!r}, which this version does not know; use the one that made it"
        )


def _other(document: Mapping[str, JsonValue]) -> str:
    """What a document is that is no answer to one question."""
    if "stages" in document:
        return "a budget of several stages, whose numbers are sums of runs: save the run of one stage"
    if "option" in document and "rows" in document:
        return "a comparison of several answers: save one of them"
    return "not a saved answer"


Kind = type[Plan] | type[FormatPlan] | type[TrainAnswer] | type[SavedEngine] | type[SavedFleet]


def _kind(document: Mapping[str, JsonValue]) -> Kind | None:
    """Which answer a document is, by keys that no other has."""
    answer = document.get("answer")
    if "objectives" in document or (isinstance(answer, Mapping) and "train_flop" in answer):
        return FormatPlan if "chances" in document else Plan
    if "step_s" in document:
        return TrainAnswer
    if "pareto" in document or "rests_on" in document:
        return SavedFleet
    return SavedEngine if "prefill_s" in document else None


def _said(error: str) -> str:
    """What is wrong, the dotted name of its key first."""
    text, _, place = error.partition(" - at ")
    name = re.sub(r"^\$\.?", "", place.strip("`"))
    told = text[:1].lower() + text[1:]
    return f"{name}: {told}" if name else told
