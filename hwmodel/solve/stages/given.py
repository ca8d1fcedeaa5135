"""What a plan file may say, as it is given: the keys of a stage, of the whole budget and of its parts.

The names are those of the tables in `keys`, which say what each means and which kind of stage it belongs to; whoever
reads a value checks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from hwmodel.solve.question.options import PlanOptions, Quantity, QuestionOptions


class RepeatedRun(QuestionOptions[Quantity, str], total=False):
    """One of the runs of `ablations`."""

    count: Quantity


class StageKeys(TypedDict, total=False):
    """What a stage says beside the options of `plan`."""

    gpu_hours: Quantity
    cost_usd: Quantity
    spares: Quantity
    repair: str
    why: str
    runs: Sequence[RepeatedRun]
    share: Quantity
    examples: Quantity
    example_tokens: Quantity
    epochs: Quantity
    pairs: Quantity
    pair_tokens: Quantity
    steps: Quantity
    prompts: Quantity
    samples_per_prompt: Quantity
    prompt_tokens: Quantity
    response_tokens: Quantity
    response_limit: Quantity
    lengths: Mapping[Quantity, Quantity]
    rollout_gpus: Quantity
    lag: Quantity
    updates: Quantity
    scored_passes: Quantity
    rollout_tp: Quantity
    engine: str
    verifier_time: str
    verifier_usd_per_rollout: Quantity
    teacher: str
    questions: Quantity
    output_tokens: Quantity
    passes: Quantity


class SpotKeys(TypedDict, total=False):
    """Spot capacity."""

    preemptions_per_hour: Quantity
    wait: str


class CommitKeys(TypedDict, total=False):
    """Accelerators committed for whole terms."""

    term: str


class OwnKeys(TypedDict, total=False):
    """Accelerators bought."""

    purchase_usd: Quantity
    servers_usd: Quantity
    network_usd: Quantity
    storage_usd: Quantity
    site_usd: Quantity
    staff_usd_per_year: Quantity
    usd_per_kwh: Quantity
    life: str
    residual_usd: Quantity
    cost_of_capital: Quantity
    utilisation_after: Quantity


class StorageKeys(TypedDict, total=False):
    """What is kept."""

    tb: Quantity
    usd_per_tb_month: Quantity


class EgressKeys(TypedDict, total=False):
    """What is moved out."""

    tb: Quantity
    usd_per_tb: Quantity


class BudgetKeys(TypedDict, total=False):
    """What the whole budget says beside its stages and the options that they share."""

    power: Quantity
    contingency: Quantity
    contingency_why: str
    spot: SpotKeys
    commit: CommitKeys
    own: OwnKeys
    storage: StorageKeys
    egress: EgressKeys


class BesideFile(QuestionOptions[Quantity, str], total=False):
    """What may be given beside a plan file: options that stand for the shared ones, and whether the fleet is bought."""

    own: bool


__all__ = [
    "BesideFile",
    "BudgetKeys",
    "CommitKeys",
    "EgressKeys",
    "OwnKeys",
    "PlanOptions",
    "RepeatedRun",
    "SpotKeys",
    "StageKeys",
    "StorageKeys",
]  # fmt: skip
