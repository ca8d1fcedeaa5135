"""A request joined with the catalog: the part, its system, formats, constants, law and prices that a plan rests on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hwmodel.catalog import Catalog, load_catalog
from hwmodel.catalog.calibrations import kernel_calibration, whole_run_calibration
from hwmodel.catalog.names import read_as
from hwmodel.catalog.stacks import stack_named, training_stack
from hwmodel.errors import InputError
from hwmodel.physics.machine import machine as physics_machine
from hwmodel.predict.formats import as_released, release_of
from hwmodel.predict.likeness import like
from hwmodel.predict.states import with_states
from hwmodel.predict.uncertainty import StepShares, TrainingTraits, blanks, is_mixture, step_ends, step_ratio_ends
from hwmodel.solve.question.rates import check_rates, known_kind, rate_of
from hwmodel.solve.question.request import DEFAULT_LAW, Request
from hwmodel.specs import (
    EnergyFacts,
    LawSpec,
    Part,
    Precision,
    PriceSummary,
    ReliabilityFacts,
    ServingPrecision,
    Shape,
    System,
)
from hwmodel.specs.accuracy import Like
from hwmodel.specs.economics import WholeRunConstants, given_price
from hwmodel.specs.intervals import Ends
from hwmodel.specs.kernels import KernelCalibration, Machine
from hwmodel.specs.stack import Stack
from hwmodel.units import format_count

if TYPE_CHECKING:
    from hwmodel.predict.fastest import Kernels

# FLOP/s of the best layout of a size of the ladder: by size, experts, accelerators, tokens and batch that are given.
Rungs = dict[tuple[float, float, int, float | None, float | None], float]


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan is computed with. Without accelerators `part`, `system` and `machine` are None."""

    request: Request
    catalog: Catalog
    law: LawSpec
    precision: Precision
    stack: Stack
    energy: EnergyFacts
    reliability: ReliabilityFacts
    whole_run: WholeRunConstants
    part: Part | None = None
    system: System | None = None
    machine: Machine | None = None
    price: PriceSummary | None = None
    measured_level: float | None = None  # measured over predicted seconds of the user's own run
    notes: tuple[str, ...] = ()
    # Where many questions are asked one after another: the rungs of those that differ in quantities alone, and kernels.
    rungs: Rungs | None = None
    kept_kernels: Kernels | None = None

    @property
    def level(self) -> float:
        """Factor on predicted seconds: 1 without a measured run."""
        return self.measured_level if self.measured_level is not None else 1.0

    def shape(self) -> Shape | None:
        """The model asked for by name or file; None where a size is asked for or solved."""
        r = self.request
        if r.shape is not None or r.model is None:
            return r.shape
        return self.catalog.model(r.model)

    def kernels(self) -> KernelCalibration:
        """The fitted constants of kernels and collectives."""
        return kernel_calibration()

    def serving_precision(self) -> ServingPrecision:
        """The serving recipe asked for, or bf16 (fp16 on a part without it); as the model that is named was released,
        where that is in so many bits."""
        r = self.request
        name = self.catalog.serving_precision(r.serving_precision or default_precision(self.part)).id
        if r.shape is None and r.model is not None:
            name = as_released(name, release_of(self.catalog, r.model), self.part)
        recipe: ServingPrecision = self.catalog.serving_precision(name)
        return recipe


class Fleeted(Setting, frozen=True, kw_only=True):
    """A setting with accelerators: what a fleet, its layouts and its bill are computed from."""

    part: Part
    system: System
    machine: Machine

    def machine_for(self, precision: Precision, system: System | None = None) -> Machine:
        """Constants of the same part in another recipe or system. Raises InputError for a format that it lacks."""
        return physics_machine(self.part, system or self.system, precision, kernel_calibration())


def fleeted(setting: Setting) -> Fleeted:
    """The setting, known to have accelerators. Raises InputError where none is named."""
    if isinstance(setting, Fleeted):
        return setting
    raise InputError("no accelerator is named: add --gpus, like 1024xA100")


