"""Catalog records for people: rows, one page a record, and where every figure comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from hwmodel.catalog.safe_text import markdown_safe
from hwmodel.catalog.stacks import training_calibration, training_stack
from hwmodel.errors import unknown
from hwmodel.plain import JsonObject, Row, Rows
from hwmodel.report.prices import price_rows
from hwmodel.specs.stack import GENERIC

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hwmodel.catalog import Catalog
    from hwmodel.specs.provenance import Sourced

STANDING = {
    "vendor": "vendor document",
    "measured": "measured",
    "derived": "derived",
    "secondary": "secondary source",
    "unconfirmed": "UNCONFIRMED",
}


def figure(record: Sourced) -> str:
    """A value with its unit, as written."""
    if isinstance(record.value, float) and not isinstance(record.value, bool):
        text = f"{record.value:.10g}"
    else:
        text = str(record.value)
    return f"{text} {record.unit}".strip()


def _tera(value: float | None, known: bool) -> float | str | None:
    """Tera-operations; `none` where the hardware lacks the format, None where nobody says."""
    if value is None:
        return "none" if known else None
    return _round(value / 1e12)


def _round(value: float | None, digits: int = 10) -> float | None:
    """The number at so many digits; None for what is not known (or zero)."""
    return float(f"{value:.{digits}g}") if value else None


def accelerator_rows(catalog: Catalog) -> Rows:
    """One row an accelerator: what planning rests on, in the units people use."""
    rows = []
    for p in catalog.parts():
        peaks = p.peak_dense_flop_per_s
        rows.append(
            {
                "id": p.id,
                "name": p.name,
                "family": p.family,
                "status": p.status,
                "bf16_tflop_s": _tera(peaks.get("bf16"), "bf16" in peaks),
                "fp8_tflop_s": _tera(peaks.get("fp8"), "fp8" in peaks),
                "nvfp4_tflop_s": _tera(peaks.get("nvfp4"), "nvfp4" in peaks),
                "memory_gb": _round(p.hbm_bytes / 1e9, 4),
                "memory_gb_s": _round(p.hbm_bytes_per_s / 1e9, 5),
                "link_uni_gb_s": float(f"{p.link_uni_bytes_per_s / 1e9:.4g}"),
                "tdp_w": p.tdp_w,
                "default_system": catalog.default_system(p).id,
                "unconfirmed": len(p.unconfirmed),
            }
        )
    return rows


def system_rows(catalog: Catalog) -> Rows:
    """One row a system."""
    return [
        {
            "id": s.id, "name": s.name, "part": s.part, "per_node": s.accelerators_per_node,
            "domain": s.domain_accelerators, "link_uni_gb_s": float(f"{s.link_uni_bytes_per_s / 1e9:.4g}"),
            "topology": s.link_topology, "nic_gbit_s": float(f"{s.nic_uni_bytes_per_s * 8e-9:.4g}"), "fabric": s.fabric,
            "unconfirmed": " ".join(s.unconfirmed),
        }
        for s in catalog.systems()
    ]  # fmt: skip


def model_rows(catalog: Catalog) -> Rows:
    """One row a model: exact parameters beside the public figure."""
    from hwmodel.physics.shape import layers, parameters

    rows = []
    for m in catalog.models():
        terms = parameters(m.shape) if m.shape else None
        rows.append(
            {
                "id": m.id,
                "name": m.name,
                "params": round(float(terms.total)) if terms else None,
                "active_params": round(float(terms.active)) if terms else None,
                "public_params": _round(m.public_params, 12),
                "layers": float(layers(m.shape)) if m.shape else None,
                "d_model": float(m.shape.d_model) if m.shape else None,
                "status": m.status,
                "source": m.source,
            }
        )
    return rows


def _plain_rows(records: list[Any], fields: tuple[str, ...]) -> Rows:
    return [{f: getattr(r, f) for f in fields} for r in records]


def rows_of(catalog: Catalog, kind: str) -> Rows:
    """The rows of `catalog list KIND`. InputError for an unknown kind."""
    makers: dict[str, Callable[[], Rows]] = {
        "accelerators": lambda: accelerator_rows(catalog),
        "systems": lambda: system_rows(catalog),
        "models": lambda: model_rows(catalog),
        "prices": lambda: price_rows(catalog),
        "precisions": lambda: _plain_rows(
            catalog.precisions(), ("id", "title", "gemm_format", "weight_bytes", "activation_bytes", "scale_block")
        ),
        "serving": lambda: _plain_rows(
            catalog.serving_precisions(), ("id", "title", "gemm_format", "weight_bytes", "activation_bytes", "kv_bytes")
        ),
        "laws": lambda: _plain_rows(catalog.laws(), ("id", "title", "form", "status", "source")),
        "regions": lambda: _plain_rows(
            list(catalog.data.regions.values()), ("id", "name", "kind", "kg_co2e_per_kwh", "year")
        ),
        "fleets": lambda: _plain_rows(list(catalog.data.fleets.values()), ("id", "name", "default")),
        "stacks": stack_rows,
        "sources": lambda: [
            {"id": k, "title": s.title, "year": s.year, "locator": s.locator, "licence": s.licence}
            for k, s in sorted(catalog.data.sources.items())
        ],
    }
    if kind not in makers:
        raise unknown("kind of record", kind, makers)
    return makers[kind]()


def chosen_rows(rows: Rows, columns: str | None, holds: Mapping[str, str]) -> Rows:
    """Rows whose cells hold the words given for their columns (case aside), with the columns named, in their order.

    InputError for a column that the rows do not have.
    """
    known = list(rows[0]) if rows else []
    names = [name.strip() for name in (columns or "").split(",") if name.strip()] or known
    for name in (*names, *holds):
        if name not in known:
            raise unknown("column", name, known)
    kept = [row for row in rows if all(word.lower() in str(row[name]).lower() for name, word in holds.items())]
    return [{name: row[name] for name in names} for row in kept]


def stack_rows() -> Rows:
    """Training software: its era, what its name is found by, where it is the default, and what it assumes."""
    calibration = training_calibration()
    rows: list[Row] = []
    habits = {entry.id: entry for entry in calibration.stacks}
    for name in (GENERIC, *habits):
        entry = habits.get(name)
        stack = training_stack(name)
        attention = {0.0: "unfused", 2.0: "FlashAttention-2"}.get(float(stack.attention_generation), "FlashAttention-3")
        rows.append({
            "id": name, "title": stack.title, "until": "today" if entry is None or entry.until is None else entry.until,
            "parts": ", ".join(entry.families if entry else ()) or "any",
            "default_on": ", ".join(entry.default_of if entry else ()) or ("other parts" if name == GENERIC else ""),
            "attention": attention, "zero": float(stack.default_zero), "level": float(stack.level),
            "tp_overlap": float(stack.tp_overlap), "logits_bytes": float(stack.logits_bytes),
            "launch_s": float(stack.host_op_s),
        })  # fmt: skip
    return rows


def shown(row: Row) -> Row:
    """A row for people: what is not known says so."""
    return {k: "unknown" if v is None else f"{v:.10g}" if isinstance(v, float) else v for k, v in row.items()}


KINDS = (
    "accelerators",
    "systems",
    "models",
    "prices",
    "precisions",
    "serving",
    "laws",
    "regions",
    "fleets",
    "stacks",
    "sources",
)

FINDERS: tuple[tuple[str, str], ...] = (
    ("accelerator", "part"),
    ("system", "system"),
    ("model", "model_entry"),
    ("precision", "precision"),
    ("serving precision", "serving_precision"),
    ("law", "law"),
    ("region", "region"),
)


def find(catalog: Catalog, name: str) -> tuple[str, Any]:
    """(kind, record) of a name, of the first kind that has it. InputError with the nearest of all kinds otherwise."""
    from hwmodel.catalog.names import fold, not_exact, plain

    every: dict[str, str] = {}
    for kind, method in FINDERS:
        names = catalog.data.names.get(kind, {})
        if (plain(name) if kind in ("law", "region") else fold(name)) in names:
            return kind, getattr(catalog, method)(name)
        every = names | every
    if fold(name).endswith("node"):
        return "system", catalog.system(name)
    raise not_exact("record", name, every, "", fold(name))


def _fact_rows(facts: dict[str, Sourced]) -> list[Row]:
    return [
        {"field": name, "value": figure(r), "standing": STANDING[r.status], "source": r.source, "note": r.note}
        for name, r in facts.items()
        if r.value is not None
    ]


def field_rows(catalog: Catalog, kind: str, record: Any) -> Rows:
    """Every field of a record: as sourced where it is, else as decoded."""
    facts = catalog.provenance(kind, record.id) if kind in ("accelerator", "system", "model") else {}
    rows = _fact_rows(facts)
    if kind == "accelerator":
        return rows
    if kind == "model":
        return rows + _shape_rows(record)
    skip = {"id", "name", "aliases"} if facts else {"id"}
    for name, value in msgspec.to_builtins(record).items():
        if name not in skip and value not in ("", None, [], {}):
            rows.append({"field": name, "value": str(value), "standing": "", "source": "", "note": ""})
    return rows


def _shape_rows(record: Any) -> list[Row]:
    """The fields of a model's shape, layers by kind."""

    def row(field: str, value: str, source: str = "") -> Row:
        """One field of the shape."""
        standing = STANDING[record.status] if source else ""
        return {"field": field, "value": value, "standing": standing, "source": source, "note": ""}

    told = dict.fromkeys([record.notes, *(record.shape.notes if record.shape else ())])
    rows = [row("notes", note) for note in told if note]
    if record.shape is None:
        return [*rows, row("not_modelled", record.not_modelled, record.source)]
    shape = {k: v for k, v in msgspec.to_builtins(record.shape).items() if k not in ("name", "blocks", "notes") and v}
    rows += [row(k, f"{v:.12g}", record.source) for k, v in shape.items()]
    for i, block in enumerate(record.shape.blocks, 1):
        stated = {f.name: getattr(block, f.name) for f in msgspec.structs.fields(block) if f.name != "count"}
        plain = {f.name: f.default for f in msgspec.structs.fields(block)}
        text = ", ".join(f"{k} {v:.12g}" for k, v in stated.items() if v != plain[k] or k == "gated")
        rows.append(row(f"layers of kind {i}", f"{block.count:g} x: {text}", record.source))
    return rows


