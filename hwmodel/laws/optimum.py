"""What every pretraining law answers: loss, floors, the compute-optimal size and data, and the cost of missing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwmodel import ops
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.laws import additive, allocation
from hwmodel.laws.conventions import plain
from hwmodel.ops import Num
from hwmodel.specs.law import Count, LawSpec, Optimum

_LOSS_FORMS = ("additive", "kaplan_nd")


def has_loss(spec: LawSpec) -> bool:
    """Whether the law gives a loss for N and D."""
    return spec.form in _LOSS_FORMS


def _constants(spec: LawSpec) -> Mapping[str, Any]:
    """The constants as `laws.additive` and `laws.allocation` read them."""
    if spec.form != "kaplan_nd":
        return spec.constants
    c = spec.constants
    ratio = c["aN"] / c["aD"]
    return {**c, "E": 0.0, "A": c["Nc"] ** ratio, "alpha": ratio, "B": c["Dc"], "beta": 1.0, "outer": c["aD"]}


def _usable(spec: LawSpec) -> None:
    if spec.refusal:
        raise InputError(f"law {spec.id} cannot be evaluated: {spec.refusal}")


def _need_loss(spec: LawSpec) -> None:
    _usable(spec)
    if not has_loss(spec):
        raise InputError(
            f"law {spec.id} has no loss: it gives an allocation of compute only; ask a law with a loss, "
            "such as besiroglu_2024"
        )


def loss(spec: LawSpec, params: Num | Count, tokens: Num) -> Num:
    """Loss [nats/token] at N parameters (the law's convention) and D tokens. InputError for a law without a loss."""
    _need_loss(spec)
    return additive.loss(_constants(spec), plain(spec, params), tokens)


def loss_floor(spec: LawSpec, params: Num | None = None, tokens: Num | None = None) -> Num:
    """The loss never reached: at all, at N parameters with any data, or on D tokens with any size."""
    _need_loss(spec)
    if params is not None:
        return additive.floor_at_params(_constants(spec), params)
    if tokens is not None:
        return additive.floor_at_tokens(_constants(spec), tokens)
    return additive.floor(_constants(spec))


def optimum_for_flop(spec: LawSpec, flop: Num) -> Optimum:
    """The size and data that the law calls best for a training budget [FLOP]."""
    _usable(spec)
    c = _constants(spec)
    if "k_params" in c or "k_tokens" in c:
        n, d = allocation.params_for_flop(c, flop), allocation.tokens_for_flop(c, flop)
    elif has_loss(spec):
        n = additive.params_for_flop(c, flop)
        d = flop / (6.0 * n)
    else:
        raise InputError(f"law {spec.id} says nothing about how to split compute; see `hwmodel law show {spec.id}`")
    return _optimum(spec, n, d, flop)


def _optimum(spec: LawSpec, n: Num, d: Num, flop: Num) -> Optimum:
    value = additive.loss(_constants(spec), n, d) if has_loss(spec) else None
    return Optimum(params=n, tokens=d, flop=flop, loss=value, params_convention=spec.params_convention)


def optimum_for_tokens(spec: LawSpec, tokens: Num) -> Optimum:
    """The size for which D tokens are compute-optimal."""
    _usable(spec)
    c = _constants(spec)
    if "k_params" in c or "k_tokens" in c:
        flop = allocation.flop_for_tokens(c, tokens)
        return _optimum(spec, allocation.params_for_flop(c, flop), tokens, flop)
    n = additive.params_for_tokens(c, tokens)
    return _optimum(spec, n, tokens, 6.0 * n * tokens)


def optimum_for_params(spec: LawSpec, params: Num | Count) -> Optimum:
    """The data for which N parameters are compute-optimal."""
    _usable(spec)
    c, n = _constants(spec), plain(spec, params)
    if "k_params" in c or "k_tokens" in c:
        flop = allocation.flop_for_params(c, n)
        return _optimum(spec, n, allocation.tokens_for_flop(c, flop), flop)
    d = additive.tokens_for_params(c, n)
    return _optimum(spec, n, d, 6.0 * n * d)


def optimum_for_loss(spec: LawSpec, loss_value: Num) -> Optimum:
    """The cheapest training run (6 N D) that reaches a loss. InfeasibleError at or below the law's floor."""
    _need_loss(spec)
    _above(spec, loss_value, additive.floor(_constants(spec)), "its floor", "ask for a higher loss")
    n = additive.params_for_loss(_constants(spec), loss_value)
    d = additive.tokens_for_loss(_constants(spec), n, loss_value)
    return _optimum(spec, n, d, 6.0 * n * d)


def params_for_tokens(spec: LawSpec, tokens: Num) -> Num:
    """N for which D tokens are compute-optimal."""
    return optimum_for_tokens(spec, tokens).params


def tokens_for_params(spec: LawSpec, params: Num | Count) -> Num:
    """D for which N parameters are compute-optimal."""
    return optimum_for_params(spec, params).tokens


def _above(spec: LawSpec, loss_value: Num, floor: Num, which: str, remedy: str) -> None:
    """Scalars raise; in arrays an unreachable entry comes out as nan or inf, for the caller to mask."""
    if isinstance(loss_value, (int, float)) and isinstance(floor, (int, float)) and loss_value <= floor:
        raise InfeasibleError(
            f"loss {loss_value:.3f} cannot be reached under {spec.id}: {which} is {floor:.3f}; {remedy}",
            binding="loss_floor",
            remedy=remedy,
        )


def tokens_for_loss(spec: LawSpec, params: Num | Count, loss_value: Num) -> Num:
    """D that brings N parameters to a loss. InfeasibleError where no amount of data does."""
    _need_loss(spec)
    c, n = _constants(spec), plain(spec, params)
    _above(spec, loss_value, additive.floor(c), "its floor", "ask for a higher loss")
    at = f"the floor for {n:.4g} parameters with any amount of data" if isinstance(n, (int, float)) else "a floor"
    _above(spec, loss_value, additive.floor_at_params(c, n), at, "take a larger model or a higher loss")
    return additive.tokens_for_loss(c, n, loss_value)


def params_for_loss_at_tokens(spec: LawSpec, tokens: Num, loss_value: Num) -> Num:
    """N that reaches a loss on D tokens. InfeasibleError where no size does."""
    _need_loss(spec)
    c = _constants(spec)
    _above(spec, loss_value, additive.floor(c), "its floor", "ask for a higher loss")
    at = f"the floor on {tokens:.4g} tokens at any size" if isinstance(tokens, (int, float)) else "a floor"
    _above(spec, loss_value, additive.floor_at_tokens(c, tokens), at, "take more tokens or a higher loss")
    return additive.size_for_loss(c, tokens, loss_value)


def same_loss(spec: LawSpec, loss_value: Num, size_share: Num) -> tuple[Num, Num]:
    """(N, D) of one loss, from small and long (share near 1) to large and short: the size term's share of the rest.

    InfeasibleError at or below the law's floor.
    """
    _need_loss(spec)
    c = _constants(spec)
    _above(spec, loss_value, additive.floor(c), "its floor", "ask for a higher loss")
    return additive.at_share(c, loss_value, size_share)


def decades_outside(spec: LawSpec, *, params: float | None = None, tokens: float | None = None,
                    flop: float | None = None) -> float:  # fmt: skip
    """How far, in powers of ten, the farthest of the given quantities lies outside the law's fit range (0: inside)."""
    import math

    far = 0.0
    for value, span in ((params, spec.fit_params), (tokens, spec.fit_tokens), (flop, spec.fit_flop)):
        if value is not None and span is not None and value > 0:
            far = max(far, math.log10(value / span[1]), math.log10(span[0] / value))
    return far


def regret(spec: LawSpec, params: Num, flop: Num) -> Num:
    """Share of the budget wasted by training N parameters with it: 1 - C_needed / C_spent for equal loss."""
    _need_loss(spec)
    best = additive.params_for_flop(_constants(spec), flop)
    return 1.0 - additive.compute_ratio(_constants(spec), params / best)


def regret_band(spec: LawSpec, flop: Num, waste: float = 0.05) -> tuple[Num, Num]:
    """The smallest and the largest N that waste at most this share of the budget [FLOP].

    For an additive law the ratio to the optimum depends on neither compute nor A, B, E: two roots in log N. The band
    surrounds the loss optimum at C = 6 N D, also for laws whose published allocation is another.
    """
    _need_loss(spec)
    c = _constants(spec)
    best = additive.params_for_flop(c, flop)
    return best * _factor(c, waste, -1.0), best * _factor(c, waste, 1.0)


def _factor(c: Any, waste: float, side: float) -> Num:
    """The factor k on the given side of 1 where 1 - compute_ratio(k) = waste, by bisection in log k."""
    low, high = 0.0, 12.0  # e^12: beyond any waste below 99 %
    one: Any = (c["alpha"] + c["beta"]) * 0.0
    lo, hi = one + low, one + high
    for _ in range(60):
        mid = 0.5 * (lo + hi)
        inside = 1.0 - additive.compute_ratio(c, ops.exp(side * mid)) < waste
        lo, hi = ops.where(inside, mid, lo), ops.where(inside, hi, mid)
    result: Num = ops.exp(side * 0.5 * (lo + hi))
    return result
