"""Chooses a serving fleet: part, format, layout, batch, pools and replicas for a demand and latency limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

import msgspec
import numpy as np

from hwmodel.catalog import Catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.catalog.engines import serving_calibration
from hwmodel.errors import HwModelError, InfeasibleError, InputError
from hwmodel.physics.engine import engine_of
from hwmodel.physics.machine import machine
from hwmodel.predict.service.layouts import check_sizes, column
from hwmodel.solve.question.rates import check_rates
from hwmodel.solve.run.band import value_of
from hwmodel.solve.serve.citations import service_sources
from hwmodel.solve.serve.doubt import with_intervals
from hwmodel.solve.serve.fleet import Fleets, cheapest, fleet_row, rank, with_cached_input
from hwmodel.solve.serve.infeasible import infeasible
from hwmodel.solve.serve.likely import service_like
from hwmodel.solve.serve.money import break_even, price_of
from hwmodel.solve.serve.notes import ALL, meant, named, notes, resolved, thin
from hwmodel.solve.serve.quality import bits_of, quality_row, shape_quality, within
from hwmodel.solve.serve.question import ServingQuestion, sizes_of
from hwmodel.solve.serve.reasons import reasons
from hwmodel.solve.serve.records import FleetFound, FleetRow, QualityRow
from hwmodel.solve.serve.search import FRONT_STEP, Wanted, every_fleet, not_plainly_beaten, paid, priced_or_all
from hwmodel.solve.serve.sharing import FreshPasses
from hwmodel.solve.serve.table import Column, PartOffer, offer, options
from hwmodel.specs.hardware import Part
from hwmodel.specs.precision import ServingPrecision
from hwmodel.specs.serving import Engine
from hwmodel.specs.shape import Shape

Picked = tuple[Fleets, int]  # a fleet: which of the fleets of a part, recipe and mode
DEFAULT_PARTS = ("h100", "h200", "b200", "gb200", "mi300x", "l40s", "rtx-5090")
DEFAULT_PRECISIONS = ("bf16", "fp8", "nvfp4", "w4a16")
FRONT_MOST = 8
FEW = 2  # parts and recipes of which all fleets are looked at: to leave some out takes as long


def engine_for(name: str, family: str, recipe: str, year: float = 0.0) -> Engine:
    """Fitted constants of an engine as of `year` (0: today), by its id."""
    return engine_of(serving_calibration(), name, year, family, recipe)


def check_context(shape: Shape, question: ServingQuestion) -> None:
    """Raises InputError where prompt and output are longer than the model takes."""
    longest = question.longest_tokens
    if shape.max_seq_len and longest > shape.max_seq_len:
        raise InputError(
            f"{longest:,.0f} tokens of prompt and output, {shape.name} takes {shape.max_seq_len:,.0f}; "
            "shorten --input or --output (or the histogram's longest line), or choose another model"
        )


def offers(
    question: ServingQuestion, shape: Shape, catalog: Catalog, passes: FreshPasses | None = None
) -> list[PartOffer]:
    """Every part and recipe that the question allows and the hardware has."""
    out = []
    if question.parts and question.parts != ALL:
        check_rates(question.prices, [catalog.part(name).id for name in question.parts], catalog)
    good = _good_recipes(question, shape, catalog)
    for name in _parts(question, catalog):
        part = catalog.part(name)
        for recipe in good(part):
            if part.peak_dense_flop_per_s.get(recipe.gemm_format):
                out.append(offer_of(question, shape, part, recipe, catalog, passes))
    if not out:
        asked = ", ".join(question.precisions or DEFAULT_PRECISIONS)
        has = "; ".join(_formats_of(catalog.part(p)) for p in _parts(question, catalog))
        raise InputError(f"no part named computes in {asked} ({has}); choose another --precision or part")
    return out


def _parts(question: ServingQuestion, catalog: Catalog) -> tuple[str, ...]:
    """The parts asked for, the usual ones, or (`all`) every one whose memory and price are known."""
    if question.prefill is not None and question.decode is not None:
        return tuple(dict.fromkeys(catalog.part(pool.part).id for pool in (question.prefill, question.decode)))
    if question.parts != ALL:
        return question.parts or DEFAULT_PARTS
    known = [p.id for p in catalog.parts() if p.hbm_bytes > 0 and p.hbm_bytes_per_s > 0]
    return tuple(p for p in known if price_of(question, p, catalog) is not None)


def _unpriced(question: ServingQuestion, usable: list[Fleets], every: list[Fleets], catalog: Catalog) -> list[str]:
    """Parts that might have served had they a price."""
    if np.isnan(usable[0].usd_per_hour).any():
        return []
    if question.parts == ALL:
        return sorted(p.id for p in catalog.parts() if price_of(question, p.id, catalog) is None)
    able = {f.options.part.id for f in every if f.meets.any()}
    return sorted(able - {f.options.part.id for f in usable})


def _formats_of(part: Part) -> str:
    return f"{part.id} has {', '.join(sorted(f for f, peak in part.peak_dense_flop_per_s.items() if peak))}"


def _recipes(question: ServingQuestion, part: Part, catalog: Catalog) -> list[ServingPrecision]:
    """The recipes asked for, or the usual ones (in fp16 on a part without bf16); as the model was released, where that
    is in so many bits."""
    first = "bf16" if part.peak_dense_flop_per_s.get("bf16") else "fp16"
    usual = tuple(first if p == "bf16" else p for p in DEFAULT_PRECISIONS)
    names = [meant(question, p, part, catalog) for p in question.precisions or usual]
    return [catalog.serving_precision(p) for p in dict.fromkeys(names)]


def _good_recipes(
    question: ServingQuestion, shape: Shape, catalog: Catalog
) -> Callable[[Part], list[ServingPrecision]]:
    """Of a part the recipes whose loss and score lie within --max-loss and --min-quality. InfeasibleError where none
    does."""
    model = _named(question)
    limits = (question.max_loss_nats, question.min_quality)
    if limits == (None, None):
        return lambda part: _recipes(question, part, catalog)
    known = cache(lambda recipe: shape_quality(catalog, catalog.serving_precision(recipe), model, shape))

    def good(part: Part) -> list[ServingPrecision]:
        """Recipes of one part, each judged once a question."""
        recipes = _recipes(question, part, catalog)
        found = [known(recipe.id) for recipe in recipes]
        kept = [r for r, one in zip(recipes, found, strict=True) if within(one, *limits)]
        if kept:
            return kept
        best = min(found, key=lambda one: one.loss_nats.value)
        raise InfeasibleError(
            f"no recipe asked for loses so little: {best.recipe} loses {best.loss_nats.value:.2g} nats a token and "
            f"keeps {100 * best.retained_score.value:.1f} % of a benchmark's average; raise --max-loss, lower "
            "--min-quality or allow --precision bf16",
            binding="quality",
            remedy=f"--max-loss {best.loss_nats.value * 1.02:.2g}",
        )

    return good


class Chosen(NamedTuple):
    """An answer and all that it was chosen from."""

    found: FleetFound
    every: list[Fleets]


class _Won(NamedTuple):
    """The cheapest fleet with the question as its names are meant, and what it was chosen from."""

    question: ServingQuestion
    said: list[str]  # what names were read as
    shape: Shape
    every: list[Fleets]
    usable: list[Fleets]
    winner: Picked
    first: FleetRow

    @property
    def answer(self) -> FleetRow:
        """The fleet with its intervals."""
        row = with_cached_input(self.question, self.shape, *self.winner, self.first)
        return with_intervals(row, self.question, self.winner[0].options)


def _won(question: ServingQuestion, catalog: Catalog, wanted: Wanted, passes: FreshPasses) -> _Won:
    question, said = named(question, catalog)
    shape = question.shape or catalog.model(question.model)
    check_context(shape, question)
    check_sizes(shape, sizes_of(question))
    every = _able(question, offers(question, shape, catalog, passes), catalog, wanted, passes)
    usable = priced_or_all(every)
    winner = cheapest(usable)
    return _Won(question, said, shape, every, usable, winner, fleet_row(question, *winner, catalog))


def cheapest_fleet(question: ServingQuestion, catalog: Catalog, passes: FreshPasses) -> FleetRow:
    """The fleet that `choose` finds, without what stands beside it; `passes`: what questions share.

    Raises InfeasibleError naming the limit that binds and the smallest change that helps.
    """
    return _won(question, catalog, "cheapest", passes).answer


def choose(question: ServingQuestion, catalog: Catalog) -> Chosen:
    """The cheapest fleet that meets the limits, with alternatives and the Pareto front of latency and cost, and the
    fleets that it was chosen from.

    Raises InfeasibleError naming the limit that binds and the smallest change that helps.
    """
    won = _won(question, catalog, "front", FreshPasses())
    question, said, shape, every, usable, winner, first = won
    row = won.answer
    picked = _picked(usable)
    o = winner[0].options
    answer = FleetFound(
        answer=row,
        why=reasons(question, first, winner[0], usable, catalog),
        quality=_qualities(question, shape, catalog, picked),
        alternatives=_alternatives(question, first, picked, catalog),
        pareto=_pareto(question, row, usable, catalog),
        api=break_even(question, row),
        like=service_like(question, o.part, shape),
        resolved=resolved(question, o.part, o.system),
        rests_on=_rests_on(winner[0]),
        notes=[*said, *shape.notes, *notes(o.part, o.system, o.machine, o.recipe, o.price)],
        left_out=_unpriced(question, usable, every, catalog),
        sources=service_sources(catalog, _named(question), o.part.id, o.system.id, o.recipe, o.price),
    )
    return Chosen(answer, every)


def _rests_on(f: Fleets) -> dict[str, list[str]]:
    """What the choice of each part rests on where that is little: of the engines, and of a prefill pool before them."""
    pools = [f.options] if f.pools is None else [f.options, f.pools.prefill.options]
    found = {one.part.id: thin(one.machine, one.price) for one in pools}
    return {part: ground for part, ground in found.items() if ground}


def _named(question: ServingQuestion) -> str:
    return "" if question.shape is not None else question.model


def _qualities(
    question: ServingQuestion, shape: Shape, catalog: Catalog, picked: list[Picked]
) -> dict[str, QualityRow | None]:
    """What each recipe shown loses: this model by bits, size and training, and what was published in its bits."""
    model = "" if question.shape is not None else question.model
    names = dict.fromkeys(f.options.recipe.id for f, _ in picked)
    recipes = {name: catalog.serving_precision(name) for name in names}
    return {
        name: None if bits_of(recipe).full else quality_row(shape_quality(catalog, recipe, model, shape))
        for name, recipe in recipes.items()
    }


def _able(
    question: ServingQuestion, offered: list[PartOffer], catalog: Catalog, wanted: Wanted, passes: FreshPasses
) -> list[Fleets]:
    """Fleets of which some meet the limits. InfeasibleError with what binds where none does."""
    if len(offered) > FEW or wanted == "cheapest":
        some = passes.options(question, offered, question.tpot_s)
        every = every_fleet(question, some, catalog, wanted, passes)
        if any(f.meets.any() for f in every):
            return every
    found = passes.options(question, offered)
    every = every_fleet(question, found, catalog, "whole", passes)
    if any(f.meets.any() for f in every):
        return every
    raise infeasible(question, found, every)


def cheapest_on(
    question: ServingQuestion, first: FleetRow, recipes: Sequence[ServingPrecision], catalog: Catalog,
    known: Sequence[Fleets],
) -> dict[str, FleetRow | HwModelError]:  # fmt: skip
    """The cheapest fleet that meets the limits in each recipe (by its id) on the parts of an answer, or why there is
    none; `known`: the fleets that it was chosen from. All recipes that these say nothing of are searched together."""
    parts = [catalog.part(name) for name in dict.fromkeys([(first.prefill or first).part, first.part])]
    usable = {recipe.id: _meeting(known, recipe, parts) for recipe in recipes}
    offered = {r.id: _offered_on(question, parts, r, catalog) for r in recipes if not usable[r.id]}
    found = options(question, [one for some in offered.values() if isinstance(some, list) for one in some])
    every = every_fleet(question, found, catalog, "cheapest")

    def row(recipe: ServingPrecision) -> FleetRow | HwModelError:
        """The cheapest fleet in one recipe, or why there is none."""
        if isinstance(refused := offered.get(recipe.id), HwModelError):
            return refused
        if fleets := usable[recipe.id] or _meeting(every, recipe, parts):
            return _row(question, *cheapest(fleets), catalog)
        own = [o for o in found if o.recipe.id == recipe.id]
        return infeasible(question, own, [f for f in every if f.options.recipe.id == recipe.id])

    return {recipe.id: row(recipe) for recipe in recipes}


def _offered_on(
    question: ServingQuestion, parts: Sequence[Part], recipe: ServingPrecision, catalog: Catalog
) -> list[PartOffer] | HwModelError:
    """Each of some parts in a recipe, or why one of them is none."""
    shape = question.shape or catalog.model(question.model)
    try:
        return [offer_of(question, shape, part, recipe, catalog) for part in parts]
    except HwModelError as error:
        return error


def _meeting(fleets: Sequence[Fleets], recipe: ServingPrecision, parts: Sequence[Part]) -> list[Fleets]:
    """Those of a recipe on some parts of which some meet the limits."""
    names = {part.id for part in parts}
    among = [f for f in fleets if f.options.recipe.id == recipe.id and f.options.part.id in names]
    return [f for f in among if f.meets.any()]


def offer_of(
    question: ServingQuestion, shape: Shape, part: Part, recipe: ServingPrecision, catalog: Catalog,
    passes: FreshPasses | None = None,
) -> PartOffer:  # fmt: skip
    """One part in one recipe, with its price."""

    def made() -> PartOffer:
        """The part without a price."""
        system = catalog.default_system(part.id)
        m = machine(part, system, recipe, kernel_calibration())
        engine = engine_for(question.engine, part.family, recipe.id, question.engine_year)
        return offer(shape, part, system, m, recipe, engine, question)

    found = (passes or FreshPasses()).offer(question, part.id, recipe, made)
    return msgspec.structs.replace(found, price=price_of(question, part.id, catalog))


def _picked(usable: list[Fleets]) -> list[Picked]:
    """The best of each part, recipe and mode, and the best without stages where that has some; cheapest first."""
    picked: list[Picked] = []
    for f in usable:
        both = {f.best, f.best_flat}
        picked += [(f, i) for i in both if i is not None]
    return sorted(picked, key=lambda at: rank(*at))


def _alternatives(
    question: ServingQuestion, first: FleetRow, picked: list[Picked], catalog: Catalog, most: int = 8
) -> list[FleetRow]:
    """The cheapest of each other part and recipe, and first of all the cheapest of the other mode and of the plain
    layouts that the winner is not one of."""
    pooled, staged = first.mode != "aggregated", first.pp > 1
    of_other_mode = (k for k, (f, _) in enumerate(picked) if (f.pools is not None) != pooled)
    otherwise_staged = (k for k, (f, i) in enumerate(picked) if (column(f.at.layout.pp)[i] > 1) != staged)
    of_each: dict[tuple[str, str], int] = {}
    for k, (f, _) in enumerate(picked):
        of_each.setdefault((f.options.part.id, f.options.recipe.id), k)
    of_each.pop((first.part, first.precision), None)
    places = dict.fromkeys([*islice(of_other_mode, 1), *islice(otherwise_staged, 1), *of_each.values()])
    rows = [_row(question, *picked[k], catalog) for k in list(places)[:most]]
    return sorted(rows, key=lambda r: (value_of(r.usd_per_hour or 0.0), r.accelerators))


def _row(question: ServingQuestion, f: Fleets, i: int, catalog: Catalog) -> FleetRow:
    """One fleet with its intervals."""
    return with_intervals(fleet_row(question, f, i, catalog), question, f.options)


def _pareto(question: ServingQuestion, first: FleetRow, usable: list[Fleets], catalog: Catalog) -> list[FleetRow]:
    """From the answer on, fleets that cost more and whose tokens come clearly sooner; nothing beats them in both."""
    cost = np.concatenate([paid(f.usd_per_hour, f.accelerators) for f in usable])
    time = np.concatenate([np.where(f.meets, f.tpot_tail_s, np.inf) for f in usable])
    ends = np.cumsum([len(f.meets) for f in usable])
    out, best = [first], value_of(first.tpot_tail_s)
    rows = np.flatnonzero(time < best * FRONT_STEP)  # no other row comes clearly sooner, or hides one that does
    rows = rows[not_plainly_beaten(cost[rows], time[rows])]
    sooner = rows[_ever_sooner(cost[rows], time[rows])]
    for k in sooner:
        if time[k] < best * FRONT_STEP and len(out) < FRONT_MOST:
            best = time[k]
            at = int(np.searchsorted(ends, k, side="right"))
            out.append(_row(question, usable[at], int(k - (ends[at - 1] if at else 0)), catalog))
    return out


def _ever_sooner(cost: Column, time: Column) -> list[int]:
    """Of each cost the soonest row, if it comes sooner than all that cost less; by cost. Of equal rows the first."""
    order = np.argsort(cost)
    starts = np.flatnonzero(np.diff(cost[order], prepend=-np.inf))
    if not len(starts):
        return []
    soonest = np.minimum.reduceat(time[order], starts)
    kept = np.flatnonzero(soonest < np.minimum.accumulate(np.r_[np.inf, soonest[:-1]]))
    ends = np.append(starts[1:], len(order))
    groups = (order[starts[k] : ends[k]] for k in kept)
    return [int(group[time[group] == soonest[k]].min()) for k, group in zip(kept, groups)]
