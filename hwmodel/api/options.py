"""The options of the verbs, under the names of the command line, typed for editors and type checkers.

A quantity is written as on the command line (`"1.4T"`) or is a number in base units (1.4e12).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeAlias, TypedDict, TypeVar

from hwmodel.specs.shape import Shape

if TYPE_CHECKING:
    import numpy

Quantity: TypeAlias = "str | float | int | numpy.number"
Folders: TypeAlias = Sequence[Path]


Q = TypeVar("Q")  # a quantity that `compare` varies: several of it there, one elsewhere
W = TypeVar("W")  # a name that `compare` varies


class RunOptions(TypedDict, Generic[Q, W], total=False):
    """What describes one run: hardware, model, layout, software."""

    gpus: W
    system: W
    nic_gbit_s: Quantity
    year: Quantity
    params: Q
    model: W
    shape: Shape
    seq_len: Q
    global_batch: Quantity
    global_batch_tokens: Quantity
    tp: Quantity
    cp: Quantity
    pp: Quantity
    vpp: Quantity
    ep: Quantity
    etp: Quantity
    micro_batch: Quantity
    zero: Quantity
    recompute: str
    offload: str
    schedule: str
    optimizer: str
    gradient_dtype: str
    flop_convention: str
    stack: str
    precision: W
    catalogs: Folders


class TrainOptions(RunOptions[Quantity, str], total=False):
    """Options of `train`."""

    task: str
    rank: Quantity
    base: str
    sequence_parallel: bool
    searched: str
    measured: str


class QuestionOptions(RunOptions[Q, W], Generic[Q, W], total=False):
    """What `plan` and `compare` ask."""

    time: Q
    budget: Q
    deadline: str
    power: Quantity
    start: str
    confidence: Quantity
    flops: Q
    tokens: Q
    unique_tokens: Quantity
    loss: Quantity
    loss_like: str | tuple[float, float]
    loss_factor: Quantity
    inference_tokens: Quantity
    lifetime_budget: Quantity
    serve: str
    samples: Quantity
    task_family: str
    moe: bool | str
    distill: bool | str
    sparsity: Quantity
    prompt_output: str
    serving_precision: str
    mfu: Quantity
    law: W
    objective: str
    usd_per_hour: Quantity | Mapping[str, float]
    price_kind: str
    prices: str
    region: str
    pue: Quantity
    reliability: str
    measured: str
    seed: int


PlanOptions: TypeAlias = QuestionOptions[Quantity, str]
CompareOptions: TypeAlias = QuestionOptions["Quantity | Sequence[Quantity]", "str | Sequence[str]"]


class ServeOptions(TypedDict, total=False):
    """Options of `serve` beside the model."""

    shape: Shape
    demand: Quantity
    concurrency: Quantity
    input: Quantity
    output: Quantity
    histogram: Path
    ttft: Quantity
    tpot: Quantity
    p: Quantity
    parts: str | Sequence[str]
    precision: str | Sequence[str]
    engine: str
    engine_date: str
    tp: Quantity
    pp: Quantity
    dp: Quantity
    ep: Quantity
    disaggregated: bool
    gpus: Quantity
    pools: str
    prefill_tp: Quantity
    prefill: str
    decode: str
    rounds: Quantity
    max_running: Quantity
    step_tokens: Quantity
    api_price: str
    prefix_hit: Quantity
    draft_tokens: Quantity
    acceptance: Quantity
    peak_to_mean: Quantity
    max_loss: Quantity
    min_quality: Quantity
    spares: Quantity
    usd_per_hour: Quantity | Mapping[str, float]
    price_kind: str
    prices: str
    region: str
    catalogs: Folders


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


class AccuracyOptions(TypedDict, total=False):
    """Options of `accuracy`."""

    part: str
    model: str
    kind: str
    software: str
    precision: str


class ValidateOptions(TypedDict, total=False):
    """Options of `validate`."""

    leave_out: str
    folds: int
    seed: int
    measured: Path
    catalogs: Folders