def document(catalog: Catalog, kind: str, record: Any) -> JsonObject:
    """A record as data: SI values, provenance of each, parameters of a model."""
    doc: JsonObject = {"kind": kind, "record": msgspec.to_builtins(record), "catalog_version": catalog.version}
    if kind in ("accelerator", "system", "model"):
        doc["provenance"] = msgspec.to_builtins(catalog.provenance(kind, record.id))
    if kind == "accelerator":
        doc["default_system"] = catalog.default_system(record).id
        doc["systems"] = [s.id for s in catalog.systems_of(record.id)]
    if kind == "model" and record.shape is not None:
        from hwmodel.physics.shape import parameters

        doc["parameters"] = msgspec.to_builtins(parameters(record.shape))
    return doc


def _heading(catalog: Catalog, kind: str, record: Any) -> list[str]:
    """Title and id of a page."""
    lines = [f"# {getattr(record, 'name', getattr(record, 'title', record.id))}", ""]
    lines.append(f"`{record.id}`, {kind} of catalog {catalog.version}." if kind != "docs" else f"`{record.id}`")
    aliases = getattr(record, "aliases", ())
    if aliases:
        lines.append(f"Also known as: {', '.join(aliases)}.")
    return lines


def _part_lines(catalog: Catalog, record: Any) -> list[str]:
    system = catalog.default_system(record)
    others = [s.id for s in catalog.systems_of(record.id) if s.id != system.id]
    also = f"; also: {', '.join(others)}" if others else ""
    kind = f"Vendor {record.vendor}, family {record.family}, {record.status}."
    lines = ["", f"{kind} A bare name stands on **{system.name}** (`{system.id}`){also}."]
    if record.extends:
        lines.append(f"A variant of `{record.extends}`: what is not stated here is inherited.")
    if record.unconfirmed:
        lines += ["", f"**Unconfirmed** (in no source that was read): {', '.join(record.unconfirmed)}."]
    return lines


