"""More accelerators never slow a run, a solved fleet is the smallest, and a layout that is shown gives its own step."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hwmodel.catalog import load_catalog
from hwmodel.cli.main import cli
from hwmodel.errors import HwModelError
from hwmodel.physics.shape import parameters, shape_for_params
from hwmodel.report.commands import layout_command
from hwmodel.report.plan import plan_markdown
from hwmodel.solve.plan.solver import plan, setting_of
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.result import value_of
from hwmodel.specs.kernels import Machine

CATALOG = load_catalog()
PARTS = [part.id for part in CATALOG.parts()]
MODELS = [model.id for model in CATALOG.models() if model.shape is not None]
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def ladders(draw: st.DrawFn) -> tuple[dict[str, str], list[int]]:
    """A model on fleets of one part that grow by one or by leaps."""
    part = draw(st.sampled_from(PARTS))
    asked = {"gpus": f"8x{part}", "tokens": draw(st.sampled_from(["1B", "10B", "100B", "1T"]))}
    size = st.sampled_from(["300M", "1B", "7B", "30B", "70B", "400B"])
    if draw(st.booleans()):
        asked["model"] = draw(st.sampled_from(MODELS))
    else:
        asked["params"] = draw(size)
    if draw(st.booleans()):
        asked["global_batch"] = draw(st.sampled_from(["64", "96", "250", "1024", "1920"]))
    first = draw(st.integers(1, 4000))
    leaps = draw(st.lists(st.integers(1, 1500), min_size=4, max_size=4))
    fleets = [*range(first, first + 8), *(first + 8 + int(n) for n in np.cumsum(leaps))]
    return asked, fleets


@given(ladders())
@SLOW
def test_a_larger_fleet_of_a_part_is_never_slower(drawn: tuple[dict[str, str], list[int]]) -> None:
    asked, counts = drawn
    try:
        setting = setting_of(**asked)
        assert isinstance(setting.machine, Machine)
        shape = setting.shape() or shape_for_params(setting.request.params or 0.0)
        total = float(parameters(shape).total)
        fleet = Fleet(setting, counts[-1])
        found = fleet.evaluate(shape, total, counts)
    except HwModelError as error:
        event(type(error).__name__)
        return
    used = np.broadcast_to(np.asarray(found.space.layout.accelerators), (found.space.count,))
    fastest = np.inf
    for case, count in enumerate(counts):
        row = int(found.best[case])
        if row < 0:
            assert fastest == np.inf, f"{count} hold nothing where fewer did"
            continue
        assert used[row] <= count
        beyond = fleet.elapsed_over_productive(total, used=int(used[row]))
        elapsed = beyond / found.tokens_per_s(case)
        assert elapsed <= fastest * (1 + 1e-3), (asked, count)
        fastest = min(fastest, elapsed)
    event("held")


@pytest.mark.parametrize(
    ("fewer", "more", "rest"),
    [
        ("128xgb300", "129xgb300", {"model": "deepseek-v3", "tokens": "100B"}),
        ("496xgb300", "501xgb300", {"model": "mixtral-8x7b", "tokens": "10B"}),
        ("256xH100", "263xH100", {"model": "qwen3-235b-a22b", "tokens": "1T"}),
        ("8xL40S", "11xL40S", {"params": "1B", "tokens": "1B"}),
    ],
)
def test_accelerators_that_do_not_divide_are_left_aside(fewer: str, more: str, rest: dict[str, str]) -> None:
    few, many = plan(gpus=fewer, **rest).answer, plan(gpus=more, **rest).answer
    assert value_of(many.elapsed_days) <= value_of(few.elapsed_days) * (1 + 1e-9)


@pytest.mark.parametrize("count", [1000, 640, 200])
@pytest.mark.parametrize("slack", [1.0001, 1.3])
def test_a_solved_fleet_is_the_smallest(count: int, slack: float) -> None:
    asked = {"params": "7B", "tokens": "10B"}
    days = value_of(plan(gpus=f"{count}xB200", **asked).answer.elapsed_days)
    hours = 24.0 * days * slack
    found = plan(gpus="B200", time=f"{hours:.9f}h", **asked).answer
    assert found.accelerators is not None
    assert found.accelerators <= count
    assert value_of(found.elapsed_days) * 24.0 <= hours * (1 + 1e-9)
    if found.accelerators > 8:
        fewer = plan(gpus=f"{found.accelerators - 8}xB200", **asked).answer
        assert value_of(fewer.elapsed_days) * 24.0 > hours


def test_the_fleet_asked_for_time_and_money_holds_both() -> None:
    found = plan(gpus="H100", params="7B", tokens="140B", time="20d", budget="$200k").answer
    assert value_of(found.elapsed_days) <= 20.0
    assert found.cost_usd is not None
    assert value_of(found.cost_usd) <= 200e3


SHOWN: list[dict[str, str]] = [
    {"gpus": "1000xB200", "params": "7B", "tokens": "10B"},
    {"gpus": "129xgb300", "model": "deepseek-v3", "tokens": "100B"},
    {"gpus": "1024xA100", "tokens": "1.4T"},
    {"gpus": "64xMI300X", "model": "llama-3.1-70b", "tokens": "1T", "tp": "8", "seq_len": "8192"},
    {"gpus": "256xH100", "model": "mixtral-8x7b", "tokens": "1T", "precision": "fp8", "stack": "megatron-core"},
    {"gpus": "16xL40S", "params": "1B", "tokens": "30B", "global_batch": "256", "recompute": "full"},
    {"gpus": "v5p-128", "params": "30B", "tokens": "1T"},
]


@pytest.mark.parametrize("asked", SHOWN, ids=str)
def test_a_layout_that_is_shown_gives_the_step_that_is_shown(asked: dict[str, str]) -> None:
    found = plan(**asked)
    assert found.step is not None
    words = layout_command(found)
    assert words is not None
    assert words in plan_markdown(found)
    run = CliRunner().invoke(cli, [*shlex.split(words)[1:], "--format", "json", "--quiet"])
    assert run.exit_code == 0, run.output
    step = json.loads(run.stdout)["step"]
    assert {name: pytest.approx(value, rel=1e-12) for name, value in step.items()} == {
        name: value for name, value in found.step.items() if name != "total_s"
    }


@pytest.mark.parametrize("gpus", ["1000xB200", "131xgb300", "16385xH100"])
def test_accelerators_that_idle_are_said(gpus: str) -> None:
    found = plan(gpus=gpus, params="7B", tokens="10B", tp="2")
    idle = found.answer.idle_accelerators
    assert idle
    line = next(line for line in found.warnings if "idle" in line)
    assert str(idle) in line
    assert "billed" in line
    assert line in plan_markdown(found)
