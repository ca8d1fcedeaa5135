"""Where the numbers of a plan come from: one row a source, with what it gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwmodel.catalog.stacks import training_calibration
from hwmodel.errors import HwModelError
from hwmodel.solve.fleet import CRITICAL_BATCH_LAW
from hwmodel.solve.setting import Setting

if TYPE_CHECKING:
    from hwmodel.solve.plan import Solved


def sources(setting: Setting, solved: Solved | None) -> list[dict[str, str]]:
    """One row for each source of the numbers used: what it gave, and where it stands."""
    wanted: list[tuple[str, str]] = [(setting.law.source, f"scaling law {setting.law.id}")]
    if solved is not None:
        wanted.append((setting.catalog.law(CRITICAL_BATCH_LAW).source, "critical batch"))
        assert setting.part is not None
        assert setting.system is not None
        wanted += _record_sources(setting, "accelerator", setting.part.id)
        wanted += _record_sources(setting, "system", setting.system.id)
        wanted += _price_sources(setting)
        wanted += _fact_sources(setting)
        wanted += _fit_sources(setting)
    grouped: dict[str, list[str]] = {}
    for source, what in wanted:
        uses = grouped.setdefault(source, [])
        if what not in uses:
            uses.append(what)
    return [_source_row(setting, source, uses) for source, uses in grouped.items()]


# Catalog fields that a plan's numbers rest on, in words.
USED_FIELDS = {
    "memory.capacity": "memory",
    "memory.bandwidth": "memory bandwidth",
    "link.bandwidth_uni": "scale-up links",
    "power.tdp": "power",
    "nic_uni": "NIC",
    "node_power": "node power",
}


def _record_sources(setting: Setting, kind: str, record_id: str) -> list[tuple[str, str]]:
    found = setting.catalog.provenance(kind, record_id)
    peak = setting.precision.gemm_format
    fields = {**USED_FIELDS, f"peak_dense.{peak}": f"{peak} peak"}
    rows = []
    for name, label in fields.items():
        if name in found:
            doubt = " (unconfirmed)" if found[name].status == "unconfirmed" else ""
            rows.append((found[name].source, f"{record_id} {label}{doubt}"))
    return rows


def _price_sources(setting: Setting) -> list[tuple[str, str]]:
    if setting.price is None or setting.part is None or setting.price.kind == "given":
        return []
    span = (setting.price.first_date, setting.price.last_date)
    quotes = setting.catalog.prices(setting.part.id, setting.price.kind)
    shown = [q for q in quotes if span[0] <= q.date <= span[1] and q.provider in setting.price.providers]
    return [(q.source, f"rent of {setting.part.id}") for q in shown if q.source]


def _fact_sources(setting: Setting) -> list[tuple[str, str]]:
    """Energy, grid and failures: every sourced value of their records."""
    rows = [(setting.energy.grid_source, f"grid of {setting.energy.grid_region}")] if setting.energy.grid_source else []
    for kind, record in (("energy", setting.energy.facility), ("reliability", setting.reliability.fleet)):
        found = setting.catalog.provenance(kind, record) if record else {}
        rows += [(value.source, f"{record} {name.replace('_', ' ')}") for name, value in found.items()]
    return rows


def _fit_sources(setting: Setting) -> list[tuple[str, str]]:
    """The calibrations behind the times, by what they were fitted on."""
    fits = (
        ("kernels and collectives", setting.kernels().fitted_on),
        ("training step", training_calibration().fitted_on),
    )
    return [(fitted_on, f"constants of {what}") for what, fitted_on in fits if fitted_on]


def _source_row(setting: Setting, source: str, uses: list[str]) -> dict[str, str]:
    row = {"id": source, "for": ", ".join(uses), "title": source, "locator": "", "licence": ""}
    try:
        record = setting.catalog.source(source)
    except HwModelError:
        return row
    return {**row, "title": record.title, "locator": record.locator, "licence": record.licence}