def _model_lines(record: Any) -> list[str]:
    if record.shape is None:
        return ["", f"**Not modelled**: {record.not_modelled}."]
    from hwmodel.physics.shape import parameters

    terms = parameters(record.shape)
    lines = ["", f"Parameters {terms.total:,.0f}, active {terms.active:,.0f}, embeddings {terms.embedding:,.0f}."]
    if record.public_params:
        public = f"Public figure: {record.public_params:,.12g}"
        if record.public_active_params:
            public += f", active {record.public_active_params:,.12g}"
        lines.append(public + ".")
    return lines


def _lost(facts: dict[str, Sourced]) -> list[str]:
    lines = []
    for name, record in facts.items():
        for other in record.other:
            value = f"{other.value} {other.unit}".strip()
            lines.append(f"- {name}: {figure(record)}, not {value} ({other.source}): {other.why}")
    return ["", "## Conflicting figures", "", *lines] if lines else []


def _cited(catalog: Catalog, facts: dict[str, Sourced]) -> list[str]:
    ids = sorted({r.source for r in facts.values()} | {o.source for r in facts.values() for o in r.other})
    lines = ["", "## Sources", ""]
    for source_id in ids:
        s = catalog.source(source_id)
        who = ", ".join(x for x in (s.authors, str(s.year or "")) if x)
        lines.append(
            f"- `{source_id}`: {s.title}" + (f" ({who})" if who else "") + (f"; {s.locator}" if s.locator else "")
        )
    return lines


def page(catalog: Catalog, kind: str, record: Any, *, provenance: bool, version: bool = True) -> str:
    """One record as Markdown; with provenance also the losing figures of conflicts and the sources."""
    from hwmodel.report.tables import record_table

    lines = _heading(catalog, kind if version else "docs", record)
    if kind == "accelerator":
        lines += _part_lines(catalog, record)
    elif kind == "model":
        lines += _model_lines(record)
    rows = field_rows(catalog, kind, record)
    if not provenance:
        rows = [{k: v for k, v in row.items() if k in ("field", "value", "standing")} for row in rows]
    lines += ["", record_table(rows)]
    facts = catalog.provenance(kind, record.id) if kind in ("accelerator", "system", "model") else {}
    if provenance:
        lines += _lost(facts)
        lines += _cited(catalog, facts) if facts else []
    return markdown_safe("\n".join(lines) + "\n")
