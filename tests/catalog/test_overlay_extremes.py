"""Numbers of an overlay that no format, model or part has are refused with file and line, and never planned with."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import CatalogError

RECIPE = {
    "id": "odd", "title": "Odd", "source": "megatron-core", "gemm_format": "bf16", "attention_format": "bf16",
    "logits_format": "bf16", "weight_bytes": "2.0", "gradient_bytes": "2.0", "master_bytes": "4.0",
    "moment_bytes": "8.0", "activation_bytes": "2.0", "gradient_comm_bytes": "2.0", "weight_comm_bytes": "2.0",
    "exponent_bits": "8.0", "mantissa_bits": "7.0",
}  # fmt: skip
SHAPE = """- id: odd
  name: Odd
  source: nanotron-grid
  status: secondary
  max_seq_len: 4096
  shape:
    d_model: {d_model}
    vocab: 32000
    blocks: [{{count: {count}, n_heads: 32, n_kv_heads: 8, head_dim: 128, d_ff: 14336}}]
"""


def overlay(folder: Path, place: str, text: str) -> Path:
    file = folder / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return folder


def recipe(**changed: str) -> str:
    lines = [f"{key}: {value}" for key, value in {**RECIPE, **changed}.items()]
    return "- " + "\n  ".join(lines) + "\n"


def test_the_recipe_itself_is_read(tmp_path: Path) -> None:
    found = load_catalog((overlay(tmp_path, "precisions/training/odd.yaml", recipe()),)).precision("odd")
    assert found.weight_bytes == 2.0


@pytest.mark.parametrize(
    "field", ["weight_bytes", "moment_bytes", "activation_bytes", "weight_comm_bytes", "exponent_bits"]
)
@pytest.mark.parametrize("value", ["1.0e+308", "1.0e+30", ".inf", "65.0", "-1.0", ".nan"])
def test_bytes_that_no_format_has_are_refused(tmp_path: Path, field: str, value: str) -> None:
    place = overlay(tmp_path, "precisions/training/odd.yaml", recipe(**{field: value}))
    with pytest.raises(CatalogError, match=rf"odd.yaml:\d+: odd.{field}"):
        load_catalog((place,))


def test_the_model_itself_is_read(tmp_path: Path) -> None:
    place = overlay(tmp_path, "models/odd.yaml", SHAPE.format(d_model="4096", count="32"))
    assert load_catalog((place,)).model("odd").d_model == 4096.0


@pytest.mark.parametrize(
    ("d_model", "count"), [("1.0e+308", "32"), ("4096", "1.0e+300"), ("-4096", "32"), (".nan", "32")]
)
def test_dimensions_that_no_model_has_are_refused(tmp_path: Path, d_model: str, count: str) -> None:
    place = overlay(tmp_path, "models/odd.yaml", SHAPE.format(d_model=d_model, count=count))
    with pytest.raises(CatalogError, match=r"odd\.yaml:\d+: odd\.shape"):
        load_catalog((place,))
