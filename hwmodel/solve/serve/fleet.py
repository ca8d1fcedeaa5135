"""Fleets for a demand: how many engine instances of a configuration, what they cost and draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec.structs import asdict
from numpy.typing import NDArray

from hwmodel.catalog import Catalog
from hwmodel.economics import fleet_usd_per_hour
from hwmodel.ops import Num, ceil
from hwmodel.predict.service.arrivals import Decoded, Loaded, loaded
from hwmodel.predict.service.layouts import cells, column
from hwmodel.predict.service.together import ServiceGroup
from hwmodel.solve.serve.money import Spent, dollars, money, share_of
from hwmodel.solve.serve.pools import Pools
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.records import SIZES, FleetRow, PrefillPool
from hwmodel.solve.serve.table import Column, Options, engine_instance, offer, options, spread_of
from hwmodel.specs import Shape
from hwmodel.units import SECONDS_PER_HOUR


class Fleets(msgspec.Struct, kw_only=True, dict=True):
    """Fleets of every configuration of one part and recipe, aggregated or (with `pools`) disaggregated."""

    options: Options
    pools: Pools | None
    at: Decoded  # the configurations
    prefill_share: Column  # of an engine's time
    replicas: Column  # spares counted; of a disaggregated fleet its decode workers
    accelerators: Column
    usd_per_hour: Column  # nan without a price
    requests_per_s: Column
    tpot_s: Column
    tpot_tail_s: Column
    ttft_s: Column
    ttft_tail_s: Column
    meets: np.ndarray[tuple[int], np.dtype[np.bool_]]

    @cached_property
    def best(self) -> int | None:
        """The cheapest that meets the limits (by accelerators without a price); of these the simplest and
        the fastest. None if none does."""
        return self.best_of(True)

    @cached_property
    def best_flat(self) -> int | None:
        """The same of those without pipeline stages."""
        return self.best_of(column(self.at.layout.pp) == 1)

    def best_of(self, among: Any) -> int | None:
        """The same of some."""
        rows = np.flatnonzero(self.meets & among)
        if not len(rows):
            return None
        usd = self.usd_per_hour[rows]
        usd = np.where(np.isnan(usd), 0.0, usd)
        near = usd <= usd.min() * (1.0 + 1e-9) + 1e-5  # as cheap once rounded, or nearly; the others are not rounded
        rows = _least(rows[near], np.round(usd[near], 6))
        rows = _least(rows, np.round(self.accelerators[rows]))
        rows = _least(rows, column(self.at.layout.pp)[rows] > 1)
        return int(rows[np.argmin(self.tpot_tail_s[rows])])


def _least(rows: NDArray[np.intp], wanted: NDArray[Any]) -> NDArray[np.intp]:
    """The rows with the least of what is wanted, a value for each."""
    return rows[wanted == wanted.min()]


def replicas_for(peak_per_s: Num, rate_per_s: Num, spares: Num) -> Num:
    """Engine instances that carry a peak demand, and spare ones."""
    return ceil(peak_per_s / rate_per_s - 1e-9) + spares


def fleet_accelerators(replicas: Num, accelerators_per_replica: Num, prefill_accelerators: Num = 0.0) -> Num:
    """Accelerators of all replicas, and of the prefill pool beside them."""
    return replicas * accelerators_per_replica + prefill_accelerators


def headroom(peak_per_s: Num, rate_per_s: Num, replicas: Num, spares: Num) -> Num:
    """What the replicas carry beyond the peak, over it, without the spare ones."""
    return (replicas - spares) * rate_per_s / peak_per_s - 1.0


def load(peak_per_s: Num, rate_per_s: Num, replicas: Num) -> Num:
    """Share of what all replicas carry that the peak demand takes."""
    return peak_per_s / (replicas * rate_per_s)


def rank(f: Fleets, i: int | None) -> tuple[float, ...]:
    """Money, accelerators, then what is simpler, then what is faster."""
    if i is None:
        return (math.inf,)
    usd = round(float(f.usd_per_hour[i]), 6)
    money = 0.0 if math.isnan(usd) else usd
    staged = float(column(f.at.layout.pp)[i] > 1)
    return (money, float(f.accelerators[i]), float(f.pools is not None), staged, float(f.tpot_tail_s[i]))


def cheapest(found: Sequence[Fleets]) -> tuple[Fleets, int]:
    """The best of all fleets and its configuration; some meets the limits."""
    of, best = min(((f, f.best) for f in found), key=lambda at: rank(*at))
    assert best is not None
    return of, best


class FleetSize(NamedTuple):
    """Engine instances that carry the peak demand plus spares, what they are in all and cost."""

    replicas: Column
    accelerators: Column
    usd_per_hour: Column


def sized(question: ServingQuestion, o: Options, at: Decoded, requests_per_s: Column) -> FleetSize:
    """Replicas of every configuration that answer so many requests a second each."""
    peak = question.rate * question.peak_to_mean
    replicas = np.asarray(replicas_for(peak, requests_per_s, question.spares))
    n = np.asarray(fleet_accelerators(replicas, at.layout.accelerators))
    return FleetSize(replicas, n, np.asarray(fleet_usd_per_hour(n, dollars(o.price))))


def engines(question: ServingQuestion, o: Options, at: Decoded, loaded: Loaded) -> Fleets:
    """Replicas that prefill between their decode steps, for every configuration of `at`."""
    size = sized(question, o, at, loaded.requests_per_s)
    enough = size.accelerators <= (question.decode.most if question.decode else math.inf)
    meets = (loaded.tpot_tail_s <= question.tpot_s) & (loaded.ttft_tail_s <= question.ttft_s) & enough
    return Fleets(
        options=o, pools=None, at=at, prefill_share=loaded.prefill_share, replicas=size.replicas,
        accelerators=size.accelerators, usd_per_hour=size.usd_per_hour, requests_per_s=loaded.requests_per_s,
        tpot_s=loaded.tpot_s, tpot_tail_s=loaded.tpot_tail_s, ttft_s=loaded.ttft_s, ttft_tail_s=loaded.ttft_tail_s,
        meets=meets,
    )  # fmt: skip


def pooled(question: ServingQuestion, o: Options, pools: Pools) -> Fleets:
    """Decode workers with a prefill pool before them, for every configuration of the options."""
    at, size = o.at, sized(question, o, o.at, pools.requests_per_s)
    before = pools.prefill.accelerators[pools.place]
    enough = size.accelerators <= (question.decode.most if question.decode else math.inf)
    enough &= before <= (question.prefill.most if question.prefill else math.inf)
    meets = (at.step_tail_s <= question.tpot_s) & (pools.ttft_tail_s <= question.ttft_s) & enough
    return Fleets(
        options=o, pools=pools, at=at, prefill_share=np.zeros(at.count), replicas=size.replicas,
        accelerators=np.asarray(fleet_accelerators(size.replicas, at.layout.accelerators, before)),
        usd_per_hour=size.usd_per_hour + fleet_usd_per_hour(before, dollars(pools.prefill.options.price)),
        requests_per_s=pools.requests_per_s, tpot_s=at.step_s, tpot_tail_s=at.step_tail_s, ttft_s=pools.ttft_s,
        ttft_tail_s=pools.ttft_tail_s, meets=meets,
    )  # fmt: skip


def fleet_row(question: ServingQuestion, f: Fleets, i: int, catalog: Catalog) -> FleetRow:
    """One fleet: sizes, latencies, money, energy."""
    o = f.options
    share = float(f.prefill_share[i])
    rate = float(f.requests_per_s[i])
    peak = question.rate * question.peak_to_mean
    spent = [Spent(o.part, o.system, o.price, float(f.accelerators[i]))]
    if f.pools is not None:
        p, before = f.pools.prefill.options, float(f.pools.prefill.accelerators[f.pools.place[i]])
        spent = [Spent(o.part, o.system, o.price, float(f.accelerators[i]) - before)]
        spent.append(Spent(p.part, p.system, p.price, before))
        share = share_of(spent[1], spent)
    return FleetRow(
        **asdict(engine_instance(o, f.at, i)), **asdict(money(question, spent, share, question.rate, catalog)),
        mode="aggregated" if f.pools is None else "disaggregated",
        prefill=None if f.pools is None else _prefill_pool(question, f.pools, int(f.pools.place[i])),
        tpot_s=float(f.tpot_s[i]), tpot_tail_s=float(f.tpot_tail_s[i]), ttft_s=float(f.ttft_s[i]),
        ttft_tail_s=float(f.ttft_tail_s[i]), requests_per_s_per_replica=rate, prefill_share=share,
        replicas=int(f.replicas[i]), spare_replicas=question.spares, accelerators=float(f.accelerators[i]),
        headroom=float(headroom(peak, rate, float(f.replicas[i]), question.spares)),
        load=float(load(peak, rate, float(f.replicas[i]))),
    )  # fmt: skip


def with_cached_input(question: ServingQuestion, shape: Shape, f: Fleets, i: int, r: FleetRow) -> FleetRow:
    """The fleet with a price for prompt tokens found in a cache: what holding and attending to them costs.

    The same engine and batch would answer so many more requests did prompts hold their new tokens alone; the dollars
    of that share of the time are the cached tokens', and the others pay the rest.
    """
    if not question.hit_rate or r.usd_per_hour is None:
        return r
    assert r.usd_per_million_input is not None
    assert r.usd_per_million_output is not None
    o = f.options
    sizes = {name: float(column(getattr(f.at.layout, name))[i]) for name in SIZES}
    bare = msgspec.structs.replace(
        question, prompt_tokens=question.prompt_tokens * (1.0 - question.hit_rate), hit_rate=0.0, lengths=None, **sizes
    )
    same = offer(shape, o.part, o.system, o.machine, o.recipe, o.setting.worker.engine, bare)
    (alone,) = options(bare, [same])
    one = alone.at.rows(np.flatnonzero(alone.at.batch == f.at.batch[i])[:1])
    quicker = one.step_s if f.pools else loaded(ServiceGroup([alone.setting]), [one], spread_of(bare))[0].tpot_s
    share = max(1.0 - float(quicker[0] / f.tpot_s[i]), 0.0) * (1.0 if f.pools is None else 1.0 - r.prefill_share)
    cached = question.rate * question.prompt_tokens * question.hit_rate * SECONDS_PER_HOUR / 1e6
    return msgspec.structs.replace(
        r, usd_per_million_input=r.usd_per_million_input.scaled(1.0 - share),
        usd_per_million_output=r.usd_per_million_output.scaled(1.0 - share),
        usd_per_million_cached_input=r.usd_per_hour.scaled(share / cached),
    )  # fmt: skip


def _prefill_pool(question: ServingQuestion, p: Pools, k: int) -> PrefillPool:
    one = p.prefill
    return PrefillPool(
        **cells(one.layout, k), part=one.options.part.id, workers=int(one.workers[k]) + question.spares,
        spare_workers=question.spares, accelerators=float(one.accelerators[k]),
        accelerators_per_worker=float(one.accelerators[k] / (one.workers[k] + question.spares)),
        busy=float(one.busy[k]), cache_transfer_s=float(one.transfer_s[k]),
    )  # fmt: skip
