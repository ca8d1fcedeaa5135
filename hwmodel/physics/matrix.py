"""One kind of matrix product of a layer, and what one rank holds of the layer."""

from __future__ import annotations

from typing import Any, NamedTuple

from hwmodel.ops import Num, where


class Matrix(NamedTuple):
    """One kind of matrix product of a layer: a token of width `k` times a matrix of `k` by `n`.

    The layer holds `copies` of the matrix, `passed` of which each token goes through. `kind` names the format and who
    shares the work: "dense" (the recipe's format, tensor-parallel ranks), "groups" (the same, each copy with its slice
    of the token), "experts" (the recipe's format, expert-parallel ranks), "latent" (the recipe's format, every rank)
    and "router" (high precision, every rank).
    `present` is the mask of the rows that have the product, True where all have. `module` names the part of the layer
    as recomputation does: "attention", "up_projections" (from latents to heads), "mlp", "shared_experts", "experts".
    """

    kind: str
    n: Num
    k: Num
    copies: Num = 1.0
    passed: Num = 1.0
    present: Any = True
    module: str = "attention"

    def only(self, value: Num) -> Num:
        """`value` in the rows that have the product, else zero."""
        return value if self.present is True else where(self.present, value, 0.0)

    @property
    def params(self) -> Num:
        """Parameters of all copies."""
        return self.only(self.copies * self.n * self.k)

    @property
    def passed_params(self) -> Num:
        """Parameters that one token is multiplied with."""
        return self.only(self.passed * self.n * self.k)


class HeldPart(NamedTuple):
    """What one rank holds of a layer: its heads, the widths of its networks (`d_ff` that of one expert where there are
    experts), and `tp`, the number of ranks that share what is left."""

    heads: Num
    kv_heads: Num
    d_ff: Num
    d_ff_shared: Num
    tp: Num = 1.0
