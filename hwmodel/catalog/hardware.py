"""Accelerator and system records: from sourced values to `Part` and `System`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from hwmodel.catalog.nodes import ASSUMED_NIC_UNI_BYTES_PER_S, ASSUMED_NODE, links_of
from hwmodel.catalog.records import Raw, only, texts
from hwmodel.catalog.values import TEXT, FaultError, one_of, sourced
from hwmodel.plain import JsonObject
from hwmodel.specs.formats import FORMATS
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.provenance import Sourced

NONE = "none"
NOT_PUBLISHED = "not published"
TOPOLOGIES = ("switch", "mesh", "torus2d", "torus3d", "ring", "pcie", "none")
FABRICS = ("infiniband", "roce", "efa", "ethernet", "ici-dcn", "none")
STATUSES = ("ga", "announced", "limited", "custom", "retired")

# section.key -> (dimension, field of Part or "" when it is kept for provenance and lint only)
PART_VALUES: dict[str, tuple[str, str]] = {
    "released": (TEXT, "released"),
    "memory.type": (TEXT, "memory_type"),
    "memory.capacity": ("bytes", "hbm_bytes"),
    "memory.bandwidth": ("bytes_per_s", "hbm_bytes_per_s"),
    "memory.usable": ("bytes", "usable_hbm_bytes"),
    "memory.bus_bits": ("count", ""),
    "memory.data_rate": ("bit_per_s", ""),
    "on_chip.units": ("count", "units"),
    "on_chip.l2": ("bytes", ""),
    "on_chip.sram": ("bytes", ""),
    "on_chip.cmem": ("bytes", ""),
    "on_chip.vmem": ("bytes", ""),
    "on_chip.infinity_cache": ("bytes", ""),
    "on_chip.shared_memory_per_unit": ("bytes", ""),
    "link.bandwidth_uni": ("bytes_per_s", "link_uni_bytes_per_s"),
    "link.headline_bidirectional": ("bytes_per_s", ""),
    "link.per_link_uni": ("bytes_per_s", ""),
    "link.links": ("count", ""),
    "link.topology": (TEXT, "link_topology"),
    "link.domain": ("count", "link_domain"),
    "host_link.bandwidth_uni": ("bytes_per_s", "host_link_uni_bytes_per_s"),
    "scale_out.bandwidth_uni": ("bytes_per_s", "scale_out_uni_bytes_per_s"),
    "power.tdp": ("w", "tdp_w"),
    "power.average": ("w", "average_power_w"),
    "sparsity.multiplier": ("count", "sparsity_multiplier"),
    "sparsity.nvfp4_multiplier": ("count", ""),
    "clock.tensor": ("hz", ""),
    "clock.flop_per_unit_clock_bf16": ("count", ""),
    "die.process": (TEXT, ""),
    "die.area": ("mm2", ""),
    "die.transistors": ("count", ""),
}
PART_TEXTS = ("form_factor", "accumulate", "notes", "lint_exceptions")
SECTION_TEXTS = {"link": ("technology",), "power": ("term",), "sparsity": ("applies_to",)}
PART_PLAIN = ("id", "name", "vendor", "family", "architecture", "status", "aliases", "default_system")

SYSTEM_VALUES: dict[str, tuple[str, str]] = {
    "accelerators_per_node": ("count", "accelerators_per_node"),
    "domain": ("count", "domain_accelerators"),
    "link_uni": ("bytes_per_s", "link_uni_bytes_per_s"),
    "link_topology": (TEXT, "link_topology"),
    "nic_uni": ("bytes_per_s", "nic_uni_bytes_per_s"),
    "fabric": (TEXT, "fabric"),
    "oversubscription": ("count", "oversubscription"),
    "pod": ("count", "pod_accelerators"),
    "node_power": ("w", "node_power_w"),
    "rack_power": ("w", "rack_power_w"),
    "accelerators": ("count", "accelerators"),
    "rails": ("count", ""),
    "all_reduce": ("bytes_per_s", ""),
    "purchase_per_accelerator": ("usd", ""),
}
SYSTEM_PLAIN = ("id", "name", "part", "aliases", "region", "notes", "lint_exceptions")

Values = dict[str, tuple[Sourced, float | str]]


def _text(fields: JsonObject, key: str, default: str | None = None) -> str:
    value = fields.get(key, default)
    if not isinstance(value, str) or not value:
        raise FaultError((key,), f"expected text in `{key}`")
    return value


def _positive(name: str, value: float | str) -> None:
    if isinstance(value, float) and value <= 0:
        raise FaultError(tuple(name.split(".")), f"must be greater than zero, is {value:g}")


def _sections(fields: JsonObject, table: Mapping[str, tuple[str, str]], sources: Collection[str]) -> Values:
    """Every value named in `table` that the record states."""
    found: Values = {}
    for name, (dimension, _) in table.items():
        section, _, key = name.partition(".")
        node = fields.get(section)
        if node is None:
            continue
        if key:
            if not isinstance(node, dict):
                raise FaultError((section,), "expected a group of values")
            inner = [k.partition(".")[2] for k in table if k.startswith(section + ".")]
            only(node, (*inner, *SECTION_TEXTS.get(section, ())), (section,))
            for name_of_text in SECTION_TEXTS.get(section, ()):
                if not isinstance(node.get(name_of_text, ""), str):
                    raise FaultError((section, name_of_text), "expected text (quote it)")
            node = node.get(key)
            if node is None:
                continue
        at = (section, key) if key else (section,)
        words = (NOT_PUBLISHED,) if name == "power.tdp" else ()
        found[name] = sourced(node, dimension, at, sources, words)
        _positive(name, found[name][1])
    return found


def _peaks(fields: JsonObject, section: str, sources: Collection[str]) -> Values:
    node = fields.get(section) or {}
    if not isinstance(node, dict):
        raise FaultError((section,), "expected formats and their peaks")
    only(node, FORMATS, (section,))
    found: Values = {}
    for fmt, raw in node.items():
        found[f"{section}.{fmt}"] = sourced(raw, "flop_per_s", (section, fmt), sources, (NONE,))
        _positive(f"{section}.{fmt}", found[f"{section}.{fmt}"][1])
    return found


def _peak(value: float | str) -> float | None:
    return None if isinstance(value, str) else value


def _stated(values: Values, table: Mapping[str, tuple[str, str]]) -> tuple[dict[str, float | str], list[str]]:
    """Fields of the record with their SI values, and the fields that no source confirms."""
    named = [(name, field) for name, (_, field) in table.items() if field and name in values]
    doubtful = [field for name, field in named if values[name][0].status == "unconfirmed"]
    return {field: values[name][1] for name, field in named}, doubtful


def _plain_text(fields: JsonObject, key: str) -> str:
    value = fields.get(key, "")
    if not isinstance(value, str):
        raise FaultError((key,), "expected text (quote it)")
    return value


def _measured_of_part(fields: JsonObject, values: Values, peaks: Values) -> JsonObject:
    """The measured fields of a part."""
    stated, doubtful = _stated(values, PART_VALUES)
    found: JsonObject = {**stated}
    if found.get("tdp_w") == NOT_PUBLISHED:
        found["tdp_w"] = None
    topology = one_of(found.get("link_topology", "none"), TOPOLOGIES, ("link", "topology"))
    if topology == "mesh" and "link.per_link_uni" in values:
        found["link_pair_uni_bytes_per_s"] = values["link.per_link_uni"][1]
    formats = {name.partition(".")[2]: peak for name, peak in peaks.items()}
    doubtful += [f"peak_dense_flop_per_s.{f}" for f, peak in formats.items() if peak[0].status == "unconfirmed"]
    found["peak_dense_flop_per_s"] = {f: _peak(peak[1]) for f, peak in formats.items()}
    group = fields.get("power")
    found["tdp_term"] = group.get("term", "") if isinstance(group, dict) else ""
    found["unconfirmed"] = tuple(sorted(doubtful))
    return found


def read_part(raw: Raw, sources: Collection[str]) -> tuple[Part, dict[str, Sourced]]:
    """One accelerator and the provenance of its values by dotted field. Raises FaultError."""
    fields = raw.fields
    tops = {name.partition(".")[0] for name in PART_VALUES}
    only(fields, (*PART_PLAIN, *PART_TEXTS, *tops, "peak_dense", "peak_dense_fp16_accumulate"))
    values = _sections(fields, PART_VALUES, sources)
    peaks = _peaks(fields, "peak_dense", sources)
    if not peaks:
        raise FaultError(("peak_dense",), "states no peak; name at least one format")
    accumulate = _peaks(fields, "peak_dense_fp16_accumulate", sources)
    named: JsonObject = {
        "id": raw.id,
        "name": _text(fields, "name"),
        "vendor": _text(fields, "vendor"),
        "family": _text(fields, "family"),
        "architecture": _plain_text(fields, "architecture"),
        "status": one_of(fields.get("status", "ga"), STATUSES, ("status",)),
        "extends": raw.parent,
        "aliases": texts(fields.get("aliases", []), ("aliases",)),
        "default_system": _plain_text(fields, "default_system"),
        "peak_dense_fp16_accumulate_flop_per_s": {
            name.partition(".")[2]: value for name, (_, value) in accumulate.items() if isinstance(value, float)
        },
    }
    part = msgspec.convert({**named, **_measured_of_part(fields, values, peaks)}, Part)
    return part, {name: record for name, (record, _) in (peaks | accumulate | values).items()}


def _measured_of_system(part: Part, values: Values) -> JsonObject:
    """The measured fields of a system; what it does not state comes from its part, or is assumed and listed."""
    found, doubtful = _stated(values, SYSTEM_VALUES)
    one_of(found.get("fabric", "none"), FABRICS, ("fabric",))
    one_of(found.get("link_topology", "none"), TOPOLOGIES, ("link_topology",))
    if "accelerators_per_node" not in found:
        doubtful.append("accelerators_per_node")
    link, topology, domain = links_of(part, float(found.setdefault("accelerators_per_node", ASSUMED_NODE)))
    found.setdefault("link_uni_bytes_per_s", link)
    found.setdefault("link_topology", topology)
    found.setdefault("domain_accelerators", domain)
    if "nic_uni_bytes_per_s" not in found:
        nic = part.scale_out_uni_bytes_per_s
        found["nic_uni_bytes_per_s"] = ASSUMED_NIC_UNI_BYTES_PER_S if nic is None else nic
        doubtful += ["nic_uni_bytes_per_s"] if nic is None else []
    return {**found, "unconfirmed": tuple(sorted(doubtful))}


def read_system(raw: Raw, sources: Collection[str], parts: Mapping[str, Part]) -> tuple[System, dict[str, Sourced]]:
    """One system and the provenance of its values. Links and domain default to those of its part. Raises FaultError."""
    fields = raw.fields
    only(fields, (*SYSTEM_PLAIN, *SYSTEM_VALUES))
    name = _text(fields, "part")
    if name not in parts:
        raise FaultError(("part",), f"part {name[:60]!r} is no accelerator id")
    values = _sections(fields, SYSTEM_VALUES, sources)
    named: JsonObject = {
        "id": raw.id,
        "name": _text(fields, "name"),
        "part": name,
        "aliases": texts(fields.get("aliases", []), ("aliases",)),
        "region": _plain_text(fields, "region"),
        "link_pair_uni_bytes_per_s": parts[name].link_pair_uni_bytes_per_s,
    }
    system = msgspec.convert({**named, **_measured_of_system(parts[name], values)}, System)
    return system, {key: record for key, (record, _) in values.items()}
