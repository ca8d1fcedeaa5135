"""Sourced facts and fits as records: accelerators, systems, models, formats, laws, prices, energy, failures.

Here belong reading, checking and naming what stands in files. Nothing is computed from the facts, and no measured run
is read.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwmodel.catalog.catalog import Catalog, load_catalog
    from hwmodel.catalog.entries import ModelEntry

__all__ = [
    "Catalog",
    "ModelEntry",
    "accuracy",
    "build",
    "cache",
    "calibrations",
    "engines",
    "json_schema",
    "laws",
    "load_catalog",
    "names",
    "places",
    "prices",
    "quantised",
    "reading",
    "safe_text",
    "speeds",
    "stacks",
    "tables",
    "topics",
    "writing",
    "yamlfile",
]

_HOMES = {"Catalog": "catalog", "ModelEntry": "entries", "load_catalog": "catalog"}


def __getattr__(name: str) -> Any:
    # Loaded on first use: a command that reads one law or one calibration need not import the whole catalog.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
