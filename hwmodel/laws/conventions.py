"""Ways to count parameters, and the one published conversion between them."""

from __future__ import annotations

from hwmodel.errors import InputError
from hwmodel.ops import Num
from hwmodel.specs.law import COUNTS, Count, LawSpec, NonEmbedding, Total

# Pearce and Song 2024 (arXiv 2406.12907): embedding parameters of a GPT-like family, vocabulary 32000, width to depth
# 39.2: N_total = N + gamma N^(1/3).
EMBEDDING_GAMMA = 47491.0


def total_from_non_embedding(params: Num, gamma: Num = EMBEDDING_GAMMA) -> Num:
    """All parameters of a model with these non-embedding parameters (arXiv 2406.12907)."""
    return params + gamma * params ** (1.0 / 3.0)


def non_embedding_from_total(params: Num, gamma: Num = EMBEDDING_GAMMA) -> Num:
    """Inverse of `total_from_non_embedding`: the real root of x^3 + gamma x - N = 0, cubed (Cardano)."""
    half = params / 2.0
    root = (half * half + (gamma / 3.0) ** 3) ** 0.5
    x = (root + half) ** (1.0 / 3.0) - (gamma / 3.0) / (root + half) ** (1.0 / 3.0)
    # Cardano cancels for small N; one Newton step mends the digits.
    x = x - (x**3 + gamma * x - params) / (3.0 * x**2 + gamma)
    return x**3


def convert(count: Count, to: type[Count]) -> Count:
    """The same model counted another way. Raises InputError where no published conversion exists."""
    if type(count) is to:
        return count
    if isinstance(count, NonEmbedding) and to is Total:
        return Total(total_from_non_embedding(count.value))
    if isinstance(count, Total) and to is NonEmbedding:
        return NonEmbedding(non_embedding_from_total(count.value))
    raise InputError(
        f"no published conversion from {count.convention} to {to.convention} parameters; "
        "give the count in the law's own convention (a model's shape gives all of them)"
    )


def plain(spec: LawSpec, params: Num | Count) -> Num:
    """The number in the law's own convention; a count of another convention is refused."""
    if not isinstance(params, Count):
        return params
    if params.convention != spec.params_convention:
        raise InputError(
            f"law {spec.id} counts {spec.params_convention} parameters, not {params.convention}; "
            f"convert first: hwmodel.laws.convert(count, {COUNTS[spec.params_convention].__name__})"
        )
    return params.value
