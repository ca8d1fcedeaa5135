"""Blocks that are alike in all that a term reads: within one pass the term is worked out for the first of them.

Layers differ in little: dense and routed layers of one model have the same attention, local and global ones the same
products. What is shared is one and the same number or column, so that results keep every bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hwmodel.specs.shape import Block

T = TypeVar("T")
COUNTED = frozenset({"count", "reuse", "extra_params"})
NETWORK = frozenset({"d_ff", "gated", "n_experts", "top_k", "top_groups", "expert_latent_dim", "d_ff_shared"})
MIXER = frozenset({"mixer_params", "mixer_flop_per_token", "mixer_state_elements"})
# What a layer attends to, which its products do not depend on.
REACH = frozenset({"window_tokens", "select_tokens", "index_heads", "index_dim", "kv_compression"})
PRODUCTS = tuple(f for f in Block.__struct_fields__ if f not in COUNTED | REACH)
HEAD_PRODUCTS = tuple(f for f in PRODUCTS if f not in NETWORK | MIXER)
NETWORK_PRODUCTS = tuple(f for f in PRODUCTS if f in NETWORK)
ATTENTION = tuple(f for f in Block.__struct_fields__ if f not in COUNTED | NETWORK)
ROUTING = ("n_experts", "top_k", "expert_latent_dim")
SIZES = ("n_heads", "n_kv_heads", "head_dim", "d_ff", "gated", "n_experts", "top_k", "expert_latent_dim", "d_ff_shared")
SUMS = ("n_experts", "whole_qk_norm")


class Once:
    """Terms of one pass by the sizes that they read; those of blocks of columns are worked out each time."""

    def __init__(self) -> None:
        self.known: dict[tuple[object, ...], Any] = {}

    def of(self, block: Block, reads: tuple[str, ...], make: Callable[[], T], *more: float | None) -> T:
        """What `make` gives for a block, which depends on the fields that it `reads` and on `more` (None: on what has
        no name, so that it is made anew)."""
        sizes = (*more, *[getattr(block, name) for name in reads])
        for size in sizes:
            if not isinstance(size, (int, float)):
                return make()
        key = (reads, *sizes)
        if key not in self.known:
            self.known[key] = make()
        found: T = self.known[key]
        return found
