"""What a reader must know before trusting a serving answer: where constants, facts and prices come from."""

from __future__ import annotations

import msgspec

from hwmodel.catalog import Catalog
from hwmodel.catalog.engines import engine_named
from hwmodel.catalog.names import read_as
from hwmodel.predict.formats import as_released, release_of
from hwmodel.solve.run.band import Band
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.records import ServingNames
from hwmodel.specs import PriceSummary
from hwmodel.specs.hardware import Part, System
from hwmodel.specs.kernels import Machine
from hwmodel.specs.precision import ServingPrecision


def notes(
    part: Part, system: System, machine: Machine, recipe: ServingPrecision, price: PriceSummary | None
) -> list[str]:
    """A line for kernels that were not measured, facts that nobody confirmed, and prices that rest on little."""
    said = []
    if machine.provenance != "measured":
        said.append(f"kernels of {part.id} were not measured: their constants come from {machine.provenance}")
    used = {"hbm_bytes", "hbm_bytes_per_s", "nic_uni_bytes_per_s", "link_uni_bytes_per_s", "tdp_w",
            f"peak_dense_flop_per_s.{recipe.gemm_format}"}  # fmt: skip
    if shaky := sorted(used & {*part.unconfirmed, *system.unconfirmed}):
        said.append(f"unconfirmed in the catalog: {', '.join(shaky)}")
    if price is not None and price.flag:
        said.append(f"price of {part.id}: {price.flag}")
    return said


def tight(holds: Band) -> list[str]:
    """A line where it is open whether the cache holds one request."""
    if holds.low >= 1.0:
        return []
    return [f"it may not fit: the cache holds {holds.low:.2g} to {holds.high:.2g} requests, by the engine's settings"]


def thin(machine: Machine, price: PriceSummary | None) -> list[str]:
    """What the choice of a part rests on where that is little: a few quotes, kernels that were never measured on it."""
    found = []
    if price is not None and price.how not in ("market", "given"):
        count = "one quote" if price.n_quotes == 1 else f"{price.n_quotes} quotes"
        found.append(f"{count} (the newest of {price.last_date})")
    if machine.provenance != "measured":
        found.append("kernels that were never measured on it")
    return found


ALL = ("all",)


def named(question: ServingQuestion, catalog: Catalog) -> tuple[ServingQuestion, list[str]]:
    """The question with ids for the names of model, parts, recipes and engine, and what each was read as.

    Raises InputError for a name that is no id or alias.
    """
    said: list[str] = []
    model = question.model
    if question.shape is None:
        entry = catalog.model_entry(model)
        said += read_as(model, entry.id, entry.name)
        model = entry.id
    parts = question.parts
    if parts != ALL:
        found = [catalog.part(name) for name in parts]
        said += [line for name, part in zip(parts, found, strict=True) for line in read_as(name, part.id, part.name)]
        parts = tuple(dict.fromkeys(part.id for part in found))
    if question.region is not None:
        place = catalog.region(question.region)
        said += read_as(question.region, place.id, place.name)
    engine = engine_named(question.engine)
    recipes = [catalog.serving_precision(name) for name in question.precisions]
    for name, recipe in zip(question.precisions, recipes, strict=True):
        said += read_as(name, recipe.id, recipe.title)
        said += _as_released(msgspec.structs.replace(question, model=model, engine=engine), recipe.id, catalog)
    precisions = tuple(dict.fromkeys(recipe.id for recipe in recipes))
    known = msgspec.structs.replace(question, model=model, parts=parts, precisions=precisions, engine=engine)
    return known, [*said, *read_as(question.engine, engine)]


def meant(question: ServingQuestion, recipe: str, part: Part | None, catalog: Catalog) -> str:
    """The recipe that a name of so many bits means for the model of a question on a part."""
    if question.shape is not None:
        return recipe
    return as_released(recipe, release_of(catalog, question.model), part, question.engine)


def _as_released(question: ServingQuestion, recipe: str, catalog: Catalog) -> list[str]:
    own = meant(question, recipe, None, catalog)
    return [] if own == recipe else [f"{recipe} of {question.model} is {own}, as it was released"]


def resolved(question: ServingQuestion, part: Part, system: System) -> ServingNames:
    """Ids of what the answer is about."""
    return ServingNames(accelerator=part.id, system=system.id, model=question.model, engine=question.engine)
