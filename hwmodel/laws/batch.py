"""Batch and learning-rate laws: the largest batch that still pays, and published settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwmodel import ops
from hwmodel.ops import Num
from hwmodel.specs.law import LawSpec

Constants = Mapping[str, Any]


def critical_batch_tokens(spec: LawSpec, params: Num, tokens: Num | None = None) -> Num:
    """Critical batch [tokens] of Zhang et al. 2024 (arXiv 2410.21676; 20 % more tokens than at a tiny batch).

    93.20 N^0.47 sequences of 512 tokens, N in millions, fitted at D = 20 N. With `tokens` the same law read by data
    (D = 20 N inserted), which is what the paper finds to matter; the data form is derived, not printed there.
    """
    c = spec.constants
    millions = (params if tokens is None else tokens / c["tokens_per_param"]) / 1e6
    return c["k_sequences"] * millions ** c["exponent"] * c["sequence_tokens"]


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


def kaplan_critical_batch(c: Constants, loss: Num) -> Num:
    """Critical batch [tokens] of Kaplan et al. 2020 at a loss: B* / L^(1/aB)."""
    return c["B_star_tokens"] * loss ** (-1.0 / c["a_B"])


def adjusted_steps(batch: Num, critical: Num, steps: Num) -> tuple[Num, Num]:
    """(least steps, share of compute that is least compute): S/(1 + Bcrit/B) and 1/(1 + B/Bcrit)."""
    return steps / (1.0 + critical / batch), 1.0 / (1.0 + batch / critical)


def steps_for_batch(batch: Num, tokens: Num) -> Num:
    """Optimizer steps for a token count at a batch, whole."""
    whole: Num = ops.ceil(tokens / batch)
    return whole
