"""80 % intervals of the rows of a serving answer: latencies, rates, money, and what one recipe saves over another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from hwmodel.catalog.stacks import interval_calibration
from hwmodel.physics.intervals import ratio_ends
from hwmodel.predict.service import DISAGGREGATED, OPEN, ServiceSetting, on_layout, service_ends, traits_of
from hwmodel.predict.service.intervals import (
    THROUGHPUT,
    TPOT,
    TTFT,
    Alone,
    ServiceTraits,
    at_rest,
    parts_of,
    passes_alone,
    service_familiarity,
    shipped_covered,
)
from hwmodel.solve.run.band import Band, value_of
from hwmodel.solve.serve.question import ServingQuestion, sizes_of
from hwmodel.solve.serve.records import EngineRow, FleetRow, PredictedRow
from hwmodel.solve.serve.table import Options, PartOffer
from hwmodel.specs.intervals import Ends, Familiarity
from hwmodel.specs.serving import ServiceTerms

# Figures of a row that get an interval, and the quantity whose measured runs give it. Those in the second table are
# rates: they fall where seconds rise.
SECONDS = {
    "tpot_s": TPOT, "tpot_tail_s": TPOT, "ttft_s": TTFT, "ttft_tail_s": TTFT,
    "usd_per_million_tokens": THROUGHPUT, "usd_per_million_input": THROUGHPUT,
    "usd_per_million_cached_input": THROUGHPUT, "usd_per_million_output": THROUGHPUT,
    "joules_per_output_token": THROUGHPUT, "joules_per_input_token": THROUGHPUT, "load": THROUGHPUT,
}  # fmt: skip
RATES = ("requests_per_s_per_replica", "requests_per_s", "output_tokens_per_s", "total_tokens_per_s")

Row = TypeVar("Row", FleetRow, PredictedRow)


def banded(r: Row, doubts: Mapping[str, Ends]) -> Row:
    """The row with its intervals, `doubts` by quantity; dollars have those of their price already."""
    slower = Band.around(1.0, doubts[THROUGHPUT])
    found: dict[str, Band] = {}
    for key, quantity in SECONDS.items():
        if (value := getattr(r, key, None)) is not None:
            found[key] = _widened(value, doubts[quantity])
    for key in RATES:
        if (value := getattr(r, key, None)) is not None:
            found[key] = slower.inverse(value)
    if isinstance(r, PredictedRow):
        found["request_s"] = _request(value_of(r.request_s), found["ttft_s"], doubts[THROUGHPUT])
    if isinstance(r, FleetRow):
        found["headroom"] = slower.inverse(1.0 + value_of(r.headroom)).plus(-1.0)
    if r.prefill is not None and r.prefill.busy is not None:
        r = replace(r, prefill=replace(r.prefill, busy=slower.scaled(value_of(r.prefill.busy))))
    return replace(r, **found)


def _request(value: float, first: Band, doubt: Ends) -> Band:
    """Time of a request: what comes after its first token has the doubt of throughputs, and both are late together."""
    after = Band.around(max(value - first.value, 0.0), doubt)
    return Band(value, first.low + after.low, first.high + after.high)


def _widened(value: float | Band, doubt: Ends) -> Band:
    """A value in doubt by its own interval, if it has one, and by `doubt`. Of nothing (one token has no further ones)
    nothing is in doubt."""
    if isinstance(value, Band) and value.value > 0.0:
        return value.times(Band.around(1.0, doubt))
    return Band.around(value_of(value), doubt)


class _Known(NamedTuple):
    """One engine instance of a row, and what its predictions are told apart by."""

    traits: ServiceTraits
    setting: ServiceSetting
    terms: ServiceTerms
    alone: Alone


def _known(r: EngineRow, question: ServingQuestion, o: Options | PartOffer) -> _Known:
    regime = OPEN if r.mode == "aggregated" else DISAGGREGATED
    setting = on_layout(o.setting, r.layout)
    alone = passes_alone(setting, r.batch)
    return _Known(
        traits_of(regime, setting, question.engine, o.part, searched=not sizes_of(question).any), setting,
        at_rest(setting, running=r.batch, tpot_s=value_of(r.tpot_s), ttft_s=value_of(r.ttft_s), busy=r.prefill_share,
                alone=alone),
        alone,
    )  # fmt: skip


def with_intervals(r: FleetRow, question: ServingQuestion, o: Options) -> FleetRow:
    """Latencies as measured runs of left-out models scatter, money and rates as their throughput does."""
    of = _known(r, question, o)
    names = (TPOT, TTFT, THROUGHPUT)
    return banded(r, {name: service_ends(of.traits, of.setting, of.terms, name, alone=of.alone) for name in names})


def cost_familiarity(r: EngineRow, question: ServingQuestion, o: Options | PartOffer) -> Familiarity:
    """What the error of a row's throughput, and so of its cost a token, goes by."""
    of = _known(r, question, o)
    return service_familiarity(of.traits, parts_of(of.setting, of.terms, THROUGHPUT, of.alone), shipped_covered())


def saving(cost: float, base: float, over: Familiarity, under: Familiarity) -> Band:
    """Share of the cost `base` that a row of cost `cost` saves: what both have in doubt alike (their price, the engine,
    the model) cancels."""
    left = Band.around(cost / base, ratio_ends(over, under, interval_calibration()[THROUGHPUT]))
    return Band(1.0 - left.value, 1.0 - left.high, 1.0 - left.low)
