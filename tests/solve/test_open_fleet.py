"""Fleets that only money sizes: none of it waits, more money is never worse, and the band holds the size."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hwmodel as hm
from hwmodel.solve.plan.open_fleet import rentable
from hwmodel.solve.plan.solver import prepare, setting_of
from hwmodel.solve.run.result import value_of
from hwmodel.solve.run.solved import Solved

PARTS = ("V100", "A100", "H100", "B200", "MI300X", "TPUv5p", "GB200")


def _solved(**asked: str) -> Solved:
    found = prepare(setting_of(**asked)).solved
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("accelerators", "per_node", "count"),
    [(1, 8, 1), (3, 8, 4), (5, 8, 8), (8, 8, 8), (9, 8, 16), (5, 6, 6), (73, 72, 144)],
)
def test_accelerators_are_rented_in_powers_of_two_up_to_a_node_and_whole_nodes_beyond(
    accelerators: int, per_node: int, count: int
) -> None:
    assert rentable(accelerators, per_node) == count


@settings(max_examples=6, deadline=None)
@given(
    st.sampled_from(PARTS),
    st.floats(4.7, 9.3),
    st.sampled_from([{}, {"params": "30B"}, {"tokens": "2T"}, {"model": "llama-3.1-8b"}, {"time": "30d"}]),
)
def test_no_node_of_an_open_fleet_waits(part: str, log_usd: float, more: dict[str, str]) -> None:
    found = _solved(gpus=part, budget=f"${10.0**log_usd:.0f}", **more)
    per_node = int(found.fleet.setting.system.accelerators_per_node)
    assert rentable(found.used, per_node) >= found.fleet.accelerators


@pytest.mark.parametrize(("part", "budget"), [("V100", "$1B"), ("H100", "$3B"), ("MI300X", "$300M"), ("A100", "$20M")])
def test_no_smaller_fleet_ends_the_run_as_early(part: str, budget: str) -> None:
    """By brute force over fleets, each in its own best layout for the same run."""
    found = _solved(gpus=part, budget=budget)
    fleet, n = found.fleet, found.sized.n
    per_node = int(fleet.setting.system.accelerators_per_node)
    counts = sorted(
        {round(fleet.accelerators * share / per_node) * per_node for share in (0.3, 0.5, 0.7, 0.8, 0.9, 0.97)}
    )
    tried = fleet.evaluate(found.at.shape, n, [*counts, fleet.accelerators])
    elapsed = []
    for case in range(len(counts) + 1):
        used = int(tried.space.accelerators[int(tried.best[case])])
        elapsed.append(fleet.elapsed_over_productive(n, used=used) / tried.tokens_per_s(case))
    assert min(elapsed[:-1]) > elapsed[-1]


@settings(max_examples=4, deadline=None)
@given(st.sampled_from(PARTS), st.floats(5.3, 8.9), st.floats(0.3, 1.0))
def test_more_money_reaches_no_higher_loss(part: str, log_usd: float, more: float) -> None:
    less, most = (
        value_of(_solved(gpus=part, budget=f"${10.0**x:.0f}").answer.loss_nats or math.nan)
        for x in (log_usd, log_usd + more)
    )
    assert most <= less * (1.0 + 1e-4)


def test_money_that_one_job_hardly_takes_is_spent_on_as_many_by_steps_of_it() -> None:
    """Fleets nearly as fast as the fastest lie over a wide range of counts: which is taken does not jump with the
    money, nor does the loss, and a smaller fleet that saves a tenth ends the run later by more than a hundredth."""
    runs = [_solved(gpus="V100", budget=f"${usd:.0f}") for usd in (6.0e8, 7.0e8, 8.2e8)]
    losses = [value_of(one.answer.loss_nats or math.nan) for one in runs]
    assert losses == sorted(losses, reverse=True)
    counts = [one.fleet.accelerators for one in runs]
    assert max(counts) <= 1.1 * min(counts)
    fleet, n = runs[0].fleet, runs[0].sized.n
    fewer = [round(fleet.accelerators * share / 8) * 8 for share in (0.75, 0.9)]
    found = fleet.evaluate(runs[0].at.shape, n, [*fewer, fleet.accelerators])
    seconds = [float(found.billed_s[int(row)]) for row in found.best]
    assert seconds[0] > seconds[2] / 0.75**0.1
    assert seconds[1] > seconds[2] / 0.9**0.1


def test_a_budget_too_large_for_one_job_says_so_and_lies_in_its_band() -> None:
    plan = hm.plan(gpus="V100", budget="$1B")
    data = json.loads(plan.to_json())
    size, band = data["answer"]["params"]["value"], data["regret_band"]
    assert band["on_fleet"]
    assert band["params_low"] <= size <= band["params_high"]
    assert any(
        "the money buys 942,896 accelerators for 90d, but this run ends hardly sooner" in line
        for line in data["warnings"]
    )
    assert not any("holds no larger model" in line for line in data["warnings"])
    assert data["answer"]["cost_usd"]["value"] == pytest.approx(1e9, rel=1e-6)


def test_sizes_at_the_ends_of_a_band_on_a_fleet_reach_the_loss_with_a_twentieth_more() -> None:
    """The band against the solver itself: the size at its end, on the money over 0.95, reaches about its loss."""
    plan = json.loads(hm.plan(gpus="64xV100", time="5y").to_json())
    size = plan["regret_band"]["params_low"]
    found = json.loads(hm.plan(gpus="64xV100", time=f"{5 * 365.25 / 0.95:.4f}d", params=f"{size:.0f}").to_json())
    assert plan["regret_band"]["on_fleet"]
    assert found["answer"]["loss_nats"]["value"] == pytest.approx(plan["answer"]["loss_nats"]["value"], abs=4e-3)
