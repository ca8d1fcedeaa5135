"""Laws that say how to split compute and give no loss: N = kN (C / c0)^aN, D = kD (C / c0)^aD.

A law that publishes one of the two takes the other from C = 6 N D. Chinchilla approaches 1 and 2, Llama 3, DeepSeek,
Kaplan's N_opt and D_opt.
"""

from __future__ import annotations

from typing import Any

from hwmodel.laws.forms import Constants, by_name, form_of
from hwmodel.ops import Num


def _unit(c: Constants) -> Any:
    """The compute that the law counts in."""
    return c.get("flop_unit", 1.0)


def params_for_flop(c: Constants, flop: Num) -> Num:
    """N for a budget, in the law's own convention."""
    if "k_params" in c:
        return c["k_params"] * (flop / _unit(c)) ** c["a_params"]
    return flop / (6.0 * tokens_for_flop(c, flop))


def tokens_for_flop(c: Constants, flop: Num) -> Num:
    """D for a budget, in the law's own convention."""
    if "k_tokens" in c:
        return c["k_tokens"] * (flop / _unit(c)) ** c["a_tokens"]
    return flop / (6.0 * params_for_flop(c, flop))


def flop_for_params(c: Constants, params: Num) -> Num:
    """Budget for which this size is optimal."""
    if "k_params" in c:
        return _unit(c) * (params / c["k_params"]) ** (1.0 / c["a_params"])
    # C / 6N = kD (C/c0)^aD
    return (6.0 * c["k_tokens"] * params * _unit(c) ** -c["a_tokens"]) ** (1.0 / (1.0 - c["a_tokens"]))


def flop_for_tokens(c: Constants, tokens: Num) -> Num:
    """Budget for which these tokens are optimal."""
    if "k_tokens" in c:
        return _unit(c) * (tokens / c["k_tokens"]) ** (1.0 / c["a_tokens"])
    return (6.0 * c["k_params"] * tokens * _unit(c) ** -c["a_params"]) ** (1.0 / (1.0 - c["a_params"]))


def _evaluate(c: Constants, flop: Num) -> dict[str, Num]:
    """Size and tokens by their names."""
    return {"params": params_for_flop(c, flop), "tokens": tokens_for_flop(c, flop)}


FORMS = by_name(
    form_of(
        "allocation",
        "size and tokens as powers of compute, without a loss",
        _evaluate,
        gives=("params", "tokens"),
        splits=True,
    ),
)