def step_doubt(setting: Fleeted, precision: Precision, mixture: bool, accelerators: float, parts: StepShares) -> Ends:
    """Ends of the 80 % interval (natural log of seconds) of a step of this question."""
    return step_ends(_traits(setting, precision, mixture, accelerators), parts)


def step_ratio_doubt(
    setting: Fleeted, precision: Precision, mixture: bool, accelerators: float, over: StepShares, under: StepShares
) -> Ends:
    """Ends of the 80 % interval (natural log) of one step over another of the same model, software and fleet."""
    return step_ratio_ends(_traits(setting, precision, mixture, accelerators), over, under)


def _traits(setting: Fleeted, precision: Precision, mixture: bool, accelerators: float) -> TrainingTraits:
    """What of a run of this question decides how familiar it is."""
    r = setting.request
    return TrainingTraits(
        part=setting.part.id, family=setting.part.family, stack=setting.stack.id, number_format=precision.gemm_format,
        mixture=mixture, accelerators=float(accelerators),
        blanks=blanks(frozenset(r.layout), batch=r.global_batch_seqs is not None,
                      shape=r.shape is not None or r.model is not None),
        domain=float(setting.machine.network.domain), level=setting.measured_level is not None,
    )  # fmt: skip


def run_like(setting: Fleeted, shape: Shape) -> Like | None:
    """Measured runs like a run of `shape` on this part and stack, stated or searched as its layout is."""
    stated = blanks(frozenset(setting.request.layout), batch=True, shape=True) == 0.0
    return like(
        "training" if stated else "searched", setting.part.id, setting.part.family, mixture=is_mixture(shape),
        software=setting.stack.id,
    )  # fmt: skip


def default_precision(part: Part | None) -> str:
    """bf16, or fp16 on a part without bf16."""
    if part is None or part.peak_dense_flop_per_s.get("bf16"):
        return "bf16"
    return "fp16"


def _energy(r: Request, system: System | None, catalog: Catalog) -> EnergyFacts:
    """Power, carbon and water of the system's usual site, or of the region and PUE asked for."""
    facts = catalog.energy(region=r.region, system=system)
    return facts if r.pue is None else msgspec.structs.replace(facts, pue=r.pue)


def _boxed(r: Request, catalog: Catalog) -> tuple[Request, list[str]]:
    """The request with instances, nodes, racks and slices counted in accelerators, and a line that says so."""
    name = r.accelerator
    box = None if name is None else catalog.box(name)
    if name is None or box is None:
        return r, []
    system = catalog.system(box.system) if box.system else catalog.default_system(box.part)
    if r.system is not None and catalog.system(r.system).id != system.id:
        raise InputError(f"--gpus {name} stands in {system.id}, not in --system {r.system}: give one of them")
    if box.kind == "slice" and r.gpus is not None and r.gpus > 1:
        raise InputError(
            f"--gpus {r.gpus}x{name}: several slices have no links between them; plan one, or count the chips of one "
            f"pod, like {r.gpus * int(box.accelerators)}x{box.part}"
        )
    boxes = 1 if box.kind == "slice" else r.gpus
    gpus = None if boxes is None else boxes * int(box.accelerators)
    counted = "" if gpus is None else f"{gpus:,} accelerators, "
    of = f"{boxes:,} x " if boxes is not None and box.kind != "slice" else ""
    doubt = "; the number in one is unconfirmed" if box.source == "recalled" else ""
    said = f"{of}{name} read as {counted}{box.accelerators:g} in each {box.kind}, of {box.part} on {system.id}{doubt}"
    return msgspec.structs.replace(r, gpus=gpus, accelerator=box.part, system=system.id), [said]


