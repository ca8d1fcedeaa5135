"""Fields of a `Block` under construction, and the widths that every part of a layer shares."""

from __future__ import annotations

from hwmodel.interop.huggingface.config import Config

Fields = dict[str, float]


def add(fields: Fields, **more: float) -> Fields:
    """Sum fields of the same name, keep the others."""
    for key, value in more.items():
        fields[key] = fields.get(key, 0.0) + value
    return fields


def merged(*parts: Fields) -> Fields:
    """Parts of one layer together: parameters and FLOPs of the same name add up, dimensions of the later stand."""
    out: Fields = {}
    for part in parts:
        sums = {k: out.get(k, 0.0) + v for k, v in part.items() if k.startswith(("mixer_", "extra_"))}
        out |= part | sums
    return out


def width(c: Config) -> int:
    """Model width."""
    return c.number("hidden_size", "n_embd", "n_embed", "d_model", "embedding_dim", "model_dim", high=1_000_000)


def heads(c: Config) -> int:
    """Query heads."""
    return c.number("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads", high=10_000)


def head_width(c: Config) -> int:
    """Width of a head: stated, else the model width over the heads."""
    stated = c.raw("head_dim", "attention_head_dim", "dim_head", "kv_channels")
    if stated is not None:
        return c.check(stated, "head_dim", 1, 100_000)
    d, n = width(c), heads(c)
    if d % n:
        raise c.fail(f"hidden_size {d} is not a multiple of num_attention_heads {n}, and no head_dim is stated")
    return d // n
