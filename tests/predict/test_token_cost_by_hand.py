"""What a token costs in accelerator-seconds, on the machine of round numbers."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from round_machine import LAYER, MACHINE, SHAPE

from hwmodel.physics.serving import prefill_terms
from hwmodel.predict.service import cost as costs
from hwmodel.predict.service.cost import cost_per_token, cost_table
from hwmodel.specs.serving import Engine, ServingFormats, ServingLayout, ServingLoad

ENGINE = Engine(
    kernel_s=0.0, step_s=0.0, sequence_s=0.0, collective_s=0.0, imbalance=1.0, prefill_kernel_s=0.0,
    step_tokens=8192.0, max_running=16.0, reserve_bytes=0.0,
)  # fmt: skip
LOAD = ServingLoad(prompt_tokens=1024.0, output_tokens=100.0)


def cost(layout: ServingLayout, share: float = 1.0, load: ServingLoad = LOAD) -> tuple[float, float, float, float]:
    """Accelerator-seconds a prompt token and an output token, batch, step seconds."""
    found = cost_table(SHAPE, MACHINE, ServingFormats(), ENGINE, load, layout, share)
    assert found[4] == 1.0
    return tuple(float(value) for value in found[:4])


def test_a_prompt_token_costs_its_products() -> None:
    # Two FLOPs a weight of four layers at 1e14 FLOP/s; attention, norms and logits of eight prompts are less than half.
    alone = cost(ServingLayout())[0]
    assert 1.0 < alone / (2 * 4 * LAYER / 1e14) < 1.5


def test_a_prompt_longer_than_a_step_is_read_alone() -> None:
    # Of 16,384 tokens: pairs of queries and keys are half of 16,384 a token, two products of 128 for 8 heads.
    long = ServingLoad(prompt_tokens=16384.0, output_tokens=100.0)
    pairs = 4 * 2 * 2 * 128 * 8 * 16384 / 2 / 1e14
    floor = 2 * 4 * LAYER / 1e14 + pairs
    assert 1.0 < cost(ServingLayout(), load=long)[0] / floor < 1.5
    terms = prefill_terms(SHAPE, MACHINE, ServingFormats(), ServingLayout(), ENGINE, 16384.0, 16384.0)
    assert cost(ServingLayout(), load=long)[0] == pytest.approx(float(terms.total_s) / 16384, rel=1e-12)


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


def test_what_does_not_fit_is_told() -> None:
    # A machine of 100 MB holds no model of 140 MB; a batch is never less than one.
    small = msgspec.structs.replace(MACHINE, hbm_bytes=1e8)
    found = cost_table(SHAPE, small, ServingFormats(), ENGINE, LOAD, ServingLayout(), 1.0)
    assert (found[2], found[4]) == (1.0, 0.0)
    assert cost(ServingLayout(), 1e-3)[2] == 1.0


def test_the_cheapest_of_the_layouts_within_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One, two and four tensor ranks at a full and a half batch. Steps take 0.08 s a full batch over the ranks, half as
    long of half of it; a prompt token 0.001 s a rank, an output token 0.01 s, a half more at half the batch and a tenth
    more for each rank."""
    seen: dict[str, Any] = {}

    def table(shape: Any, machine: Any, formats: Any, engine: Any, load: Any, layout: Any, share: Any) -> Any:
        seen["load"] = load
        prompt, output = 0.001 * layout.tp, 0.01 * (1.5 - 0.5 * (share > 0.9)) * (1 + 0.1 * layout.tp)
        return prompt, output, 64.0 * share, 0.08 * share / layout.tp, np.where(layout.tp < most, 1.0, 0.0)

    def layouts(shape: Any, domain: float, space: Any) -> ServingLayout:
        assert (domain, space.most) == (8.0, 16.0)
        one = np.ones(3)
        return ServingLayout(tp=np.array([1.0, 2.0, 4.0]), pp=one, dp=one, ep=one)

    for name, other in (("cost_table", table), ("layouts", layouts), ("BATCH_SHARES", (1.0, 0.5))):
        monkeypatch.setattr(costs, name, other)
    most = 9.0
    at = (SHAPE, MACHINE, ServingFormats(), ENGINE, 100.0, 10.0)
    # Without a bound one rank is cheapest: 100 x 0.001 + 10 x 0.011 of 0.2 + 0.12 and 0.4 + 0.14.
    found = cost_per_token(*at, 0.1, most=16.0)
    assert (found.tp, found.batch, found.tpot_s, found.feasible) == (1.0, 64.0, 0.08, 1.0)
    assert (found.prompt_accelerator_s, found.output_accelerator_s) == pytest.approx((0.001, 0.011))
    assert (seen["load"].prompt_tokens, seen["load"].output_tokens) == (100.0, 10.0)
    # In 0.05 s one rank at half the batch: 0.1 + 0.165 of 0.2 + 0.12.
    found = cost_per_token(*at, 0.05, most=16.0)
    assert (found.tp, found.batch) == (1.0, 32.0)
    # Ten times the answers: 0.1 + 1.65 of 0.2 + 1.2 with two ranks.
    assert cost_per_token(*at[:-1], 100.0, 0.05, most=16.0).tp == 2.0
    # Nothing is as quick as 0.005 s: a quarter above the quickest of 0.01 is taken, or nothing where the limit binds.
    found = cost_per_token(*at, 0.005, most=16.0)
    assert (found.tp, found.batch, found.feasible) == (4.0, 32.0, 1.0)
    assert cost_per_token(*at, 0.005, strict=True, most=16.0).feasible == 0.0
    # What does not fit is no candidate and sets no pace: of two ranks the quickest is 0.02 s.
    most = 3.0
    assert cost_per_token(*at, 0.005, most=16.0).tp == 2.0
    # Columns of sizes give columns.
    many = msgspec.structs.replace(SHAPE, d_model=np.array([1024.0]))
    assert cost_per_token(many, *at[1:], 0.1, most=16.0).tp.tolist() == [1.0]