def _hardware(r: Request, catalog: Catalog) -> tuple[Part | None, System | None, list[str]]:
    """The part, its system, and the lines that say what their names were read as."""
    if r.accelerator is None and r.system is None:
        return None, None, []
    system = catalog.system(r.system) if r.system is not None else None
    notes = read_as(r.system, system.id, system.name) if system is not None else []
    if r.accelerator is None:
        assert system is not None
        part = catalog.part(system.part)
    else:
        part = catalog.part(r.accelerator)
        if system is not None and system.part != part.id:
            fitting = ", ".join(s.id for s in catalog.systems_of(part.id))
            raise InputError(
                f"--system {system.id} carries {system.part}, not {part.id}; systems of {part.id}: {fitting}"
            )
        system = system or catalog.default_system(part)
        notes += [f"{line} on {system.name} ({system.id})" for line in read_as(r.accelerator, part.id, part.name)]
    for field, what in (("hbm_bytes", "memory"), ("hbm_bytes_per_s", "memory bandwidth")):
        if not getattr(part, field) > 0:
            raise InputError(f"no source states the {what} of {part.id}; add it in an overlay (--catalog DIR)")
    if r.nic_uni_bytes_per_s is not None:
        system = msgspec.structs.replace(system, nic_uni_bytes_per_s=r.nic_uni_bytes_per_s)
    return part, system, notes


def _named(r: Request, catalog: Catalog) -> tuple[Request, list[str]]:
    """The request with ids for the names of model, recipes, law, region and stack, and what each was read as."""
    notes: list[str] = []
    ids: dict[str, str] = {}
    if r.model is not None and r.shape is None:
        entry = catalog.model_entry(r.model)
        ids["model"] = entry.id
        notes += read_as(r.model, entry.id, entry.name)
    for field, find in (("precision", catalog.precision), ("serving_precision", catalog.serving_precision)):
        given = getattr(r, field)
        if given is not None:
            recipe = find(given)
            ids[field] = recipe.id
            notes += read_as(given, recipe.id, recipe.title)
    law = catalog.law(r.law)
    if r.law != DEFAULT_LAW:
        notes += read_as(r.law, law.id)
    ids["law"] = law.id
    if r.region is not None:
        region = catalog.region(r.region)
        ids["region"] = region.id
        notes += read_as(r.region, region.id, region.name)
    if r.stack:
        ids["stack"] = stack_named(r.stack)
        notes += read_as(r.stack, ids["stack"])
    return msgspec.structs.replace(r, **ids), notes


def _batch_note(r: Request) -> list[str]:
    """What a batch given in tokens was read as, where its sequences were moved to divide."""
    given = dict(r.asked).get("--global-batch-tokens")
    if given is None or r.global_batch_seqs is None:
        return []
    tokens = format_count(r.global_batch_seqs * r.seq_len)
    return [
        f"--global-batch-tokens {given} read as {r.global_batch_seqs:,.0f} sequences ({tokens} tokens), which divide"
    ]


def _price(r: Request, catalog: Catalog, part: Part | None) -> PriceSummary | None:
    if part is None:
        return None
    check_rates(r.usd_per_hour, [part.id], catalog)
    stated = rate_of(r.usd_per_hour, part.id, catalog)
    if stated is not None:
        return given_price(part.id, stated)
    return catalog.price_summary(part.id, known_kind(r.price_kind), file=r.prices, region=r.region)


def resolve(request: Request, catalog: Catalog | None = None) -> Setting:
    """Join a request with the catalog. Raises InputError for unknown names and formats that the part lacks."""
    if catalog is None:
        catalog = load_catalog(tuple(Path(folder) for folder in request.catalogs))
    request, boxed = _boxed(request, catalog)
    part, system, hardware = _hardware(request, catalog)
    request, named = _named(request, catalog)
    notes = [*boxed, *(hardware if not boxed else ()), *named]
    recipe = catalog.precision(request.precision or default_precision(part))
    precision = with_states(recipe, request.optimizer, request.gradient_dtype)
    common: dict[str, Any] = {
        "request": request,
        "catalog": catalog,
        "law": catalog.law(request.law),
        "precision": precision,
        "stack": training_stack(request.stack, part.family if part else "", request.year, precision.gemm_format),
        "energy": _energy(request, system, catalog),
        "reliability": catalog.reliability(request.reliability),
        "whole_run": whole_run_calibration(),
        "price": _price(request, catalog, part),
        "notes": (*notes, *_batch_note(request), *(request.shape.notes if request.shape is not None else ())),
    }
    if part is None or system is None:
        return Setting(**common)
    machine = physics_machine(part, system, precision, kernel_calibration())
    return Fleeted(part=part, system=system, machine=machine, **common)
