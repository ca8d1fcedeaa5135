"""What docs/figures/accuracy.json holds of training: measured by `training_numbers`, shown by `training_page`."""

from __future__ import annotations

import msgspec

from hwmodel.validation.board.ablation import Removed
from hwmodel.validation.board.searched import Searched
from hwmodel.validation.fit.memory_fit import FillBin
from hwmodel.validation.predicted.ranking import FailedLayouts, LayoutChoice
from hwmodel.validation.predicted.score import Overall


class SourceErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of one source in sample, of the constant, and with the source left out (with the share then covered)."""

    source: str
    rows: int
    median: float | None
    mean: float | None
    signed: float | None
    constant: float | None
    left_out: float | None
    covered: float | None


class Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """Median errors of rows that the median of their source hides."""

    name: str
    in_sample: float | None
    left_out: float | None


class PeakErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Median error of peak memory of one source."""

    source: str
    rows: int
    median: float | None


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted constant beside its prior and bounds."""

    name: str
    prior: float
    fitted: float
    low: float
    high: float
    meaning: str


class Refits(msgspec.Struct, frozen=True, kw_only=True):
    """What dozens of fits give, and a digest of the constants that it was taken beside."""

    constants: str
    group: Overall
    given_one_row: dict[str, float]
    ablation: list[Removed]


class TrainingFigures(msgspec.Struct, frozen=True, kw_only=True):
    """All numbers of docs/accuracy-training.md."""

    in_sample: Overall
    by_source: list[SourceErrors]
    hidden: list[Hidden]
    choice: LayoutChoice
    failed: FailedLayouts
    memory: list[PeakErrors]
    reliability: list[FillBin]
    most_full: float
    least: float
    searched: list[Searched]
    optimism: float
    values: list[Value]
    constants: str
    refits: Refits
