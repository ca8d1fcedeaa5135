"""Terms that alike blocks share depend on nothing else, and sharing them changes no bit."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.catalog.calibrations import kernel_calibration
from hwmodel.interop.huggingface import read_config
from hwmodel.physics import alike
from hwmodel.physics import serving_step as step
from hwmodel.physics.alike import Once
from hwmodel.physics.machine import machine
from hwmodel.predict.formats import formats_of
from hwmodel.solve.serve.choose import engine_for
from hwmodel.specs.serving import ServingLayout
from hwmodel.specs.shape import Block, Shape

CATALOG = load_catalog()
MODELLED = [CATALOG.model(entry.id) for entry in CATALOG.models() if not entry.not_modelled]
# Jamba, Falcon-H1 and others, as their publishers describe them.
PUBLIC = Path(__file__).parents[1] / "golden" / "hf_public"
READ = [read_config(path).shape for path in sorted(PUBLIC.glob("*.json"))]
HYBRID = [shape for shape in (*MODELLED, *READ) if len(shape.blocks) > 1]
LAYOUT = ServingLayout(tp=np.array([1.0, 2.0, 8.0]), dp=np.array([1.0, 8.0, 4.0]), ep=np.array([1.0, 16.0, 32.0]))
PASS = step.Pass(
    sequences=np.array([3.0, 40.0, 200.0]), context=np.array([700.0, 5e3, 3e4]), verified=1.0,
    prompts=np.array([1.0, 2.0, 1.0]), new_tokens=900.0, seen=100.0,
)  # fmt: skip
PART = CATALOG.part("h100-sxm5-80gb")
ENGINE = engine_for("vllm", PART.family, "fp8")


def terms(shape: Shape, recipe: str) -> list[np.ndarray]:
    precision = CATALOG.serving_precision(recipe)
    made = machine(PART, CATALOG.default_system(PART), precision, kernel_calibration())
    found = step.layers_terms(shape, formats_of(shape, precision), PASS, LAYOUT, ENGINE, made)
    return [np.asarray(one) for one in found]


def same_without_sharing(shape: Shape, recipe: str) -> bool:
    shared = terms(shape, recipe)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Once, "of", lambda self, block, reads, make, *more: make())
        apart = terms(shape, recipe)
    return all(np.array_equal(one, other) for one, other in zip(shared, apart, strict=True))


@pytest.mark.parametrize("shape", HYBRID, ids=lambda shape: shape.name)
@pytest.mark.parametrize("recipe", ["bf16", "fp8", "mxfp4", "w4a16"])
def test_sharing_changes_no_bit(shape: Shape, recipe: str) -> None:
    assert same_without_sharing(shape, recipe)


def test_models_of_several_kinds_of_layers_are_tried() -> None:
    """Dense beside routed layers, windows, mixers beside attention, and several cache formats."""
    fields = ("n_experts", "window_tokens", "mixer_params", "head_dim", "kv_compression", "n_kv_heads")
    for field in fields:
        assert any(len({getattr(block, field) for block in shape.blocks}) > 1 for shape in HYBRID), field


# Layers of plain attention, of a mixer alone and of latent attention beside experts, a mixer and an indexer.
PLAIN: dict[str, float] = {
    "count": 3.0, "n_heads": 64.0, "n_kv_heads": 8.0, "head_dim": 128.0, "window_tokens": 4096.0, "d_ff": 16384.0,
    "v_from_k": 0.5, "borrows_kv": 0.5, "whole_qk_norm": 1.0,
}  # fmt: skip
MIXER: dict[str, float] = {
    "count": 3.0, "mixer_params": 4e7, "mixer_state_elements": 1e6, "mixer_flop_per_token": 1e7, "d_ff": 2048.0,
    "n_experts": 16.0, "top_k": 2.0,
}  # fmt: skip


@pytest.mark.parametrize("sizes", [PLAIN, MIXER], ids=["plain", "mixer"])
@pytest.mark.parametrize("field", [f for f in Block.__struct_fields__ if f != "count"])
def test_blocks_of_other_kinds_that_differ_in_a_field(sizes: dict[str, float], field: str) -> None:
    one = Block(**sizes)
    had = float(getattr(one, field))
    other = msgspec.structs.replace(one, **{field: 0.5 * had if 1.0 < had < math.inf else 0.25 if had else 8.0})
    for recipe in ("fp8", "mxfp4"):
        assert same_without_sharing(msgspec.structs.replace(CATALOG.model("llama-3.1-8b"), blocks=(one, other)), recipe)


def blocks(**more: float) -> tuple[Block, Block]:
    """Two blocks that differ in one field."""
    one = Block(
        count=3.0, n_heads=64.0, n_kv_heads=8.0, head_dim=128.0, window_tokens=4096.0, d_ff=2048.0, n_experts=32.0,
        top_k=4.0, d_ff_shared=512.0, index_heads=8.0, index_dim=64.0, select_tokens=1024.0, kv_lora_rank=512.0,
        rope_dim=64.0, q_lora_rank=1536.0, mixer_params=1e6, mixer_state_elements=1e5, mixer_flop_per_token=1e6,
        o_lora_rank=256.0, o_groups=4.0, kv_compression=2.0,
    )  # fmt: skip
    return one, msgspec.structs.replace(one, **more)


@pytest.mark.parametrize("field", [f for f in Block.__struct_fields__ if f != "count"])
def test_blocks_that_differ_in_any_field_are_no_more_alike_than_what_is_read(field: str) -> None:
    """A field left out of a key that a term reads would give the second block the first one's seconds."""
    had = float(getattr(blocks()[0], field))
    one, other = blocks(**{field: 0.5 * had if 1.0 < had < math.inf else 0.25})
    assert same_without_sharing(msgspec.structs.replace(CATALOG.model("llama-3.1-8b"), blocks=(one, other)), "fp8")


def test_what_reads_are_named_are_fields_of_a_block() -> None:
    named = alike.COUNTED | alike.NETWORK | alike.MIXER | alike.REACH
    named |= {*alike.ROUTING, *alike.SIZES, *alike.SUMS}
    assert named <= set(Block.__struct_fields__)
