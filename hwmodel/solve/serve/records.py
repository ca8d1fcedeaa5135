"""What a serving question answers, as records: a fleet chosen, or one configuration predicted, with what stands beside.

Fields are the JSON contract: each has one type whatever was given, None for what is not known or not asked. Seconds,
bytes, dollars, watts and joules; an uncertain value is a `Band`.
"""

from __future__ import annotations

import msgspec

from hwmodel.solve.run.band import Band, Value
from hwmodel.specs.accuracy import Like
from hwmodel.specs.provenance import Cited
from hwmodel.specs.serving import ServingLayout

SIZES = ("tp", "pp", "dp", "ep")


class PrefillPool(msgspec.Struct, frozen=True, kw_only=True):
    """The pool that prefills where another decodes; `busy` is a worker's share of its time at the peak demand (None:
    of clients in a closed loop)."""

    part: str
    tp: float
    pp: float
    dp: float
    ep: float
    workers: int  # spares counted
    spare_workers: int = 0
    accelerators_per_worker: float
    accelerators: float
    busy: Value = None
    cache_transfer_s: float


class ServingBill(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars and joules of serving at a rate; dollars are None where nobody names a price.

    `usd_per_hour` is the rent of these accelerators: in doubt as their price is, and not at a price given.
    """

    usd_per_hour: Band | None
    usd_per_million_tokens: Band | None
    usd_per_million_input: Band | None
    usd_per_million_cached_input: Band | None
    usd_per_million_output: Band | None
    usd_per_accelerator_hour: Band | None
    price_dates: str | None
    price_kind: str | None
    watts: float
    joules_per_output_token: Value
    joules_per_input_token: Value


class EngineRow(ServingBill, frozen=True, kw_only=True):
    """An engine in one configuration, how many of it, its latencies and its bill. `mode`: aggregated (one engine does
    both) or disaggregated (`prefill` is the other pool)."""

    part: str
    system: str
    precision: str
    tp: float
    pp: float
    dp: float
    ep: float
    batch: float
    cache_requests: Band  # that the cache of one engine instance holds at once
    mode: str
    prefill: PrefillPool | None
    replicas: int
    accelerators: float
    ttft_s: Value
    tpot_s: Value
    prefill_share: float  # of the fleet's hour that prompts take

    @property
    def layout(self) -> ServingLayout:
        """The sizes of one engine instance."""
        return ServingLayout(tp=self.tp, pp=self.pp, dp=self.dp, ep=self.ep)


class FleetRow(EngineRow, frozen=True, kw_only=True):
    """A fleet for a demand; tails are those of the percentile asked."""

    accelerators_per_replica: float
    ttft_tail_s: Value
    tpot_tail_s: Value
    requests_per_s_per_replica: Value
    spare_replicas: int
    headroom: Value  # carried beyond the peak demand, over it, without spares
    load: Value  # share of what all replicas carry that the peak takes


class PredictedRow(EngineRow, frozen=True, kw_only=True):
    """A configuration under so many clients in a closed loop."""

    clients: float
    request_s: Value
    requests_per_s: Value
    output_tokens_per_s: Value
    total_tokens_per_s: Value
    kv_pool_bytes: float
    weights_bytes: float


class ModelSpread(msgspec.Struct, frozen=True, kw_only=True):
    """Median and range over `n` models."""

    value: float
    low: float
    high: float
    n: float


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured in a recipe's bits, one vote a source and model; None where nobody measured that."""

    sources: list[str] = []
    loss_increase_nats: ModelSpread | None = None
    perplexity_increase: ModelSpread | None = None
    accuracy_drop: ModelSpread | None = None


class QualityRow(Published, frozen=True, kw_only=True):
    """What a recipe loses on the model asked, with what was published in its bits."""

    loss_nats: Band
    retained_score: Band
    measured: bool
    native: bool
    tokens_known: bool


class FixedRow(msgspec.Struct, frozen=True, kw_only=True):
    """The model as it is in one recipe. `status`: ok | lacking | unfit, with the reason; `saving_share` of what the
    first recipe in 16 bits costs (dollars, else accelerators); `allowed`: whether it keeps --max-loss and
    --min-quality."""

    precision: str
    status: str
    loss_nats: Band
    retained_score: Band
    measured: bool
    native: bool
    tokens_known: bool
    allowed: bool
    reason: str = ""
    accelerators: float | None = None
    usd_per_hour: Band | None = None
    usd_per_million_tokens: Band | None = None
    saving_share: Band | None = None


class PaysFrom(msgspec.Struct, frozen=True, kw_only=True):
    """A demand from which a fleet pays, with its 80 % interval; `high` None: at that end it never does."""

    value: float
    low: float
    high: float | None

    def scaled(self, factor: float) -> PaysFrom:
        """The same in another unit."""
        high = None if self.high is None else self.high * factor
        return PaysFrom(value=self.value * factor, low=self.low * factor, high=high)


class ApiOffer(msgspec.Struct, frozen=True, kw_only=True):
    """An offer by the token: its price of the demand, and the demand from which a fleet costs less (None: never)."""

    requests_per_s: PaysFrom | None
    tokens_per_day: PaysFrom | None
    api_usd_per_hour: float
    api_usd_per_million_tokens: float


class ServingNames(msgspec.Struct, frozen=True, kw_only=True):
    """Ids of what an answer is about."""

    accelerator: str
    system: str
    model: str
    engine: str


class EngineFound(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration predicted: the row, the terms of its decode step, and what it rests on."""

    answer: PredictedRow
    step: dict[str, float]
    prefill_s: float
    like: Like | None
    resolved: ServingNames
    notes: list[str]
    sources: list[Cited]
    fixed: list[FixedRow] = []


class FleetFound(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet chosen: the row, why, what else was considered, and what it rests on."""

    answer: FleetRow
    why: list[str]
    quality: dict[str, QualityRow | None]  # by recipe shown; None: in 16 bits
    alternatives: list[FleetRow]
    pareto: list[FleetRow]  # from the answer on, dearer and sooner
    api: ApiOffer | None
    like: Like | None
    resolved: ServingNames
    rests_on: dict[str, list[str]]  # by part
    notes: list[str]
    left_out: list[str]
    sources: list[Cited]
    fixed: list[FixedRow] = []
