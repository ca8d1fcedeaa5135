"""Formulas of the terms of a pass of a serving engine and of its memory, each from its own few numbers.

The pass evaluates them on numbers and columns; docs/step.md shows what they give for symbols.
"""

from __future__ import annotations

from hwmodel.ops import Num, log, maximum, minimum

_LN2 = 0.6931471805599453  # the natural logarithm of 2
_USUAL_DOUBLINGS = 3.0  # `collective_s` of an engine is the wait for the last of eight ranks


def kernel_level(level: Num, of_kind: Num, least: Num) -> Num:
    """An engine's time of a kind of kernels over the kernel law's: its own level and that of the kind, never below what
    the peak would take."""
    return maximum(level * of_kind, least)


def paced_s(seconds: Num, pace: Num, level: Num) -> Num:
    """Seconds of all layers at the level of an engine and the pace of the fullest pipeline stage."""
    return pace * level * seconds


def last_rank_s(collective_s: Num, ranks: Num) -> Num:
    """Seconds in which a collective waits for the last of its ranks."""
    return collective_s * (log(maximum(ranks, 1.0)) / (_USUAL_DOUBLINGS * _LN2))


def handed_s(stages: Num, hop_s: Num) -> Num:
    """Seconds of handing one pass from pipeline stage to pipeline stage."""
    return (stages - 1.0) * hop_s


def gaps_s(kernel_s: Num, kernels: Num) -> Num:
    """Seconds between the kernels of a captured graph."""
    return kernel_s * kernels


def host_s(step_s: Num, sequence_s: Num, sequences: Num) -> Num:
    """Seconds of scheduling and sampling: those of a step, and those of each sequence in it."""
    return step_s + sequence_s * sequences


def usual_pool_bytes(hbm_bytes: Num, memory_fraction: Num, weights: Num, reserve: Num, free_fraction: Num) -> Num:
    """Bytes for the cache under an engine's usual settings."""
    return (hbm_bytes * memory_fraction - weights - reserve) * free_fraction


def sequences_alive(pool_bytes: Num, bytes_per_token: Num, tokens: Num, state_bytes: Num) -> Num:
    """Sequences of so many tokens that the cache of one accelerator holds; not rounded."""
    return maximum(pool_bytes / maximum(bytes_per_token * tokens + state_bytes, 1.0), 0.0)


def cached_elements(kv_heads: Num, width: Num, compression: Num) -> Num:
    """Elements a token that one layer keeps of keys and values on one rank."""
    return kv_heads * width / compression


def kept_share(window_tokens: Num, context: Num) -> Num:
    """Share of the tokens of a sequence that a layer's window keeps."""
    return minimum(1.0, window_tokens / context)
