"""What a life costs by size, and how long a run lasts by confidence and limits, worked out in the comments."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwmodel.errors import InputError
from hwmodel.solve.life import objective
from hwmodel.solve.life.objective import UNSERVABLE, _a_token, _between, flop_costs, prompt_and_output
from hwmodel.solve.plan import gain
from hwmodel.solve.run import fleet
from hwmodel.solve.run.fleet import Fleet, node_multiples, rate_of_size
from hwmodel.solve.serve.fleet import headroom, load
from hwmodel.specs.intervals import Z80, Ends


def test_costs_between_the_rungs_of_a_ladder() -> None:
    # 1 at 1e9 and 100 at 1e11: 10 between them; outside in proportion to the size.
    serve = _between(np.array([1e9, 1e11]), np.array([1.0, 100.0]))
    assert serve(np.array([1e8, 1e9, 1e10, 1e11, 1e12])) == pytest.approx([0.1, 1.0, 10.0, 100.0, 1000.0])
    # Between a rung that fits and one that does not nothing does; up to the rung all is known.
    serve = _between(np.array([1e9, 1e10, 1e11]), np.array([1.0, 5.0, UNSERVABLE]))
    assert serve(1e10) == pytest.approx(5.0)
    assert serve(3e10) == np.inf
    # Rungs far apart are rungs all the same: a factor of 1e6 within what fits.
    serve = _between(np.array([1e9, 1e10, 1e11]), np.array([1.0, 1e6, UNSERVABLE]))
    assert serve(1e10) == pytest.approx(1e6)


def test_tokens_of_a_request() -> None:
    # Of 2,048 a quarter; never none of either.
    assert prompt_and_output(0.25) == (512.0, 1536.0)
    assert prompt_and_output(0.0) == (1.0, 2047.0)
    assert prompt_and_output(1.0) == (2047.0, 1.0)


def setting(**request: Any) -> Any:
    """A quarter of one answer's tokens are its prompt; three answers a prompt."""
    usual = {"one_answer_share": 0.25, "samples": 3.0, "service": None}
    return SimpleNamespace(
        request=SimpleNamespace(**{**usual, **request}), part=None, system=None, kernels=lambda: None,
        serving_precision=lambda: SimpleNamespace(id="bf16"),
    )  # fmt: skip


def test_serving_counts_prompts_once_and_every_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two seconds a prompt token and four an answer's for each 1e9: 0.25 x 2 + 0.75 x 3 x 4 = 9.5 at 1e9, at $7.2 an
    # hour over 3,600 s.
    def seconds(shapes: Any, *_: Any, **limits: Any) -> Any:
        assert limits == {"tpot_limit_s": objective.DEFAULT_TPOT_S, "strict": False}
        return SimpleNamespace(
            prompt_accelerator_s=2e-9 * shapes, output_accelerator_s=4e-9 * shapes,
            feasible=np.where(shapes < 2e9, 1.0, 0.0),
        )  # fmt: skip

    for name, other in (("physics_machine", lambda *_: None), ("smooth_shapes", lambda sizes: sizes),
                        ("with_experts", lambda sizes, _: sizes),
                        ("serving_accelerator_seconds_per_token", seconds)):  # fmt: skip
        monkeypatch.setattr(objective, name, other)
    answers = objective._serving_cost(setting(), (1e8, 1e10), 7.2)
    assert answers(3.0)(1e9) == pytest.approx(9.5 / 3600 * 7.2)
    assert answers(1.0)(1e8) == pytest.approx(0.1 * 3.5 / 3600 * 7.2)
    assert answers(1.0)(4e9) == np.inf
    # A token of the demand: of three answers 0.25 + 0.75 x 3 = 2.5 times the tokens of one are made.
    assert _a_token(answers, setting())(1e9) == pytest.approx(9.5 / 2.5 / 3600 * 7.2)


def test_flop_of_several_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    # 2 N a token, of three answers 2.5 times as many.
    monkeypatch.setattr(objective, "serving_penalty", lambda *_: (None, ""))
    found = flop_costs(setting())
    assert found.answers(3.0)(1e9) == pytest.approx(2e9 * 2.5)
    assert found.serve(1e9) == pytest.approx(2e9)
    assert found.train(1e9, 2e10) == pytest.approx(1.2e20)
    assert found.lost(1e9, 2e10) == 0.0


