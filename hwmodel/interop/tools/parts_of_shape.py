"""What of a shape trainers have names for: how its layers repeat, and what its extra parameters are."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import msgspec

from hwmodel.errors import InputError
from hwmodel.specs import Block, Shape

# Fields of a block that the settings of trainers describe; a shape that uses any other is refused, with these words.
DESCRIBED = frozenset(
    ("count", "n_heads", "n_kv_heads", "head_dim", "v_head_dim", "window_tokens", "q_lora_rank", "kv_lora_rank",
     "rope_dim", "d_ff", "gated", "n_experts", "top_k", "top_groups", "d_ff_shared", "extra_params", "whole_qk_norm")
)  # fmt: skip
UNNAMED = {
    "mixer_params": "linear-attention or state-space layers", "mixer_flop_per_token": "linear-attention layers",
    "mixer_state_elements": "linear-attention layers", "shared_kv": "one projection for keys and values",
    "v_from_k": "one projection for keys and values", "borrows_kv": "layers that read another layer's cache",
    "reuse": "layers that share weights", "o_lora_rank": "a low-rank output projection",
    "kv_compression": "compressed cache entries", "select_tokens": "sparse attention that selects tokens",
    "index_heads": "an indexer of sparse attention", "index_dim": "an indexer of sparse attention",
    "expert_latent_dim": "experts in a narrower space",
}  # fmt: skip


class Layers(msgspec.Struct, frozen=True, kw_only=True):
    """A shape as trainers see it: `dense` layers come first, `mixture` ones after; either may be absent.

    `window_tokens` 0 is full attention everywhere; else every `full_every`-th layer attends to all tokens, the others
    to that many. `extras` names what the extra parameters are: qkv_bias, expert_bias, sinks.
    """

    attention: Block
    dense: Block | None
    mixture: Block | None
    window_tokens: int = 0
    full_every: int = 0
    extras: frozenset[str] = frozenset()
    qk_norm: bool = False


def layers_of(shape: Shape, target: str, also: frozenset[str] = frozenset()) -> Layers:
    """The layers of a shape. InputError for a shape that no setting of the target describes; `also`: fields for which
    this target has settings beyond those that all have."""
    for block in shape.blocks:
        for field in msgspec.structs.fields(Block):
            if field.name not in DESCRIBED | also and getattr(block, field.name) != field.default:
                raise _refusal(shape, target, UNNAMED.get(field.name, field.name.replace("_", " ")))
        if block.v_head_dim not in (0.0, block.head_dim) and block.kv_lora_rank == 0:
            raise _refusal(shape, target, "values of another width than keys")
    if shape.extra_params or shape.lookup_params:
        outside = float(shape.extra_params) + float(shape.lookup_params)
        raise _refusal(shape, target, f"{outside:,.0f} parameters outside its layers")
    dense = [b for b in shape.blocks if b.n_experts == 0]
    mixture = [b for b in shape.blocks if b.n_experts > 0]
    window, every = _windows(shape, target)
    if window:
        dense, mixture = _merged(dense), _merged(mixture)
    if (
        (window and dense and mixture)
        or len(dense) > 1
        or len(mixture) > 1
        or len({_attention(b) for b in (*dense, *mixture)}) > 1
    ):
        raise _refusal(shape, target, "layers of several kinds")
    one_dense = dense[0] if dense else None
    one_mixture = mixture[0] if mixture else None
    attention = one_mixture or one_dense
    assert attention is not None
    extras = frozenset().union(*(_extras(shape, block, target) for block in (*dense, *mixture)))
    return Layers(
        attention=attention, dense=one_dense, mixture=one_mixture, window_tokens=window, full_every=every,
        extras=extras - {"qk_norm"}, qk_norm=bool(shape.qk_norm > 0) or "qk_norm" in extras,
    )  # fmt: skip


def _refusal(shape: Shape, target: str, words: str) -> InputError:
    return InputError(f"{target} has no settings for {shape.name}: {words}; choose another --to or another model")


def _attention(block: Block) -> tuple[float, ...]:
    return tuple(
        getattr(block, f)
        for f in ("n_heads", "n_kv_heads", "head_dim", "v_head_dim", "q_lora_rank", "kv_lora_rank", "rope_dim", "gated")
    )


def _windows(shape: Shape, target: str) -> tuple[int, int]:
    """The window of the layers that have one, and how often a layer has none. Zero, zero without windows."""
    windows = {b.window_tokens for b in shape.blocks if math.isfinite(b.window_tokens)}
    if not windows:
        return 0, 0
    total = sum(float(b.count) for b in shape.blocks)
    full = sum(float(b.count) for b in shape.blocks if not math.isfinite(b.window_tokens))
    every = int(total // full) if full else 0
    if len(windows) > 1 or (full and int(total) // every != full):
        raise _refusal(shape, target, "windows that follow no even pattern")
    return int(windows.pop()), every


def _merged(blocks: list[Block]) -> list[Block]:
    """Blocks that differ in their window alone as one, with all of their layers."""
    kinds: dict[Block, float] = {}
    for block in blocks:
        key = msgspec.structs.replace(block, window_tokens=math.inf, count=0.0)
        kinds[key] = kinds.get(key, 0.0) + float(block.count)
    return [msgspec.structs.replace(block, count=count) for block, count in kinds.items()]


def named_extras(shape: Shape, block: Block) -> dict[str, float]:
    """Parameters that a setting adds to a layer, by the word for it."""
    heads = float(block.n_heads)
    return {
        "qkv_bias": (heads + 2.0 * float(block.n_kv_heads)) * float(block.head_dim),
        "expert_bias": float(block.n_experts),
        "sinks": heads,
        "qk_norm": 0.0 if shape.qk_norm else 2.0 * float(block.head_dim),
    }


def _extras(shape: Shape, block: Block, target: str) -> frozenset[str]:
    """Which settings make up the extra parameters of a layer."""
    sizes = {name: size for name, size in named_extras(shape, block).items() if size > 0}
    for count in range(len(sizes) + 1):
        for chosen in combinations(sizes, count):
            if sum(sizes[name] for name in chosen) == block.extra_params:
                return frozenset(chosen)
    raise _refusal(shape, target, f"{block.extra_params:,.0f} parameters a layer beside its matrices")


def same_shape(one: Shape, other: Shape) -> bool:
    """Whether two shapes are the same but for names; a vocabulary of 0 is one that is not said."""
    vocab = one.vocab if not other.vocab else other.vocab
    return _plain(one, one.vocab) == _plain(other, vocab)


def _plain(shape: Shape, vocab: Any) -> Shape:
    """The shape without what has no cost: names, notes, how norms on queries and keys and full values are written."""
    plain = [_block(b, bool(shape.qk_norm > 0)) for b in shape.blocks]
    blocks = tuple(sorted(plain, key=lambda b: (b.n_experts, math.isinf(b.window_tokens))))
    return msgspec.structs.replace(
        shape, name="", max_seq_len=0.0, vocab=float(vocab), blocks=blocks, qk_norm=0.0, notes=()
    )


def _block(block: Block, normed: bool) -> Block:
    width = 0.0 if block.v_head_dim == block.head_dim else block.v_head_dim
    norms = 2.0 * float(block.head_dim) if normed else 0.0
    return msgspec.structs.replace(block, v_head_dim=width, extra_params=float(block.extra_params) + norms)
