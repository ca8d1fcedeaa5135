"""The arithmetic behind claims about serving: memory, cache, throughput."""

from __future__ import annotations

from collections.abc import Callable

from hwmodel.validation.claims.values import Given, Lookup, Values


def server_throughput(g: Given, law: Lookup) -> Values:
    """Tokens a second of one stream and of a batch: each step reads the weights once and yields a token a sequence.

    The batch ends where reading caches or 2 N FLOPs a token bind: min(batch x bandwidth / (weights + batch x cache),
    peak / 2N).
    """
    weights, cache = g["weight_bytes"], g["kv_bytes_per_token"] * g["context_tokens"]
    bandwidth = g["bandwidth_bytes_per_s"]
    read = g["batch"] * bandwidth / (weights + g["batch"] * cache)
    compute = g["peak_flop_per_s"] / (2.0 * g["params"])
    return {
        "one_stream_tokens_per_s": bandwidth / weights,
        "batch_tokens_per_s": min(read, compute),
        "compute_bound_tokens_per_s": compute,
    }


def kv_per_token(g: Given, law: Lookup) -> Values:
    """Bytes of keys and values a token: 2 x layers x key-value heads x head size x bytes, grouped or with all heads."""
    one_head = 2 * g["layers"] * g["head_dim"] * g["bytes_per_element"]
    return {"kv_bytes_grouped": one_head * g["kv_heads"], "kv_bytes_all_heads": one_head * g["heads"]}


def fits_in_memory(g: Given, law: Lookup) -> Values:
    """Bytes of the weights alone, and how many parts of this memory they fill."""
    weights = g["params"] * g["bits"] / 8.0
    parts = weights / g["memory_bytes"]
    return {"weight_bytes": weights, "parts_filled": parts, "fits_on_one": parts < 1.0}


SERVING_FUNCTIONS: tuple[Callable[[Given, Lookup], Values], ...] = (server_throughput, kv_per_token, fits_in_memory)