def test_elapsed_time_by_confidence(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nine tenths productive, a median of e^0.1. Upwards 0.4 and 0.3 in quadrature are 0.5, downwards 1.2 and 0.5 1.3;
    # a run of 1e9 parameters whose tokens are open has 20 each: 1.2e20 FLOPs.
    asked: list[float] = []

    def spread(flop: float, _: Any) -> float:
        asked.append(flop)
        return 0.3 if len(asked) == 1 else 0.5

    monkeypatch.setattr(fleet, "whole_run_log_spread", spread)
    run: Any = SimpleNamespace(
        setting=SimpleNamespace(request=SimpleNamespace(confidence=0.5, tokens=None), whole_run=None),
        goodput=lambda params, used: 0.9, whole_run_log_factor=lambda used: 0.1,
        doubt=lambda params: Ends(1.2 * Z80, 0.0),
    )  # fmt: skip
    elapsed = Fleet.elapsed_over_productive
    assert elapsed(run, 1e9) == pytest.approx(math.exp(0.1) / 0.9)
    assert asked == []
    assert elapsed(run, 1e9, Ends(1.2 * Z80, 0.4 * Z80), 1.5) == pytest.approx(math.exp(0.1 + 1.5 * 0.5) / 0.9)
    run.setting.request.tokens = 1e12
    assert elapsed(run, 1e9, None, -0.5) == pytest.approx(math.exp(0.1 - 0.5 * 1.3) / 0.9)
    assert asked == pytest.approx([1.2e20, 6e21])


def test_steady_seconds_that_limits_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    # $36,000 of 100 accelerators at $2 an hour are 180 hours, of which two thirds are steady; 300,000 s are 200,000.
    request = SimpleNamespace(time_s=None, budget_usd=None)
    run: Any = SimpleNamespace(
        setting=SimpleNamespace(request=request), accelerators=100, tokens_per_s=lambda params: 7.0,
        elapsed_over_productive=lambda params, used: 1.5 if used is None else 3.0,
    )  # fmt: skip
    monkeypatch.setattr(fleet, "hourly_usd", lambda _: 2.0)
    assert Fleet.productive_s_available(run, 1e9) == math.inf
    request.budget_usd = 36_000.0
    assert Fleet.productive_s_available(run, 1e9) == pytest.approx(432_000.0)
    request.time_s = 300_000.0
    assert Fleet.productive_s_available(run, 1e9) == pytest.approx(200_000.0)
    # Of fewer that train a third is steady.
    assert Fleet.productive_s_available(run, 1e9, used=80) == pytest.approx(100_000.0)
    run.productive_s_available = lambda params: 100.0
    assert Fleet.tokens_affordable(run, 1e9, 0.5) == pytest.approx(350.0)


def test_fleets_worth_trying() -> None:
    # 1, 2, 4 below a node of 8; then 1, 2, 3, 4, 5, 6, 7, 8, 10, 12 nodes (a sixth apart, at least one more).
    assert node_multiples(8, 96) == [1, 2, 4, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96]
    assert node_multiples(4, 10) == [1, 2, 4, 8]
    assert node_multiples(1, 2) == [1, 2]
    # The shape built has 6e9 for 5e9 asked, on a cluster that takes 1.2 times as long.
    assert rate_of_size(100.0, 6e9, 5e9, 1.2) == pytest.approx(100.0)


def test_how_full_replicas_are() -> None:
    # Ten of two requests a second each carry 20: a peak of 10 is half of them; without two spares 16, 60 % beyond it.
    assert load(10.0, 2.0, 10.0) == pytest.approx(0.5)
    assert headroom(10.0, 2.0, 10.0, 2.0) == pytest.approx(0.6)


def test_what_a_larger_run_gains_under_a_law_without_an_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    # From 2.0 nats to 1.5: a half, a quarter of what it was, and no ratio of computes.
    def nothing(*_: Any) -> Any:
        raise InputError("no optimum")

    monkeypatch.setattr(gain.laws, "optimum_for_loss", nothing)
    model: Any = SimpleNamespace(loss=lambda n, d: {1.0: 2.0, 2.0: 1.5}[n], law=None)
    assert gain._compared(model, [(1.0, 1.0), (2.0, 1.0)], None) == (0.5, 0.25, None)
