"""Answers of one law with its band and warnings, and of all laws side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from hwmodel import laws
from hwmodel.errors import HwModelError, InputError
from hwmodel.laws import total_from_non_embedding
from hwmodel.laws.lifetime import Lifetime, Option, budget_band, least_loss, lifetime_optimum
from hwmodel.specs.law import LawSpec, Optimum


class Uncertain(msgspec.Struct, frozen=True, kw_only=True):
    """A value and its 80 % interval."""

    value: float
    low: float
    high: float


Value = float | Uncertain


class LawAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one law calls best, in its own convention, with bands where it has a covariance."""

    law: str
    params: Value
    tokens: Value
    flop: Value
    tokens_per_param: Value
    loss_nats: Value | None
    loss_reason: str  # why there is no loss
    params_convention: str
    params_total: float | None  # converted, where a published conversion exists
    tokens_converted: float | None  # C / (6 x params_total)
    regret_params_low: float | None  # sizes that waste at most 5 % of the budget
    regret_params_high: float | None
    decades_outside_fit: float
    status: str
    source: str
    warnings: tuple[str, ...] = ()


def _only_one(**asked: float | None) -> dict[str, float]:
    """The one quantity that was given. InputError for none or several."""
    given = {name: value for name, value in asked.items() if value is not None}
    if len(given) != 1:
        *first, last = ("--flops" if name == "flop" else f"--{name}" for name in asked)
        raise InputError(f"give exactly one of {', '.join(first)} and {last}")
    return given


def _best(spec: LawSpec, given: dict[str, float]) -> Optimum:
    """The law's optimum for the one quantity given."""
    ((name, value),) = given.items()
    if not 0.0 < value < float("inf"):
        raise InputError(f"{name} must be a positive number, not {value:g}")
    try:
        return _solved(spec, name, value)
    except ArithmeticError as error:
        raise InputError(f"law {spec.id} has no optimum at {name} = {value:g}: {error}") from error


def _solved(spec: LawSpec, name: str, value: float) -> Optimum:
    if name == "flop":
        return laws.optimum_for_flop(spec, value)
    if name == "tokens":
        return laws.optimum_for_tokens(spec, value)
    if name == "params":
        return laws.optimum_for_params(spec, value)
    return laws.optimum_for_loss(spec, value)


def _repeating(spec: LawSpec, given: dict[str, float], unique_tokens: float) -> Optimum:
    """The best size and epochs for a budget when only so many tokens are distinct."""
    if set(given) != {"flop"} or "RD_star" not in spec.constants:
        raise InputError("--unique-tokens goes with --flops under a law of repeated data, such as muennighoff_2023")
    loss, n, d = least_loss(Option(law=spec, unique_tokens=unique_tokens, repeats=spec), given["flop"])
    return Optimum(params=n, tokens=d, flop=given["flop"], loss=loss, params_convention=spec.params_convention)


def over_draws(spec: LawSpec, count: int, seed: int, solve: Callable[[LawSpec], Any]) -> Any:
    """What `solve` says of `count` joint draws of the constants; None without draws.

    Draws whose floor lies above the loss asked come out as nan, and are left out of the bands.
    """
    if count == 0 or not laws.has_draws(spec):
        return None
    if not 100 <= count <= 1_000_000 or seed < 0:
        raise InputError("--draws: 0 (no bands) or 100 to 1,000,000; --seed: not negative")
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return solve(laws.draws(spec, count, seed))


def _lost(drawn: Any) -> tuple[str, ...]:
    """A warning when a share of the draws cannot reach what was asked."""
    import numpy as np

    share = 0.0 if drawn is None else 1.0 - float(np.mean(np.isfinite(drawn)))
    if not share:
        return ()
    shown = f"{100.0 * share:.0f} %" if share >= 0.01 else "less than 1 %"
    return (f"{shown} of the draws cannot reach this loss and are left out of the bands",)


