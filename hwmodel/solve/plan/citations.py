"""Where the numbers of a plan come from: one row a source, with what it gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwmodel.catalog.engines import serving_calibration
from hwmodel.catalog.stacks import training_calibration
from hwmodel.solve.life.distilled import DISTILLATION_LAW
from hwmodel.solve.life.mixtures import EXPERTS_LAW
from hwmodel.solve.life.objective import default_objective
from hwmodel.solve.life.sparse import SPARSE_LAW
from hwmodel.solve.plan.precisions import KUMAR, REPEATS, SUN, supported
from hwmodel.solve.plan.sides import LAWS_SHOWN
from hwmodel.solve.question.setting import Fleeted, Setting, fleeted
from hwmodel.solve.question.task_families import TASK_FAMILIES
from hwmodel.solve.run.batch import CRITICAL_BATCH_LAW
from hwmodel.solve.run.citing import Use, grouped, hardware_sources, quote_sources
from hwmodel.solve.serve.citations import quality_sources
from hwmodel.specs.provenance import Cited

if TYPE_CHECKING:
    from hwmodel.solve.run.solved import Solved


def sources(setting: Setting, solved: Solved | None) -> list[Cited]:
    """One row for each source of a plan's numbers: what it gave, and where it stands."""
    wanted = [*_law_sources(setting, solved is not None), *_model_source(setting)]
    if solved is not None:
        wanted += _machine_sources(fleeted(setting))
        wanted += _price_sources(setting)
        wanted += _fact_sources(setting)
        wanted += _fit_sources(setting)
        wanted += _life_sources(setting)
    return grouped(setting.catalog, wanted)


def training_sources(setting: Fleeted) -> list[Cited]:
    """The same for one training layout."""
    return grouped(setting.catalog, [*_model_source(setting), *_machine_sources(setting), *_fit_sources(setting)])


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
    if r.samples > 1.0 or r.samples_open:
        families = [r.task_family] if r.task_family is not None else list(TASK_FAMILIES)
        uses += [(TASK_FAMILIES[name].law, "worth of more answers") for name in families]
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
    return hardware_sources(setting.catalog, setting.part.id, setting.system.id, setting.precision.gemm_format)


def _life_sources(setting: Setting) -> list[Use]:
    """What the cost of serving rests on, where a life is weighed in more than FLOPs."""
    if setting.request.inference_tokens is None or default_objective(setting) == "flops":
        return []
    uses = [(serving_calibration().fitted_on, "constants of serving engines")]
    recipe = setting.serving_precision()
    measured = quality_sources(recipe.id, setting.catalog)
    if measured:
        uses += measured
        uses.append((setting.catalog.law(KUMAR).source, f"exponents of size and tokens in the loss of {recipe.id}"))
    return uses


def _price_sources(setting: Setting) -> list[Use]:
    """The quotes behind the rent; a given price has none."""
    if setting.price is None or setting.part is None:
        return []
    return quote_sources(setting.catalog, setting.part.id, setting.price)


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
