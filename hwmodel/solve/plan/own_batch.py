"""Sizes compared each at the batch of its own tokens, where one batch for all would choose the size by where it starts.

A closing takes one batch for every size: that of the tokens which it found last. Where the batch holds the fleet back,
such a closing holds itself up: on few tokens the batch is small, a small batch feeds large models alone, and large
models see few tokens. Smaller models on more tokens, which allow a larger batch, hold themselves up too. So there the
sizes are compared each at its own batch, by decades. So they are where the size found is the last of the ladder that
fits: the way there knows the speeds of few sizes, and takes those between one that fits and one that does not for too
large. Elsewhere those near the size found are: shapes that divide well are faster than what a ladder tells of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hwmodel import laws
from hwmodel.physics import shape as shapes
from hwmodel.solve.plan.closing import BATCH_ROUNDS, at_the_limit, batch_of
from hwmodel.solve.run.answers import limits_used
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.result import value_of
from hwmodel.solve.run.sizing import GIVEN, LossModel, Sized, least_loss_run
from hwmodel.solve.run.solved import on_fleet

# A run that twice its batch would speed up by more is held back by it; it is asked of the size found and of a smaller
# one, which sees more tokens.
HELD_BACK = 1.05
ASKED_SIZES = (1.0, 10.0**-0.375)
# Batches of which a size takes the largest that its tokens then allow: of tokens at the peak, and these shares of it.
# Then it is closed in on by so many between the largest that they allow and the next.
# Most runs are at a fifth of peak or more: the first few are asked for before the others.
TOKEN_SHARES = 1.5 ** -np.arange(13.0)
SHARES_FIRST = 5
BETWEEN = 4
# Sizes tried are the same for every fleet, so many a decade: coarse ones around the size that one batch for all leads
# to, and fine ones between. Depths divide into stages or do not, so that neighbours differ in speed: a fine size is
# thought to be up to so many times as fast as those around it.
COARSE, FINE = 8, 64
DECADES = (-1.0, 0.75)
SCATTER = 2.0


def of_own_batch(fleet: Fleet, model: LossModel, sized: Sized, again: Callable[[], Sized]) -> Sized:
    """The run under the critical batch of the tokens that were solved, where these set another than its size does;
    `again` closes it anew, where the fleet's speed decides it."""
    for _ in range(BATCH_ROUNDS):
        if batch_of(fleet.batch, fleet.setting, sized.n, sized.d) is fleet.batch:
            break
        fleet.see(sized.d)
        sized = again() if sized.closed_by == "fleet" else sized
    if not _open(fleet, sized):
        return sized
    if fleet.holds_no_larger(sized.n) or any(_held_back(fleet, sized.n * share) for share in ASKED_SIZES):
        found = _anywhere(fleet, model, sized.n)
    else:
        found = _near(fleet, model, sized.n)
    if found.loss >= value_of(sized.loss):
        return sized
    taken, run = fleet.batch, _run(fleet, model, found)
    if value_of(run.loss) < value_of(sized.loss):
        return run
    fleet.take(taken, None)
    return sized


def at_own_batch(fleet: Fleet, run: Sized) -> Fleet:
    """The fleet under the critical batch of a run's own tokens; itself where that is the one it takes."""
    batch = batch_of(fleet.batch, fleet.setting, run.n, run.d)
    return fleet if batch is fleet.batch else Fleet(fleet.setting, fleet.accelerators, batch=batch)


def _open(fleet: Fleet, sized: Sized) -> bool:
    """Whether time or money on the fleet chose the size by its loss, at a speed and a batch that are predicted."""
    r, law = fleet.setting.request, fleet.setting.law
    return (
        sized.closed_by == "fleet" and {"params", "tokens"} <= sized.solved.keys() and laws.has_loss(law)
        and fleet.batch.given_seqs is None and r.tokens is None and r.mfu is None
    )  # fmt: skip


def _held_back(fleet: Fleet, params: float) -> bool:
    """Whether a larger batch would speed a size up."""
    found = fleet.evaluate(shapes.shape_for_params(params), params, [fleet.accelerators], caps=(1.0, 2.0))
    return found.tokens_per_s(1) > HELD_BACK * found.tokens_per_s(0)


def _anywhere(fleet: Fleet, model: LossModel, params: float) -> _Found:
    """The size of the least loss by decades around one, each on the tokens that it sees at its own batch."""
    middle, step = math.log10(params), FINE // COARSE
    first, last = (math.floor((middle + end) * COARSE) * step for end in DECADES)
    return _least(fleet, model, list(range(first, last + 1, step)), range(first, last + 1))


def _near(fleet: Fleet, model: LossModel, params: float) -> _Found:
    """The size of the least loss by an eighth of a decade around one, each at its own batch: rates between the rungs
    of the ladder are interpolated, and the shapes that are built there are faster or slower by their luck."""
    place, step = round(math.log10(params) * FINE), FINE // COARSE
    return _least(fleet, model, [place], range(place - step, place + step + 1))


