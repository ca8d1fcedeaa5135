"""The options of the verbs, under the names of the command line, typed for editors and type checkers.

A quantity is written as on the command line (`"1.4T"`) or is a number in base units (1.4e12). What nobody gives is not
there; who reads an option checks its value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeAlias, TypedDict, TypeVar, cast

from hwmodel.specs.shape import Shape

if TYPE_CHECKING:
    import numpy

Quantity: TypeAlias = "str | float | int | numpy.number"
Prices: TypeAlias = "Quantity | Mapping[str, float]"
Folders: TypeAlias = Sequence[Path]


Q = TypeVar("Q")  # a quantity that `compare` varies: several of it there, one elsewhere
W = TypeVar("W")  # a name that may be one of several: those that `compare` varies, parts and formats of `serve`


# Other spellings of the command line, where an option may be given several: `--part h100`, `--catalog DIR`.
SPELLED = {"part": "parts", "catalog": "catalogs"}


def own_name(written: str, known: Collection[str]) -> str:
    """The name of an option among those `known`, where it is written by its other spelling; else as it is written."""
    name = SPELLED.get(written, written)
    return name if name in known and written not in known else written


def is_budget(gpus: object, own: object) -> bool:
    """Whether a question of `plan` is answered as a budget: on several pools, or on accelerators bought."""
    return bool(own) or "+" in str(gpus or "")


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


class RunQuestion(RunOptions[Quantity, str], total=False):
    """One run as it is asked about, beside the level that the user measured."""

    measured: str


class TrainOptions(RunQuestion, total=False):
    """Options of `train`."""

    task: str
    rank: Quantity
    base: str
    sequence_parallel: bool
    searched: str


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
    usd_per_hour: Prices
    price_kind: str
    prices: str
    region: str
    pue: Quantity
    reliability: str
    measured: str
    seed: int


PlanOptions: TypeAlias = QuestionOptions[Quantity, str]


def without(options: PlanOptions, *names: str) -> PlanOptions:
    """The options but those of these names."""
    return cast("PlanOptions", {name: value for name, value in options.items() if name not in names})


def alone(options: PlanOptions, *names: str) -> PlanOptions:
    """The options of these names."""
    return cast("PlanOptions", {name: value for name, value in options.items() if name in names})


CompareOptions: TypeAlias = QuestionOptions["Quantity | Sequence[Quantity]", "str | Sequence[str]"]


class ServiceOptions(TypedDict, Generic[W], total=False):
    """What describes a service: its load, its limits, and what it may run on."""

    shape: Shape
    input: Quantity
    output: Quantity
    histogram: Path
    ttft: Quantity
    tpot: Quantity
    p: Quantity
    parts: W
    precision: W
    engine: str
    engine_date: str
    tp: Quantity
    pp: Quantity
    dp: Quantity
    ep: Quantity
    disaggregated: bool
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
    usd_per_hour: Prices
    price_kind: str
    prices: str
    region: str


class ServeQuestion(ServiceOptions[W], Generic[W], total=False):
    """What `serve` asks of a service: a fleet for a demand, or one configuration at a concurrency."""

    demand: Quantity
    concurrency: Quantity
    gpus: Quantity
    pools: str
    prefill_tp: Quantity
    catalogs: Folders


ServeOptions: TypeAlias = ServeQuestion["str | Sequence[str]"]
ServiceAsked: TypeAlias = ServiceOptions[str]


class ServeAsked(ServeQuestion[str], total=False):
    """One question of `serve`, with its model."""

    model: str


class AccuracyOptions(TypedDict, total=False):
    """Options of `accuracy`."""

    part: str
    model: str
    kind: str
    software: str
    precision: str
