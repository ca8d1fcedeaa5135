"""Every fleet that could be an answer, and none that surely is not.

What decoding alone takes bounds what an engine does that also prefills: its tokens come no sooner and it answers no
more requests, so that it costs no less. Decoding is computed for all configurations; what prefills add only for those
whose bound lies below the best known of their part and recipe, and for those that could come sooner than all that cost
less. Best fleets and the front are those of the whole table, to the last bit (tests/serving/test_serving_search.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from hwmodel.catalog import Catalog
from hwmodel.predict.service.arrivals import Loaded, joined
from hwmodel.predict.service.layouts import column
from hwmodel.predict.service.together import ServiceGroup
from hwmodel.solve.serve.fleet import Fleets, cheapest, engines, pooled, sized
from hwmodel.solve.serve.pools import pools, prefill_pools
from hwmodel.solve.serve.question import ServingQuestion
from hwmodel.solve.serve.sharing import FreshPasses
from hwmodel.solve.serve.table import Column, Index, Options

NONE: Index = np.empty(0, dtype=np.intp)
# All fleets; those that can be the best of their part, recipe and mode or lie on the front; or those that can be the
# best of their part and recipe in either mode, and all where none meets the limits.
Wanted = Literal["whole", "front", "cheapest"]
LOOKS, LOOKED_AT = 2, 10  # rounds in which the best is approached, and configurations of each kind in one
DRAWN = 512  # rows that others are first compared with
FRONT_STEP = 0.85  # of the time of a token: what counts as clearly sooner


def every_fleet(
    question: ServingQuestion, found: Sequence[Options], catalog: Catalog, wanted: Wanted = "front",
    passes: FreshPasses | None = None,
) -> list[Fleets]:  # fmt: skip
    """Aggregated and disaggregated fleets that are `wanted`, as far as the question allows them; `passes`: those that
    other questions share."""
    passes = passes or FreshPasses()
    if question.decode is not None:
        return _two_parts(question, found, catalog, passes)
    some = [o for o in found if o.count]
    apart: list[Fleets | None] = [None] * len(some)
    settings = ServiceGroup([o.setting for o in some])
    if question.disaggregated is not False:
        before = prefill_pools(question, some, settings, passes)
        split = [pools(o, question, p) for o, p in zip(some, before, strict=True)]
        apart = [None if p is None else pooled(question, o, p) for o, p in zip(some, split, strict=True)]
    if question.disaggregated is True:
        return [f for f in apart if f is not None]
    both = Both(question, some, apart, settings, passes)
    both.look(wanted)
    return both.fleets()


def _two_parts(
    question: ServingQuestion, found: Sequence[Options], catalog: Catalog, passes: FreshPasses
) -> list[Fleets]:
    """Fleets of a prefill pool on one part and a decode pool on another, in one recipe: the cache moves as it is."""
    assert question.prefill is not None
    assert question.decode is not None
    prefills, decodes = catalog.part(question.prefill.part).id, catalog.part(question.decode.part).id
    by_part = {(o.part.id, o.recipe.id): o for o in found}
    pairs = [(by_part[prefills, recipe], o) for (part, recipe), o in by_part.items()
             if part == decodes and (prefills, recipe) in by_part]  # fmt: skip
    before = [first for first, _ in pairs]
    prefill = prefill_pools(question, before, ServiceGroup([o.setting for o in before]), passes)
    split = [(o, pools(o, question, p)) for (_, o), p in zip(pairs, prefill, strict=True)]
    return [pooled(question, o, p) for o, p in split if p is not None]


def priced_or_all(every: Sequence[Fleets]) -> list[Fleets]:
    """Fleets of which some meet the limits: those with a price where there are any."""
    able = [f for f in every if f.meets.any()]
    return [f for f in able if not np.isnan(f.usd_per_hour).any()] or able


def worth(usd_per_hour: Column, accelerators: Column) -> Column:
    """What fleets are compared by first: dollars an hour, or accelerators where nobody says a price."""
    return np.round(accelerators) if np.isnan(usd_per_hour).any() else np.round(usd_per_hour, 6)


def not_plainly_beaten(cost: Column, time: Column) -> Index:
    """Rows less those that cost more than one of a few drawn at even steps and come no sooner: neither on a front of
    both, nor do they move it."""
    some = np.arange(0, len(cost), max(len(cost) // DRAWN, 1))
    some = some[np.argsort(cost[some])]
    soonest = np.minimum.accumulate(np.append(np.inf, time[some]))
    sooner = soonest[1:] < soonest[:-1]
    stairs = cost[some][sooner], np.append(np.inf, soonest[1:][sooner])
    return np.flatnonzero(time < stairs[1][np.searchsorted(stairs[0], cost, side="left")])


def _worth_of(f: Fleets, i: int | None) -> float:
    return np.inf if i is None else float(worth(f.usd_per_hour[i : i + 1], f.accelerators[i : i + 1])[0])


def paid(usd_per_hour: Column, accelerators: Column) -> Column:
    """The cost that the front goes by; of fleets that cost the same the smaller is cheaper."""
    return np.nan_to_num(usd_per_hour, nan=0.0) + 1e-9 * accelerators


class Engines:
    """The aggregated fleets of one part and recipe, evaluated as far as they can matter."""

    def __init__(self, question: ServingQuestion, o: Options) -> None:
        self.question, self.options = question, o
        floor = sized(question, o, o.at, o.at.batch / (question.output_tokens * o.at.step_s))
        self.least, self.paid = (
            worth(floor.usd_per_hour, floor.accelerators),
            paid(floor.usd_per_hour, floor.accelerators),
        )
        self.flat = column(o.at.layout.pp) == 1
        self.seen = np.zeros(o.count, dtype=bool)
        self.rows: Index = NONE
        self.loaded: Loaded | None = None
        self.fleets: Fleets | None = None
        self.rival = np.inf  # what a fleet of the other mode is worth that these must not cost more than

    def add(self, rows: Index, found: Loaded) -> None:
        """Take in what some further rows do."""
        both = np.concatenate([self.rows, rows])
        order = np.argsort(both)
        self.rows = both[order]
        self.loaded = found if self.loaded is None else joined([self.loaded, found], order)
        self.seen[rows] = True
        self.fleets = engines(self.question, self.options, self.options.at.rows(self.rows), self.loaded)

    def open(self) -> Index:
        """Rows that may be better than the best known, of all or of those without stages."""
        flat, best = (
            (np.inf, np.inf) if (f := self.fleets) is None else (_worth_of(f, f.best_flat), _worth_of(f, f.best))
        )
        limit = np.minimum(np.where(self.flat, flat, best), self.rival)
        return np.flatnonzero(~self.seen & (self.least <= limit))

    def likely(self) -> Index:
        """A few of the open rows, with and without stages, from the least bound on in growing steps."""
        rows = self.open()
        return np.sort(np.concatenate([self._spread(rows[self.flat[rows]]), self._spread(rows[~self.flat[rows]])]))

    def _spread(self, rows: Index) -> Index:
        if len(rows) <= LOOKED_AT:
            return rows
        ranks = np.geomspace(1, len(rows), LOOKED_AT).astype(np.intp)
        ranks = ranks[np.diff(ranks, prepend=0) > 0] - 1  # as np.unique, which loads masked arrays, 7 ms of a start
        return rows[np.argsort(self.least[rows], kind="stable")[ranks]]


class Both:
    """The fleets of all parts and recipes in both modes; `apart`: the disaggregated ones (None: there are none);
    `settings`: those of the options."""

    def __init__(
        self, question: ServingQuestion, some: Sequence[Options], apart: Sequence[Fleets | None],
        settings: ServiceGroup, passes: FreshPasses,
    ) -> None:  # fmt: skip
        self.question, self.apart, self.settings, self.passes = question, apart, settings, passes
        self.engines = [Engines(question, o) for o in some]

    def look(self, wanted: Wanted) -> None:
        """Evaluate engines until the rest cannot matter."""
        if wanted == "cheapest":
            self._face_rivals()
        if wanted != "whole":
            for _ in range(LOOKS):
                self._add([e.likely() if e.rival == np.inf else NONE for e in self.engines])
        self._add([np.flatnonzero(~e.seen) if wanted == "whole" else e.open() for e in self.engines])
        if wanted == "front" and (usable := priced_or_all(self.fleets())):
            self._add(self._sooner(usable))

    def _face_rivals(self) -> None:
        """Let the best disaggregated fleet of each part and recipe bound its engines."""
        for e, apart in zip(self.engines, self.apart, strict=True):
            if apart is not None and (best := apart.best) is not None:
                e.rival = _worth_of(apart, best)

    def fleets(self) -> list[Fleets]:
        """All fleets, those of one part and recipe beside each other."""
        pairs = zip(self.engines, self.apart, strict=True)
        return [f for e, apart in pairs for f in (e.fleets, apart) if f is not None]

    def _add(self, rows: Sequence[Index]) -> None:
        found = self.passes.loaded(self.question, [e.options for e in self.engines], rows, self.settings)
        for e, some, one in zip(self.engines, rows, found, strict=True):
            if len(some) or e.fleets is None:
                e.add(some, one)

    def _sooner(self, usable: Sequence[Fleets]) -> list[Index]:
        """Rows not yet evaluated whose tokens could come clearly sooner than the answer's and than those of all fleets
        known that cost no more."""
        f, i = cheapest(usable)
        limit = float(f.tpot_tail_s[i]) * FRONT_STEP
        costs, times = [], []
        for f in usable:
            sooner = f.meets & (f.tpot_tail_s < limit)
            costs.append(paid(f.usd_per_hour[sooner], f.accelerators[sooner]))
            times.append(f.tpot_tail_s[sooner])
        cost, time = np.concatenate(costs), np.concatenate(times)
        rows = not_plainly_beaten(cost, time)
        rows = rows[np.argsort(cost[rows])]
        known = np.r_[-np.inf, cost[rows]], np.r_[np.inf, np.minimum.accumulate(time[rows])]
        return [_undecided(e, limit, known) for e in self.engines]


def _undecided(e: Engines, limit: float, known: tuple[Column, Column]) -> Index:
    rows = np.flatnonzero(~e.seen & (e.options.at.step_tail_s < limit))
    soonest = known[1][np.searchsorted(known[0], e.paid[rows], side="right") - 1]
    return rows[e.options.at.step_tail_s[rows] <= soonest]
