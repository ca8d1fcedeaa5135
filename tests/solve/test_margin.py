"""What a little more buys, against the law solved by hand."""

from __future__ import annotations

import pytest

from hwmodel import laws
from hwmodel.catalog import load_catalog
from hwmodel.errors import InfeasibleError
from hwmodel.solve.plan.solver import plan
from hwmodel.solve.run.result import value_of

LAW = load_catalog().law("besiroglu_2024")


def test_three_ways_to_a_lower_loss() -> None:
    """Four percent below 70B on 1.4T: the size that reaches it on those tokens solves E + A/N^a + B/D^b by hand."""
    c = LAW.constants
    found = plan(loss_like="70B@1.4T", loss_factor="0.97")
    rows = {row.way: row for row in found.reductions if row.law == "besiroglu_2024"}
    target = 0.97 * float(laws.loss(LAW, 70e9, 1.4e12))
    by_size = (c["A"] / (target - c["E"] - c["B"] / 1.4e12 ** c["beta"])) ** (1.0 / c["alpha"])
    by_data = (c["B"] / (target - c["E"] - c["A"] / 70e9 ** c["alpha"])) ** (1.0 / c["beta"])
    assert rows["params"].params == pytest.approx(by_size, rel=1e-6)
    assert rows["params"].tokens == 1.4e12
    assert rows["tokens"].tokens == pytest.approx(by_data, rel=1e-6)
    assert rows["tokens"].params == 70e9
    assert rows["both"].flop < min(rows["params"].flop, rows["tokens"].flop)


def test_what_is_out_of_reach_says_how_far_one_gets() -> None:
    """The floor 1.817 lies 7.9 % below 70B on 1.4T."""
    with pytest.raises(InfeasibleError, match=r"floor is 1\.817.*7\.9 % lower by both"):
        plan(loss_like="70B@1.4T", loss_factor="0.9")


def test_a_tenth_more_compute() -> None:
    found = plan(gpus="64xH100", tokens="300B")
    n, d = value_of(found.answer.params), value_of(found.answer.tokens)
    gained = float(laws.loss(LAW, n, d) - laws.loss(LAW, n * 1.1**0.5, d * 1.1**0.5))
    assert found.margin.nats_gained == pytest.approx(gained)
    assert found.margin.nats_per_usd == pytest.approx(gained / (0.1 * value_of(found.answer.cost_usd)))
    best = laws.loss(LAW, found.margin.anchor_params, found.margin.anchor_tokens)
    assert float(best) == pytest.approx(value_of(found.answer.loss_nats))


def test_a_fleet_alone_is_answered_over_several_times() -> None:
    """Each row is the plan of that time; the answer is the month's."""
    found = plan(gpus="100xA100")
    days = [row.time_s / 86400 for row in found.horizons]
    assert days == [7, 30, 90, 180]
    for row in found.horizons:
        same = plan(gpus="100xA100", time=f"{row.time_s / 86400:g}d").answer
        assert row.params == pytest.approx(value_of(same.params))
        assert row.cost_usd == pytest.approx(value_of(same.cost_usd))
    assert value_of(found.answer.elapsed_days) == pytest.approx(30.0, rel=3e-3)
    assert "time_s" not in found.request.given
    losses = [row.loss_nats for row in found.horizons]
    assert losses == sorted(losses, reverse=True)
