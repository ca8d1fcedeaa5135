"""Parameters and FLOPs against public counts; buildable shapes near the size asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.physics import shape as shapes
from hwmodel.specs import Block, Shape

GPT3 = Shape(
    name="GPT-3", d_model=12288.0, vocab=50257.0, tied=1.0, bias=1.0, norm_bias=1.0, learned_positions=2048.0,
    blocks=(Block(count=96.0, n_heads=96.0, n_kv_heads=96.0, head_dim=128.0, d_ff=49152.0, gated=0.0),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "total"),
    [
        ("llama-2-7b", 6_738_415_616),
        ("llama-2-70b", 68_976_648_192),
        ("llama-3.1-8b", 8_030_261_248),
        ("llama-3.1-405b", 405_853_388_800),
        ("mixtral-8x7b", 46_702_792_704),
    ],
)
def test_parameters_equal_the_published_counts(model: str, total: float) -> None:
    assert shapes.parameters(load_catalog().model(model)).total == total


def test_mixture_counts_active_experts() -> None:
    terms = shapes.parameters(load_catalog().model("mixtral-8x7b"))
    assert terms.active == pytest.approx(12.88e9, rel=2e-3)
    assert terms.experts == 32 * 8 * 3 * 4096 * 14336


def test_latent_attention_counts_deepseek_v3() -> None:
    terms = shapes.parameters(load_catalog().model("deepseek-v3"))
    assert terms.total == pytest.approx(671.0e9, rel=2e-3)
    assert terms.active == pytest.approx(37.5e9, rel=2e-2)


def test_gpt3_parameters_by_hand() -> None:
    d, layers = 12288, 96
    expected = layers * (12 * d * d + 13 * d) + 50257 * d + 2048 * d + 2 * d
    assert shapes.parameters(GPT3).total == expected


def test_conventions_differ_as_documented() -> None:
    s = 2048.0
    attention_full = 12 * 96 * 12288 * s
    full, causal = shapes.flop_per_token(GPT3, s, "full"), shapes.flop_per_token(GPT3, s, "causal")
    assert full - shapes.flop_per_token(GPT3, s, "6g") == pytest.approx(attention_full)
    assert full - causal == pytest.approx(attention_full / 2, rel=1e-9)
    assert shapes.flop_per_token(GPT3, s, "palm") == pytest.approx(6 * shapes.parameters(GPT3).total + attention_full)
    # arXiv 2104.04473: 96 B s l h^2 (1 + s/6h + V/16lh), a token; biases and norms are outside it.
    narayanan = 96 * 96 * 12288**2 * (1 + s / (6 * 12288) + 50257 / (16 * 96 * 12288))
    assert shapes.flop_per_token(GPT3, s, "megatron-2021") == pytest.approx(narayanan, rel=1e-9)


def test_flops_as_megatron_logs_them_since_2024() -> None:
    """12 s L h^2 (1 + 3/2 f/h + g/a + s/h + V/(2 L h)) a sequence, here a token of Llama-3-8B, computed by hand."""
    layers, h, f, a, g, v, s = 32, 4096, 14336, 32, 8, 128256, 8192
    logged = 12 * layers * h * h * (1 + 1.5 * f / h + g / a + s / h + v / (2 * layers * h))
    shape = load_catalog().model("llama-3.1-8b")
    assert shapes.flop_per_token(shape, s, "megatron") == pytest.approx(logged, rel=1e-9)


def test_unknown_convention_names_the_known() -> None:
    with pytest.raises(InputError, match="causal"):
        shapes.flop_per_token(GPT3, 2048.0, "casual")


def test_windows_and_causality_bound_the_context() -> None:
    assert shapes.mean_context(4096.0, float("inf")) == 2048.0
    assert shapes.mean_context(4096.0, 128.0) == pytest.approx(128 - 128**2 / 2 / 4096)
    assert shapes.mean_context(4096.0, float("inf"), 0.0) == 4096.0


@settings(max_examples=60, deadline=None)
@given(st.floats(5e7, 2e12))
def test_shape_for_params_is_near_and_buildable(n: float) -> None:
    shape = shapes.shape_for_params(n)
    block = shape.blocks[0]
    assert shapes.parameters(shape).total == pytest.approx(n, rel=0.02)
    assert shape.d_model % 128 == 0
    assert block.d_ff % 128 == 0
    assert block.n_heads % block.n_kv_heads == 0
    assert float(block.count).is_integer()


def test_columns_equal_numbers() -> None:
    sizes = np.geomspace(1e8, 1e12, 7)
    columns = shapes.shapes_for(sizes)
    for i, n in enumerate(sizes):
        one = shapes.shape_for_params(float(n))
        assert columns.d_model[i] == one.d_model
        assert columns.blocks[0].d_ff[i] == one.blocks[0].d_ff


def test_eight_key_value_heads_where_eight_divide_the_heads() -> None:
    # 2 x (70e9)^(1/3) = 8,243: width 8,192, 64 heads of 128, 8 of keys and values; 2 x (1.3e8)^(1/3) = 1,013: width
    # 1,024, 8 heads, each its own; 2 x (4e8)^(1/3) = 1,474: width 1,536, 12 heads, which eight do not divide.
    heads = {
        n: (shapes.shapes_for(n).blocks[0].n_heads, shapes.shapes_for(n).blocks[0].n_kv_heads)
        for n in (7e10, 1.3e8, 4e8)
    }
    assert heads == {7e10: (64.0, 8.0), 1.3e8: (8.0, 8.0), 4e8: (12.0, 12.0)}


def test_small_smooth_shapes_tie_their_embeddings() -> None:
    # Wholly up to 0.5B (log_4 of 2e9 / n is 1), half at 1B, not at all from 2B on.
    assert [float(shapes.smooth_shapes(n).tied) for n in (1e8, 1e9, 1e10)] == pytest.approx([1.0, 0.5, 0.0], abs=1e-12)
