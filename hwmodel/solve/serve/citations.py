"""Where the numbers of a serving answer come from."""

from __future__ import annotations

from hwmodel.catalog import Catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.solve.run.citing import Use, grouped, hardware_sources, quote_sources
from hwmodel.solve.serve.quality import measured_quality
from hwmodel.specs import ServingPrecision
from hwmodel.specs.economics import PriceSummary
from hwmodel.specs.provenance import Cited


def service_sources(
    catalog: Catalog, model: str, part_id: str, system_id: str, recipe: ServingPrecision, price: PriceSummary | None
) -> list[Cited]:
    """One row for each source of a serving answer's numbers; `model` empty for a file of the user's own."""
    entry = catalog.model_entry(model) if model else None
    wanted: list[Use] = [(entry.source, f"architecture of {entry.id}")] if entry is not None and entry.source else []
    wanted += hardware_sources(catalog, part_id, system_id, recipe.gemm_format)
    if price is not None:  # a given one has no quotes
        wanted += quote_sources(catalog, part_id, price)
    wanted += quality_sources(recipe.id, catalog)
    fits = (("kernels and collectives", kernel_calibration().fitted_on), ("engines", serving_calibration().fitted_on))
    wanted += [(fitted_on, f"constants of {what}") for what, fitted_on in fits if fitted_on]
    return grouped(catalog, wanted)


def quality_sources(recipe: str, catalog: Catalog) -> list[Use]:
    """What measured the loss of a serving recipe."""
    quality = measured_quality(recipe, catalog)
    return [(source, f"measured loss of {recipe}") for source in (quality.sources if quality else [])]
