"""The cheapest model for its whole life: minimise training plus serving cost at a fixed loss.

Chinchilla is the case without demand; Sardana et al. 2024 (arXiv 2401.00448) the case with costs in FLOPs, 6 N D and
2 N a token served; Muennighoff et al. 2023 the case of few distinct tokens; joint laws of experts and recipes of fewer
bits are options among which the cheapest wins. Costs may be any callables of size and tokens (dollars, kWh or
kg CO2e from the engine), limits any callables that say what is allowed (memory, deadline, fleet).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from hwmodel import laws, ops
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.laws.data import tokens_for_effective
from hwmodel.numerics import falls_at_log, least
from hwmodel.ops import Num
from hwmodel.specs.law import LawSpec

TrainCost = Callable[[Any, Any], Any]  # (params, tokens) -> cost of training
ServeCost = Callable[[Any], Any]  # params -> cost of serving one token

LOW, HIGH, POINTS = -5.0, 7.0, 97  # log odds of the size term's share of the reducible loss: small shares are large N
FINE_POINTS = 4 * POINTS
NARROWINGS = 38


class Lifetime(msgspec.Struct, frozen=True, kw_only=True):
    """The cheapest life of a model at a loss, beside the same loss by the cheapest training run alone.

    Costs are in the unit of the callables (FLOP by default). `saved_fraction` is the share of lifetime cost saved
    against the training optimum. `tokens` counts repeats; `epochs` is 1 without a limit on distinct tokens.
    """

    params: Num
    tokens: Num
    loss: Num
    train_cost: Num
    serve_cost: Num
    training_optimal_params: Num
    training_optimal_tokens: Num
    training_optimal_cost: Num  # of its whole life
    epochs: Num = 1.0
    option: str = ""

    @property
    def total_cost(self) -> Num:
        return self.train_cost + self.serve_cost

    @property
    def saved_fraction(self) -> Num:
        return 1.0 - self.total_cost / self.training_optimal_cost


def train_flop(params: Num, tokens: Num) -> Num:
    """6 N D."""
    return 6.0 * params * tokens


def serve_flop(params: Num) -> Num:
    """2 N a token."""
    return 2.0 * params


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One way to train and serve: a law (at its number of experts), its costs, and what restricts it.

    `unique_tokens` with the decay constants of `repeats` (a law of repeated data) lets tokens repeat at falling worth;
    `penalty` adds nats for a recipe of fewer bits; `limits` are named conditions that size and tokens must meet.
    `build` turns a dense size and its tokens into the size to build (active parameters of a mixture of experts).
    """

    law: LawSpec
    label: str = ""
    train_cost: Any = train_flop
    serve_cost: Any = serve_flop
    unique_tokens: float | None = None
    repeats: LawSpec | None = None
    penalty: Any = None
    limits: Mapping[str, Callable[[Any, Any], Any]] = {}
    build: Any = None


def lifetime_optimum(
    spec: LawSpec,
    loss: Num,
    inference_tokens: Num,
    train_cost: TrainCost = train_flop,
    serve_cost: ServeCost = serve_flop,
) -> Lifetime:
    """Size and tokens that reach `loss` [nats/token] at the least training plus serving cost of `inference_tokens`.

    `loss`, `inference_tokens` and the law's constants may be arrays (draws); the callables then see arrays with one
    more leading axis. Costs need not be convex: the best size of a grid along the curve of this loss is found first,
    then refined between its neighbours. Raises InfeasibleError at or below the law's floor.
    """
    return option_optimum(Option(law=spec, train_cost=train_cost, serve_cost=serve_cost), loss, inference_tokens)


def option_optimum(option: Option, loss: Num, inference_tokens: Num, narrowings: int = NARROWINGS) -> Lifetime:
    """The cheapest life under one option, its size refined by so many `narrowings` of golden section.

    InfeasibleError below the floor, or naming the limit that cannot be met.
    """
    train, serve = option.train_cost, option.serve_cost

    def place(logit: Any) -> tuple[Any, Any]:
        n, d = placed(option, loss, _share(logit))
        return (n if option.build is None else option.build(n, d)), d

    def allowed(logit: Any, names: Sequence[str]) -> Any:
        """Whether the size and tokens at `logit` are finite and keep to the limits `names` (a mask)."""
        n, d = place(logit)
        fine = (d < float("inf")) & (n < float("inf"))
        for name in names:
            fine = fine & option.limits[name](n, d)
        return fine

    def cost(logit: Any) -> Any:
        n, d = place(logit)
        value = train(n, d) + inference_tokens * serve(n)
        fine = allowed(logit, tuple(option.limits))
        return ops.where(fine, value, float("inf"))

    restricted = bool(option.limits) or option.unique_tokens is not None or option.build is not None
    # What restricts may leave a thin range of sizes: a finer grid, the one that `_feasible` looks at.
    logit = least(cost, LOW, HIGH, FINE_POINTS if restricted else POINTS, narrowings)
    if restricted:
        _feasible(option, allowed, logit)
    n, d = place(logit)
    best_n, best_d = _training_optimum(option, loss, place)
    unique = option.unique_tokens
    return Lifetime(
        params=n,
        tokens=d,
        loss=loss,
        train_cost=train(n, d),
        serve_cost=inference_tokens * serve(n),
        training_optimal_params=best_n,
        training_optimal_tokens=best_d,
        training_optimal_cost=train(best_n, best_d) + inference_tokens * serve(best_n),
        epochs=1.0 if unique is None else ops.maximum(d / unique, 1.0),
        option=option.label or option.law.id,
    )


