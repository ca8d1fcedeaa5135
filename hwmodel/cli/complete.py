"""Values that a shell completes: parts, models, laws, recipes, systems, regions, and the words of closed sets.

One table from the names of parameters to what may stand there; commands themselves say nothing about it. Loaded only
while a shell asks (`_HWMODEL_COMPLETE` is set).
"""

from __future__ import annotations

import re
from typing import Any

import click
import msgspec
from click.shell_completion import CompletionItem

from hwmodel.solve.question import choices

KINDS = ("accelerators", "systems", "models", "prices", "precisions", "serving", "laws", "regions", "fleets", "sources")


def _targets(catalog: Any) -> choices.Named:
    from hwmodel.interop.export import TARGETS

    return choices.words(*TARGETS)(catalog)


class Values(msgspec.Struct, frozen=True):
    """What may stand at a parameter: one of `source`, or `lists` of them with commas; `head` is what stands before;
    `file` where it may also be a file."""

    source: choices.Source
    lists: bool = False
    head: str = ""
    file: bool = False


NOTHING = Values(choices.words())
VALUES: dict[str, Values] = {
    "gpus": Values(choices.parts, head=r"[\d.,]+[kKmM]?[x*]"), "parts": Values(choices.parts, lists=True),
    "part": Values(choices.parts),
    "system": Values(choices.systems), "model": Values(choices.models, file=True), "region": Values(choices.regions),
    "law": Values(choices.laws), "law_id": Values(choices.laws), "base_id": Values(choices.laws),
    "others": Values(choices.laws),
    "precision": Values(choices.recipes, lists=True), "serving_precision": Values(choices.serving_recipes),
    "stack": Values(choices.stacks), "price_kind": Values(choices.price_kinds),
    "recompute": Values(choices.recompute, lists=True),
    "offload": Values(choices.offloads, lists=True), "schedule": Values(choices.schedules, lists=True),
    "objective": Values(choices.objectives),
    "flop_convention": Values(choices.conventions), "engine": Values(choices.engines),
    "targets": Values(_targets, lists=True), "export": Values(_targets, lists=True),
    "measured": Values(choices.words(), file=True), "prices": Values(choices.words(), file=True),
    "reliability": Values(choices.fleets),
    "kind": Values(choices.words(*KINDS)), "name": Values(choices.records, file=True),
}  # fmt: skip
# Where a command means something else by a name.
OF_COMMAND: dict[tuple[str, str], Values] = {
    ("serve", "precision"): Values(choices.serving_recipes, lists=True),
    ("serve", "gpus"): NOTHING,
}


class _Named(click.types.StringParamType):
    """Text whose values are completed by name."""

    def __init__(self, values: Values) -> None:
        self.values = values

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The values that begin like `incomplete`."""
        return _complete(self.values, ctx, incomplete)


def with_values(command: click.Command, name: str) -> click.Command:
    """The command, and those below it, with completion of their parameters' values."""
    for child, below in getattr(command, "commands", {}).items():
        with_values(below, f"{name} {child}")
    for parameter in command.params:
        values = OF_COMMAND.get((name, str(parameter.name)), VALUES.get(str(parameter.name)))
        # What has a type of its own (a choice, a path) is completed by click.
        if values is not None and isinstance(parameter.type, click.types.StringParamType):
            parameter.type = _Named(values)
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
