"""What may stand at an option: the names of a catalog, and the words of closed sets, each with what it is.

A shell's completion and the page's fields offer these; whether a given word is right is decided where it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from hwmodel.specs.layout import SCHEDULES

Named = Iterable[tuple[str, str]]  # a value, and what it is
Source = Callable[[Any], Named]


def parts(catalog: Any) -> Named:
    """Accelerators."""
    return [(part.id, part.name) for part in catalog.parts()]


def systems(catalog: Any) -> Named:
    """Nodes and their networks."""
    return [(system.id, system.name) for system in catalog.systems()]


def models(catalog: Any) -> Named:
    """Models whose shape is known."""
    return [(entry.id, entry.name) for entry in catalog.models() if entry.shape is not None]


def records(catalog: Any) -> Named:
    """Accelerators, systems and models."""
    return [*parts(catalog), *systems(catalog), *models(catalog)]


def laws(catalog: Any) -> Named:
    """Scaling laws."""
    return [(law.id, law.title) for law in catalog.laws()]


def recipes(catalog: Any) -> Named:
    """Training recipes."""
    return [(recipe.id, recipe.title) for recipe in catalog.precisions()]


def serving_recipes(catalog: Any) -> Named:
    """Serving recipes."""
    return [(recipe.id, recipe.title) for recipe in catalog.serving_precisions()]


def regions(catalog: Any) -> Named:
    """Regions of the grid."""
    return [(region.id, region.name) for region in catalog.data.regions.values()]


def fleets(catalog: Any) -> Named:
    """Published fleets, whose failures may be assumed."""
    return [(fleet.id, fleet.name) for fleet in catalog.data.fleets.values()]


def stacks(_catalog: Any) -> Named:
    """Training software."""
    from hwmodel.catalog.stacks import training_calibration

    return [("generic", "any stack of its year"), *((s.id, s.title) for s in training_calibration().stacks)]


def price_kinds(_catalog: Any) -> Named:
    """Kinds of hourly quotes."""
    from hwmodel.catalog.tables import HOURLY_KINDS

    return words(*HOURLY_KINDS)(_catalog)


def recompute(_catalog: Any) -> Named:
    """What may be computed again."""
    from hwmodel.predict.recompute import MODULES

    return [("none", ""), ("selective", ""), ("full", "every layer"), *((m, "of every layer") for m in MODULES)]


def conventions(_catalog: Any) -> Named:
    """FLOPs that MFU may count."""
    from hwmodel.physics.shape import CONVENTIONS

    return words(*CONVENTIONS)(_catalog)


def objectives(_catalog: Any) -> Named:
    """What a life may cost."""
    from hwmodel.solve.question.contradictions import OBJECTIVES

    return words(*OBJECTIVES)(_catalog)


def words(*names: str) -> Source:
    """A closed set of words."""

    def source(_catalog: Any) -> Named:
        """Each word, unexplained."""
        return [(name, "") for name in names]

    return source


tasks = words("pretrain", "sft", "lora")


def engines(_catalog: Any) -> Named:
    """Serving engines."""
    from hwmodel.catalog.engines import engine_habits

    return [(engine.id, "") for engine in engine_habits()]


offloads = words("none", "activations", "optimizer", "any")
schedules = words(*SCHEDULES)
