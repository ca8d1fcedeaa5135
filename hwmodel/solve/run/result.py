"""What a plan answers, as records. Base SI units; `_usd`, `_days`, `_mwh`, `_t` where named so."""

from __future__ import annotations

import msgspec

from hwmodel.solve.run.band import Band, Value, value_of
from hwmodel.solve.run.records import (
    DemandCurve,
    DemandRow,
    LawLife,
    Mixture,
)
from hwmodel.specs.layout import PlanLayout

__all__ = ["Band", "Mixtures", "Objectives", "RunAnswer", "Value", "value_of"]


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A plan in numbers. Without accelerators everything that needs a fleet is None."""

    params: Band  # of what was given, without width
    tokens: Band
    train_flop: float
    accelerators: int | None = None
    idle_accelerators: int | None = None
    train_days: Band | None = None
    elapsed_days: Band | None = None
    gpu_hours: Band | None = None
    mfu: Band | None = None
    tokens_per_s: Band | None = None
    loss_nats: Band | None = None  # without width under a law whose constants have no covariance
    cost_usd: Band | None = None
    energy_mwh: Band | None = None
    co2e_t: Band | None = None
    peak_memory_bytes: Band | None = None  # of the device, context and fragmentation counted
    reserved_memory_bytes: Band | None = None  # of it, what the framework's allocator has taken
    goodput: float | None = None
    whole_run_factor: Band | None = None  # hours billed over those of steady time and failures
    quantiles: dict[str, dict[str, float | None]] | None = None  # p50, p80, p90 of hours, days and money
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
