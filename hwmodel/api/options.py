"""The options of the verbs: those of questions stand beside what reads them, those of runs of one's own here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from hwmodel.solve.question.options import (
    AccuracyOptions,
    CompareOptions,
    Folders,
    PlanOptions,
    Quantity,
    RunOptions,
    ServeOptions,
    TrainOptions,
)


class FitOptions(TypedDict, total=False):
    """Options of `fit`."""

    form: str
    columns: Mapping[str, str]
    units: Mapping[str, str]
    where: Mapping[str, str]
    all_rows: bool
    skip_bad: bool
    base: str
    bootstraps: int
    seed: int
    convention: str


class ValidateOptions(TypedDict, total=False):
    """Options of `validate`."""

    leave_out: str
    folds: int
    seed: int
    measured: Path
    catalogs: Folders


class DrawOptions(TypedDict, total=False):
    """Joint draws of a law's constants for its bands, their seed, and the catalogs that its laws stand in."""

    draws: int
    seed: int
    catalogs: Folders


class BudgetOptions(DrawOptions, total=False):
    """Options of `law.disagreement`: one budget, as FLOPs, tokens or parameters."""

    flops: Quantity | None
    tokens: Quantity | None
    params: Quantity | None


class OptimumOptions(BudgetOptions, total=False):
    """Options of `law.optimum`."""

    loss: float | None
    inference_tokens: Quantity | None
    unique_tokens: Quantity | None
    experts: Quantity | None
    convention: str | None


class EvalOptions(TypedDict, total=False):
    """Options of `law.eval` but for `settings`."""

    params: Quantity | None
    tokens: Quantity | None
    flops: Quantity | None
    unique_tokens: Quantity | None
    experts: Quantity | None
    convention: str | None
    catalogs: Folders


__all__ = [
    "AccuracyOptions",
    "BudgetOptions",
    "CompareOptions",
    "DrawOptions",
    "EvalOptions",
    "FitOptions",
    "Folders",
    "OptimumOptions",
    "PlanOptions",
    "Quantity",
    "RunOptions",
    "ServeOptions",
    "TrainOptions",
    "ValidateOptions",
]
