"""What a plan answers beside its headline, as records: laws, batch, shape, layouts, money.

Fields are the JSON contract. Base SI units; `_usd`, `_mwh`, `_t`, `_m3` where named so. None: not known, or not asked.
"""

from __future__ import annotations

import msgspec

from hwmodel.solve.run.band import Band
from hwmodel.specs.economics import ClassMedian
from hwmodel.specs.layout import PlanLayout


class LawRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one law says to the question; `reason` where it says nothing."""

    law: str
    params: float | None = None  # as the law counts them
    params_convention: str | None = None
    params_total: float | None = None
    tokens: float | None = None
    loss_nats: float | None = None
    decades_outside_fit: float | None = None
    reason: str | None = None


class RegretBand(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes that waste at most the share `waste`: of the compute `flop`, or of a life's cost where `flop` is None; with
    `on_fleet` of the tokens that the fleet sees with each of them, where it holds the size below all of compute's."""

    params_low: float
    params_high: float
    waste: float
    flop: float | None = None
    on_fleet: bool = False


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """Share of a life's cost that the cheapest size saves against the training optimum of the same loss."""

    objective: str
    unit: str
    value: float | None  # None: the training optimum cannot be served within the limits
    low: float | None
    high: float | None
    lifetime_cost: float
    training_optimal_lifetime_cost: float | None
    this_plan_lifetime_cost: float | None
    note: str


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """The compute-optimal run of the plan's loss, and what `more_compute` times the compute buys."""

    anchor_params: float
    anchor_tokens: float
    anchor_flop_share: float
    more_compute: float
    nats_gained: float
    nats_per_usd: float | None


class BuiltShape(msgspec.Struct, frozen=True, kw_only=True):
    """The architecture that a plan stands on. Heads are those of the first layers that attend, `d_ff` that of an
    expert where there are experts."""

    name: str
    params: float
    params_active: float
    params_non_embedding: float
    layers: float
    d_model: float
    n_heads: float
    n_kv_heads: float
    head_dim: float
    attention_layers: float
    d_ff: float
    n_experts: float
    vocab: float
    train_flop_per_token_causal: float


class BatchTrade(msgspec.Struct, frozen=True, kw_only=True):
    """Another batch: the tokens that the same loss then needs, and the days, over those of the plan."""

    global_batch_seqs: float
    tokens_factor: float
    days_factor: float


class BatchUsed(msgspec.Struct, frozen=True, kw_only=True):
    """The global batch and the critical one that caps it."""

    global_batch_seqs: float
    global_batch_tokens: float
    cap_seqs: float
    cap_law: str
    cap_outside_fit_range: bool
    steps: float
    given: bool
    trade: list[BatchTrade]
    cheapest: BatchTrade | None = None  # of them, the one that reaches the same loss soonest, where it saves enough


class SizePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Loss against size at the compute of the plan; `wasted` is the share of it that a better size would save."""

    params: float
    tokens: float
    loss_nats: float
    wasted: float


class FleetPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Training time on so many accelerators at the plan's size and tokens; None where no layout fits."""

    accelerators: int
    train_days: Band | None
    elapsed_days: Band | None
    mfu: Band | None
    idle_accelerators: int | None
    batch_cap_binds: bool


class LifePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Lifetime cost of a size that reaches the plan's loss."""

    params: float
    tokens: float
    lifetime_cost: float


class DemandPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest size for a demand, and what it saves; None where the training optimum cannot be served."""

    inference_tokens: float
    params: float
    tokens: float
    saving: float | None


class DemandCurve(msgspec.Struct, frozen=True, kw_only=True):
    """Lifetime cost against size at one demand (0: training alone)."""

    inference_tokens: float
    points: list[LifePoint]


class DemandRow(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest life at the plan's loss for one demand, in the objective's unit."""

    inference_tokens: float
    params: float
    tokens: float
    train_cost: float
    serve_cost: float
    lifetime_cost: float
    saving: float | None  # against the training-optimal size; None where that cannot be served


