"""Sizes side by side: the gain in nats, as a share and as compute, against the law typed again."""

from __future__ import annotations

import numpy as np
import pytest

import hwmodel as hm
from hwmodel.report import values_markdown
from hwmodel.solve.plan.gain import Gain

A, B, E, ALPHA, BETA = 482.00572, 2085.43420, 1.81686, 0.34781303, 0.36585412


def loss(n: float, d: float) -> float:
    return E + A * n**-ALPHA + B * d**-BETA


def least_flop(target: float) -> float:
    """The least 6 N D that reaches a loss, on a grid of sizes of its own."""
    n = np.geomspace(1e8, 1e13, 400_001)
    rest = target - E - A * n**-ALPHA
    d = np.where(rest > 0, (B / np.where(rest > 0, rest, 1.0)) ** (1.0 / BETA), np.inf)
    return float(np.min(6.0 * n * d))


def compared(**asked: object) -> list[Gain | None]:
    return list(hm.compare(**asked).gains)


@pytest.mark.parametrize(("sizes", "tokens"), [("10B,100B", 2e12), ("3B,30B", 1e12), ("70B,8B", 5e12)])
def test_the_gain_is_that_of_the_law(sizes: str, tokens: float) -> None:
    small, large = (float(one[:-1]) * 1e9 for one in sizes.split(","))
    first, gain = compared(params=sizes, gpus="1024xH100", tokens=tokens)
    assert first is None
    assert gain is not None
    before, after = loss(small, tokens), loss(large, tokens)
    assert gain.nats.value == pytest.approx(before - after, rel=1e-4)
    assert gain.share.value == pytest.approx((before - after) / before, rel=1e-4)
    assert gain.compute_equivalent is not None
    assert gain.compute_equivalent.value == pytest.approx(least_flop(after) / least_flop(before), rel=1e-3)
    for band in (gain.nats, gain.share, gain.compute_equivalent):
        assert band.low < band.value < band.high
    assert (gain.compute_equivalent.value > 1.0) is (large > small)


def test_laws_that_differ_and_models_without_a_loss_have_no_gain() -> None:
    pair = compared(law="besiroglu_2024,chinchilla_2022/approach3", gpus="64xH100", params="8B", tokens="1T")
    assert pair[1] is None
    mixed = compared(model="mixtral-8x7b,llama-3.1-8b", gpus="256xH100", tokens="1T")
    assert mixed[0] is None


def test_the_table_says_it() -> None:
    text = values_markdown(hm.compare(params="10B,100B", gpus="1024xH100", tokens="2T"))
    assert "x the compute (" in text
    assert " nats (" in text
    rows = hm.compare(params="10B,100B", gpus="1024xH100", tokens="2T").to_dict()["rows"]
    assert rows[0]["gain"] is None
    assert set(rows[1]["gain"]) == {"nats", "share", "compute_equivalent"}
