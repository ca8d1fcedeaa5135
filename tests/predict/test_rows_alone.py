"""A row of the search's columns takes what it takes alone: layouts share times only where nothing else decides them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from hwmodel.errors import HwModelError
from hwmodel.physics.shape import parameters, shape_for_params
from hwmodel.predict.columns import row_of
from hwmodel.predict.search import Evaluation, choice
from hwmodel.solve.plan.solver import setting_of
from hwmodel.solve.run.fleet import Fleet
from hwmodel.specs.layout import DUALPIPE, SCHEDULES

MODELS = ["llama-3.1-8b", "mixtral-8x7b", "deepseek-v3", "qwen3-30b-a3b", "gemma-3-12b", "nemotron-3-nano-30b-a3b"]
FLEETS = [
    "8xB200",
    "16xMI355X",
    "64xH100",
    "8xh100-pcie-80gb",
    "72xGB200",
    "500xB200",
    "256xMI300X",
    "128xA100",
    "64xv5p",
    "96xMI355X",
]


def drawn(seed: str) -> dict[str, str]:
    draw = random.Random(seed)
    size = {"model": draw.choice(MODELS)} if draw.random() < 0.6 else {"params": draw.choice(["1B", "7B", "70B"])}
    asked = {
        "gpus": draw.choice(FLEETS),
        "tokens": "1T",
        "precision": draw.choice(["bf16", "fp8", "fp8-block", "mxfp8"]),
    }
    if draw.random() < 0.3:
        asked["stack"] = draw.choice(["torchtitan", "megatron-bridge", "nemo", "hai-llm"])
    for name, words in (
        ("schedule", SCHEDULES), ("offload", ["any", "activations"]), ("recompute", ["full", "selective", "50%"]),
    ):  # fmt: skip
        if draw.random() < 0.3:
            asked[name] = draw.choice(words)
    if draw.random() < 0.3:
        asked["global_batch"] = draw.choice(["512", "2048"])
    return asked | size


def evaluated(seed: int) -> tuple[Fleet, Evaluation]:
    """The layouts of the first question drawn that has any."""
    for attempt in range(20):
        try:
            setting = setting_of(**drawn(f"rows {seed} {attempt}"))
            shape = setting.shape() or shape_for_params(setting.request.params or 0.0)
            fleet = Fleet(setting, setting.request.gpus or 0)
            return fleet, fleet.evaluate(shape, float(parameters(shape).total))
        except HwModelError:
            continue
    raise AssertionError("no question drawn has a layout")


@pytest.mark.parametrize("seed", range(32))
def test_rows_of_the_search_take_what_they_take_alone(seed: int) -> None:
    fleet, found = evaluated(seed)
    rows = np.flatnonzero(np.isfinite(found.step_s))
    for row in rows[:: max(len(rows) // 12, 1)]:
        alone = choice(found, int(row), fleet.machine, fleet.precision, fleet.setting.stack)
        assert alone.step_s == pytest.approx(found.step_s[row], rel=1e-9), row_of(found.space.layout, int(row))


def test_layouts_that_cast_weights_in_each_micro_batch_are_not_timed_as_those_that_do_not() -> None:
    """fp8 in blocks on a bridged card: ZeRO-3 and few micro-batches among hundreds of rows."""
    setting = setting_of(gpus="8xh100-pcie-80gb", params="7B", tokens="1.4T", precision="fp8-block")
    fleet = Fleet(setting, 8)
    shape = shape_for_params(7e9)
    found = fleet.evaluate(shape, float(parameters(shape).total))
    for row in np.flatnonzero(np.isfinite(found.step_s))[::7]:
        alone = choice(found, int(row), fleet.machine, fleet.precision, setting.stack).step_s
        assert alone == pytest.approx(found.step_s[row], rel=1e-9)


def test_ranks_fed_from_both_ends_exchange_gradients_with_one_replica() -> None:
    """DualPipe holds each stage twice (arXiv 2412.19437): both add up, whatever its neighbours in a column."""
    setting = setting_of(gpus="16xMI355X", tokens="1.4T", params="70B", schedule="dualpipe")
    fleet = Fleet(setting, 16)
    shape = shape_for_params(7e10)
    found = fleet.evaluate(shape, float(parameters(shape).total))
    one = found.space.layout
    rows = np.flatnonzero((np.asarray(one.dp) * one.cp == 1.0) & (np.asarray(one.pp) > 1.0) & np.isfinite(found.step_s))
    rows = rows[np.broadcast_to(one.schedule, found.space.count)[rows] == DUALPIPE]
    assert len(rows)
    for row in rows[:8]:
        alone = choice(found, int(row), fleet.machine, fleet.precision, setting.stack)
        assert alone.step.dp_exposed_s > 0.0
        assert alone.step_s == pytest.approx(found.step_s[row], rel=1e-12)
