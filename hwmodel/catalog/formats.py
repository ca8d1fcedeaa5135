"""Precision recipes, failure rates and energy facts: small records that map nearly one to one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeVar

import msgspec

from hwmodel.catalog.entries import Facility, FleetEntry
from hwmodel.catalog.records import Raw, only, texts
from hwmodel.catalog.values import FaultError, source_id, sourced
from hwmodel.plain import JsonObject
from hwmodel.specs.economics import ReliabilityFacts
from hwmodel.specs.formats import FORMATS
from hwmodel.specs.precision import CASTS, Precision, ServingPrecision
from hwmodel.specs.provenance import Sourced

R = TypeVar("R", Precision, ServingPrecision)

RELIABILITY: dict[str, tuple[str, str]] = {
    "interruptions_per_accelerator_hour": ("per_h", "interruptions_per_accelerator_hour"),
    "restart": ("s", "restart_s"),
    "checkpoint_bytes_per_param": ("bytes", "checkpoint_bytes_per_param"),
    "storage_bandwidth_per_accelerator": ("bytes_per_s", "storage_bytes_per_s_per_accelerator"),
}
# A fleet whose source does not tell software from hardware states one rate; one that is a fleet itself has no spread.
RELIABILITY_REFINED: dict[str, tuple[str, str]] = {
    "software_interruptions_per_hour": ("per_h", "software_interruptions_per_hour"),
    "rate_log_half_width": ("count", "rate_log_half_width"),
}
FACILITY: dict[str, tuple[str, str]] = {
    "pue": ("count", "pue"),
    "load_fraction": ("count", "load_fraction"),
    "server_overhead_fraction": ("count", "server_overhead_fraction"),
    "embodied_per_accelerator_hour": ("kg_co2e", "embodied_kg_co2e_per_accelerator_hour"),
    "electricity": ("usd_per_kwh", "usd_per_kwh"),
}
# What a facility need not state: without them the draw does not depend on MFU, and water is not counted.
FACILITY_REFINED: dict[str, tuple[str, str]] = {
    "idle_fraction": ("count", "idle_fraction"),
    "draw_mfu_scale": ("count", "draw_mfu_scale"),
    "server_load_fraction": ("count", "server_load_fraction"),
    "water": ("l_per_kwh", "water_l_per_kwh"),
}


WIDEST = 64.0  # bytes or bits of an element, far beyond fp64
LARGEST = 1e6  # anything else that a recipe counts


def read_precision(raw: Raw, kind: type[R], sources: Collection[str]) -> R:
    """A training or serving recipe. Raises FaultError."""
    fields = {k: v for k, v in raw.fields.items() if k not in ("source", "aliases", "notes")}
    only(fields, kind.__struct_fields__)
    source_id(raw.fields.get("source"), sources, ())
    texts(raw.fields.get("aliases", []), ("aliases",))
    try:
        recipe = msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise FaultError((), str(error)) from error
    for name, value in fields.items():
        if isinstance(value, (int, float)) and not value >= 0.0:  # not a number fails every comparison
            raise FaultError((name,), f"must not be negative, is {value}")
        most = WIDEST if name.endswith(("_bytes", "_bits")) else LARGEST
        whole_tensor = name == "scale_block" and value == float("inf")
        if isinstance(value, (int, float)) and value > most and not whole_tensor:
            raise FaultError((name,), f"no format has so many: {value:.6g} (at most {most:g})")
    for name in (recipe.gemm_format, recipe.attention_format):
        if name not in FORMATS:
            raise FaultError(("gemm_format",), f"format {name!r} is none of {', '.join(FORMATS)}")
    if isinstance(recipe, Precision):
        if recipe.casts and recipe.casts not in CASTS:
            raise FaultError(("casts",), f"casts {recipe.casts!r} is none of {', '.join(CASTS)}")
        if recipe.bf16_layers > 1.0:
            raise FaultError(("bf16_layers",), f"bf16_layers is a share of the layers, not {recipe.bf16_layers:g}")
    if recipe.weight_bytes <= 0 or recipe.activation_bytes <= 0:
        raise FaultError(("weight_bytes",), "bytes must be greater than zero")
    return recipe


def _values(
    fields: JsonObject, table: Mapping[str, tuple[str, str]], sources: Collection[str]
) -> tuple[dict[str, float], dict[str, Sourced]]:
    numbers: dict[str, float] = {}
    records: dict[str, Sourced] = {}
    for key, (dimension, field) in table.items():
        if key not in fields:
            raise FaultError((), f"states no `{key}`")
        records[key], value = sourced(fields[key], dimension, (key,), sources)
        if not isinstance(value, float) or value < 0:
            raise FaultError((key,), f"must not be negative, is {value}")
        numbers[field] = value
    return numbers, records


def read_fleet(raw: Raw, sources: Collection[str]) -> tuple[FleetEntry, dict[str, Sourced]]:
    """Failure facts of one published fleet. Raises FaultError."""
    only(raw.fields, (*RELIABILITY, *RELIABILITY_REFINED, "id", "name", "team", "year", "default", "notes"))
    table = RELIABILITY | {key: value for key, value in RELIABILITY_REFINED.items() if key in raw.fields}
    numbers, records = _values(raw.fields, table, sources)
    default = bool(raw.fields.get("default", False)) and not raw.parent
    return FleetEntry(id=raw.id, name=str(raw.fields.get("name", raw.id)), default=default,
                 facts=ReliabilityFacts(**numbers, fleet=raw.id, team=str(raw.fields.get("team", "")),
                                        year=str(raw.fields.get("year", "")))), records  # fmt: skip


def read_facility(raw: Raw, sources: Collection[str]) -> tuple[Facility, dict[str, Sourced]]:
    """Energy facts of one kind of installation. Raises FaultError."""
    only(raw.fields, (*FACILITY, *FACILITY_REFINED, "id", "name", "default", "families", "notes"))
    table = FACILITY | {key: value for key, value in FACILITY_REFINED.items() if key in raw.fields}
    numbers, records = _values(raw.fields, table, sources)
    if numbers["pue"] < 1:
        raise FaultError(("pue",), f"must be at least 1, is {numbers['pue']:g}")
    families = texts(raw.fields.get("families", []), ("families",))
    default = bool(raw.fields.get("default", False)) and not raw.parent
    return Facility(id=raw.id, name=str(raw.fields.get("name", raw.id)), families=families, default=default,
                    **numbers), records  # fmt: skip
