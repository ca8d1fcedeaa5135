"""What every pretraining law answers: loss, floors, the compute-optimal size and data, and the cost of missing them."""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel import ops
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.laws import additive, allocation
from hwmodel.laws.conventions import plain
from hwmodel.laws.forms import Constants, form, usable
from hwmodel.ops import Num
from hwmodel.specs.law import Count, LawSpec, Optimum


def has_loss(spec: LawSpec) -> bool:
    """Whether the law gives a loss for N and D alone."""
    return spec.form != "none" and form(spec.form).loss_of_size_and_data


def specialise(spec: LawSpec, **settings: float | None) -> LawSpec:
    """The law at fixed experts or bits, as a law in N and D that every function here takes.

    A joint law of experts becomes additive at `experts`; Kumar's law at `weight_bits`, `activation_bits`, `kv_bits`.
    Other laws come back unchanged when no setting is given. Raises InputError for a setting that the law lacks.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    if not given and (spec.form == "none" or form(spec.form).terms is None):
        return spec
    shape = form(spec.form)
    if shape.at is None and not given:
        return spec
    strange = sorted(set(given) - set(shape.settings))
    if shape.at is None or strange:
        raise InputError(f"law {spec.id} has no setting {(strange or sorted(given))[0]!r}")
    for name, value in given.items():
        if not 1.0 <= value < float("inf"):
            raise InputError(f"{name}: at least 1" + (" (dense)" if name == "experts" else ""))
    constants = dict(shape.at(spec.constants, **given))
    label = ",".join(f"{name}={value:g}" for name, value in sorted(given.items()))
    return msgspec.structs.replace(spec, id=f"{spec.id}@{label}", form="additive", constants=constants)


def _constants(spec: LawSpec) -> Constants:
    """The constants as `laws.additive` and `laws.allocation` read them."""
    terms = form(spec.form).terms
    return spec.constants if terms is None else terms(spec.constants)


def additive_terms(spec: LawSpec) -> Constants:
    """E, A, alpha, B, beta of a law whose loss is a floor plus a term in N and one in D. InputError for any other."""
    _need_terms(spec)
    c = _constants(spec)
    if "outer" in c:
        raise InputError(f"law {spec.id} raises its sum to a power: it has no terms of its own in N and in D")
    return c


def answers_plans(spec: LawSpec) -> bool:
    """Whether the law gives a loss for N and D, or says how to split compute between them."""
    shape = form(usable(spec).form)
    return shape.loss_of_size_and_data or bool(shape.terms or shape.at or shape.splits or shape.params_for_flop)


def need_plan(spec: LawSpec) -> None:
    """Refuse laws that have nothing to say of the size and data of a dense model."""
    if not answers_plans(spec):
        raise InputError(
            f"law {spec.id} gives neither a loss in parameters and tokens nor a split of compute{_instead(spec)}; take "
            f"--law besiroglu_2024, and ask this one by `hwmodel law eval {spec.id}`"
        )
    _need_settings(spec)
    if spec.params_convention == "active" or "dense" in spec.not_for:
        raise InputError(
            f"law {spec.id} is one of mixtures of experts, and a plan sizes a dense model: take --law besiroglu_2024 "
            f"(with --moe for mixtures of the same loss), and ask this one by `hwmodel law optimum {spec.id}`"
        )


def _need_loss(spec: LawSpec) -> None:
    """Refuse laws that give no loss for N and D."""
    _need_settings(spec)
    if not has_loss(spec):
        raise InputError(
            f"law {spec.id} has no loss in parameters and tokens{_instead(spec)}; ask a law with one, "
            "such as besiroglu_2024"
        )


def _need_settings(spec: LawSpec) -> None:
    """Refuse laws that cannot be used, and those that become a law in N and D only at a setting."""
    shape = form(usable(spec).form)
    if shape.at is not None and shape.terms is None:
        raise InputError(
            f"law {spec.id} needs the number of {shape.settings[0]}, as `hwmodel law eval {spec.id}` takes it "
            f"(--{shape.settings[0]})"
        )


def _instead(spec: LawSpec) -> str:
    """What the law gives in place of what was asked."""
    shape = form(spec.form)
    return f": it gives {', '.join(shape.gives)} for {', '.join(shape.needs)}" if shape.gives else ""


def _need_terms(spec: LawSpec) -> None:
    """Refuse laws whose loss is not a floor plus a term in N and one in D."""
    _need_loss(spec)
    if form(spec.form).terms is None:
        raise InputError(
            f"law {spec.id} has no separate terms in parameters and tokens (form {spec.form}), so that nothing is "
            "solved for its loss; ask it for the loss of a size and tokens, or take --law besiroglu_2024"
        )


def splits_compute(spec: LawSpec) -> bool:
    """Whether the law says soundly which size and which data are best for a budget.

    A law may have a loss and not: one whose loss has no terms of its own in N and D, or whose authors rule it out.
    """
    shape = form(spec.form)
    return "allocation" not in spec.not_for and bool(shape.terms or shape.splits or shape.params_for_flop)


def need_split(spec: LawSpec, flop_given: bool = False) -> None:
    """Refuse laws that say nothing sound about how to split compute. `flop_given`: a size solved for will do."""
    _need_settings(spec)
    shape = form(spec.form)
    if not splits_compute(spec):
        why = f": {spec.caveats}" if "allocation" in spec.not_for else _instead(spec)
        rather = (
            "give size and tokens (or one of them and the compute) for its loss there, or take --law besiroglu_2024"
            if has_loss(spec)
            else f"take --law besiroglu_2024, and ask this one by `hwmodel law eval {spec.id}`"
        )
        raise InputError(f"law {spec.id} is not for allocation{why.rstrip('.')}; {rather}")
    if shape.params_for_flop and not flop_given:
        raise InputError(
            f"law {spec.id} splits a budget, and gives no size for tokens nor tokens for a size; give --flops, or "
            "size and tokens"
        )


def _published_split(c: Constants) -> bool:
    """Whether the law publishes its allocation as powers of compute (which then wins over minimising its loss)."""
    return "k_params" in c or "k_tokens" in c


def splits_by_loss(spec: LawSpec) -> bool:
    """Whether the law's allocation is the minimum of its own loss at C = 6 N D."""
    return spec.form != "none" and form(spec.form).terms is not None and not _published_split(spec.constants)


