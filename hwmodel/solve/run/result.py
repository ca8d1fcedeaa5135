"""What a plan answers, as records. Base SI units; `_usd`, `_days`, `_mwh`, `_t` where named so."""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.answers import Shown
from hwmodel.solve.run.band import Band, Value, value_of
from hwmodel.solve.run.budget_records import Budget
from hwmodel.solve.run.format_records import FormatRow, ServingFormatRow
from hwmodel.solve.run.records import (
    Alternatives,
    BatchUsed,
    BuiltShape,
    Curves,
    DemandCurve,
    DemandRow,
    LawLife,
    LawRow,
    Margin,
    Mixture,
    Money,
    RegretBand,
    Saving,
)
from hwmodel.specs.accuracy import Like
from hwmodel.specs.layout import PlanLayout
from hwmodel.specs.provenance import Cited

__all__ = ["Band", "FormatPlan", "Mixtures", "Objectives", "Plan", "Resolved", "RunAnswer", "Value", "value_of"]


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A plan in numbers. Without accelerators everything that needs a fleet is None."""

    params: Value
    tokens: Value
    train_flop: float
    accelerators: int | None = None
    idle_accelerators: int | None = None
    train_days: Value = None
    elapsed_days: Value = None
    gpu_hours: Value = None
    mfu: Value = None
    tokens_per_s: Value = None
    loss_nats: Value = None
    cost_usd: Value = None
    energy_mwh: Value = None
    co2e_t: Value = None
    peak_memory_bytes: float | None = None
    goodput: float | None = None
    whole_run_factor: Value = None  # hours billed over those of steady time and failures
    quantiles: dict[str, dict[str, Value]] | None = None  # p50, p80, p90 of hours, days and money
    lifetime_cost: float | None = None  # in the unit of the objective, where demand is given


class Objectives(msgspec.Struct, frozen=True, kw_only=True):
    """The training- and the deployment-optimal plan, the given one, and what usual demands make of the size."""

    objective: str
    answered: str  # which of them the headline is
    same_loss: bool
    given: RunAnswer | None
    demand_curve: list[DemandRow]
    flip_inference_tokens: float | None  # beyond it the training optimum wastes 5 % of a life
    demand_unit: str | None
    demand_note: str
    demand_sizes: list[DemandCurve]
    by_law: list[LawLife]
    training_optimal: RunAnswer
    deployment_optimal: RunAnswer | None
    note: str


class Mixtures(msgspec.Struct, frozen=True, kw_only=True):
    """Experts beside dense, for the same loss and demand; the training run of the winner where it is no dense one."""

    law: str
    rows: list[Mixture]
    refused: dict[str, str]
    winner_experts: float
    saving: Band | None
    unit: str
    note: str
    answer: RunAnswer | None = None
    layout: PlanLayout | None = None


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """Ids of what the names of a question stood for, and where constants and facts come from; None without a fleet."""

    accelerator: str | None
    system: str | None
    nic_uni_bytes_per_s: float | None
    law: str
    model: str | None
    precision: str
    stack: str
    objective: str
    start: str | None
    deadline: str | None
    catalog_version: str
    hwmodel_version: str
    whole_run_fit: str
    kernel_constants: str | None


class Plan(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """The answer with its reasons; `to_dict` is the JSON contract."""

    __repr__ = Shown.__repr__

    request: dict[str, Any]
    resolved: Resolved
    solved: dict[str, str]  # quantity -> how it was found
    answer: RunAnswer
    regret_band: RegretBand | None
    laws: list[LawRow]
    saving: Saving | None
    layout: PlanLayout | None
    step: dict[str, float] | None
    memory: dict[str, float] | None
    shape: BuiltShape | None
    batch: BatchUsed | None
    objectives: Objectives
    precisions: list[FormatRow]
    alternatives: Alternatives | None  # None without a fleet, as money
    curves: Curves
    money: Money | None
    warnings: list[str]
    mixtures: Mixtures | None  # experts beside dense, for the same loss and demand
    serving_formats: list[ServingFormatRow]  # the same life in each serving format
    sources: list[Cited]
    budget: Budget | None = None  # None without a fleet
    data: Any | None = None  # epochs, effective tokens and the price of repeats, where distinct tokens are given
    like: Like | None = None  # measured runs like this one, and how right they were predicted
    margin: Margin | None = None  # what a tenth more compute buys, and the compute-optimal run of this loss
    reductions: list[Any] = []  # ways to the lower loss asked by --loss-factor, by law
    risk: Any = None  # budget.risk.Risk: chances of the limits, what drives the cost
    distillation: Any = None  # life.distilled.Distilled: a student of a teacher beside training outright
    sparsity: Any = None  # life.sparse.SparseModel: what zeros among the weights are worth
    horizons: list[Any] = []  # best runs of a fleet alone, over several times

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, in the order of the contract."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


class FormatPlan(Plan, frozen=True, kw_only=True):
    """The same run in several formats: a plan in the first of them, read as a comparison of its `precisions`."""

    __repr__ = Shown.__repr__

    chances: tuple[Any, ...] = ()  # budget.beats.Beats of each two formats
