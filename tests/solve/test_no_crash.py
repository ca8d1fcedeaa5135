"""Plain questions answer or refuse in one line; what is given binds."""

from __future__ import annotations

import random

import numpy as np
import pytest

import hwmodel as hm
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.run.result import value_of


@pytest.mark.parametrize(
    "asked",
    [{"gpus": "1xH100", "params": "7B", "time": "30d"}, {"gpus": "2xH100", "model": "llama-3.1-8b", "time": "30d"},
     {"gpus": "1xB200", "time": "1y", "pp": "2"}, {"tokens": "15T", "flops": "1e18"}],
)  # fmt: skip
def test_infeasible_questions_say_so(asked: dict[str, str]) -> None:
    with pytest.raises(InfeasibleError):
        hm.plan(**asked)


@pytest.mark.parametrize("asked", [{"gpus": "8xMI300X", "time": "30d"}, {"gpus": "16xtrn2", "time": "300d"}])
def test_a_size_between_grid_sizes_that_fits_is_planned(asked: dict[str, str]) -> None:
    found = hm.plan(params="70B", **asked)
    days = float(asked["time"].rstrip("d"))
    assert value_of(found.answer.elapsed_days) == pytest.approx(days, rel=1e-3)


@pytest.mark.parametrize(
    "asked",
    [{"params": "7B", "loss": "1e300"}, {"gpus": "8xH100", "params": "7B", "budget": "$1e308T"},
     {"loss": "2", "flops": "1e18"}, {"params": "7B", "tokens": 10**400}, {"tokens": "1T", "tp": "2"},
     {"gpus": "8xH100", "params": "1B", "tokens": "1T", "global_batch": "1000000000"},
     {"gpus": "8xH100", "params": "1B", "tokens": "1T", "global_batch": 1.5}, {"tokens": "1T", "precision": " "},
     {"gpus": "8xH100", "params": "1B", "usd_per_hour": "2", "price_kind": "spot"},
     {"tokens": "1T", "serving_precision": "fp8"}],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(asked: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        parse_request(**asked)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("money", ["$3M", "$2.9M", "$1.7M"])
def test_money_is_not_overrun_by_a_size(money: str) -> None:
    answer = hm.plan(gpus="64xA100", tokens="15T", budget=money).answer
    assert value_of(answer.cost_usd) <= float(money.strip("$M")) * 1e6 * (1 + 1e-6)


def test_numbers_of_numpy_are_numbers() -> None:
    assert parse_request(tokens=np.float64(1e11)).tokens == parse_request(tokens=1e11).tokens


@pytest.mark.parametrize("seed", range(12))
def test_drawn_questions_answer_or_refuse(seed: int) -> None:
    """Fleets from one accelerator up, every way of giving size and limit: no traceback, limits kept, finite figures."""
    draw = random.Random(seed)
    part = draw.choice(["H100", "A100", "V100", "MI300X", "trn2", "v5p", "B200", "L40S", "H200", "gaudi2"])
    asked = {"gpus": f"{draw.choice([1, 2, 3, 8, 24, 100, 512])}x{part}"}
    asked |= draw.choice([{"time": f"{draw.choice([1, 30, 300])}d"}, {"budget": f"${draw.choice([10, 900])}k"}])
    asked |= draw.choice([{}, {"params": draw.choice(["100M", "7B", "70B"])}, {"tokens": draw.choice(["1B", "1T"])}])
    asked["precision"] = "fp16" if part == "V100" else "bf16"
    try:
        answer = hm.plan(**asked).answer
    except (InputError, InfeasibleError):
        return
    days = value_of(answer.elapsed_days)
    assert 0 < value_of(answer.train_days) < float("inf")
    if "time" in asked:
        assert days <= float(asked["time"].rstrip("d")) * (1 + 1e-3), asked
