"""Sizes that are refused, allowed or noted: a model of 4 layers and 8 heads, and one with 6 experts."""

from __future__ import annotations

import msgspec
import pytest
from round_machine import BLOCK, SHAPE

from hwmodel.errors import InputError
from hwmodel.predict.given_layout import check_given
from hwmodel.specs import Shape

MIXTURE = msgspec.structs.replace(SHAPE, blocks=(BLOCK, msgspec.structs.replace(BLOCK, count=1.0, n_experts=6.0)))
# Two of eight heads in the smallest layer.
FEW = msgspec.structs.replace(SHAPE, blocks=(BLOCK, msgspec.structs.replace(BLOCK, n_heads=2.0)))


@pytest.mark.parametrize(
    ("shape", "fleet", "given", "batch"),
    [
        (SHAPE, 8, {}, None), (SHAPE, 32, {"tp": 8.0, "pp": 4.0}, None), (SHAPE, 12, {"cp": 3.0, "pp": 4.0}, None),
        (SHAPE, 8, {"pp": 2.0, "vpp": 2.0}, None), (SHAPE, 8, {"micro_batch": 2.0}, 16.0), (SHAPE, 8, {}, 3.0),
        (SHAPE, 8, {"tp": 2.0, "micro_batch": 3.0}, 12.0), (SHAPE, 7, {"ep": 1.0, "etp": 1.0}, None),
        (MIXTURE, 6, {"ep": 6.0}, None), (MIXTURE, 12, {"ep": 3.0, "tp": 4.0, "etp": 4.0}, None),
        (MIXTURE, 10, {"pp": 5.0, "ep": 2.0}, None), (MIXTURE, 2, {"etp": 2.0}, None), (FEW, 2, {"tp": 2.0}, None),
    ],
)  # fmt: skip
def test_sizes_that_divide_are_taken(shape: Shape, fleet: int, given: dict[str, float], batch: float | None) -> None:
    assert check_given(shape, fleet, given, batch) == []


@pytest.mark.parametrize(
    ("shape", "fleet", "given", "batch", "said"),
    [
        (SHAPE, 48, {"tp": 3.0}, None, r"--tp 3 does not divide the 8 heads; use one of \[1, 2, 4, 8\]"),
        (SHAPE, 64, {"tp": 64.0}, None, "--tp 64 does not divide the 8 heads"),
        (FEW, 4, {"tp": 4.0}, None, r"--tp 4 does not divide the 2 heads; use one of \[1, 2\]"),
        # Of 2 x 3 x 4 = 24, 100 are nearest to four times as many; of more than the fleet one time.
        (SHAPE, 100, {"tp": 2.0, "cp": 3.0, "pp": 4.0}, None,
         "tp 2 x cp 3 x pp 4 = 24 does not divide 100 accelerators; take a fleet that is a multiple of it, like 96"),
        (SHAPE, 4, {"tp": 8.0}, None, "= 8 does not divide 4 accelerators; take a fleet .* like 8$"),
        (SHAPE, 5, {"pp": 5.0}, None, "--pp 5 is more than the 4 layers; use at most 4"),
        (SHAPE, 6, {"pp": 3.0, "vpp": 3.0}, None, "--vpp 3 is more than the 2 layers of a stage"),
        (SHAPE, 8, {"ep": 2.0}, None, "--ep 2: the model has no experts"),
        (SHAPE, 8, {"tp": 2.0, "etp": 2.0}, None, "--etp 2: the model has no experts"),
        (MIXTURE, 8, {"ep": 4.0}, None, "--ep 4 does not divide the 6 experts of the model"),
        (MIXTURE, 8, {"tp": 2.0, "etp": 4.0}, None, "--etp 4 does not divide --tp 2; use 1 or 2"),
        # Four replicas of micro-batches of 2: 30 is nearest to four times eight, 3 to once.
        (SHAPE, 8, {"tp": 2.0, "micro_batch": 2.0}, 30.0,
         "--global-batch 30 is no multiple of micro-batch 2 x dp 4 = 8 sequences; use 32"),
        (SHAPE, 8, {"tp": 2.0, "micro_batch": 2.0}, 3.0, "= 8 sequences; use 8"),
        (MIXTURE, 10, {"pp": 5.0, "ep": 3.0}, None, "--ep 3 is more than the 2 ranks of one stage"),
        (SHAPE, 8, {"vpp": 2.0}, None, "--vpp 2 splits the stages of a pipeline: add --pp of 2 or more"),
    ],
)  # fmt: skip
def test_sizes_that_do_not_are_refused_with_the_nearest(
    shape: Shape, fleet: int, given: dict[str, float], batch: float | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        check_given(shape, fleet, given, batch)


def test_uneven_stages_are_noted() -> None:
    # Four layers on three stages: two on one of them.
    assert check_given(SHAPE, 3, {"pp": 3.0}, None) == [
        "4 layers on 3 stages are uneven: up to 2 a stage, fewer at the ends"
    ]
