"""Kaplan et al. 2020 (arXiv 2001.08361) and the count that separates it from Chinchilla (arXiv 2406.12907)."""

from __future__ import annotations

from hwmodel import ops
from hwmodel.laws import additive
from hwmodel.laws.conventions import total_from_non_embedding
from hwmodel.laws.forms import Constants, by_name, form_of
from hwmodel.ops import Num


def as_additive(c: Constants) -> Constants:
    """L(N, D) = [(Nc/N)^(aN/aD) + Dc/D]^aD (eq. 1.5) as the constants of `laws.additive`, without a floor."""
    ratio = c["aN"] / c["aD"]
    return {**c, "E": 0.0, "A": c["Nc"] ** ratio, "alpha": ratio, "B": c["Dc"], "beta": 1.0, "outer": c["aD"]}


def loss_nd(c: Constants, params: Num, tokens: Num) -> dict[str, Num]:
    """Joint loss in non-embedding parameters and tokens."""
    return {"loss_nats": additive.loss(as_additive(c), params, tokens)}


def loss_ns(c: Constants, params: Num, steps: Num) -> dict[str, Num]:
    """Loss after S_min steps at a large batch: (Nc/N)^aN + (Sc/S)^aS (eq. 1.6)."""
    return {"loss_nats": (c["Nc"] / params) ** c["aN"] + (c["Sc"] / steps) ** c["aS"]}


def critical_batch(c: Constants, loss: Num, batch_tokens: Num | None = None) -> dict[str, Num]:
    """B_crit = B* / L^(1/aB) [tokens] (eq. 1.4); with a batch, the share of steps and of compute that it needs.

    S_min / S = 1 / (1 + B_crit / B) and C_min / C = 1 / (1 + B / B_crit) (eqs. 5.4, 5.5).
    """
    critical = c["B_star_tokens"] * loss ** (-1.0 / c["aB"])
    if batch_tokens is None:
        return {"critical_batch_tokens": critical}
    return {
        "critical_batch_tokens": critical,
        "steps_min_share": 1.0 / (1.0 + critical / batch_tokens),
        "flop_min_share": 1.0 / (1.0 + batch_tokens / critical),
    }


def embedding_split(c: Constants, params: Num) -> dict[str, Num]:
    """Total parameters of N non-embedding ones, and the non-embedding compute for which they are Chinchilla-optimal.

    C = 6 N (N + gamma/3 N^(1/3))^(-1/beta) (N + gamma N^(1/3))^((1+alpha)/beta) (beta B / (alpha A))^(1/beta).
    """
    a, b, g = c["alpha"], c["beta"], c["gamma"]
    total = total_from_non_embedding(params, g)
    slope = params + g / 3.0 * params ** (1.0 / 3.0)
    flop = 6.0 * params * slope ** (-1.0 / b) * total ** ((1.0 + a) / b) * (b * c["B"] / (a * c["A"])) ** (1.0 / b)
    return {"params_total": total, "flop_non_embedding": flop}


def params_for_flop(c: Constants, flop: Num) -> Num:
    """Non-embedding parameters that are Chinchilla-optimal at a non-embedding compute: a bisection in log N."""
    lo, hi = flop * 0.0 + 1.0, flop * 0.0 + 60.0  # natural logs
    for _ in range(70):
        mid = 0.5 * (lo + hi)
        below = embedding_split(c, ops.exp(mid))["flop_non_embedding"] < flop
        lo, hi = ops.where(below, mid, lo), ops.where(below, hi, mid)
    best: Num = ops.exp(0.5 * (lo + hi))
    return best


FORMS = by_name(
    form_of(
        "kaplan_nd",
        "parameters and tokens in one power, without a floor",
        loss_nd,
        gives=("loss_nats",),
        terms=as_additive,
        acts="level",
    ),
    form_of("kaplan_ns", "parameters and optimizer steps", loss_ns, gives=("loss_nats",)),
    form_of(
        "kaplan_critical_batch",
        "the batch beyond which more data parallelism stops paying, from the loss",
        critical_batch,
        gives=("critical_batch_tokens", "steps_min_share", "flop_min_share"),
        acts="settings",
    ),
    form_of(
        "embedding_split",
        "non-embedding to total parameters, and Chinchilla's optimum on Kaplan's axes",
        embedding_split,
        gives=("params_total", "flop_non_embedding"),
        params_for_flop=params_for_flop,
        acts="accounting",
    ),
)
