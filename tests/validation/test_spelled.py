"""Models as published rows spell them."""

from __future__ import annotations

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.validation.rows.spelled import model_of


@pytest.mark.parametrize(
    ("name", "model"),
    [("nvidia/DeepSeek-V3.1-NVFP4", "deepseek-v3"), ("nvidia/Llama-3.1-8B-Instruct-FP8", "llama-3.1-8b"),
     ("Qwen/Qwen3-235B-A22B-FP8", "qwen3-235b-a22b"), ("Qwen3_30B_a3B (tokendrop)", "qwen3-30b-a3b"),
     ("Gopher (280B)", "gopher-280b"), ("mistralai/Mistral-7B-Instruct-v0.2", "mistral-7b"),
     ("Llama-like 70B (likely B200: table typo)", "llama-2-70b"), ("Llama-3.1-405B (MLPerf)", "llama-3.1-405b")],
)  # fmt: skip
def test_a_row_reader_cleans_what_the_catalog_refuses(name: str, model: str) -> None:
    catalog = load_catalog()
    assert model_of(catalog, name) == catalog.model(model)
    with pytest.raises(InputError):
        catalog.model(name)


def test_a_beginning_is_no_model() -> None:
    with pytest.raises(InputError, match="llama3"):
        model_of(load_catalog(), "llama3-Instruct")
