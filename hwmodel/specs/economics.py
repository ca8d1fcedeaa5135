"""Money, energy and failures as records."""

from __future__ import annotations

import msgspec


class PriceQuote(msgspec.Struct, frozen=True, kw_only=True):
    """One dated price of one accelerator-hour (or of one accelerator, bought)."""

    part: str
    provider: str
    provider_class: str = ""  # hyperscaler | neocloud | marketplace | index | purchase
    kind: str  # on_demand | spot | reserved_1y | reserved_3y | index | purchase
    date: str  # ISO, to the precision known
    usd_per_accelerator_hour: float | None = None
    usd_purchase: float | None = None
    region: str = ""
    note: str = ""
    source: str = ""


class PriceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The quotes that answer 'what does an hour cost', aggregated by the stated rule."""

    part: str
    kind: str
    median_usd_per_accelerator_hour: float
    low_usd_per_accelerator_hour: float
    high_usd_per_accelerator_hour: float
    n_quotes: int
    first_date: str
    last_date: str
    providers: tuple[str, ...] = ()
    flag: str = ""  # why the default window was widened, if it was


class EnergyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What turns chip power into site energy and carbon."""

    pue: float
    load_fraction: float  # mean chip power over its rating during training
    server_overhead_fraction: float  # host, fans, network, as a fraction of chip rating
    grid_kg_co2e_per_kwh: float
    grid_region: str
    embodied_kg_co2e_per_accelerator_hour: float
    usd_per_kwh: float
    facility: str = ""  # catalog record behind these facts
    grid_source: str = ""


class ReliabilityFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Failure rate and recovery costs of a large job."""

    interruptions_per_accelerator_hour: float
    restart_s: float
    checkpoint_bytes_per_param: float
    storage_bytes_per_s_per_accelerator: float  # a store grows with the fleet that it serves
    fleet: str = ""  # catalog record behind these facts
