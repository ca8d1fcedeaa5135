"""Loss as a floor plus a term in parameters plus a term in tokens, raised to a power: Chinchilla, Kaplan's L(N, D).

L = E + (A / N^alpha + B / D^beta)^s, with s = 1 for Chinchilla (Hoffmann et al. 2022, eq. 2) and its refits, and
E = 0, beta = 1, s = aD, A = Nc^(aN/aD), alpha = aN/aD, B = Dc for Kaplan et al. 2020, eq. 1.5. Nats a token.
All functions take the constants by name and broadcast over arrays of budgets and of constants.
"""

from __future__ import annotations

from hwmodel.laws.forms import Constants, as_they_are, by_name, form_of
from hwmodel.ops import Num


def reducible(c: Constants, params: Num, tokens: Num) -> Num:
    """The sum inside: A / N^alpha + B / D^beta."""
    return c["A"] * params ** -c["alpha"] + c["B"] * tokens ** -c["beta"]


def loss(c: Constants, params: Num, tokens: Num) -> Num:
    """Loss [nats/token] at N parameters and D tokens."""
    return c["E"] + reducible(c, params, tokens) ** c.get("outer", 1.0)


def floor(c: Constants) -> Num:
    """The loss that neither size nor data go below."""
    return c["E"]


def floor_at_params(c: Constants, params: Num) -> Num:
    """The loss that data alone do not go below at N parameters."""
    return c["E"] + (c["A"] * params ** -c["alpha"]) ** c.get("outer", 1.0)


def floor_at_tokens(c: Constants, tokens: Num) -> Num:
    """The loss that size alone does not go below at D tokens."""
    return c["E"] + (c["B"] * tokens ** -c["beta"]) ** c.get("outer", 1.0)


def scale(c: Constants) -> Num:
    """G = (alpha A / (beta B))^(1 / (alpha + beta))."""
    return (c["alpha"] * c["A"] / (c["beta"] * c["B"])) ** (1.0 / (c["alpha"] + c["beta"]))


def params_for_flop(c: Constants, flop: Num) -> Num:
    """N that minimises the loss at C = 6 N D: G (C/6)^(beta / (alpha + beta))."""
    return scale(c) * (flop / 6.0) ** (c["beta"] / (c["alpha"] + c["beta"]))


def params_for_tokens(c: Constants, tokens: Num) -> Num:
    """N for which these tokens are compute-optimal."""
    g = scale(c)
    return g * (tokens * g) ** (c["beta"] / c["alpha"])


def tokens_for_params(c: Constants, params: Num) -> Num:
    """D for which this size is compute-optimal."""
    g = scale(c)
    return (params / g) ** (c["alpha"] / c["beta"]) / g


def params_for_loss(c: Constants, loss_value: Num) -> Num:
    """N of the cheapest (6 N D) way to a loss above the floor."""
    inside = (loss_value - c["E"]) ** (1.0 / c.get("outer", 1.0))
    share = c["beta"] / (c["alpha"] + c["beta"])  # of the reducible loss that the size term holds at the optimum
    return (c["A"] / (inside * share)) ** (1.0 / c["alpha"])


def tokens_for_loss(c: Constants, params: Num, loss_value: Num) -> Num:
    """D that reaches a loss at N parameters; the caller has checked `floor_at_params`."""
    rest = (loss_value - c["E"]) ** (1.0 / c.get("outer", 1.0)) - c["A"] * params ** -c["alpha"]
    return (c["B"] / rest) ** (1.0 / c["beta"])


def size_for_loss(c: Constants, tokens: Num, loss_value: Num) -> Num:
    """N that reaches a loss on D tokens; the caller has checked `floor_at_tokens`."""
    rest = (loss_value - c["E"]) ** (1.0 / c.get("outer", 1.0)) - c["B"] * tokens ** -c["beta"]
    return (c["A"] / rest) ** (1.0 / c["alpha"])


def at_share(c: Constants, loss_value: Num, size_share: Num) -> tuple[Num, Num]:
    """(N, D) on the curve of one loss where the size term holds this share (0..1) of the reducible loss."""
    inside = (loss_value - c["E"]) ** (1.0 / c.get("outer", 1.0))
    n = (c["A"] / (inside * size_share)) ** (1.0 / c["alpha"])
    return n, (c["B"] / (inside * (1.0 - size_share))) ** (1.0 / c["beta"])


def loss_ratio(c: Constants, factor: Num) -> Num:
    """Reducible inner sum at `factor` times the optimal N and the same FLOPs, over that of the optimum."""
    a, b = c["alpha"], c["beta"]
    return (b * factor**-a + a * factor**b) / (a + b)


def compute_ratio(c: Constants, factor: Num) -> Num:
    """FLOPs that the optimum needs for the same loss, over those spent at `factor` times the optimal N (at most 1)."""
    a, b = c["alpha"], c["beta"]
    return loss_ratio(c, factor) ** (-(a + b) / (a * b))


def _evaluate(c: Constants, params: Num, tokens: Num) -> dict[str, Num]:
    """The loss by its name."""
    return {"loss_nats": loss(c, params, tokens)}


FORMS = by_name(
    form_of(
        "additive",
        "a floor, a term in parameters and a term in tokens",
        _evaluate,
        gives=("loss_nats",),
        terms=as_they_are,
        acts="base",
    ),
)
