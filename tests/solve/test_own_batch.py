"""Sizes at the batch of their own tokens: no size that is given does better, and more of anything is never worse."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hwmodel.solve.plan.own_batch import own_tokens, seen
from hwmodel.solve.plan.solver import prepare, setting_of
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.result import value_of

PARTS = ("V100", "A100", "L40S", "H100", "B200", "MI300X")
# Depths of neighbouring sizes divide into stages or do not: that much of the loss is the luck of a size.
LUCK_NATS = 1e-3


def _loss(**asked: str) -> float:
    found = prepare(setting_of(**asked)).solved
    assert found is not None
    assert found.sized.loss is not None
    return value_of(found.sized.loss)


@pytest.mark.parametrize(
    ("gpus", "time", "sizes"),
    [
        ("64000xV100", "1460d", ("150B", "303B", "500B", "900B")),
        ("13048xV100", "730d", ("152B", "237B", "350B")),
        ("16384xH100", "90d", ("300B", "555B", "700B")),
        # The next size at which rates are known does not fit: sizes up to it may.
        ("4xL40S", "730d", ("6.2B", "6.75B", "7B")),
        ("8xV100", "365d", ("3.5B", "4.1B", "4.7B")),
        # Shapes that divide well lie beside the size that interpolated rates lead to, some beyond slower ones.
        ("1024xH100", "30d", ("62B", "66.16B", "70B")),
        ("64xL40S", "90d", ("13.6B", "15.15B", "17B")),
        ("60000xV100", "365d", ("303B", "352.3B", "357.4B")),
        # A shape that divides well among ones that train a fifth as fast.
        ("101088xV100", "234.7d", ("260B", "352.3B")),
    ],
)
def test_no_size_that_is_given_does_better(gpus: str, time: str, sizes: tuple[str, ...]) -> None:
    best = _loss(gpus=gpus, time=time)
    for params in sizes:
        assert best <= _loss(gpus=gpus, time=time, params=params) + LUCK_NATS, params


@given(
    st.sampled_from(PARTS), st.floats(2.0, 4.9), st.floats(0.03, 0.6), st.sampled_from((30, 90, 365, 1460)),
    st.sampled_from(("gpus", "time", "budget")),
)  # fmt: skip
@example("V100", math.log10(32000.0), math.log10(2.0), 1460, "gpus")
@example("V100", math.log10(11544.0), math.log10(1.13), 730, "gpus")
@settings(max_examples=5, deadline=None)
def test_more_accelerators_time_or_money_reach_no_higher_loss(
    part: str, log_count: float, log_more: float, days: int, grown: str
) -> None:
    count, more = round(10.0**log_count / 8.0) * 8, 10.0**log_more
    asked = {"gpus": f"{count}x{part}", "time": f"{days}d", "budget": f"${100.0 * count * days:.0f}"}
    if grown == "gpus":
        del asked["budget"]
    larger = {
        "gpus": f"{round(count * more / 8.0) * 8}x{part}",
        "time": f"{days * more:.3f}d",
        "budget": f"${100.0 * count * days * more:.0f}",
    }
    if grown != "gpus":
        asked = {"gpus": asked["gpus"], grown: asked[grown]}
    assert _loss(**{**asked, grown: larger[grown]}) <= _loss(**asked) + LUCK_NATS


def test_a_size_sees_the_most_tokens_that_allow_their_batch() -> None:
    """Under the batch of its tokens it sees as many; under that of half as many again it does not."""
    setting = setting_of(gpus="64000xV100", time="1460d")
    assert isinstance(setting, Fleeted)
    fleet = Fleet(setting, 64000)
    for params in (200e9, 352e9, 700e9):
        own = own_tokens(fleet, params)
        at, beyond = seen(fleet, params, np.array([own, 1.5 * own]))
        assert at >= own * (1.0 - 1e-9)
        assert beyond < 1.5 * own


def test_what_no_accelerator_holds_sees_no_token() -> None:
    setting = setting_of(gpus="8xV100", time="30d")
    assert isinstance(setting, Fleeted)
    assert own_tokens(Fleet(setting, 8), 1e12) == 0.0


def test_the_run_at_its_own_batch_fills_its_time_and_no_more() -> None:
    for confidence in ("50%", "80%"):
        found = prepare(setting_of(gpus="64000xV100", time="730d", confidence=confidence)).solved
        assert found is not None
        assert "batch of its own tokens" in found.sized.solved["params"]
        assert 0.98 <= value_of(found.answer.elapsed_days) / 730.0 <= 1.0 + 1e-6
