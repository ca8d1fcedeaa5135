"""What a serving answer names as its sources: one row each, with what stands in it."""

from __future__ import annotations

import msgspec
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.solve.serve.citations import quality_sources, service_sources
from hwmodel.specs.economics import PriceSummary

CATALOG = load_catalog()
H100 = "h100-sxm5-80gb"


def names(model: str, price: PriceSummary | None, recipe: str = "bf16") -> set[str]:
    system = CATALOG.default_system(H100).id
    return {one.id for one in service_sources(CATALOG, model, H100, system, CATALOG.serving_precision(recipe), price)}


def test_sources_of_quotes_where_the_price_is_one() -> None:
    quoted = CATALOG.price_summary(H100)
    assert quoted is not None
    free = names("llama-3.1-8b", None)
    # A given price has no source beside, a quoted one those of its quotes.
    assert names("llama-3.1-8b", msgspec.structs.replace(quoted, kind="given")) == free
    assert names("llama-3.1-8b", quoted) > free


def test_the_source_of_a_named_model_alone() -> None:
    entry = CATALOG.model_entry("llama-3.1-8b")
    assert entry.source in names("llama-3.1-8b", None)
    assert names("llama-3.1-8b", None) - names("", None) == {entry.source}


@pytest.mark.parametrize(("recipe", "measured"), [("bf16", False), ("fp8", True)])
def test_sources_of_measured_quality(recipe: str, measured: bool) -> None:
    found = quality_sources(recipe, CATALOG)
    assert bool(found) is measured
    assert all(what == f"measured loss of {recipe}" for _, what in found)
