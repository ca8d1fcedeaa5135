"""Model records: named shapes with their source and public parameter counts."""

from __future__ import annotations

from collections.abc import Collection

from hwmodel.catalog.entries import ModelEntry
from hwmodel.catalog.records import Raw, only, texts
from hwmodel.catalog.values import STATUSES, FaultError, number, one_of, source_id, sourced
from hwmodel.plain import JsonObject, JsonValue
from hwmodel.specs.provenance import Sourced
from hwmodel.specs.shape import Block, Shape

RECORD = (
    "id", "name", "aliases", "source", "locator", "status", "params", "active_params", "params_note",
    "max_seq_len", "shape", "not_modelled", "notes",
)  # fmt: skip
LARGEST = 1e15  # of any dimension or count of parameters
SHAPE = ("d_model", "vocab", "blocks", "tied", "bias", "norm_bias", "qk_norm", "learned_positions",
         "lookup_params", "extra_params")  # fmt: skip
BLOCK = tuple(Block.__struct_fields__)


def _numbers(fields: JsonObject, known: Collection[str], at: tuple[str | int, ...]) -> dict[str, float]:
    only(fields, known, at)
    out: dict[str, float] = {}
    for key, raw in fields.items():
        if key == "blocks":
            continue
        value = float("inf") if raw == float("inf") and key == "window_tokens" else number(raw, (*at, key))
        if value < 0 and key != "extra_params":
            raise FaultError((*at, key), f"must not be negative, is {value:g}")
        if LARGEST < abs(value) < float("inf"):
            raise FaultError((*at, key), f"no model has so many: {value:g} (at most {LARGEST:g})")
        out[key] = value
    return out


def read_shape(fields: JsonValue, name: str, max_seq_len: float, at: tuple[str | int, ...] = ("shape",)) -> Shape:
    """A `Shape` from its record. Raises FaultError."""
    if not isinstance(fields, dict):
        raise FaultError(at, "expected the dimensions of a shape")
    numbers = _numbers(fields, SHAPE, at)
    for key in ("d_model", "vocab"):
        if numbers.get(key, 0.0) < 1:
            raise FaultError((*at, key), "is missing or below 1")
    raw = fields.get("blocks")
    if not isinstance(raw, list) or not raw:
        raise FaultError((*at, "blocks"), "expected a list of layer kinds")
    blocks = []
    for i, item in enumerate(raw):
        place = (*at, "blocks", i)
        if not isinstance(item, dict):
            raise FaultError(place, "expected the dimensions of a layer")
        block = _numbers(item, BLOCK, place)
        if block.get("count", 0.0) < 1:
            raise FaultError((*place, "count"), "is missing or below 1")
        for key in ("reuse", "kv_compression"):
            if block.get(key, 1.0) < 1:
                raise FaultError((*place, key), f"is {block[key]:g}; layers or tokens that share, at least 1")
        if block.get("n_heads", 0.0) > 0 and block.get("head_dim", 0.0) < 1:
            raise FaultError((*place, "head_dim"), "is missing")
        blocks.append(Block(**block))
    return Shape(name=name, blocks=tuple(blocks), max_seq_len=max_seq_len, notes=(), **numbers)


def read_model(raw: Raw, sources: Collection[str]) -> tuple[ModelEntry, dict[str, Sourced]]:
    """One model and the provenance of its parameter counts. Raises FaultError."""
    fields = raw.fields
    only(fields, RECORD)
    source = source_id(fields.get("source"), sources, ())
    status = one_of(fields.get("status", "secondary"), STATUSES, ("status",))
    values = {
        key: sourced(fields[key], "count", (key,), sources) for key in ("params", "active_params") if key in fields
    }
    refusal = fields.get("not_modelled", "")
    if not isinstance(refusal, str):
        raise FaultError(("not_modelled",), "expected the reason as text")
    if bool(refusal) == ("shape" in fields):
        raise FaultError((), "has neither a `shape` nor a `not_modelled` reason, or both")
    max_seq_len = number(fields.get("max_seq_len", 0), ("max_seq_len",))
    entry = ModelEntry(
        id=raw.id,
        name=str(fields.get("name", raw.id)),
        aliases=texts(fields.get("aliases", []), ("aliases",)),
        source=source,
        locator=str(fields.get("locator", "")),
        status=status,
        shape=None if refusal else read_shape(fields["shape"], raw.id, max_seq_len),
        not_modelled=str(refusal),
        public_params=float(values["params"][1]) if "params" in values else None,
        public_active_params=float(values["active_params"][1]) if "active_params" in values else None,
        params_note=str(fields.get("params_note", "")),
        notes=str(fields.get("notes", "")),
    )
    provenance: dict[str, Sourced] = {key: record for key, (record, _) in values.items()}
    provenance["shape"] = Sourced(value=None, source=source, locator=entry.locator, status=status)
    return entry, provenance
