"""Where the numbers of a plan come from: one row a source, with what it gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwmodel.catalog import Catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.catalog.stacks import training_calibration
from hwmodel.errors import HwModelError
from hwmodel.solve.life.distilled import DISTILLATION_LAW
from hwmodel.solve.life.mixtures import EXPERTS_LAW
from hwmodel.solve.life.objective import default_objective
from hwmodel.solve.life.sparse import SPARSE_LAW
from hwmodel.solve.plan.precisions import KUMAR, REPEATS, SUN, supported
from hwmodel.solve.plan.sides import LAWS_SHOWN
from hwmodel.solve.question.setting import Fleeted, Setting, fleeted
from hwmodel.solve.run.fleet import CRITICAL_BATCH_LAW
from hwmodel.solve.serve.quality import measured_quality
from hwmodel.specs import ServingPrecision
from hwmodel.specs.economics import PriceSummary

if TYPE_CHECKING:
    from hwmodel.solve.run.solved import Solved

Use = tuple[str, str]  # a source and what it gave


def sources(setting: Setting, solved: Solved | None) -> list[dict[str, str]]:
    """One row for each source of a plan's numbers: what it gave, and where it stands."""
    wanted = [*_law_sources(setting, solved is not None), *_model_source(setting)]
    if solved is not None:
        wanted += _machine_sources(fleeted(setting))
        wanted += _price_sources(setting)
        wanted += _fact_sources(setting)
        wanted += _fit_sources(setting)
        wanted += _life_sources(setting)
    return _grouped(setting.catalog, wanted)


def training_sources(setting: Fleeted) -> list[dict[str, str]]:
    """The same for one training layout."""
    return _grouped(setting.catalog, [*_model_source(setting), *_machine_sources(setting), *_fit_sources(setting)])


def service_sources(
    catalog: Catalog, model: str, part_id: str, system_id: str, recipe: ServingPrecision, price: PriceSummary | None
) -> list[dict[str, str]]:
    """The same for a serving fleet; `model` empty for a file of the user's own."""
    entry = catalog.model_entry(model) if model else None
    wanted: list[Use] = [(entry.source, f"architecture of {entry.id}")] if entry is not None and entry.source else []
    wanted += _hardware_sources(catalog, part_id, system_id, recipe.gemm_format)
    if price is not None and price.kind != "given":
        wanted += _quote_sources(catalog, part_id, price)
    quality = measured_quality(recipe.id)
    wanted += [(source, f"measured loss of {recipe.id}") for source in (quality.sources if quality else [])]
    fits = (("kernels and collectives", kernel_calibration().fitted_on), ("engines", serving_calibration().fitted_on))
    wanted += [(fitted_on, f"constants of {what}") for what, fitted_on in fits if fitted_on]
    return _grouped(catalog, wanted)


def _grouped(catalog: Catalog, wanted: list[Use]) -> list[dict[str, str]]:
    """A row a publication, in the order of first use."""
    grouped: dict[str, list[str]] = {}
    for source, what in wanted:
        uses = grouped.setdefault(source, [])
        if what not in uses:
            uses.append(what)
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for source, uses in grouped.items():
        row = _source_row(catalog, source, uses)
        first = rows.setdefault((row["title"], row["locator"]), row)
        if first is not row:  # one paper under two ids: its law and its facts
            first["for"] += f", {row['for']}"
    return list(rows.values())


def _law_sources(setting: Setting, on_fleet: bool) -> list[Use]:
    """The law of the plan, those that it calls upon, and those shown beside it."""
    r = setting.request
    uses = [(setting.law.id, f"scaling law {setting.law.id}")]
    if on_fleet:
        uses.append((CRITICAL_BATCH_LAW, "critical batch"))
        if any(recipe.quantised for recipe in supported(fleeted(setting))):
            uses += [(KUMAR, "loss of fewer bits"), (SUN, "loss of fewer bits")]
    if r.unique_tokens is not None:
        uses.append((REPEATS, "worth of repeated tokens"))
    if r.experts:
        uses.append((EXPERTS_LAW, "loss of mixtures of experts"))
    if r.distill:
        uses.append((DISTILLATION_LAW, "what a student gains from its teacher"))
    if r.sparsity is not None:
        uses.append((SPARSE_LAW, "worth of parameters among zeros"))
    uses += [(law, f"law {law} for comparison") for law in LAWS_SHOWN if law != setting.law.id]
    return [(setting.catalog.law(law).source, what) for law, what in uses]


