"""A whole plan as one record: what was asked, what it was read as, the answer, and what else was considered."""

from __future__ import annotations

import msgspec

from hwmodel.answers import Shown
from hwmodel.solve.budget.beats import Beats
from hwmodel.solve.budget.risk import Risk
from hwmodel.solve.life.distilled import Distilled
from hwmodel.solve.life.samples import Answers
from hwmodel.solve.life.sparse import SparseModel
from hwmodel.solve.plan.data import Data
from hwmodel.solve.plan.long_run import LongRun
from hwmodel.solve.plan.margin import Horizon, Reduction
from hwmodel.solve.question.request import FieldValue
from hwmodel.solve.run.budget_records import Budget
from hwmodel.solve.run.format_records import FormatRow, ServingFormatRow
from hwmodel.solve.run.records import (
    Alternatives,
    BatchUsed,
    BuiltShape,
    Curves,
    LawRow,
    Margin,
    Money,
    RegretBand,
    Saving,
)
from hwmodel.solve.run.result import Mixtures, Objectives, RunAnswer
from hwmodel.specs.accuracy import Like
from hwmodel.specs.layout import PlanLayout
from hwmodel.specs.provenance import Cited


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The question: what was given, by the fields of a request; the defaults that filled in; the options as typed."""

    given: dict[str, FieldValue]
    defaults: dict[str, float | str | None]
    confidence: float
    options: list[list[str]]


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

    request: Asked
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
    data: Data | None = None  # epochs, effective tokens and the price of repeats, where distinct tokens are given
    like: Like | None = None  # measured runs like this one, and how right they were predicted
    margin: Margin | None = None  # what a tenth more compute buys, and the compute-optimal run of this loss
    reductions: list[Reduction] = []  # ways to the lower loss asked by --loss-factor, by law
    risk: Risk | None = None  # chances of the limits, what drives the cost
    distillation: Distilled | None = None  # a student of a teacher beside training outright
    sparsity: SparseModel | None = None  # what zeros among the weights are worth
    samples: Answers | None = None  # answers a prompt against size, by task family
    horizons: list[Horizon] = []  # best runs of a fleet alone, over several times
    long_run: LongRun | None = None  # beyond two years with no time given: the run within them


class FormatPlan(Plan, frozen=True, kw_only=True):
    """The same run in several formats: a plan in the first of them, read as a comparison of its `precisions`."""

    __repr__ = Shown.__repr__

    chances: tuple[Beats, ...] = ()  # of each two formats
