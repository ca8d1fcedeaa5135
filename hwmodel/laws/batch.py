"""Batch and learning-rate laws: the largest batch that still pays, and published settings."""

from __future__ import annotations

from hwmodel import ops
from hwmodel.errors import InputError
from hwmodel.laws.forms import Constants, Outputs, by_name, form_of
from hwmodel.ops import Num
from hwmodel.specs.law import LawSpec


def critical_batch_tokens(spec: LawSpec, params: Num, tokens: Num | None = None) -> Num:
    """Critical batch [tokens] of Zhang et al. 2024 (arXiv 2410.21676; 20 % more tokens than at a tiny batch).

    93.20 N^0.47 sequences of 512 tokens, N in millions, fitted at D = 20 N. With `tokens` the same law read by data
    (D = 20 N inserted), which is what the paper finds to matter; the data form is derived, not printed there.
    """
    return _critical_tokens(spec.constants, params, tokens)


def _critical_tokens(c: Constants, params: Num, tokens: Num | None) -> Num:
    """Critical batch [tokens] by size, or by data where they are given."""
    millions = (params if tokens is None else tokens / c["tokens_per_param"]) / 1e6
    return c["k_sequences"] * millions ** c["exponent"] * c["sequence_tokens"]


CRITICAL_EXTRA = 0.2  # tokens at the critical batch over those of a tiny one, less one: its definition there


def tokens_factor(batch: Num, critical: Num) -> Num:
    """Tokens that a batch needs for a loss over those that the critical batch needs.

    Linear in the batch (E = E_min (1 + B / B_noise) of arXiv 1812.06162), and 1.2 E_min at the critical batch of
    arXiv 2410.21676.
    """
    return (1.0 + CRITICAL_EXTRA * batch / critical) / (1.0 + CRITICAL_EXTRA)


def critical_batch_outside(spec: LawSpec, params: float) -> bool:
    """Whether N lies beyond the sizes that the critical-batch law was fitted on."""
    return spec.fit_params is not None and not spec.fit_params[0] <= params <= spec.fit_params[1]


def step_law(c: Constants, params: Num, tokens: Num) -> tuple[Num, Num]:
    """Peak learning rate and batch [tokens] of Step law (arXiv 2503.04715); N non-embedding."""
    rate = c["k_lr"] * params ** c["lr_params"] * tokens ** c["lr_tokens"]
    return rate, c["k_batch"] * tokens ** c["batch_tokens"]


def deepseek_settings(c: Constants, flop: Num) -> tuple[Num, Num]:
    """Peak learning rate and batch [tokens] of DeepSeek LLM (arXiv 2401.02954) at a budget [FLOP]."""
    return c["k_lr"] * flop ** c["lr_flop"], c["k_batch"] * flop ** c["batch_flop"]


def steps_for_batch(batch: Num, tokens: Num) -> Num:
    """Optimizer steps for a token count at a batch, whole."""
    whole: Num = ops.ceil(tokens / batch)
    return whole


def _critical(c: Constants, params: Num, tokens: Num | None = None) -> Outputs:
    """The critical batch in tokens and in sequences."""
    if "tokens_per_param" not in c and tokens is not None:
        raise InputError("this variant holds at its one number of tokens; give parameters only")
    value = _critical_tokens(c, params, tokens)
    return {"critical_batch_tokens": value, "critical_batch_sequences": value / c["sequence_tokens"]}


def _settings(c: Constants, params: Num, tokens: Num) -> Outputs:
    """Step law by the names of its outputs."""
    rate, batch = step_law(c, params, tokens)
    return {"learning_rate": rate, "batch_tokens": batch}


def _deepseek(c: Constants, flop: Num) -> Outputs:
    """DeepSeek's settings by the names of its outputs."""
    rate, batch = deepseek_settings(c, flop)
    return {"learning_rate": rate, "batch_tokens": batch}


def local_updates(c: Constants, params: Num, replicas: Num) -> Outputs:
    """Loss and batch of M replicas that synchronise rarely, at 20 tokens a parameter: A N^-alpha M^beta.

    Charles et al. 2025, arXiv 2503.09799.
    """
    return {
        "loss_nats": c["A"] * params ** -c["alpha"] * replicas ** c["beta"],
        "batch_tokens": c["k_batch"] * params ** c["batch_params"] * replicas ** c["batch_replicas"],
    }


def decay_timescale(c: Constants, params: Num, tokens: Num) -> Outputs:
    """Best averaging time of AdamW as a share of the run, k (D/N)^a (arXiv 2505.13738).

    It is B / (learning rate x weight decay x D) with B in tokens: it gives the product of rate and decay for a batch.
    """
    return {"timescale_share": c["k"] * (tokens / params) ** c["a"]}


FORMS = by_name(
    form_of(
        "local_updates",
        "size and replicas that synchronise rarely",
        local_updates,
        gives=("loss_nats", "batch_tokens"),
        acts="level",
    ),
    form_of(
        "decay_timescale",
        "averaging time of weight decay by tokens a parameter",
        decay_timescale,
        gives=("timescale_share",),
        acts="settings",
    ),
    form_of(
        "critical_batch",
        "the largest batch that still pays, by size or by data",
        _critical,
        gives=("critical_batch_tokens", "critical_batch_sequences"),
        acts="settings",
    ),
    form_of(
        "step_law",
        "peak learning rate and batch by size and data",
        _settings,
        gives=("learning_rate", "batch_tokens"),
        acts="settings",
    ),
    form_of(
        "deepseek_settings",
        "peak learning rate and batch by compute",
        _deepseek,
        gives=("learning_rate", "batch_tokens"),
        acts="settings",
    ),
)