def loss(spec: LawSpec, params: Num | Count, tokens: Num) -> Num:
    """Loss [nats/token] at N parameters (the law's convention) and D tokens. InputError for a law without a loss."""
    _need_loss(spec)
    value: Num = form(spec.form).evaluate(spec.constants, params=plain(spec, params), tokens=tokens)["loss_nats"]
    return value


def loss_floor(spec: LawSpec, params: Num | None = None, tokens: Num | None = None) -> Num:
    """The loss never reached: at all, at N parameters with any data, or on D tokens with any size."""
    _need_terms(spec)
    if params is not None:
        return additive.floor_at_params(_constants(spec), params)
    if tokens is not None:
        return additive.floor_at_tokens(_constants(spec), tokens)
    return additive.floor(_constants(spec))


def optimum_for_flop(spec: LawSpec, flop: Num) -> Optimum:
    """The size and data that the law calls best for a training budget [FLOP]."""
    need_split(spec, flop_given=True)
    c, solve = _constants(spec), form(spec.form).params_for_flop
    if solve is not None:
        n = solve(c, flop)
        return Optimum(
            params=n, tokens=flop / (6.0 * n), flop=flop, loss=None, params_convention=spec.params_convention
        )
    if _published_split(c):
        n, d = allocation.params_for_flop(c, flop), allocation.tokens_for_flop(c, flop)
    else:
        n = additive.params_for_flop(c, flop)
        d = flop / (6.0 * n)
    return _optimum(spec, n, d, flop)


def _optimum(spec: LawSpec, n: Num, d: Num, flop: Num) -> Optimum:
    """The optimum with its loss, where the law has one."""
    value = loss(spec, n, d) if has_loss(spec) else None
    return Optimum(params=n, tokens=d, flop=flop, loss=value, params_convention=spec.params_convention)


def optimum_for_tokens(spec: LawSpec, tokens: Num) -> Optimum:
    """The size for which D tokens are compute-optimal."""
    need_split(spec)
    c = _constants(spec)
    if _published_split(c):
        flop = allocation.flop_for_tokens(c, tokens)
        return _optimum(spec, allocation.params_for_flop(c, flop), tokens, flop)
    n = additive.params_for_tokens(c, tokens)
    return _optimum(spec, n, tokens, 6.0 * n * tokens)


def optimum_for_params(spec: LawSpec, params: Num | Count) -> Optimum:
    """The data for which N parameters are compute-optimal."""
    need_split(spec)
    c, n = _constants(spec), plain(spec, params)
    if _published_split(c):
        flop = allocation.flop_for_params(c, n)
        return _optimum(spec, n, allocation.tokens_for_flop(c, flop), flop)
    d = additive.tokens_for_params(c, n)
    return _optimum(spec, n, d, 6.0 * n * d)