def beside(fleet: Fleet, model: LossModel) -> Sized | None:
    """The best size near the one that a fleet nearly as large was closed on, each at its own batch; None without it."""
    if fleet.near is None:
        return None
    found = _near(fleet, model, fleet.near)
    return _run(fleet, model, found) if found.tokens > 1.0 else None


class _Found(NamedTuple):
    """A size on the fine ladder with its loss and the tokens that it sees at its own batch."""

    loss: float
    tokens: float
    place: int

    @property
    def params(self) -> float:
        return _size_at(self.place)


def _least(fleet: Fleet, model: LossModel, coarse: list[int], fine: Iterable[int]) -> _Found:
    """The size of the least loss: of coarse ones, and of the fine ones near to the best of them.

    A fine size is thought to see what SCATTER times the FLOPs of the coarse ones around it buy, or those of the fastest
    coarse one, for a shape that divides well among slow ones may be as fast as any. It is asked only where its loss on
    so many tokens is below the best; first what it would see at the batch of so many: no loss of its own is below
    that, so that most need no more.
    """
    known = [one for one in (_at_own_batch(fleet, model, place) for place in coarse) if one.tokens > 1.0]
    if not known:
        return _Found(math.inf, 1.0, coarse[0])
    best, coarse = min(known), [one.place for one in known]  # beyond the last that fits others may
    work = [math.log(one.params * one.tokens) for one in known]
    hopes = []
    for place in fine:
        if place in coarse or not coarse[0] - FINE // COARSE <= place <= coarse[-1] + FINE // COARSE:
            continue
        params = _size_at(place)
        around = float(np.interp(place, coarse, work))
        thought = math.exp(max(around + math.log(SCATTER), max(work))) / params
        if float(model.loss(params, thought)) < best.loss:
            most = seen(fleet, params, np.array([thought]))
            hopes.append((float(model.loss(params, max(float(most[0]), 1.0))), place))
    for hope, place in sorted(hopes):
        if hope >= best.loss:
            break
        best = min(best, _at_own_batch(fleet, model, place))
    return best


def _at_own_batch(fleet: Fleet, model: LossModel, place: int) -> _Found:
    """A size on the tokens that it sees at the batch that they allow."""
    tokens = max(own_tokens(fleet, _size_at(place)), 1.0)
    return _Found(float(model.loss(_size_at(place), tokens)), tokens, place)


def _run(fleet: Fleet, model: LossModel, found: _Found) -> Sized:
    """A size on the tokens that fill the limit by its own bill, at the batch that they allow; the fleet is of it."""
    how = f"least loss within {GIVEN['fleet']}, each size at the batch of its own tokens ({model.law.id})"
    sized = least_loss_run(model, found.params, found.tokens, how, "fleet")
    fleet.near = found.params
    for _ in range(BATCH_ROUNDS):
        fleet.see(sized.d)
        sized = at_the_limit(
            fleet.setting, model, None, fleet, limits_used(fleet.setting, on_fleet(fleet, sized).answer), sized
        )
        if batch_of(fleet.batch, fleet.setting, sized.n, sized.d) is fleet.batch:
            break
    return sized


def _size_at(place: int) -> float:
    """A size on the fine ladder."""
    return float(10.0 ** (place / FINE))


def own_tokens(fleet: Fleet, params: float) -> float:
    """The most tokens that a size sees in the time and money given under a batch that they allow; 0 where none fits."""
    rate = fleet.accelerators * fleet.peak_flop_per_s / (6.0 * params)
    allowed = rate * fleet.productive_s_available(params) * TOKEN_SHARES
    found = seen(fleet, params, allowed[:SHARES_FIRST])
    if not (found >= allowed[:SHARES_FIRST]).any():
        found = np.append(found, seen(fleet, params, allowed[SHARES_FIRST:]))
    if not (found >= allowed[: len(found)]).any():
        return 0.0
    first = int((found >= allowed[: len(found)]).argmax())
    between = np.geomspace(found[first], max(allowed[max(first - 1, 0)], found[first]), BETWEEN)
    more = seen(fleet, params, between)
    return float(max(found[first], more[more >= between].max(initial=0.0)))


def seen(fleet: Fleet, params: float, tokens: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tokens that a size sees in the time and money given, at the batch of each of these tokens; 0 where none fits."""
    shape = shapes.shape_for_params(params)
    scale = float(shapes.parameters(shape).active) / params / fleet.setting.level
    usual = fleet.batch.critical_tokens(params)
    caps = tuple(float(fleet.batch.critical_of(params, float(one))) / usual for one in tokens)
    found = fleet.evaluate(shape, params, [fleet.accelerators], caps=caps)
    tokens_seen = np.zeros(len(caps))
    for case, row in enumerate(found.best):
        if row >= 0:
            used = int(found.space.accelerators[int(row)])
            tokens_seen[case] = found.tokens_per_s(case) * scale * fleet.productive_s_available(params, used)
    return tokens_seen
