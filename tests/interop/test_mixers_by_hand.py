"""What one layer without softmax attention multiplies, computes, keeps and holds beside, worked out in the comments.

Parameters of whole models stand against those of their classes elsewhere; FLOPs of scans and states do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hwmodel.errors import InputError
from hwmodel.interop.huggingface import attention, mixers
from hwmodel.interop.huggingface.config import Config
from hwmodel.interop.huggingface.families import Family

D = 32  # the model's width in every case


def config(**keys: Any) -> Config:
    return Config({"hidden_size": D, **keys}, Path("config.json"))


def assert_fields(found: dict[str, float], products: float, flop: float, state: float, extra: float) -> None:
    """Weights of products, FLOPs a token beside them, elements kept a sequence, parameters beside."""
    assert found == {
        "mixer_params": products, "mixer_flop_per_token": flop, "mixer_state_elements": state, "extra_params": extra,
    }  # fmt: skip


def test_gated_delta_rule() -> None:
    # Two key heads of 8, four value heads of 16: 16 keys, 64 values; 2 x 16 + 64 = 96 channels in a convolution of 4.
    keys = {
        "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 16,
    }  # fmt: skip
    # Into the channels, a gate of 64 and two numbers a value head, and back from 64.
    products = D * (96 + 64 + 2 * 4) + 64 * D
    # A state of 8 x 16 a value head, 7 FLOPs an element (decay 1, input 2, read 2, recall 2); 2 a tap.
    flop = 7 * 4 * 8 * 16 + 2 * 4 * 96
    # Two vectors of heads, a norm of 16, four taps a channel; three steps of the channels are kept.
    assert_fields(mixers.delta(config(**keys)), products, flop, 512 + 3 * 96, 2 * 4 + 16 + 4 * 96)
    short = mixers.delta(config(linear_conv_kernel_dim=2, **keys))
    assert_fields(short, products, 7 * 512 + 2 * 2 * 96, 512 + 96, 24 + 2 * 96)


def test_kimi_delta_attention() -> None:
    # Four heads of 8: 32 channels each of queries, keys and values, a number a head, and the output.
    keys: dict[str, Any] = {"num_heads": 4, "head_dim": 8}
    plain = 3 * D * 32 + D * 4 + 32 * D
    low, high = D * 8 + 8 * 32, D * 32  # a gate through 8, or whole
    # 7 FLOPs an element of 4 x 8 x 8, four taps over 96 channels. A bias a channel, a number a head, a norm of 8.
    rest = (7 * 256 + 2 * 4 * 96, 256 + 3 * 96, 32 + 4 + 8 + 4 * 96)
    assert_fields(mixers.kda(config(linear_attn_config=keys)), plain + 2 * low, *rest)
    gated = keys | {"use_full_rank_gate": True}
    assert_fields(mixers.kda(config(linear_attn_config=gated)), plain + low + high, *rest)
    bailing = config(linear_num_heads=4, linear_head_dim=8, kda_safe_gate=True)
    assert_fields(mixers.kda(bailing), plain + 2 * high, *rest)


def test_lightning_attention() -> None:
    # Queries, keys, values, an output gate and the output of four heads of 8; 5 FLOPs an element of 4 x 8 x 8, no
    # convolution; a norm of 32.
    found = mixers.lightning(config(num_attention_heads=4))
    assert_fields(found, 5 * D * 32, 5 * 256, 256, 32)


# Four heads of 16 with a state of 8 and two groups: 64 channels, 2 x 2 x 8 = 32 of inputs and outputs beside: 96.
MAMBA2 = {"mamba_num_heads": 4, "mamba_head_dim": 16, "mamba_n_groups": 2, "mamba_d_state": 8}


def test_mamba_2() -> None:
    # Into 96 channels, a gate of 64 and a step a head, and back. Bias of the convolution 96, three numbers a head, a
    # norm of 64.
    products, flop, state = D * (64 + 96 + 4) + 64 * D, 5 * 64 * 8 + 2 * 4 * 96, 64 * 8 + 3 * 96
    extra = 96 + 3 * 4 + 64 + 4 * 96
    assert_fields(mixers.mamba2(config(**MAMBA2), Family()), products, flop, state, extra)
    # Biases of both products: 64 + 96 + 4 and 32. Without that of the convolution, without the norm.
    for more, change in (
        ({"use_bias": True}, 164 + 32), ({"use_conv_bias": False}, -96), ({"mamba_rms_norm": False}, -64),
        ({"use_bias": True, "projectors_bias": False}, 164), ({"mamba_proj_bias": True}, 164 + 32),
    ):  # fmt: skip
        assert_fields(mixers.mamba2(config(**MAMBA2, **more), Family()), products, flop, state, extra + change)
    # A family whose convolution always has a bias; one that reads another key for those of the products.
    always = Family(conv_bias=True)
    assert_fields(mixers.mamba2(config(**MAMBA2, use_conv_bias=False), always), products, flop, state, extra)
    other = Family(bias="networks")
    assert_fields(mixers.mamba2(config(**MAMBA2, mamba_proj_bias=True), other), products, flop, state, extra)
    # Heads of the channels that the factor gives: 2 x 32 / 4.
    left_out = {key: value for key, value in MAMBA2.items() if key != "mamba_head_dim"}
    assert_fields(mixers.mamba2(config(**left_out), Family()), products, flop, state, extra)


def test_mamba_1() -> None:
    # Twice the width: 64 channels, a state of 8, a step through ceil(32 / 16) = 2.
    keys = {"mamba_d_state": 8}
    products = 2 * D * 64 + 64 * (2 + 2 * 8) + 2 * 64 + 64 * D
    flop, state = 5 * 64 * 8 + 2 * 4 * 64, 64 * 8 + 3 * 64
    # Biases of the convolution and of the step, a decay an element, a skip a channel, four taps.
    extra = 64 + 64 + 64 * 8 + 64 + 4 * 64
    assert_fields(mixers.mamba1(config(**keys), "mamba"), products, flop, state, extra)
    biased = mixers.mamba1(config(**keys, use_bias=True), "mamba")
    assert_fields(biased, products, flop, state, extra + 2 * 64 + D)
    assert_fields(mixers.mamba1(config(**keys, use_conv_bias=False), "mamba"), products, flop, state, extra - 64)
    # Jamba norms the step, the input and the output: 2 + 8 + 8.
    assert_fields(mixers.mamba1(config(**keys), "jamba"), products, flop, state, extra + 18)
    # A file of such layers alone states its channels: 48; a hybrid's key is of its networks. A step through 5.
    stated = mixers.mamba1(config(**keys, intermediate_size=48, time_step_rank=5), "mamba")
    assert stated["mixer_params"] == 2 * D * 48 + 48 * (5 + 16) + 5 * 48 + 48 * D
    assert mixers.mamba1(config(**keys, intermediate_size=48), "jamba")["mixer_params"] == products
    # One more than a multiple of 16 takes one more: ceil(33 / 16) = 3 over 66 channels.
    odd = mixers.mamba1(config(**keys, hidden_size=33), "mamba")
    assert odd["mixer_params"] == 2 * 33 * 66 + 66 * (3 + 16) + 3 * 66 + 66 * 33


def test_gated_short_convolution() -> None:
    # Into three times the width and back; two gates and three taps a channel; two steps are kept.
    assert_fields(mixers.conv(config()), 4 * D * D, 2 * D + 2 * 3 * D, 2 * D, 3 * D)
    # Biases: 3 x 32 in, 32 of the convolution, 32 out.
    assert_fields(mixers.conv(config(conv_bias=True)), 4 * D * D, 8 * D, 2 * D, 8 * D)


def test_gated_linear_recurrence() -> None:
    # 64 channels in four heads: two products in, one out, two gates of 16 x 16 a head. 12 FLOPs a channel, four taps.
    # Biases: 2 x 64 in, 32 out, 64 of the convolution, 2 x 64 of gates; a decay a channel.
    found = mixers.linear_recurrence(config(lru_width=64, num_attention_heads=4))
    extra = 2 * 64 + 32 + 64 + 2 * 64 + 64 + 4 * 64
    assert_fields(found, 3 * D * 64 + 2 * 4 * 16 * 16, 12 * 64 + 2 * 4 * 64, 64 + 3 * 64, extra)


def test_matrix_memory() -> None:
    # Four heads; keys of half the width, 16, and values of 32: queries, keys, values, an output gate, two gates a head,
    # and the output. A state of 4 x 8 a head, 5 FLOPs an element; kept with a sum of keys and a maximum a head.
    products = D * (2 * 16 + 2 * 32 + 2 * 4) + 32 * D
    assert_fields(mixers.matrix_lstm(config(num_heads=4)), products, 5 * 128, 128 + 16 + 4, 2 * 4 + 32)
    # Biases of queries, keys, values, gate, output, of three norms: 2 x 16 + 2 x 32 + 32 + 3 x 32.
    biased = mixers.matrix_lstm(config(num_heads=4, use_bias=True))
    assert_fields(biased, products, 640, 148, 40 + 32 + 64 + 32 + 96)


def test_time_mixing() -> None:
    # Four products between 32 and 48 and the receptance of the channels; 16 FLOPs a channel; three sums a channel and
    # the last input of both mixings; decay and bonus, three mixes in time and two in channels.
    found = mixers.rwkv(config(attention_hidden_size=48))
    assert_fields(found, 4 * D * 48 + D * D, 16 * 48, 3 * 48 + 2 * D, 2 * 48 + 5 * D)


def test_what_linear_attention_means_where_the_family_does_not_say() -> None:
    delta = {
        "linear_num_key_heads": 1, "linear_num_value_heads": 1, "linear_key_head_dim": 8, "linear_value_head_dim": 8,
    }  # fmt: skip
    kimi = {"linear_attn_config": {"num_heads": 1, "head_dim": 8}}
    mamba1 = {"mamba_d_state": 8, "mamba_dt_rank": 2}
    for keys, want in (
        (delta, mixers.delta), (kimi, mixers.kda), (MAMBA2, lambda c: mixers.mamba2(c, Family())),
        (mamba1, lambda c: mixers.mamba1(c, "")),
    ):  # fmt: skip
        assert mixers.linear(config(**keys), Family(), "") == want(config(**keys))
    # What the family says goes first.
    both = config(**delta, num_attention_heads=4)
    assert mixers.linear(both, Family(linear="lightning"), "") == mixers.lightning(both)
    with pytest.raises(InputError, match="no dimensions of their mixer that are known"):
        mixers.linear(config(mamba_dt_rank=2), Family(), "")


def test_a_list_of_layers_counts_them() -> None:
    assert config(layers_block_type=["a", "b", "c"]).layers() == 3
    assert config(layers_block_type=["a", "b", "c"], n_layer=2).layers() == 2
    with pytest.raises(InputError, match="num_hidden_layers"):
        config(layers_block_type=[]).layers()


def test_scales_of_normed_queries_and_keys() -> None:
    # Heads of 16, eight of queries and two of keys: one vector of 16 each, twice with biases, none of borrowed keys; or
    # over all heads, 8 x 16 + 2 x 16.
    fields: dict[str, float] = {"head_dim": 16.0, "n_heads": 8.0, "n_kv_heads": 2.0}
    borrowed = {**fields, "borrows_kv": 1.0}
    head, full = Family(qk_norm="head"), Family(qk_norm="full", norm_bias=True)
    for family, of, scales in (
        (head, fields, 32), (head, borrowed, 16), (Family(qk_norm="head", norm_bias=True), fields, 64),
        (full, fields, 160), (full, borrowed, 128), (Family(), fields, 0),
    ):  # fmt: skip
        assert attention.norms(config(), family, of) == scales
    assert attention.norms(config(use_qk_norm=False), head, fields) == 0
    keyed = Family(qk_norm="head", qk_norm_key="qk_layernorm")
    assert (attention.norms(config(), keyed, fields), attention.norms(config(qk_layernorm=True), keyed, fields)) == (
        0,
        32,
    )