def optimum_for_loss(spec: LawSpec, loss_value: Num) -> Optimum:
    """The cheapest training run (6 N D) that reaches a loss. InfeasibleError at or below the law's floor."""
    _need_terms(spec)
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
    _need_terms(spec)
    c, n = _constants(spec), plain(spec, params)
    _above(spec, loss_value, additive.floor(c), "its floor", "ask for a higher loss")
    at = f"the floor for {n:.4g} parameters with any amount of data" if isinstance(n, (int, float)) else "a floor"
    _above(spec, loss_value, additive.floor_at_params(c, n), at, "take a larger model or a higher loss")
    return additive.tokens_for_loss(c, n, loss_value)


def tokens_reaching(spec: LawSpec, params: Num, loss_value: Num) -> Num:
    """The same over columns of constants or losses: infinite where no amount of data reaches the loss."""
    _need_terms(spec)
    c = _constants(spec)
    floor = additive.floor_at_params(c, params)
    reached = loss_value > floor
    tokens = additive.tokens_for_loss(c, params, ops.where(reached, loss_value, 2.0 * floor))
    return ops.where(reached, tokens, float("inf"))


def params_for_loss_at_tokens(spec: LawSpec, tokens: Num, loss_value: Num) -> Num:
    """N that reaches a loss on D tokens. InfeasibleError where no size does."""
    _need_terms(spec)
    c = _constants(spec)
    _above(spec, loss_value, additive.floor(c), "its floor", "ask for a higher loss")
    at = f"the floor on {tokens:.4g} tokens at any size" if isinstance(tokens, (int, float)) else "a floor"
    _above(spec, loss_value, additive.floor_at_tokens(c, tokens), at, "take more tokens or a higher loss")
    return additive.size_for_loss(c, tokens, loss_value)


def same_loss(spec: LawSpec, loss_value: Num, size_share: Num) -> tuple[Num, Num]:
    """(N, D) of one loss, from small and long (share near 1) to large and short: the size term's share of the rest.

    InfeasibleError at or below the law's floor.
    """
    _need_terms(spec)
    c = _constants(spec)
    _above(spec, loss_value, additive.floor(c), "its floor", "ask for a higher loss")
    return additive.at_share(c, loss_value, size_share)


def decades_outside(spec: LawSpec, *, params: float | None = None, tokens: float | None = None,
                    flop: float | None = None) -> float:  # fmt: skip
    """How far, in powers of ten, the farthest of the given quantities lies outside the law's fit range (0: inside)."""
    return abs(signed_decades_outside(spec, params=params, tokens=tokens, flop=flop))


def signed_decades_outside(spec: LawSpec, *, params: float | None = None, tokens: float | None = None,
                           flop: float | None = None) -> float:  # fmt: skip
    """The same with a sign: above zero beyond the largest runs of the fit, below zero under the smallest."""
    import math

    far = 0.0
    for value, span in ((params, spec.fit_params), (tokens, spec.fit_tokens), (flop, spec.fit_flop)):
        if value is not None and span is not None and value > 0:
            above, below = math.log10(value / span[1]), math.log10(span[0] / value)
            far = max(far, above, key=abs) if above > 0 else far
            far = max(far, -below, key=abs) if below > 0 else far
    return far


def regret(spec: LawSpec, params: Num, flop: Num) -> Num:
    """Share of the budget wasted by training N parameters with it: 1 - C_needed / C_spent for equal loss."""
    _need_terms(spec)
    best = additive.params_for_flop(_constants(spec), flop)
    return 1.0 - additive.compute_ratio(_constants(spec), params / best)


def regret_band(spec: LawSpec, flop: Num, waste: float = 0.05) -> tuple[Num, Num]:
    """The smallest and the largest N that waste at most this share of the budget [FLOP].

    For an additive law the ratio to the optimum depends on neither compute nor A, B, E: two roots in log N. The band
    surrounds the loss optimum at C = 6 N D, also for laws whose published allocation is another.
    """
    _need_terms(spec)
    c = _constants(spec)
    best = additive.params_for_flop(c, flop)
    return best * _factor(c, waste, -1.0), best * _factor(c, waste, 1.0)


def _factor(c: Any, waste: float, side: float) -> Num:
    """The factor k on the given side of 1 where 1 - compute_ratio(k) = waste, by bisection in log k."""
    lo: Any = 0.0
    hi: Any = 12.0  # e^12: beyond any waste below 99 %
    for _ in range(60):
        mid = 0.5 * (lo + hi)
        inside = 1.0 - additive.compute_ratio(c, ops.exp(side * mid)) < waste
        lo, hi = ops.where(inside, mid, lo), ops.where(inside, hi, mid)
    result: Num = ops.exp(side * 0.5 * (lo + hi))
    return result
