"""A question with a fleet closed on a size and its tokens: time and money are used up, and never overrun."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import msgspec

from hwmodel.errors import InfeasibleError, InputError
from hwmodel.ops import Num
from hwmodel.physics import shape as shapes
from hwmodel.predict.uncertainty import is_mixture
from hwmodel.solve.question.setting import Setting
from hwmodel.solve.run.answers import limits_used
from hwmodel.solve.run.batch import BatchPolicy, batch_policy
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.run.sizing import GIVEN, ClosedBy, LossModel, Sized, TokensOfSize, size
from hwmodel.solve.run.solved import on_fleet
from hwmodel.specs import Shape

# Rounds in which size and layout are brought to agree when time or money closes the plan, and how closely.
CLOSING_ROUNDS = 4
CLOSING_TOLERANCE = 0.002


# Critical batches of a run's own tokens and of those taken for them that differ by less are one; rounds to meet in.
NEAR_BATCHES = 1.1
BATCH_ROUNDS = 3


def batch_of(taken: BatchPolicy, setting: Setting, params: float, tokens: float) -> BatchPolicy:
    """The batch rule of a run on so many tokens, or the one that was taken where that is near enough."""
    own = batch_policy(setting).seeing(tokens)
    near = taken.given_seqs is not None or near_batches(own.critical_tokens(params), taken.critical_tokens(params))
    return taken if near else own


def near_batches(own: Num, taken: Num) -> Any:
    """Whether critical batches (numbers or columns) are so near that the one taken stays."""
    return (own < taken * NEAR_BATCHES) & (taken < own * NEAR_BATCHES)


def size_of(
    setting: Setting,
    model: LossModel,
    shape: Shape | None,
    params: float | None,
    fleet: Fleet | None,
    correction: float = 1.0,
) -> Sized:
    """Size and tokens of a question; time and money close them at the speed of `fleet`, times a correction."""
    r = setting.request
    affordable: TokensOfSize | None = None
    at_most: TokensOfSize | None = None
    if fleet is not None and (r.time_s is not None or r.budget_usd is not None) and r.flop is None:
        affordable = partial(fleet.tokens_affordable, correction=correction)
        at_most = partial(fleet.tokens_at_peak, correction=correction)
        if params is not None and not affordable(params) > 0:
            # The sizes that rates are interpolated between do not fit; this one may: its own layout closes the tokens.
            affordable = partial(_first_guess, correction=correction)
    if shape is not None and is_mixture(shape):
        return _mixture(setting, shape, affordable)
    return size(r, model, params, affordable, at_most)


LIMIT_TOLERANCE = 1e-6  # by which time and money may be overrun
SHRINKS = (0.9995, 0.998, 0.99, 0.97, 0.9)  # of a size that overruns them, tried in turn
FIRST_TOKENS_PER_PARAM = 20.0  # where the closing of a size begins that no rate is known of; it converges from any


def _first_guess(params: float, correction: float) -> float:
    return FIRST_TOKENS_PER_PARAM * params * correction


def closed(setting: Setting, model: LossModel, shape: Shape | None, params: float | None, fleet: Fleet | None) -> Sized:
    """Size and tokens; where time or money closes them, again with the speed of the shape that was found.

    Buildable shapes differ a little in speed, so the size can alternate between two of them: every candidate is
    brought to the limit by its own tokens (or, where the tokens are given, by its size), and the best is kept.
    """
    sized = size_of(setting, model, shape, params, fleet)
    if fleet is None or sized.closed_by != "fleet":
        return sized
    candidates = []
    correction = 1.0
    for _ in range(CLOSING_ROUNDS):
        used = limits_used(setting, on_fleet(fleet, sized, shape).answer)
        candidates.append((used, sized))
        if abs(used - 1.0) < CLOSING_TOLERANCE:
            break
        correction /= used
        sized = size_of(setting, model, shape, params, fleet, correction)
    if setting.request.tokens is not None:
        for shrink in SHRINKS:
            if any(used <= 1.0 + LIMIT_TOLERANCE for used, _ in candidates):
                break
            sized = size_of(setting, model, shape, params, fleet, correction * shrink)
            candidates.append((limits_used(setting, on_fleet(fleet, sized, shape).answer), sized))
        inside = [(used, one) for used, one in candidates if used <= 1.0 + LIMIT_TOLERANCE]
        if inside:
            return _filled(setting, model, fleet, *max(inside, key=lambda pair: pair[0]))
        return min(candidates, key=lambda pair: pair[0])[1]
    ready = [at_the_limit(setting, model, shape, fleet, *one) for one in candidates]
    return min(ready, key=lambda one: value_of(one.loss) if one.loss is not None else abs(math.log(one.d / ready[0].d)))


FILL_ROUNDS = 8
TOKEN_ROUNDS, TOKEN_TOLERANCE = 12, 1e-12


def at_the_limit(
    setting: Setting, model: LossModel, shape: Shape | None, fleet: Fleet, used: float, sized: Sized
) -> Sized:
    """A size that takes `used` of its time or money, on the tokens that take all of it.

    At the median they are in proportion; at another confidence the spread goes by the run's FLOPs: secants of logs.
    """
    slope, found = 1.0, with_tokens(model, sized, 1.0 / used)
    if setting.request.confidence == 0.5:
        return found
    for _ in range(TOKEN_ROUNDS):
        share = limits_used(setting, on_fleet(fleet, found, shape).answer)
        if abs(share - 1.0) < TOKEN_TOLERANCE:
            break
        if found.d != sized.d and share != used:
            slope = math.log(share / used) / math.log(found.d / sized.d)
        used, sized = share, found
        found = with_tokens(model, found, share ** (-1.0 / slope))
    return found


def _filled(setting: Setting, model: LossModel, fleet: Fleet, used: float, sized: Sized) -> Sized:
    """The largest size whose run on the tokens given stays in time and budget, from one that takes `used` of them.

    Buildable shapes differ in speed, so that the next larger size may jump over the limit: then it is closed in on.
    """
    over = math.inf
    for _ in range(FILL_ROUNDS):
        if used > 1.0 - LIMIT_TOLERANCE:
            break
        larger = _with_params(model, sized, min(1.0 / used, math.sqrt(over / sized.n)))
        try:
            share = limits_used(setting, on_fleet(fleet, larger).answer)
        except InfeasibleError:
            share = math.inf
        if share <= 1.0 + LIMIT_TOLERANCE:
            used, sized = share, larger
        else:
            over = larger.n
    return sized


def _with_params(model: LossModel, sized: Sized, factor: float) -> Sized:
    """A larger or smaller size on the same tokens."""
    params = sized.params.scaled(factor) if isinstance(sized.params, Band) else sized.n * factor
    loss = model.loss_band(sized.n * factor, sized.d) if sized.loss is not None else None
    return msgspec.structs.replace(sized, params=params, loss=loss)


def with_tokens(model: LossModel, sized: Sized, factor: float) -> Sized:
    """The same size on more or fewer tokens."""
    tokens = sized.tokens.scaled(factor) if isinstance(sized.tokens, Band) else sized.d * factor
    loss = model.loss_band(sized.n, sized.d * factor) if sized.loss is not None else None
    return msgspec.structs.replace(sized, tokens=tokens, loss=loss)


def check_mixture(setting: Setting, shape: Shape) -> None:
    """Raises InputError where a mixture of experts is asked for what only a loss would tell."""
    r = setting.request
    for option, asked in (("--loss", r.has_loss_target), ("--unique-tokens", r.unique_tokens is not None)):
        if asked:
            raise InputError(
                f"{option} needs the loss of {shape.name}, a mixture of experts, and {setting.law.id} is a dense law; "
                f"drop {option} or take a dense model"
            )


def _mixture(setting: Setting, shape: Shape, affordable: TokensOfSize | None) -> Sized:
    """A mixture of experts: compute counts its active parameters, and a dense law gives it no loss."""
    check_mixture(setting, shape)
    r = setting.request
    terms = shapes.parameters(shape)
    if r.tokens is not None:
        return Sized(params=float(terms.total), tokens=r.tokens, loss=None, solved={})
    closed_by: ClosedBy
    if r.flop is not None:
        tokens, how, closed_by = (
            r.flop / (6.0 * float(terms.active)),
            "--flops over 6 N of the active parameters",
            "flop",
        )
    elif affordable is not None:
        tokens, how, closed_by = affordable(float(terms.active)), f"what {GIVEN['fleet']} buys at this size", "fleet"
    else:
        raise InputError(
            f"{shape.name} is a mixture of experts and {setting.law.id} a dense law: it cannot say how many tokens are "
            "optimal; give --tokens, --flops or --time"
        )
    return Sized(params=float(terms.total), tokens=tokens, loss=None, solved={"tokens": how}, closed_by=closed_by)
