"""Why no layout divides a fleet: what is said of each reason."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from round_machine import SHAPE

from hwmodel.predict.training import nothing_divides


@pytest.mark.parametrize(
    ("fixed", "batch", "said"),
    [
        # 4 x 3 = 12 of 64; a size of one, or alone, needs no product; a size that was searched is its first value.
        ({"tp": 4.0, "pp": 3.0, "cp": 1.0}, 512.0, "tp 4 x pp 3 = 12 does not divide 64 accelerators"),
        ({"dp": (3.0, 4.0)}, 512.0, "dp 3 does not divide 64 accelerators"),
        ({"tp": 4.0}, 32.0, "64 accelerators share a global batch of 32 sequences, and one sequence cannot be split "
                            "over 2 of them (tp x cp x pp)"),
        ({"tp": 8.0}, 64.0, "nothing divides 64 accelerators, the heads and the 4 layers at once"),
        ({}, 512.0, "nothing divides 64 accelerators, the heads and the 4 layers at once"),
    ],
)  # fmt: skip
def test_what_does_not_divide(fixed: dict[str, Any], batch: float, said: str) -> None:
    run: Any = SimpleNamespace(fixed=fixed, accelerators=64.0, global_batch_seqs=batch, shape=SHAPE)
    assert str(nothing_divides(run)).startswith(f"no layout: {said}")