def banded(value: Any, drawn: Any) -> Value:
    """The value with the 80 % interval of its draws, if there are any."""
    import numpy as np

    if drawn is None or np.ndim(drawn) == 0:
        return float(value)
    kept = np.asarray(drawn)[np.isfinite(drawn)]
    low, high = laws.band(kept)
    return Uncertain(value=float(value), low=low, high=high)


def answer(
    spec: LawSpec,
    *,
    flop: float | None = None,
    tokens: float | None = None,
    params: float | None = None,
    loss: float | None = None,
    count: int = 4000,
    seed: int = 0,
    unique_tokens: float | None = None,
) -> LawAnswer:
    """The compute-optimal size, data and loss for exactly one of a budget, tokens, a size or a loss.

    `unique_tokens` bounds the distinct tokens under a budget (a law of repeats only).

    Bands are 80 % intervals over `count` joint draws. Raises InputError for a law that cannot say, InfeasibleError for
    a loss at or below the floor.
    """
    given = _only_one(flop=flop, tokens=tokens, params=params, loss=loss)
    best = _best(spec, given) if unique_tokens is None else _repeating(spec, given, unique_tokens)
    drawn = over_draws(spec, count, seed, lambda law: _best(law, given))
    n, d, c = float(best.params), float(best.tokens), float(best.flop)
    outside = laws.decades_outside(spec, params=n, tokens=d, flop=c)
    total = total_params(spec, n)
    low, high = _regret(spec, c, unique_tokens)
    return LawAnswer(
        law=spec.id,
        params=banded(n, drawn and drawn.params),
        tokens=banded(d, drawn and drawn.tokens),
        flop=banded(c, drawn and drawn.flop),
        tokens_per_param=banded(d / n, drawn and drawn.tokens / drawn.params),
        loss_nats=None if best.loss is None else banded(best.loss, drawn and drawn.loss),
        loss_reason="" if best.loss is not None else "the law splits compute and gives no loss",
        params_convention=spec.params_convention,
        params_total=total,
        tokens_converted=None if total is None else c / (6.0 * total),
        regret_params_low=low,
        regret_params_high=high,
        decades_outside_fit=outside,
        status=spec.status,
        source=spec.source,
        warnings=_lost(drawn and drawn.params) + _warnings(spec, outside),
    )


class LifeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The size that is cheapest over training and inference FLOPs at the loss of the training optimum asked for."""

    law: str
    inference_tokens: float
    params: Value
    tokens: Value
    loss_nats: Value
    lifetime_flop: Value
    saved_fraction: Value  # of the lifetime FLOPs, against the same loss by the cheapest training run
    training_optimal_params: Value
    training_optimal_tokens: Value
    params_convention: str
    status: str
    source: str
    warnings: tuple[str, ...]


# our field -> the field of `Lifetime`
_LIFE_FIELDS = {
    "params": "params",
    "tokens": "tokens",
    "loss_nats": "loss",
    "lifetime_flop": "total_cost",
    "saved_fraction": "saved_fraction",
    "training_optimal_params": "training_optimal_params",
    "training_optimal_tokens": "training_optimal_tokens",
}


def life_answer(
    spec: LawSpec,
    inference_tokens: float,
    *,
    flop: float | None = None,
    tokens: float | None = None,
    params: float | None = None,
    loss: float | None = None,
    count: int = 4000,
    seed: int = 0,
) -> LifeAnswer:
    """Inference-aware sizing (arXiv 2401.00448) under any law with a loss: 6 N D + 2 N a token served.

    The loss is that of the training optimum for the one quantity given, drawn by drawn. InfeasibleError below a floor.
    """
    given = _only_one(flop=flop, tokens=tokens, params=params, loss=loss)

    def solve(law: LawSpec) -> Lifetime:
        """The cheapest life at the loss that this law gives the training optimum."""
        target = loss if loss is not None else _best(law, given).loss
        if target is None:
            raise InputError(f"law {spec.id} has no loss to hold; use a law with a loss, such as besiroglu_2024")
        return lifetime_optimum(law, target, inference_tokens)

    one = solve(spec)
    drawn = over_draws(spec, count, seed, solve)
    values = {
        ours: banded(getattr(one, theirs), drawn and getattr(drawn, theirs)) for ours, theirs in _LIFE_FIELDS.items()
    }
    n, d = float(one.params), float(one.tokens)
    outside = laws.decades_outside(spec, params=n, tokens=d, flop=6.0 * n * d)
    return LifeAnswer(
        law=spec.id,
        inference_tokens=inference_tokens,
        **values,
        params_convention=spec.params_convention,
        status=spec.status,
        source=spec.source,
        warnings=_lost(drawn and drawn.params) + _warnings(spec, outside),
    )


def total_params(spec: LawSpec, params: float) -> float | None:
    """Total parameters, where the law counts them or a published conversion exists."""
    if spec.params_convention == "total":
        return params
    if spec.params_convention == "non_embedding":
        return float(total_from_non_embedding(params))
    return None


def _regret(spec: LawSpec, flop: float, unique_tokens: float | None = None) -> tuple[float | None, float | None]:
    """The sizes that waste at most 5 % of the budget; None where the law has no loss to weigh a miss by."""
    if not laws.splits_by_loss(spec):
        return None, None  # a published allocation that is not the minimum of the law's own loss
    if unique_tokens is not None:
        return budget_band(Option(law=spec, unique_tokens=unique_tokens, repeats=spec), flop)
    try:
        low, high = laws.regret_band(spec, flop)
    except HwModelError:
        return None, None
    return float(low), float(high)


def _warnings(spec: LawSpec, outside: float) -> tuple[str, ...]:
    """What to know before using the answer: extrapolation, the convention of its counts, the law's caveats."""
    notes = []
    if outside > 0.0:
        notes.append(f"{outside:.1f} decades outside the law's fit range")
    if spec.params_convention == "non_embedding":
        notes.append("parameters are non-embedding and tokens the law's own; converted values stand beside them")
    elif spec.params_convention != "total":
        notes.append(f"parameters are {spec.params_convention.replace('_', ' ')}")
    if spec.caveats:
        notes.append(spec.caveats)
    return tuple(notes)


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """The laws side by side, and the spread of those that count as an ensemble."""

    rows: tuple[LawAnswer, ...]
    refused: dict[str, str]
    ensemble: tuple[str, ...]
    params_low: float
    params_median: float
    params_high: float


def side_by_side(specs: Sequence[LawSpec]) -> list[LawSpec]:
    """The laws that answer beside each other: the ensemble first, then those shown only for comparison."""
    order = {"ensemble": 0, "beside": 1}
    return sorted((s for s in specs if s.shown in order), key=lambda s: (order[s.shown], s.id))


def disagreement(
    specs: Sequence[LawSpec],
    *,
    flop: float | None = None,
    tokens: float | None = None,
    params: float | None = None,
    count: int = 4000,
    seed: int = 0,
) -> Disagreement:
    """Every side-by-side law's optimum for one question, and the ensemble's spread of size (own conventions).

    A law that cannot answer the question stands in `refused` with its reason.
    """
    _only_one(flop=flop, tokens=tokens, params=params)
    rows, refused = [], {}
    chosen = side_by_side(specs)
    for spec in chosen:
        try:
            rows.append(answer(spec, flop=flop, tokens=tokens, params=params, count=count, seed=seed))
        except HwModelError as error:
            refused[spec.id] = str(error)
    members = tuple(s.id for s in chosen if s.shown == "ensemble" and s.id not in refused)
    question = "tokens" if params is not None else "params"
    sizes = sorted(middle(getattr(r, question)) for r in rows if r.law in members)
    if not sizes:
        raise InputError("no law of the ensemble answers this question; give --flops, --tokens or --params")
    half = len(sizes) // 2
    median = sizes[half] if len(sizes) % 2 else 0.5 * (sizes[half - 1] + sizes[half])
    return Disagreement(
        rows=tuple(rows),
        refused=refused,
        ensemble=members,
        params_low=sizes[0],
        params_median=median,
        params_high=sizes[-1],
    )


def middle(value: Value) -> float:
    """The value itself, without its band."""
    return value.value if isinstance(value, Uncertain) else value
