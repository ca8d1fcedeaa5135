"""Values that a shell completes: parts, models, laws, recipes, systems, regions, and the words of closed sets.

One table from the names of parameters to what may stand there; commands themselves say nothing about it. Loaded only
while a shell asks (`_HWMODEL_COMPLETE` is set).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import click
import msgspec
from click.shell_completion import CompletionItem

KINDS = ("accelerators", "systems", "models", "prices", "precisions", "serving", "laws", "regions", "fleets", "sources")
Named = Iterable[tuple[str, str]]  # a value, and what it is
Source = Callable[[Any], Named]


def _parts(catalog: Any) -> Named:
    return [(part.id, part.name) for part in catalog.parts()]


def _systems(catalog: Any) -> Named:
    return [(system.id, system.name) for system in catalog.systems()]


def _models(catalog: Any) -> Named:
    return [(entry.id, entry.name) for entry in catalog.models() if entry.shape is not None]


def _records(catalog: Any) -> Named:
    return [*_parts(catalog), *_systems(catalog), *_models(catalog)]


def _laws(catalog: Any) -> Named:
    return [(law.id, law.title) for law in catalog.laws()]


def _recipes(catalog: Any) -> Named:
    return [(recipe.id, recipe.title) for recipe in catalog.precisions()]


def _serving_recipes(catalog: Any) -> Named:
    return [(recipe.id, recipe.title) for recipe in catalog.serving_precisions()]


def _regions(catalog: Any) -> Named:
    return [(region.id, region.name) for region in catalog.data.regions.values()]


def _fleets(catalog: Any) -> Named:
    return [(fleet.id, fleet.name) for fleet in catalog.data.fleets.values()]


def _stacks(_catalog: Any) -> Named:
    from hwmodel.catalog.stacks import training_calibration

    return [("generic", "any stack of its year"), *((s["id"], s["title"]) for s in training_calibration().stacks)]


def _price_kinds(_catalog: Any) -> Named:
    from hwmodel.catalog.tables import HOURLY_KINDS

    return _words(*HOURLY_KINDS)(_catalog)


def _recompute(_catalog: Any) -> Named:
    from hwmodel.predict.recompute import MODULES

    return [("none", ""), ("selective", ""), ("full", "every layer"), *((m, "of every layer") for m in MODULES)]


def _targets(_catalog: Any) -> Named:
    from hwmodel.interop.export import TARGETS

    return _words(*TARGETS)(_catalog)


def _conventions(_catalog: Any) -> Named:
    from hwmodel.physics.shape import CONVENTIONS

    return _words(*CONVENTIONS)(_catalog)


def _objectives(_catalog: Any) -> Named:
    from hwmodel.solve.question.contradictions import OBJECTIVES

    return _words(*OBJECTIVES)(_catalog)


def _words(*names: str) -> Source:
    def source(_catalog: Any) -> Named:
        return [(name, "") for name in names]

    return source


class Values(msgspec.Struct, frozen=True):
    """What may stand at a parameter: one of `source`, or `lists` of them with commas; `head` is what stands before;
    `file` where it may also be a file."""

    source: Source
    lists: bool = False
    head: str = ""
    file: bool = False


NOTHING = Values(_words())
VALUES: dict[str, Values] = {
    "gpus": Values(_parts, head=r"[\d.,]+[kKmM]?[x*]"), "parts": Values(_parts, lists=True), "part": Values(_parts),
    "system": Values(_systems), "model": Values(_models, file=True), "region": Values(_regions),
    "law": Values(_laws), "law_id": Values(_laws), "base_id": Values(_laws), "others": Values(_laws),
    "precision": Values(_recipes, lists=True), "serving_precision": Values(_serving_recipes),
    "stack": Values(_stacks), "price_kind": Values(_price_kinds), "recompute": Values(_recompute, lists=True),
    "offload": Values(_words("none", "activations", "optimizer"), lists=True), "objective": Values(_objectives),
    "flop_convention": Values(_conventions), "engine": Values(_words("generic", "trtllm", "vllm", "sglang")),
    "targets": Values(_targets, lists=True), "export": Values(_targets, lists=True),
    "measured": Values(_words(), file=True), "prices": Values(_words(), file=True),
    "reliability": Values(_fleets), "kind": Values(_words(*KINDS)), "name": Values(_records, file=True),
}  # fmt: skip
# Where a command means something else by a name.
OF_COMMAND: dict[tuple[str, str], Values] = {
    ("serve", "precision"): Values(_serving_recipes, lists=True),
    ("serve", "gpus"): NOTHING,
}


def with_values(command: click.Command, name: str) -> click.Command:
    """The command, and those below it, with completion of their parameters' values."""
    for child, below in getattr(command, "commands", {}).items():
        with_values(below, f"{name} {child}")
    for parameter in command.params:
        values = OF_COMMAND.get((name, str(parameter.name)), VALUES.get(str(parameter.name)))
        # What has a type of its own (a choice, a path) is completed by click.
        if values is not None and isinstance(parameter.type, click.types.StringParamType):
            parameter.shell_complete = partial(_complete, values)  # type: ignore[method-assign]
    return command


def _complete(values: Values, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """The values that begin like `incomplete`, whatever its capitals; files where none does and one may stand."""
    from hwmodel.catalog import load_catalog

    head = re.match(values.head, incomplete) if values.head else None
    before = head.group() if head else ""
    if values.lists:
        before = incomplete[: incomplete.rfind(",") + 1]
    begun = incomplete[len(before) :].lower()
    catalog = load_catalog(tuple(ctx.params.get("catalogs") or ()))
    found = [
        CompletionItem(before + value, help=what or None)
        for value, what in values.source(catalog)
        if value.lower().startswith(begun) and value not in before.split(",")
    ]
    return found or ([CompletionItem(incomplete, type="file")] if values.file else [])
