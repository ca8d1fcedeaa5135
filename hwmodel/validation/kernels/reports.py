"""What a calibration of kernels writes: constants, and errors in percent on shapes and parts that no fit saw."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from hwmodel.validation.kernels.priors import Assumed
from hwmodel.version import __version__


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Median and 90th percentile of the absolute error, and the signed median, of `n` rows [percent]."""

    n: int
    median_ape: float
    p90_ape: float
    median_signed: float


Scores: TypeAlias = dict[str, Score]  # by a label of the rows: part, and engine, kernel, format or operation
Constants: TypeAlias = dict[str, dict[str, float]]  # family or part -> constant -> value
ByFormat: TypeAlias = dict[str, Constants]  # family or part -> format -> constant -> value


class TaskScores(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One law on one family and format: shapes held out, and parts left out where there are several."""

    shapes: Scores
    parts_left_out: Scores | None = None


class LargeProducts(msgspec.Struct, frozen=True, kw_only=True):
    """Products of 512 rows and more by the shipped law, and by five constants fitted on such rows alone."""

    shipped: Scores
    five_constants: Scores


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """Errors beside the fits, by family (and format)."""

    large_products: dict[str, LargeProducts]
    other_engine: dict[str, Scores]
    latent_prefill: dict[str, Scores]


class Residuals(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of every task by `family format`, and of the checks."""

    gemm: dict[str, TaskScores]
    attention: dict[str, TaskScores]
    decode: dict[str, TaskScores]
    mla_decode: dict[str, TaskScores]
    grouped: dict[str, TaskScores]
    memory: dict[str, TaskScores]
    weight_only: dict[str, TaskScores]
    checks: Checks


class ResidualsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The content of kernels_residuals.yaml."""

    code_version: str = __version__
    residuals: Residuals


class KernelDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The content of kernels.yaml: the constants as the loader reads them, and what they rest on."""

    code_version: str = __version__
    fitted_on: str = "aiconfigurator-core 0.12.0 kernel tables"
    gemm: ByFormat
    attention: ByFormat
    attention_flash2: Constants
    memory: Constants
    assumed: dict[str, Assumed]
    fit_only: Constants  # by `task family format`
    rows_fitted: dict[str, int]


class LinkScores(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fit of collectives: sizes held out and parts left out; or in sample, where one sweep is all there is."""

    sizes: Scores | None = None
    parts_left_out: Scores | None = None
    in_sample: Scores | None = None


class CollectivesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The content of collectives.yaml."""

    code_version: str = __version__
    collectives: Constants
    scale_out: Constants
    fitted_on: str = "aiconfigurator-core 0.12.0; ml-engineering@744d01e"
    residuals: dict[str, LinkScores]
