"""What a token costs in accelerator-seconds, on the machine of round numbers."""

from __future__ import annotations

import pytest
from round_machine import LAYER, MACHINE, SHAPE

from hwmodel.predict.service.cost import cost_table
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad

ENGINE = Engine(
    kernel_s=0.0, step_s=0.0, sequence_s=0.0, collective_s=0.0, imbalance=1.0, prefill_kernel_s=0.0,
    step_tokens=8192.0, max_running=16.0, reserve_bytes=0.0,
)  # fmt: skip
LOAD = ServingLoad(prompt_tokens=1024.0, output_tokens=100.0)


def cost(layout: ServingLayout, share: float = 1.0) -> tuple[float, float, float, float]:
    """Accelerator-seconds a prompt token and an output token, batch, step seconds."""
    found = cost_table(SHAPE, MACHINE, ServingFormats(), ENGINE, LOAD, layout, share)
    assert found[4] == 1.0
    return tuple(float(value) for value in found[:4])


def test_a_prompt_token_costs_its_products() -> None:
    # Two FLOPs a weight of four layers at 1e14 FLOP/s; attention, norms and logits of eight prompts are less than half.
    alone = cost(ServingLayout())[0]
    assert 1.0 < alone / (2 * 4 * LAYER / 1e14) < 1.5


def test_attention_ranks_and_stages_work_at_once() -> None:
    """Each of two ranks takes prompts of its own, and two stages work on different ones: neither makes a token dearer;
    a hop of 2 d bytes a token over links at 1e11 is little."""
    alone = cost(ServingLayout())[0]
    assert cost(ServingLayout(dp=2.0))[0] == pytest.approx(alone, rel=1e-9)
    assert cost(ServingLayout(pp=2.0))[0] == pytest.approx(alone + 2 * 1024 / 1e11, rel=0.02)


def test_an_output_token_costs_a_share_of_its_step() -> None:
    """Sixteen run on each of two ranks, or the share asked of them."""
    _, output, batch, step = cost(ServingLayout(dp=2.0))
    assert batch == 32.0
    assert output == pytest.approx(2 * step / 32, rel=1e-12)
    assert cost(ServingLayout(dp=2.0), 0.5)[2] == 16.0
