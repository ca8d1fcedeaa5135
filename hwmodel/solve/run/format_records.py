"""What a plan answers about number formats, as records: a row for each recipe of training, and for each of serving.

Fields are the JSON contract: a row has them all whatever was given, None for what is not known or was not run.
"""

from __future__ import annotations

import msgspec

from hwmodel.solve.run.band import Band, Value
from hwmodel.specs.layout import PlanLayout


class PublishedSpeed(msgspec.Struct, frozen=True, kw_only=True):
    """End-to-end speed-ups of a recipe over 16 bits in published pairs, and the median predicted in their settings."""

    pairs: int
    sources: int
    median: float
    low: float
    high: float
    predicted: float | None


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """The gap by one precision law, as a share of the loss; what the law was fitted on, and its median ratio to pairs
    of as many bits."""

    value: float
    low: float
    high: float
    fit_params: tuple[float, float] | None
    fit_tokens: tuple[float, float] | None
    ratio_to_pairs: float | None
    pairs: int
    pairs_inside_fit: bool


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The published pairs that a measured loss gap rests on; `beyond` says that the run is larger than all of them."""

    kind: str
    pairs: int
    sources: int
    largest_params: float | None
    largest_tokens: float | None
    beyond: bool


class ServedIn(msgspec.Struct, frozen=True, kw_only=True):
    """The serving recipe of the same format, and what quantising a model trained in 16 bits to it would lose."""

    serving_precision: str
    further_loss_nats: float
    quantising_loss_nats: Band


class ObjectiveVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """How many times as much the reference costs in one objective, the gap that this pays for, and the verdict."""

    times_cheaper: Band
    pays_up_to_share: Band
    verdict: str


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """Published pairs that say otherwise than a verdict: how many of how many, and the furthest gap among them."""

    pairs: int
    of: int
    furthest_share: float
    sources: list[str]


class FormatRow(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe of training: its run, and what it gains and loses against the reference.

    `status`: ok | lacking | unfit, with the `reason`. `verdict`: reference | pays | pays_unless_at_the_top |
    within_noise | does_not_pay | unknown; at the size asked, and `_free` with size and tokens free.
    """

    precision: str
    title: str
    status: str
    reason: str = ""
    train_days: Value = None
    tokens_per_s: Band | None = None
    mfu: Band | None = None
    mfu_of_16_bit_peak: Band | None = None
    peak_memory_bytes: Band | None = None
    cost_usd: Value = None
    energy_mwh: Value = None
    co2e_t: Value = None
    layout: PlanLayout | None = None
    bf16_layers: float | None = None
    speedup: Band | None = None
    speedup_published: PublishedSpeed | None = None
    loss_gap_share: Band | None = None
    loss_gap_nats: Band | None = None
    evidence: Evidence | None = None
    scenarios: dict[str, Scenario] = {}  # by law
    served_in: ServedIn | None = None
    pays_up_to_share: Band | None = None
    pays_up_to_share_free: Band | None = None
    tokens_factor: Band | None = None
    probability_wins: float | None = None
    verdict: str = "unknown"
    verdict_free: str = "unknown"
    verdict_reason: str = ""
    verdicts: dict[str, ObjectiveVerdict] = {}  # by objective
    verdict_at_published: str | None = None  # were the run as fast as the median of published ones
    against: Contradiction | None = None

    @property
    def judged(self) -> bool:
        """Whether the recipe was run and stands against another."""
        return self.status == "ok" and self.verdict != "reference"


class FixedSize(msgspec.Struct, frozen=True, kw_only=True):
    """The model of the plan as it is, served in one recipe: what it loses and what serving it costs."""

    loss_nats: Band
    retained_score: Band
    measured: bool
    serve_cost: float
    saving_share: float | None  # of the cost of serving in 16 bits


class ServingFormatRow(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest life at the plan's loss when served in one recipe, and (`fixed`) the plan's own model served in it;
    only the `reason` where there is none."""

    serving_precision: str
    params: float | None = None
    tokens: float | None = None
    train_cost: float | None = None
    serve_cost: float | None = None
    lifetime_cost: float | None = None
    loss_paid_nats: float | None = None  # what training must make good
    fixed: FixedSize | None = None
    reason: str = ""
