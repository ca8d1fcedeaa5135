"""A small plan on every accelerator of the catalog: an answer of a sane utilisation, or a reason in one line."""

from __future__ import annotations

import pytest

import hwmodel as hm
from hwmodel.catalog import load_catalog
from hwmodel.errors import HwModelError, InfeasibleError, InputError

# Parts that cannot train a 1B model on 64 of them, and why.
REFUSED: dict[str, tuple[type[HwModelError], str]] = {
    "groq-lpu-v1": (InfeasibleError, "does not fit"),
    "tpu-8t": (InputError, "no source states its peak"),
    "cambricon-590": (InputError, "no source states the memory"),
}
INFERENCE_OR_WAFER = {"cerebras-wse2", "cerebras-wse3"}  # one wafer holds the model: 64 of them starve


@pytest.mark.parametrize("part", [p.id for p in load_catalog().parts()])
def test_a_plan_on_every_part(part: str) -> None:
    if part in REFUSED:
        kind, words = REFUSED[part]
        with pytest.raises(kind, match=words) as refused:
            hm.plan(gpus=f"64x{part}", params="1B", tokens="20B")
        assert "\n" not in str(refused.value)
        return
    answer = hm.plan(gpus=f"64x{part}", params="1B", tokens="20B").answer
    assert answer.mfu is not None
    floor = 0.01 if part in INFERENCE_OR_WAFER else 0.12
    assert floor < answer.mfu.value < 0.8
    assert answer.mfu.low < answer.mfu.value < answer.mfu.high


def test_a_format_that_the_hardware_lacks_is_refused() -> None:
    for part, fmt in (("A100", "fp8"), ("V100", "bf16"), ("H100", "nvfp4"), ("MI300X", "mxfp8")):
        with pytest.raises(InputError, match=fmt):
            hm.plan(gpus=f"8x{part}", params="1B", tokens="20B", precision=fmt)


def test_recalled_figures_are_told() -> None:
    plan = hm.plan(gpus="64xrtx-pro-6000", params="1B", tokens="20B")
    assert any("unconfirmed" in w for w in plan.warnings)
