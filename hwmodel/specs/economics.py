"""Money, energy and failures as records."""

from __future__ import annotations

import msgspec


class PriceQuote(msgspec.Struct, frozen=True, kw_only=True):
    """One dated price of one accelerator-hour (or of one accelerator, bought)."""

    part: str
    provider: str
    provider_class: str = ""  # hyperscaler | neocloud | marketplace | purchase
    kind: str  # on_demand | spot | reserved_1y | reserved_3y | capacity_block | reserved | index | purchase
    date: str  # ISO, to the precision known
    usd_per_accelerator_hour: float | None = None
    usd_purchase: float | None = None
    region: str = ""
    instance: str = ""
    accelerators: float | None = None  # of the instance that was quoted
    basis: str = ""  # list | offers | from | minimum | serverless | regions_median; empty: list
    status: str = ""  # primary | secondary | unconfirmed; empty: primary
    note: str = ""
    source: str = ""
    locator: str = ""  # where the provider's price was read


class ClassMedian(msgspec.Struct, frozen=True, kw_only=True):
    """What another class of provider asks for the same part and kind."""

    provider_class: str
    median_usd_per_accelerator_hour: float
    n_quotes: int


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
    provider_class: str = ""  # of the quotes; empty for the user's own
    how: str = "market"  # market (median, p10 to p90) | few_sellers (least to most) | one_seller (list) | ratio | given
    quotes: tuple[PriceQuote, ...] = ()  # each one, where they are too few for a percentile
    other_classes: tuple[ClassMedian, ...] = ()
    age_days: int = 0  # of the newest quote, beside the newest of the catalog
    flag: str = ""  # what a reader must know of it
    place: str = ""  # the continent whose quotes count, where a region was given


def given_price(part: str, usd_per_accelerator_hour: float) -> PriceSummary:
    """The price that the user states."""
    return PriceSummary(
        part=part, kind="given", median_usd_per_accelerator_hour=usd_per_accelerator_hour,
        low_usd_per_accelerator_hour=usd_per_accelerator_hour, high_usd_per_accelerator_hour=usd_per_accelerator_hour,
        n_quotes=1, first_date="", last_date="", providers=("given",), how="given",
    )  # fmt: skip


class EnergyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What turns chip power into site energy and carbon."""

    pue: float
    load_fraction: float  # mean power of a server over its rating while it trains
    server_overhead_fraction: float  # rating of host, fans, network, as a fraction of the chip's
    grid_kg_co2e_per_kwh: float
    grid_region: str
    embodied_kg_co2e_per_accelerator_hour: float
    usd_per_kwh: float
    idle_fraction: float = 0.0  # draw of a cluster that waits, over its rating
    draw_mfu_scale: float = 0.0  # MFU over which the draw rises to the load fraction by 1 - 1/e; 0: it is always there
    server_load_fraction: float = 0.0  # draw of the parts beside the accelerators over their rating; 0: as the rest
    water_l_per_kwh: float | None = None  # on site, a kWh of IT energy
    market_kg_co2e_per_kwh: float | None = None  # by the site's contracts
    facility: str = ""  # catalog record behind these facts
    grid_source: str = ""


class ReliabilityFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Failure rate and recovery costs of a large job."""

    interruptions_per_accelerator_hour: float
    restart_s: float
    checkpoint_bytes_per_param: float
    storage_bytes_per_s_per_accelerator: float  # a store grows with the fleet that it serves
    software_interruptions_per_hour: float = 0.0  # of a job, whatever its size
    rate_log_half_width: float = 0.0  # 80 % half-width of both rates, in logs
    fleet: str = ""  # catalog record behind these facts
    team: str = ""  # whose software stops jobs so often
    year: str = ""


class WholeRunConstants(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is billed beyond its steady hours and the failures of its fleet, in natural logs.

    `log_factor` is that of a run of `year` or later on `accelerators`; runs of each earlier year cost `per_year` more,
    of each doubling of the fleet `per_doubling`. `log_spread` is the standard deviation between runs. Where the tokens
    of a run may be those of its data (`repeated` 1), seen more than once, `repeated_log_sd` is added in quadrature, and
    `repeated_per_decade` for each factor of ten below `spread_flop`: small runs repeat their data most.
    """

    log_factor: float
    per_year: float
    per_doubling: float
    log_spread: float
    year: float
    accelerators: float
    repeated: float = 0.0
    repeated_log_sd: float = 0.0
    repeated_per_decade: float = 0.0
    spread_flop: float = 1e23
    fitted_on: str = ""