class LawLife(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest life by one law at the loss that it gives the plan; `reason` where it gives none."""

    law: str
    params: float | None = None
    tokens: float | None = None
    training_optimal_params: float | None = None
    saving: float | None = None
    reason: str = ""


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """The curves of a plan; those of a life are empty without a demand."""

    size: list[SizePoint]
    accelerators: list[FleetPoint]
    lifetime: list[LifePoint] = []
    demand: list[DemandPoint] = []
    flip_inference_tokens: float | None = None


class Mixture(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest life with one number of experts; `params` count all, `params_active` those of one token."""

    experts: float
    params: float
    params_active: float
    tokens: float
    train_cost: float
    serve_cost: float
    lifetime_cost: float
    saving: float  # against the dense deployment-optimal choice
    decades_outside: float  # of the law of experts


class OtherLayout(msgspec.Struct, frozen=True, kw_only=True):
    """A layout that nearly won, and the term that it lost by."""

    layout: PlanLayout
    slower_fraction: Band
    peak_memory_bytes: Band
    lost_by: str
    lost_fraction_of_step: float


class ParetoLayout(msgspec.Struct, frozen=True, kw_only=True):
    """A layout that no other beats in time, memory and accelerators used."""

    layout: PlanLayout
    slower_fraction: Band
    peak_memory_bytes: Band
    accelerators: int


class SlowestNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """The same plan on the slowest listed network of the part; no slowdown where no layout fits there."""

    system: str
    nic_uni_bytes_per_s: float
    slowdown: Band | None


class Sensitivity(msgspec.Struct, frozen=True, kw_only=True):
    """How training time answers to a factor doubled, the layout chosen anew; elasticity = d log time / d log x."""

    factor: str
    doubled_speedup: Band
    elasticity: Band


class Alternatives(msgspec.Struct, frozen=True, kw_only=True):
    """What else was considered, and what would change the answer."""

    layouts: list[OtherLayout]
    pareto: list[ParetoLayout]
    searched_layouts: int
    fitting_layouts: int
    slowest_network: SlowestNetwork | None
    sensitivities: list[Sensitivity]


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """One seller's price of an accelerator-hour."""

    provider: str
    usd_per_accelerator_hour: float
    date: str
    region: str
    instance: str


class YearPrice(msgspec.Struct, frozen=True, kw_only=True):
    """The same part committed for a year: published, or by the ratio of published pairs (then no providers)."""

    median_usd_per_accelerator_hour: float
    low_usd_per_accelerator_hour: float
    high_usd_per_accelerator_hour: float
    how: str
    providers: list[str]
    last_date: str
    flag: str


class Rented(msgspec.Struct, frozen=True, kw_only=True):
    """The price of an accelerator-hour with its quotes, and the rent of the run at its median."""

    kind: str
    median_usd_per_accelerator_hour: float
    low_usd_per_accelerator_hour: float
    high_usd_per_accelerator_hour: float
    n_quotes: int
    first_date: str
    last_date: str
    providers: list[str]
    provider_class: str
    how: str
    quotes: list[Quote]
    other_classes: tuple[ClassMedian, ...]
    one_year: YearPrice | None
    flag: str
    place: str  # the continent whose quotes count, where a region was given
    rent_usd: float


class Bought(msgspec.Struct, frozen=True, kw_only=True):
    """The same hours on accelerators bought at the median quote."""

    purchase_usd_per_accelerator: float
    n_quotes: int
    first_date: str
    last_date: str
    usd_per_accelerator_hour: float
    owned_usd: float


class CapexLines(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster costs to buy."""

    accelerators_usd: float
    servers_usd: float
    network_usd: float


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way to pay: dollars an hour and of the run, what is committed, and where it costs what on demand does."""

    way: str
    usd_per_accelerator_hour: float
    run_usd: float
    committed_usd: float | None = None
    break_even: float | None = None  # of the quantity that `break_even_of` names
    break_even_of: str = ""
    not_counted: list[str] = []
    flag: str = ""
    break_even_months: float | None = None
    capex_lines: CapexLines | None = None
    worth_at_end_usd: float | None = None


class EnergyUse(msgspec.Struct, frozen=True, kw_only=True):
    """Where the energy goes, carbon by grid and by contract, water, and what papers would print of the run."""

    rated_site_w: float
    chip_mwh: float
    server_mwh: float
    facility_mwh: float
    it_w_per_accelerator: float
    chip_w: float
    pue: float
    grid_region: str
    grid_kg_co2e_per_kwh: float
    grid_t_co2e: float
    market_t_co2e: float | None
    embodied_t_co2e: float
    water_m3: float | None
    paper_convention_mwh: float | None
    paper_convention_t_co2e: float | None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A share and its 80 % interval."""

    value: float
    low: float
    high: float


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """How often the job stops and what that costs, with the ends of the 80 % interval of the rate."""

    fleet: str
    goodput: Share
    mtbf_s: float
    mtbf_low_s: float
    mtbf_high_s: float
    checkpoint_interval_s: float
    checkpoint_write_s: float
    checkpoint_bytes: float
    restart_s: float
    interruptions_expected: float
    software_mtbf_s: float | None  # of a job of any size; None where the fleet's source does not tell it apart
    software_team: str  # whose software, and of which year
    software_year: str


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """Rent with its quotes, the same hours owned, ways to pay, energy by where it is drawn, and failures."""

    price: Rented | None
    owned: Bought | None
    ways: list[Way]
    energy: EnergyUse
    goodput: Failures
