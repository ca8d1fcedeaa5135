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


__all__ = [
    "AccuracyOptions",
    "CompareOptions",
    "FitOptions",
    "Folders",
    "PlanOptions",
    "Quantity",
    "RunOptions",
    "ServeOptions",
    "TrainOptions",
    "ValidateOptions",
]
