"""Repeated and transferred data."""

from __future__ import annotations

from hwmodel import ops
from hwmodel.laws import additive
from hwmodel.laws.forms import Constants, Outputs, as_they_are, by_name, form_of
from hwmodel.ops import Num


def effective_tokens(tokens: Num, unique_tokens: Num, decay: Num) -> Num:
    """What D tokens drawn from U distinct ones are worth: U + U R* (1 - exp(-R/R*)), R = epochs - 1 >= 0.

    Muennighoff et al. 2023 (arXiv 2305.16264), eq. 5; the first epoch is no repeat.
    """
    repeats = ops.maximum(tokens / unique_tokens - 1.0, 0.0)
    first = ops.minimum(tokens, unique_tokens)
    worth: Num = first + unique_tokens * decay * (1.0 - ops.exp(-repeats / decay))
    return worth


def tokens_for_effective(effective: Num, unique_tokens: Num, decay: Num) -> Num:
    """Inverse of `effective_tokens`; infinite where no number of epochs is worth as much (U (1 + R*) or more)."""
    share = ops.maximum(effective / unique_tokens - 1.0, 0.0) / decay
    reachable = share < 1.0
    repeats = -decay * ops.log(1.0 - ops.where(reachable, share, 0.0))
    first = ops.minimum(effective, unique_tokens)
    total: Num = ops.where(reachable, first + unique_tokens * repeats, float("inf"))
    return total


def useful_params(base: Constants, unique_tokens: Num) -> Num:
    """U_N: the size for which U tokens are compute-optimal under the base law; larger models have excess parameters."""
    return additive.params_for_tokens(base, unique_tokens)


def effective_params(params: Num, useful: Num, decay: Num) -> Num:
    """What N parameters are worth on data that feed only U_N of them: U_N + U_N R* (1 - exp(-R/R*)), R = N/U_N - 1."""
    return effective_tokens(params, useful, decay)


def repeated_loss(base: Constants, c: Constants, params: Num, tokens: Num, unique_tokens: Num) -> Outputs:
    """Loss on repeated data: decay constants `c`, floor and terms of `base` (each law's own G gives U_N)."""
    d = effective_tokens(tokens, unique_tokens, c["RD_star"])
    n = effective_params(params, useful_params(base, ops.minimum(unique_tokens, tokens)), c["RN_star"])
    return {"loss_nats": additive.loss(base, n, d), "effective_params": n, "effective_tokens": d}


def _repeated(c: Constants, params: Num, tokens: Num, unique_tokens: Num | None = None) -> Outputs:
    """Loss with repeats, or the base law's where all tokens are distinct."""
    if unique_tokens is None:
        return {"loss_nats": additive.loss(c, params, tokens)}
    return repeated_loss(c, c, params, tokens, unique_tokens)


def transfer(c: Constants, finetune_characters: Num, params: Num) -> Outputs:
    """Data that pretraining is worth on a new distribution: D_T = k D_F^a N^b (Hernandez et al. 2021, 2102.01293)."""
    worth = c["k"] * finetune_characters ** c["a"] * params ** c["b"]
    return {"transferred_characters": worth, "effective_characters": worth + finetune_characters}


FORMS = by_name(
    form_of(
        "repeated",
        "the additive form on effective tokens and parameters",
        _repeated,
        gives=("loss_nats", "effective_params", "effective_tokens"),
        terms=as_they_are,
        acts="repeats",
    ),
    form_of(
        "transfer",
        "fine-tuning data that pretraining stands in for",
        transfer,
        gives=("transferred_characters", "effective_characters"),
        acts="transfer",
    ),
)
