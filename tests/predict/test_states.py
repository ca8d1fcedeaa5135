"""Optimizers, gradient formats, adapters and quantised bases: bytes by hand, and the answers that people ask for."""

from __future__ import annotations

import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.predict.states import adapter_fraction, with_states
from hwmodel.report.catalog_pages import rows_of
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.train import train

CATALOG = load_catalog()
BF16 = CATALOG.precision("bf16")
LLAMA = CATALOG.model("llama-3.1-8b")


@pytest.mark.parametrize(
    ("optimizer", "gradient", "bytes_a_param"),
    [
        (None, None, 2 + 4 + 4 + 8), ("adam", "bf16", 2 + 2 + 4 + 8), ("muon", None, 2 + 4 + 4 + 4),
        ("adam-bf16", "bf16", 2 + 2 + 0 + 4), ("adam8bit", None, 2 + 4 + 4 + 2 + 8 / 256),
    ],
)  # fmt: skip
def test_bytes_of_states(optimizer: str | None, gradient: str | None, bytes_a_param: float) -> None:
    p = with_states(BF16, optimizer, gradient)
    assert p.weight_bytes + p.gradient_bytes + p.master_bytes + p.moment_bytes == pytest.approx(bytes_a_param)


def test_adapters_by_hand() -> None:
    # 32 layers: fused query, key and value (4096 x 6144), output (4096 x 4096), gate and up (4096 x 28672), down.
    added = 32 * 16 * ((4096 + 6144) + (4096 + 4096) + (4096 + 28672) + (14336 + 4096))
    assert adapter_fraction(LLAMA, 16) == pytest.approx(added / 8_030_261_248)
    for wrong in (0, -1, 1.5):
        with pytest.raises(InputError, match="--rank"):
            adapter_fraction(LLAMA, wrong)


def test_a_lora_of_8b_on_one_rtx_4090() -> None:
    found = train(model="llama-3.1-8b", gpus="1xRTX4090", task="lora", rank=16, seq_len=2048, global_batch=16)
    assert found.fits
    assert found.memory["first"].weights_bytes == pytest.approx(2.0 * 8.03e9, rel=1e-3)
    assert any("4 N" in line for line in found.warnings)


def test_a_qlora_of_70b_on_one_h100() -> None:
    asked = {
        "model": "llama-3.1-70b",
        "gpus": "1xH100",
        "task": "lora",
        "rank": 16,
        "seq_len": 2048,
        "global_batch": 16,
    }
    found = train(**asked, base="nf4")
    assert found.fits
    assert float(found.memory["first"].weights_bytes) == pytest.approx(70.55e9 * 4.127 / 8, rel=1e-3)
    assert float(found.step.cast_s) > 0.0
    assert not train(**asked).fits
    with pytest.raises(InputError, match="add --task lora"):
        train(model="llama-3.1-8b", gpus="8xH100", base="nf4")


def test_plans_take_the_same_options() -> None:
    asked = {"gpus": "64xH100", "params": "13B", "tokens": "100B", "zero": 0, "tp": 8, "pp": 1, "micro_batch": 1}
    adam, lean = plan(**asked), plan(**asked, optimizer="adam-bf16", gradient_dtype="bf16")
    assert lean.memory is not None
    assert adam.memory is not None
    assert lean.memory["optimizer_bytes"] == pytest.approx(adam.memory["optimizer_bytes"] / 3.0)
    with pytest.raises(InputError, match="unknown optimizer"):
        plan(**asked, optimizer="lion")


def test_stacks_are_listed_with_their_era() -> None:
    rows = {str(row["id"]): row for row in rows_of(CATALOG, "stacks")}
    assert rows["generic"]["default_on"] == "other parts"
    assert rows["jax"]["default_on"] == "tpu"
    assert rows["megatron-lm-2021"]["until"] == 2022
    assert rows["megatron-lm-2021"]["attention"] == "unfused"