def _model_source(setting: Setting) -> list[Use]:
    """The architecture of a model named; a file of the user's own needs no source."""
    r = setting.request
    if r.model is None or r.shape is not None:
        return []
    entry = setting.catalog.model_entry(r.model)
    return [(entry.source, f"architecture of {entry.id}")] if entry.source else []


def _machine_sources(setting: Fleeted) -> list[Use]:
    """The figures of the accelerator and of its system."""
    return _hardware_sources(setting.catalog, setting.part.id, setting.system.id, setting.precision.gemm_format)


def _hardware_sources(catalog: Catalog, part_id: str, system_id: str, number_format: str) -> list[Use]:
    return [
        *_record_sources(catalog, "accelerator", part_id, number_format),
        *_record_sources(catalog, "system", system_id, number_format),
    ]


def _life_sources(setting: Setting) -> list[Use]:
    """What the cost of serving rests on, where a life is weighed in more than FLOPs."""
    if setting.request.inference_tokens is None or default_objective(setting) == "flops":
        return []
    uses = [(serving_calibration().fitted_on, "constants of serving engines")]
    recipe = setting.serving_precision()
    quality = measured_quality(recipe.id)
    if quality is not None:
        uses += [(source, f"measured loss of {recipe.id}") for source in quality.sources]
        uses.append((setting.catalog.law(KUMAR).source, f"exponents of size and tokens in the loss of {recipe.id}"))
    return uses


# Catalog fields that a plan's numbers rest on, in words.
USED_FIELDS = {
    "memory.capacity": "memory",
    "memory.bandwidth": "memory bandwidth",
    "link.bandwidth_uni": "scale-up links",
    "power.tdp": "power",
    "nic_uni": "NIC",
    "node_power": "node power",
}


def _record_sources(catalog: Catalog, kind: str, record_id: str, peak: str) -> list[Use]:
    """The sources of the fields that are used of one record."""
    found = catalog.provenance(kind, record_id)
    fields = {**USED_FIELDS, f"peak_dense.{peak}": f"{peak} peak"}
    rows = []
    for name, label in fields.items():
        if name in found:
            doubt = " (unconfirmed)" if found[name].status == "unconfirmed" else ""
            rows.append((found[name].source, f"{record_id} {label}{doubt}"))
    return rows


def _price_sources(setting: Setting) -> list[Use]:
    """The quotes behind the rent, if it was not given."""
    if setting.price is None or setting.part is None or setting.price.kind == "given":
        return []
    return _quote_sources(setting.catalog, setting.part.id, setting.price)


def _quote_sources(catalog: Catalog, part_id: str, price: PriceSummary) -> list[Use]:
    """The quotes that a price summarises."""
    quotes = catalog.prices(part_id, price.kind)
    shown = [q for q in quotes if price.first_date <= q.date <= price.last_date and q.provider in price.providers]
    return [(q.source, f"rent of {part_id}") for q in shown if q.source]


def _fact_sources(setting: Setting) -> list[Use]:
    """Energy, grid and failures: every sourced value of their records."""
    rows = [(setting.energy.grid_source, f"grid of {setting.energy.grid_region}")] if setting.energy.grid_source else []
    for kind, record in (("energy", setting.energy.facility), ("reliability", setting.reliability.fleet)):
        found = setting.catalog.provenance(kind, record) if record else {}
        rows += [(value.source, f"{record} {name.replace('_', ' ')}") for name, value in found.items()]
    return rows


def _fit_sources(setting: Setting) -> list[Use]:
    """The calibrations behind the times, by what they were fitted on."""
    fits = (
        ("kernels and collectives", setting.kernels().fitted_on),
        ("training step", training_calibration().fitted_on),
    )
    own = [(setting.request.measured, "level of the prediction")] if setting.request.measured else []
    return own + [(fitted_on, f"constants of {what}") for what, fitted_on in fits if fitted_on]


def _source_row(catalog: Catalog, source: str, uses: list[str]) -> dict[str, str]:
    """The catalog's record of a source; what is in none stands by its own words."""
    row = {"id": source, "for": ", ".join(uses), "title": source, "locator": "", "licence": ""}
    try:
        record = catalog.source(source)
    except HwModelError:
        return row
    return {**row, "title": record.title, "locator": record.locator, "licence": record.licence}
