"""Buildable shapes of a size, products of linear mixers and FLOPs of compressed attention, worked out in the comments.

A layer of a built shape of width d has 2 d^2 (1 + kv / heads) parameters of attention and 3 d d_ff of its network, and
a network of 3.25 widths (9.75 d^2) is what the number of layers is rounded with.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from round_machine import BLOCK, SHAPE

from hwmodel.physics.matrix import HeldPart
from hwmodel.physics.shape import (
    _width,
    attention_flop_per_token,
    matrices,
    shape_for_params,
    shapes_for,
    smooth_shapes,
    with_experts,
)
from hwmodel.specs import Block

change = msgspec.structs.replace


def built(n: float, vocab: float = 0.0) -> tuple[Any, ...]:
    """Width, heads, heads of keys, layers, inner width, words and tying of the shape of a size."""
    shape = shapes_for(n, vocab)
    (block,) = shape.blocks
    return shape.d_model, block.n_heads, block.n_kv_heads, block.count, block.d_ff, shape.vocab, shape.tied


def test_widths_of_sizes() -> None:
    # Twice the cube root: 20 is at least 128; 2 x 437 = 874 to 7 x 128; 2 x 464.2 = 928 to 4 x 256; 1,760 to 7 x 256;
    # 2,600 to 3 x 1,024.
    found = [_width(n) for n in (1000.0, 437.0**3, 1e8, 880.0**3, 1300.0**3)]
    assert found == [128.0, 896.0, 1024.0, 1792.0, 3072.0]


def test_the_shape_of_a_hundred_million() -> None:
    # 1e8 - 32,768 x 1,024 - 1,024 = 66,444,544 over 4 + 9.75 = 13.75 d^2 = 14,417,920: 4.6, five layers. What is
    # left of each, 13,288,909 - 4 d^2 - 2 d = 9,092,557, is 3 d x 2,960: 23 x 128 = 2,944.
    assert built(1e8) == (1024.0, 8.0, 8.0, 5.0, 2944.0, 32768.0, 1.0)


def test_the_shape_of_a_size_smaller_than_its_words() -> None:
    # 1e7: 430.9 to 384, three heads that keep keys of their own; 32,768 x 384 is more than all: two layers of a grain.
    assert built(1e7) == (384.0, 3.0, 3.0, 2.0, 128.0, 32768.0, 1.0)
    # A thousand words leave 9,615,616: over 13.75 x 384^2 = 2,027,520 4.7, five; (1,923,123 - 589,824 - 768) / 1,152
    # is 1,157: nine times 128.
    assert built(1e7, 1000.0) == (384.0, 3.0, 3.0, 5.0, 1152.0, 1000.0, 1.0)


def test_layers_from_eight_on_are_even() -> None:
    # 1,338.9 to 5 x 256 = 1,280: ten heads, of which eight are no part. (3e8 - 41,944,320) / 22,528,000 = 11.5: 11, to
    # 12. (21,504,640 - 6,556,160) / 3,840 = 3,893: 30 x 128.
    assert built(3e8) == (1280.0, 10.0, 10.0, 12.0, 3840.0, 32768.0, 1.0)


def test_layers_from_twenty_on_are_fours() -> None:
    # From a billion on the head is apart. 2,000 to 2,048; a thousand words: (1e9 - 4,096,000 - 2,048) / (3 + 9.75) d^2
    # = 995,901,952 / 53,477,376 = 18.6: 19, to 20. (49,795,098 - 12,582,912 - 4,096) / 6,144 = 6,056: 24 x 256.
    assert built(1e9, 1000.0) == (2048.0, 16.0, 8.0, 20.0, 6144.0, 1000.0, 0.0)
    # A quarter of a billion more, 2,154 to 2,048:
    # 1,245,901,952 / 53,477,376 = 23.3: 23, to 24. (51,912,581 - 12,587,008) / 6,144 = 6,401: 25 x 256.
    assert built(1.25e9, 1000.0) == (2048.0, 16.0, 8.0, 24.0, 6400.0, 1000.0, 0.0)
    # 3,174.8 to 3,072, 24 heads, 65,536 words twice: 3,597,343,744 / 117,178,368 = 30.7: 31, to 32. 87,245,024 / 9,216
    # = 9,467: 37 x 256.
    assert built(4e9) == (3072.0, 24.0, 8.0, 32.0, 9472.0, 65536.0, 0.0)
    # 6,839.9 to 7,168, 56 heads, 131,072 words twice: 38,120,944,640 / 618,397,696 = 61.6: 62, to 64. 478,184,912 /
    # 21,504 = 22,237: 87 x 256.
    assert built(4e10) == (7168.0, 56.0, 8.0, 64.0, 22272.0, 131072.0, 0.0)


def test_the_inner_width_at_an_edge_of_its_grain() -> None:
    # 20 layers of width 2,048 whose network is 24.5 grains of 256 wide: 12,582,912 of attention, two norms of 2,048 and
    # 3 x 2,048 x 6,272; a thousand words twice and a last norm. A thousand parameters less round down, as many more up.
    edge = 20 * (12_582_912 + 2 * 2048 + 3 * 2048 * 6272) + 2 * 1000 * 2048 + 2048.0
    assert built(edge - 1_000, 1000.0) == (2048.0, 16.0, 8.0, 20.0, 6144.0, 1000.0, 0.0)
    assert built(edge + 1_000, 1000.0) == (2048.0, 16.0, 8.0, 20.0, 6400.0, 1000.0, 0.0)


def test_a_shape_is_named_by_what_it_has() -> None:
    # Five layers of 4 d^2 + 3 d 2,944 + 2 d, the words once and a last norm: 99,757,056.
    assert shape_for_params(1e8).name == "dense-99.8M"
    # 20 layers of 3 d^2 + 3 d 6,144 + 2 d = 50,335,744, 2,048,000 twice and d: 1,010,812,928.
    assert shape_for_params(1e9, 1000.0).name == "dense-1.01B"
    more = with_experts(shape_for_params(1e8), 4.0, 2.0)
    assert more.name == "dense-99.8M-4-experts"
    assert (more.blocks[0].n_experts, more.blocks[0].top_k) == (4.0, 2.0)
    assert with_experts(SHAPE, 1.0) is SHAPE


def test_smooth_shapes_of_sizes() -> None:
    def smooth(n: float) -> tuple[Any, ...]:
        shape = smooth_shapes(n)
        (block,) = shape.blocks
        return shape.d_model, block.n_heads, block.n_kv_heads, block.count, block.d_ff, shape.vocab, shape.tied

    # 1e9: width 2,000, 15.6 heads, half tied (ln 2 / ln 4); a layer of 2 d^2 (1 + 8 / 15.625) + 9.75 d^2 = 51,096,000.
    layers = (1e9 - 32768 * 2000 * 1.5) / 51_096_000
    assert smooth(1e9) == pytest.approx((2000.0, 15.625, 8.0, layers, 6500.0, 32768.0, 0.5), rel=1e-9)
    # 1.25e8: 7.8 heads with keys each, all tied: 13.75 d^2 a layer.
    layers = (1.25e8 - 32768 * 1000) / 13_750_000
    assert smooth(1.25e8) == pytest.approx((1000.0, 7.8125, 7.8125, layers, 3250.0, 32768.0, 1.0), rel=1e-9)
    # 8e9: 8^0.4 times the words, 75,281.2; 2 d^2 x 1.256 + 9.75 d^2 = 196,192,000 a layer.
    words = 32768 * 8**0.4
    layers = (8e9 - words * 8000) / 196_192_000
    assert smooth(8e9) == pytest.approx((4000.0, 31.25, 8.0, layers, 13000.0, words, 0.0), rel=1e-9)
    # A thousand: one head and one layer at least; a million million: no more than 131,072 words.
    assert smooth(1e3)[1:4] == (1.0, 1.0, 1.0)
    assert smooth(1e12)[5] == 131072.0


def test_products_of_a_linear_mixer() -> None:
    # 5,242,880 parameters behind a width of 1,024: 5,120 columns, half of them on each of two ranks.
    block = Block(count=4.0, mixer_params=5_242_880.0)
    (one,) = matrices(SHAPE, block)
    assert (one.n, one.k, one.params, one.passed_params) == (5120.0, 1024.0, 5_242_880.0, 5_242_880.0)
    (half,) = matrices(SHAPE, block, HeldPart(0.0, 0.0, 0.0, 0.0, tp=2.0))
    assert (half.n, half.k) == (2560.0, 1024.0)


def test_flop_of_compressed_and_selected_attention() -> None:
    def of(causal: float = 1.0, **fields: float) -> float:
        return float(attention_flop_per_token(change(SHAPE, blocks=(change(BLOCK, **fields),)), 1024.0, causal))

    # Half of 1,024 keys, scores and values of 8 heads of 128: 2 x 512 x 2,048 in four layers.
    assert of() == 4 * 2 * 512 * 2048
    # Four tokens an entry: 128 entries, which four indexers of 64 score too.
    assert of(kv_compression=4.0) == 4 * 2 * 128 * 2048
    assert of(kv_compression=4.0, index_heads=4.0, index_dim=64.0) == 4 * (2 * 128 * 2048 + 2 * 128 * 256)
    # 16 of them cover 64 tokens: 64 (1 - 64 / 2,048) = 62 on the mean, 15.5 entries; 16 where nothing is masked.
    assert of(kv_compression=4.0, select_tokens=16.0) == 4 * 2 * 15.5 * 2048
    assert of(0.0, kv_compression=4.0, select_tokens=16.0) == 4 * 2 * 16 * 2048
    # The scan of a linear mixer beside it.
    assert of(mixer_flop_per_token=1000.0) == 4 * (2 * 512 * 2048 + 1000)
