"""Bytes of elements: one table, and recipes that agree with it."""

from __future__ import annotations

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.predict.formats import ELEMENT_BYTES, as_released, element_bytes, formats_of, release_of, with_cache

CATALOG = load_catalog()


def test_elements_count_their_scales() -> None:
    """By hand: 16 four-bit elements and an eight-bit scale are 72 bits, 32 of them 136 (OCP MX)."""
    assert ELEMENT_BYTES["nvfp4"] == 72 / 8 / 16
    assert ELEMENT_BYTES["mxfp4"] == 136 / 8 / 32
    assert ELEMENT_BYTES["mxfp8"] == 33 / 32
    assert element_bytes("Float16") == element_bytes("bfloat16") == 2.0
    assert element_bytes("fp8_e4m3") == 1.0
    with pytest.raises(InputError, match="fp8"):
        element_bytes("fp9")


def test_recipes_agree_with_the_table() -> None:
    """Activations are held in the format that is multiplied in; a weight never takes less than its bits."""
    for recipe in CATALOG.serving_precisions():
        multiplied = ELEMENT_BYTES[recipe.gemm_format]
        assert recipe.activation_bytes == pytest.approx(multiplied, rel=0.04), recipe.id
        assert recipe.weight_bytes >= 0.5
        assert recipe.kv_bytes in (*ELEMENT_BYTES.values(),), recipe.id


def test_a_stated_cache_takes_the_place_of_the_recipes() -> None:
    fp8 = CATALOG.serving_precision("fp8")
    assert with_cache(fp8, "") is fp8
    wide = with_cache(fp8, "bf16")
    assert (wide.kv_bytes, wide.weight_bytes) == (2.0, fp8.weight_bytes)
    four = CATALOG.serving_precision("nvfp4")
    assert formats_of(CATALOG.model("deepseek-v3"), four).experts_only == 1.0
    assert formats_of(CATALOG.model("llama-3.1-8b"), four).experts_only == 0.0


def test_so_many_bits_are_those_of_the_release() -> None:
    """FP8 of DeepSeek-V3 is FP8 in blocks; four bits of gpt-oss are MXFP4, with 8-bit activations where a part takes
    both; a model released in 16 bits, one unknown and other recipes stay as they are."""
    b200, h100 = CATALOG.part("b200"), CATALOG.part("h100")
    assert as_released("fp8", release_of(CATALOG, "deepseek-v3"), h100) == "fp8-block"
    assert as_released("nvfp4", release_of(CATALOG, "gpt-oss-120b"), b200) == "mxfp4-a8"
    assert as_released("nvfp4", release_of(CATALOG, "gpt-oss-120b"), h100) == "mxfp4"
    assert as_released("nvfp4", release_of(CATALOG, "deepseek-v3"), b200) == "nvfp4"
    assert as_released("fp8", release_of(CATALOG, "llama-3.1-70b"), h100) == "fp8"
    assert release_of(CATALOG, "no-such-model") == ""
