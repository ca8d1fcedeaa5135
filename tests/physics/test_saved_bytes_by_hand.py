"""Bytes that one layer saves for one token, by what saves them, worked out in the comments."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from round_machine import BLOCK, SHAPE, STACK

from hwmodel.catalog import load_catalog
from hwmodel.physics.memory import _layer_bytes_per_token
from hwmodel.specs import Block, Layout

# Products read one byte, all else has two.
NARROW = msgspec.structs.replace(load_catalog().precision("bf16"), activation_bytes=1.0)
# Six heads and three of keys of 128, values of 64; two of eight gated experts of 4,096 and a shared one of 512.
ROUTED = Block(
    count=4.0, n_heads=6.0, n_kv_heads=3.0, head_dim=128.0, v_head_dim=64.0, d_ff=4096.0, n_experts=8.0, top_k=2.0,
    d_ff_shared=512.0,
)  # fmt: skip
change = msgspec.structs.replace


def saved(block: Block, layout: Layout, precision: Any = NARROW, **stack: float) -> Any:
    return _layer_bytes_per_token(SHAPE, block, layout, precision, change(STACK, **stack), 1000.0)


def test_a_layer_of_experts_in_a_narrow_format() -> None:
    # Two tensor ranks have three query heads each, and two of keys: 3 x 128 and 2 x (128 + 64) in 2 bytes; what three
    # heads return, 64 wide, in two bytes and cast to one.
    heads, returned = 3 * 128 * 2 + 2 * 192 * 2, 3 * 64 * (2 + 1)
    # The busiest rank has 1.5 times its 2 x 4,096 / 2, each twice in 2 bytes before the activation and once in 1 after;
    # both ranks share an expert, so that each has a whole copy of 1,024 for each choice, halved: 2 x 1,024 x 2 / 2.
    routed, permuted, shared = 2 * 4096 * 1.5 / 2, 2 * 1024 * 2 / 2, 512 / 2
    layout = Layout(tp=2.0, etp=2.0)
    found = saved(ROUTED, layout, imbalance=1.5)
    # Inputs of two norms in 2 bytes, their outputs in 1, half on each rank.
    network = routed * 5 + permuted
    assert found.whole == pytest.approx(2 * 1024 + 1024 + heads + returned + network + shared * 5)
    assert (found.entry, found.norms, found.network) == (1024.0, 1024.0, network)
    assert found.activation == routed + shared
    assert found.products == heads + (routed + shared) * 4
    assert (found.shared_experts, found.attention, found.up_projections) == (shared * 5, 0.0, 0.0)
    # Kept in the products' format: 2 x 1 + 1 bytes. Whole experts: one copy for each choice is halved.
    narrow = saved(ROUTED, layout, imbalance=1.5, narrow_saved=1.0)
    assert found.whole - narrow.whole == pytest.approx((routed + shared) * 2)
    assert found.network - saved(ROUTED, Layout(tp=2.0, etp=1.0), imbalance=1.5).network == permuted / 2
    # Without sequence parallelism each rank keeps the whole input and output of a norm.
    apart = saved(ROUTED, change(layout, sequence_parallel=0.0), imbalance=1.5)
    assert (apart.entry, apart.norms, apart.whole - found.whole) == (2048.0, 2048.0, 3 * 1024)


def test_a_share_of_layers_in_16_bits_saves_more() -> None:
    # A quarter of the layers: inputs of products have 1.25 bytes, less than the 2 of all else: attention's are cast.
    found = saved(BLOCK, Layout(), change(NARROW, bf16_layers=0.25))
    assert (found.norms, found.activation) == (2 * 1.25 * 1024, 1.25 * 4096)
    assert found.whole == 4 * 1024 + 2.5 * 1024 + 3 * 1024 * 2 + 1024 * 3.25 + 4096 * 3.25
    # In 16 bits what attention returns enters its product as it is.
    plain = saved(BLOCK, Layout(), change(NARROW, activation_bytes=2.0))
    assert plain.whole == (4 + 4 + 6 + 2) * 1024 + 4096 * 4


def test_scores_and_latents_that_are_kept() -> None:
    # Unfused attention keeps 1,000 scores of each of four heads on two ranks, 5 bytes each.
    more, less = (saved(BLOCK, Layout(tp=2.0), attention_generation=old) for old in (0.0, 1.0))
    assert (more.attention, less.attention, more.whole - less.whole) == (20_000.0, 0.0, 20_000.0)
    # Latents of 300 + 200 and 64 in 2 bytes before and after their norms, whole on both ranks; 4 x 128 queries and as
    # many keys and values come from them.
    latent = change(BLOCK, q_lora_rank=300.0, kv_lora_rank=200.0, rope_dim=64.0)
    found = saved(latent, Layout(tp=2.0), attention_generation=1.0)
    assert found.whole - less.whole == 2 * 564 * 2
    assert (found.up_projections, found.products) == (3 * 512 * 2, 3 * 512 * 2 + 2048 * 2)
