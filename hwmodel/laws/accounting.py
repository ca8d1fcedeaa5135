"""Conventions that count the FLOPs of a token from a shape: DeepSeek's M, PaLM's, Megatron's.

The physics counts a model's own matrices; these are the closed forms that papers print, for reading their numbers.
"""

from __future__ import annotations

from hwmodel.laws.forms import Constants, Outputs, by_name, form_of
from hwmodel.ops import Num


def deepseek_m(c: Constants, layers: Num, width: Num, seq_len: Num) -> Outputs:
    """M = 72 layers d^2 + 12 layers d seq: training FLOPs a token without embeddings (arXiv 2401.02954, eq. 2).

    6 N1 = 72 layers d^2 counts the non-embedding parameters, 12 layers d^2 each; the rest is attention.
    """
    linear, attention = 72.0 * layers * width * width, 12.0 * layers * width * seq_len
    per_token = linear + attention
    return {
        "train_flop_per_token": per_token,
        "params_flop_per_token": per_token / 6.0,
        "ratio_6n_over_m": linear / per_token,
    }


def palm_flop(c: Constants, params: Num, layers: Num, heads: Num, head_dim: Num, seq_len: Num) -> Outputs:
    """6 N + 12 layers heads head_dim seq: training FLOPs a token (arXiv 2204.02311, appendix B)."""
    attention = 12.0 * layers * heads * head_dim * seq_len
    return {"train_flop_per_token": 6.0 * params + attention, "attention_share": attention / (6.0 * params + attention)}


def megatron_flop(c: Constants, layers: Num, width: Num, seq_len: Num, vocabulary: Num) -> Outputs:
    """96 layers h^2 (1 + s/6h + V/16 layers h) a token with all activations recomputed (arXiv 2104.04473, eq. 3).

    Without recomputation the layers cost 72 instead of 96 and the vocabulary the same 6 V h.
    """
    with_recompute = 96.0 * layers * width**2 * (1.0 + seq_len / (6.0 * width) + vocabulary / (16.0 * layers * width))
    plain = 72.0 * layers * width**2 * (1.0 + seq_len / (6.0 * width) + vocabulary / (12.0 * layers * width))
    return {"train_flop_per_token": plain, "hardware_flop_per_token": with_recompute}


FORMS = by_name(
    form_of(
        "deepseek_m",
        "FLOPs a token of a shape without embeddings, attention counted",
        deepseek_m,
        gives=("train_flop_per_token", "params_flop_per_token", "ratio_6n_over_m"),
        acts="accounting",
    ),
    form_of(
        "palm_flop",
        "FLOPs a token of a shape: 6 N and attention",
        palm_flop,
        gives=("train_flop_per_token", "attention_share"),
        acts="accounting",
    ),
    form_of(
        "megatron_flop",
        "FLOPs a token of a shape with and without recomputation",
        megatron_flop,
        gives=("train_flop_per_token", "hardware_flop_per_token"),
        acts="accounting",
    ),
)
