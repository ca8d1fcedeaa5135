from __future__ import annotations

from collections.abc import Callable

import pytest

from hwmodel.catalog.laws import read_law
from hwmodel.catalog.places import catalog_root
from hwmodel.laws.precision import PrecisionPenalty, training_penalty
from hwmodel.specs.law import LawSpec


@pytest.fixture(scope="session")
def law() -> Callable[[str], LawSpec]:
    roots = [catalog_root()]
    return lambda name: read_law(roots, name)


@pytest.fixture(scope="session")
def format_penalty(law: Callable[[str], LawSpec]) -> Callable[..., PrecisionPenalty]:
    """Loss of a format of so many exponent and mantissa bits, the cache in it too, with a scale for 128 elements."""
    laws = [law(name) for name in ("besiroglu_2024", "kumar_2024", "sun_2025")]

    def at(params: float, tokens: float, exponent_bits: int, mantissa_bits: int) -> PrecisionPenalty:
        return training_penalty(
            *laws, params, tokens, exponent_bits=exponent_bits, mantissa_bits=mantissa_bits, scale_block=128,
            kv_bits=1 + exponent_bits + mantissa_bits,
        )  # fmt: skip

    return at
