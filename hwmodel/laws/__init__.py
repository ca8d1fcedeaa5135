"""Scaling laws: pure arithmetic from size, data, bits, repeats and experts to loss.

Here belong forms, what they can do, their optima and fits of constants. Constants come from the catalog; no file is
read, and no accelerator is known.
"""

from hwmodel.laws.conventions import convert, non_embedding_from_total, total_from_non_embedding
from hwmodel.laws.draws import band, draws, has_draws
from hwmodel.laws.forms import evaluate, form
from hwmodel.laws.optimum import (
    additive_terms,
    decades_outside,
    has_loss,
    loss,
    loss_floor,
    optimum_for_flop,
    optimum_for_loss,
    optimum_for_params,
    optimum_for_tokens,
    params_for_loss_at_tokens,
    params_for_tokens,
    regret,
    regret_band,
    same_loss,
    signed_decades_outside,
    specialise,
    splits_by_loss,
    tokens_for_loss,
    tokens_for_params,
    tokens_reaching,
)

__all__ = [
    "additive_terms",
    "band",
    "convert",
    "decades_outside",
    "draws",
    "evaluate",
    "form",
    "has_draws",
    "has_loss",
    "loss",
    "loss_floor",
    "non_embedding_from_total",
    "optimum_for_flop",
    "optimum_for_loss",
    "optimum_for_params",
    "optimum_for_tokens",
    "params_for_loss_at_tokens",
    "params_for_tokens",
    "regret",
    "regret_band",
    "same_loss",
    "signed_decades_outside",
    "specialise",
    "splits_by_loss",
    "tokens_for_loss",
    "tokens_for_params",
    "tokens_reaching",
    "total_from_non_embedding",
]