def _training_optimum(option: Option, loss: Num, place: Callable[[Any], tuple[Any, Any]]) -> tuple[Num, Num]:
    """(N, D) of the least training FLOPs at the loss, with the same repeats and the same penalty as the option's."""
    if option.unique_tokens is None and option.penalty is None and option.build is None:
        best = laws.optimum_for_loss(option.law, loss)
        return best.params, best.tokens
    return place(least(lambda logit: train_flop(*place(logit)), LOW, HIGH, FINE_POINTS, NARROWINGS))


def least_loss(option: Option, flop: float, points: int = 2001) -> tuple[float, float, float]:
    """(loss, params, tokens) of the least loss at a training budget under the option's limits (dual of the above).

    Sizes are scanned over six decades around the unrestricted optimum. InfeasibleError if nothing is allowed.
    """
    import numpy as np

    best = float(laws.optimum_for_flop(option.law, flop).params)
    n = best * np.geomspace(1e-3, 1e3, points)
    d = flop / (6.0 * n)
    value = reached_loss(option, n, d)
    for condition in option.limits.values():
        value = np.where(condition(n, d), value, np.inf)
    least = int(np.argmin(value))
    if not np.isfinite(value[least]):
        named = ", ".join(option.limits)
        raise InfeasibleError(f"no size at this budget meets {named}", binding=named)
    return float(value[least]), float(n[least]), float(d[least])


def reached_loss(option: Option, n: Any, d: Any) -> Any:
    """Loss [nats/token] of `n` parameters on `d` tokens as it is served: with the option's repeats and penalty."""
    if option.unique_tokens is None:
        base = laws.loss(option.law, n, d)
    else:
        from hwmodel.laws.data import repeated_loss

        base = repeated_loss(option.law.constants, _decay(option), n, d, option.unique_tokens)["loss_nats"]
    return base if option.penalty is None else base + option.penalty(n, d)


def _decay(option: Option) -> Mapping[str, float]:
    if option.repeats is None or "RD_star" not in option.repeats.constants:
        raise InputError("a limit on distinct tokens needs a law of repeats (muennighoff_2023)")
    return option.repeats.constants


SMALLEST_PARAMS, LARGEST_PARAMS = 1e6, 1e15


def budget_band(option: Option, flop: float, waste: float = 0.05) -> tuple[float, float]:
    """The smallest and the largest N that waste at most this share of a training budget under the option.

    A size wastes what a better one would have left over: its loss at the whole budget is then the least loss at 1 -
    waste of it. Repeats and the recipe's penalty count, where `laws.regret_band` has a plain law alone.
    """
    best = least_loss(option, flop)[1]
    allowed = least_loss(option, (1.0 - waste) * flop)[0]

    def wastes(n: float) -> bool:
        return bool(reached_loss(option, n, flop / (6.0 * n)) > allowed)

    low = falls_at_log(wastes, SMALLEST_PARAMS, best)
    high = falls_at_log(lambda n: not wastes(n), best, LARGEST_PARAMS)
    return low, high


def placed(option: Option, loss: Num, share: Num) -> tuple[Any, Any]:
    """(N, D) to train at this share: the law's own, lengthened for repeats and for the recipe's penalty."""
    n, d = _stretched(option, *laws.same_loss(option.law, loss, share))
    if option.penalty is None:
        return n, d
    floor = laws.loss_floor(option.law)
    for _ in range(6):  # the penalty depends on the size and tokens that it asks for; it is small, so this settles
        # where the penalty eats all that lies above the floor, a sliver remains and the cost goes to infinity
        target = ops.maximum(loss - option.penalty(n, d), floor + 1e-9)
        n, d = _stretched(option, *laws.same_loss(option.law, target, share))
    return n, d


def _stretched(option: Option, n: Any, d: Any) -> tuple[Any, Any]:
    """Tokens (and parameters) whose worth on the distinct tokens at hand is (n, d); infinite where none is."""
    unique = option.unique_tokens
    if unique is None:
        return n, d
    decay = _decay(option)
    total = tokens_for_effective(d, unique, decay["RD_star"])
    useful = laws.params_for_tokens(option.law, ops.minimum(total, unique))
    size = tokens_for_effective(n, useful, decay["RN_star"])
    out = (size < float("inf")) & (total < float("inf"))
    return ops.where(out, size, n), ops.where(out, total, float("inf"))


def _feasible(option: Option, allowed: Callable[[Any, Sequence[str]], Any], logit: Any) -> None:
    import numpy as np

    if np.any(allowed(logit, tuple(option.limits))):
        return  # of many draws, those that meet nothing have an infinite cost
    grid = np.linspace(LOW, HIGH, FINE_POINTS).reshape((-1,) + (1,) * np.ndim(logit))
    if not np.any(allowed(grid, ())):
        unique = option.unique_tokens or 0.0
        raise InfeasibleError(
            f"the loss cannot be reached on {unique:.4g} distinct tokens however often they repeat; "
            "take more data, or a higher loss",
            binding="unique_tokens",
            remedy="more distinct tokens",
        )
    alone = [name for name in option.limits if not np.any(allowed(grid, (name,)))]
    named = ", ".join(alone) or " and ".join(option.limits)
    raise InfeasibleError(f"no size that reaches the loss meets {named}", binding=named, remedy=f"relax {named}")


def _share(logit: Num) -> Num:
    return 1.0 / (1.0 + ops.exp(-logit))
