"""Fused attention on the machine of round numbers with a memory that never waits: pairs of queries and keys, and what
kernels compute beside them, worked out in the comments.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from round_machine import ATTENTION

from hwmodel.physics.columns import distinct
from hwmodel.physics.kernels import attention_backward_s, attention_forward_s

# Two heads of 128 and 128: a pair costs 2 x 2 x 256 FLOPs at 1e14 a second.
PAIR_S = 2 * 2 * 256 / 1e14


def forward(q: float, kv: float, window: float = math.inf, batch: float = 1.0, **other: Any) -> float:
    """Seconds of two heads over `batch` sequences; constants of attention, or its further arguments."""
    asked = {name: other.pop(name) for name in ("kv_compression", "shared_kv") if name in other}
    c = msgspec.structs.replace(ATTENTION, **{"hbm_bytes_per_s": 1e18, **other})
    return float(attention_forward_s(batch, q, kv, 2.0, 2.0, 128.0, 128.0, window, c, **asked))


def test_pairs_under_the_diagonal() -> None:
    assert forward(1000.0, 1000.0) == pytest.approx(500_000 * PAIR_S)
    # 200 new tokens after 800: all of those for each, and half of their own square.
    assert forward(200.0, 1000.0, batch=3.0) == pytest.approx(3 * (160_000 + 20_000) * PAIR_S)


def test_a_window_keeps_its_last_keys() -> None:
    # The first 100 queries see half of 100 keys, 900 see 100; beyond that each of the 900 computes 8 masked keys.
    assert forward(1000.0, 1000.0, 100.0) == pytest.approx(95_000 * PAIR_S)
    assert forward(1000.0, 1000.0, 100.0, window_pad_tokens=8.0) == pytest.approx((95_000 + 7200) * PAIR_S)
    # Behind 800 tokens all 200 queries have a full window.
    assert forward(200.0, 1000.0, 100.0, window_pad_tokens=8.0) == pytest.approx(200 * 108 * PAIR_S)
    # A window as long as the sequence hides nothing.
    assert forward(1000.0, 1000.0, 1000.0, window_pad_tokens=8.0) == pytest.approx(500_000 * PAIR_S)


def test_what_is_computed_beside_the_pairs() -> None:
    # Four masked keys a query at the diagonal; 500 pairs of the smallest block; half a tile of 128 rows on each of 10
    # units along 1,000 keys (of one sequence, whatever the heads).
    assert forward(1000.0, 1000.0, diagonal_tokens=4.0) == pytest.approx(504_000 * PAIR_S)
    assert forward(1000.0, 1000.0, block_pairs=500.0, batch=2.0) == pytest.approx(2 * 500_500 * PAIR_S)
    filled = forward(1000.0, 1000.0, fill=0.5, units=10.0)
    assert filled == pytest.approx(500_000 * PAIR_S + 0.5 * 10 * 128 * 1000 * PAIR_S / 2)
    # A softmax of 32 multiply-adds beside a head's dimension in both products.
    assert forward(1000.0, 1000.0, head_dim_half=32.0) == pytest.approx(500_000 * PAIR_S * 320 / 256)


def test_keys_that_tokens_share() -> None:
    # Four tokens a key: a quarter of the pairs.
    assert forward(1000.0, 1000.0, kv_compression=4.0) == pytest.approx(125_000 * PAIR_S)
    # At 1e9 bytes a second the memory sets the time: queries and results, keys and values, 2 x 256 bytes a head each.
    slow = {"hbm_bytes_per_s": 1e9}
    assert forward(1000.0, 1000.0, **slow) == pytest.approx(2 * (2000 + 2000) * 256 / 1e9)
    assert forward(1000.0, 1000.0, kv_compression=4.0, **slow) == pytest.approx(2 * (2000 + 500) * 256 / 1e9)
    # One vector for key and value: the values are not read.
    assert forward(1000.0, 1000.0, shared_kv=1.0, **slow) == pytest.approx((2 * 4000 * 256 - 2 * 2000 * 128) / 1e9)


def test_throttling_launches_and_what_overlaps_badly() -> None:
    work = 500_000 * PAIR_S
    # Long work falls by the whole share, work as long as the constant by half of it.
    assert forward(1000.0, 1000.0, throttle=0.2, throttle_s=work) == pytest.approx(work * 1.1)
    assert forward(1000.0, 1000.0, launch_s=1e-3, latency_s_per_token=1e-6) == pytest.approx(work + 1e-3 + 1e-3)
    moved = 2 * 4000 * 256 / 1e15
    lost = forward(1000.0, 1000.0, hbm_bytes_per_s=1e15, overlap_loss=0.5)
    assert lost == pytest.approx(max(work, moved) + 0.5 * min(work, moved))


def test_the_backward_pass_has_five_products_for_two() -> None:
    c = msgspec.structs.replace(ATTENTION, hbm_bytes_per_s=1e18, backward_efficiency=0.8)
    found = attention_backward_s(1.0, 1000.0, 1000.0, 2.0, 2.0, 128.0, 128.0, 100.0, c)
    assert found == pytest.approx(95_000 * PAIR_S * 2.5 / 0.8)


def test_rows_that_repeat_stand_for_each_other() -> None:
    # 256 rows of 128 pairs of values: half as many stand for all. With one more, or in fewer rows, it does not pay.
    place = np.arange(256) % 128
    columns = [place * 1.0, (place % 7) * 0.5]
    found = distinct(columns)
    assert found is not None
    first, inverse = found
    assert len(first) == 128
    assert np.array_equal(columns[0][first][inverse], columns[0])
    more = [np.where(np.arange(256) == 255, 128.0, columns[0]), columns[1]]
    assert distinct(more) is None
    assert distinct([column[:255] for column in columns]) is None
    assert distinct([1.0, 2.0]) is None
    assert distinct([columns[0], columns[1][:, None]]) is None
