"""What a plan answers, as records. Base SI units; `_usd`, `_days`, `_mwh`, `_t` where named so."""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel import ops
from hwmodel.answers import Shown
from hwmodel.economics import Z80
from hwmodel.physics.intervals import around
from hwmodel.specs.accuracy import Like
from hwmodel.specs.intervals import Ends
from hwmodel.specs.layout import PlanLayout


class Band(msgspec.Struct, frozen=True):
    """An uncertain value and its 80 % interval; in columns of runs, arrays."""

    value: float
    low: float
    high: float

    @classmethod
    def around(cls, value: Any, doubt: Any) -> Band:
        """The band with the `Ends` of an interval, or with one half-width on both sides."""
        return cls(value, *around(value, doubt if isinstance(doubt, Ends) else Ends(doubt, doubt)))

    def scaled(self, factor: Any) -> Band:
        """The band times a positive number that is certain."""
        return Band(self.value * factor, self.low * factor, self.high * factor)

    def at(self, z: float) -> Band:
        """The band with its value at the normal quantile `z`: each side is a half of a log-normal."""
        side = ops.log(self.high / self.value) if z >= 0 else ops.log(self.value / self.low)
        value = self.value * ops.exp(z * side / Z80)
        return Band(value, ops.minimum(self.low, value), ops.maximum(self.high, value))

    def inverse(self, numerator: float = 1.0) -> Band:
        """numerator / band; the ends change places."""
        return Band(numerator / self.value, numerator / self.high, numerator / self.low)

    def times(self, other: Band) -> Band:
        """Product of two independent positive bands: half-widths add in quadrature on the log scale."""
        value = self.value * other.value
        down = ops.hypot(ops.log(self.value / self.low), ops.log(other.value / other.low))
        up = ops.hypot(ops.log(self.high / self.value), ops.log(other.high / other.value))
        return Band(value, value * ops.exp(-down), value * ops.exp(up))


Value = float | Band | None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
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


class Plan(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """The answer with its reasons; `to_dict` is the JSON contract."""

    __repr__ = Shown.__repr__

    request: dict[str, Any]
    resolved: dict[str, Any]
    solved: dict[str, str]  # quantity -> how it was found
    answer: Answer
    regret_band: dict[str, float] | None
    laws: list[dict[str, Any]]
    saving: dict[str, Any] | None
    layout: PlanLayout | None
    step: dict[str, float] | None
    memory: dict[str, float] | None
    shape: dict[str, Any] | None
    batch: dict[str, Any] | None
    objectives: dict[str, Any]
    precisions: list[dict[str, Any]]
    alternatives: dict[str, Any]
    curves: dict[str, Any]
    money: dict[str, Any] | None
    warnings: list[str]
    mixtures: dict[str, Any] | None  # experts beside dense, for the same loss and demand
    serving_formats: list[dict[str, Any]]  # the same life in each serving format
    sources: list[dict[str, str]]
    budget: dict[str, Any] | None = None  # lines, contingency and cash flow of the run; None without a fleet
    data: Any | None = None  # epochs, effective tokens and the price of repeats, where distinct tokens are given
    like: Like | None = None  # measured runs like this one, and how right they were predicted
    margin: dict[str, Any] | None = None  # what a tenth more compute buys, and the compute-optimal run of this loss
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


def value_of(value: Value) -> float:
    """The number of a certain or uncertain value."""
    if value is None:
        raise ValueError("no value")
    return value.value if isinstance(value, Band) else float(value)
