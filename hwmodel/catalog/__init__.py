"""Sourced facts and fits as records: accelerators, systems, models, formats, laws, prices, energy, failures."""

from hwmodel.catalog.catalog import Catalog, load_catalog
from hwmodel.catalog.entries import ModelEntry

__all__ = ["Catalog", "ModelEntry", "load_catalog"]
