"""Which size reaches a loss for the least: no given size does it for less, served or not, within the limits given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.laws.lifetime import Option
from hwmodel.solve.life.objective import billed, costs
from hwmodel.solve.plan import own_cost
from hwmodel.solve.plan.answer import Plan
from hwmodel.solve.plan.own_cost import BESIDE, FINE, Goal, cheapest, chosen_by_cost
from hwmodel.solve.plan.prepared import Prepared
from hwmodel.solve.plan.solver import plan, prepare, setting_of
from hwmodel.solve.question.setting import fleeted
from hwmodel.solve.run.band import Band
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.result import value_of

# Between the sizes tried lie shapes that divide better or worse: that much is their luck.
LUCK = 1.02
FACTORS = (0.6, 0.75, 0.86, 0.93, 1.08, 1.17, 1.3, 1.6)


def _hours(found: Prepared) -> float:
    assert found.solved is not None
    assert found.solved.answer.gpu_hours is not None
    return value_of(found.solved.answer.gpu_hours)


@pytest.mark.parametrize(
    "question",
    [
        {"gpus": "64xL4", "loss_like": "1B@100B", "seq_len": "8192"},  # by FLOPs alone 25 % more hours than the best
        {"gpus": "256xV100", "loss_like": "1B@100B"},  # 20 % more
        {"gpus": "8192xH100", "loss_like": "30B@600B"},  # 10 % more
        {"gpus": "512xH200", "loss_like": "70B@1.4T", "confidence": "80%"},
        {"gpus": "512xH100", "loss_like": "7B@1T", "unique_tokens": "100B"},
        {"gpus": "64xMI250X", "loss": "2.2"},  # no price is known of it
    ],
    ids=str,
)
def test_no_given_size_reaches_a_loss_in_fewer_hours(question: dict[str, str]) -> None:
    found = prepare(setting_of(**question))
    for factor in FACTORS:
        other = prepare(setting_of(**question, params=f"{found.sized.n * factor:.6g}"))
        assert value_of(other.sized.loss) == pytest.approx(value_of(found.sized.loss), abs=1e-6)
        assert _hours(found) <= LUCK * _hours(other), factor


@pytest.mark.parametrize(
    "question",
    [
        {"gpus": "2048xB200", "loss_like": "3B@300B", "inference_tokens": "30B"},  # was 48 % dearer than a given size
        {"gpus": "512xH200", "loss_like": "1B@100B", "inference_tokens": "30B"},  # 10 %
        {"gpus": "512xH100", "loss_like": "7B@1T", "inference_tokens": "10T", "objective": "kwh"},
        {"gpus": "64xA100", "loss": "2.1", "inference_tokens": "1T"},
    ],
    ids=str,
)
def test_no_given_size_has_a_cheaper_life(question: dict[str, str]) -> None:
    found = plan(**question)
    assert found.answer.lifetime_cost is not None
    for factor in FACTORS:
        other = plan(**question, params=f"{value_of(found.answer.params) * factor:.6g}").answer
        assert other.lifetime_cost is not None
        assert found.answer.lifetime_cost <= LUCK * other.lifetime_cost, factor


@pytest.mark.parametrize("gpus", ["64xL4", "512xH100", "100xGB200", "2048xB200"])
def test_next_to_nothing_served_is_training_alone(gpus: str) -> None:
    alone = plan(gpus=gpus, loss_like="1B@100B")
    served = plan(gpus=gpus, loss_like="1B@100B", inference_tokens="1")
    best, one = served.objectives.training_optimal, served.objectives.deployment_optimal
    assert one is not None
    for other in (best, one):
        assert value_of(other.params) == pytest.approx(value_of(alone.answer.params), rel=2e-3)
        assert value_of(other.cost_usd) == pytest.approx(value_of(alone.answer.cost_usd), rel=2e-3)


@pytest.mark.parametrize(
    "question",
    [
        {"gpus": "2048xB200", "loss_like": "3B@300B", "inference_tokens": "30B"},  # said 7 % saved of a dearer life
        {"gpus": "512xH100", "loss_like": "70B@1.4T", "inference_tokens": "20T"},
        {"gpus": "256xMI300X", "tokens": "300B", "inference_tokens": "3T"},
        {"gpus": "512xH100", "params": "13B", "tokens": "1T", "inference_tokens": "20T"},
    ],
    ids=str,
)
def test_what_is_saved_is_the_difference_of_the_lives_shown(question: dict[str, str]) -> None:
    found = plan(**question)
    best, one, saved = found.objectives.training_optimal, found.objectives.deployment_optimal, found.saving
    assert one is not None
    assert saved is not None
    assert best.lifetime_cost is not None
    assert one.lifetime_cost is not None
    assert one.lifetime_cost <= best.lifetime_cost
    assert saved.value == pytest.approx(1.0 - one.lifetime_cost / best.lifetime_cost)
    assert saved.low <= saved.value <= saved.high
    assert saved.this_plan_lifetime_cost == found.answer.lifetime_cost
    band = found.regret_band
    assert band is not None
    assert band.params_low <= value_of(one.params) <= band.params_high


def test_an_open_count_grows_with_the_run_that_its_cost_chooses() -> None:
    """The cheapest life trains longer than the best run: it was refused with the advice to take more accelerators."""
    asked = {"gpus": "H100", "loss_like": "7B@1T", "time": "20d"}
    alone, served = plan(**asked).answer, plan(**asked, inference_tokens="10T").answer
    assert alone.accelerators is not None
    assert served.accelerators is not None
    assert served.accelerators > alone.accelerators
    assert value_of(served.elapsed_days) <= 20.0


@pytest.mark.parametrize("limit", [{"time": "2d"}, {"budget": "$90k"}], ids=str)
def test_the_cheapest_life_keeps_the_time_and_the_money(limit: dict[str, str]) -> None:
    """Free of the limit the life is cheaper and its run takes more; within it the run is larger and fills the limit."""
    asked = {"gpus": "512xH100", "loss_like": "7B@1T", "inference_tokens": "10T"}
    free, bound = plan(**asked), plan(**asked, **limit)
    assert free.answer.lifetime_cost < bound.answer.lifetime_cost
    assert value_of(free.answer.params) < value_of(bound.answer.params)
    used = _used(bound, limit)
    assert 0.95 <= used <= 1.0 + 1e-6
    assert _used(free, limit) > 1.0


def _used(found: Plan, limit: dict[str, str]) -> float:
    return value_of(found.answer.elapsed_days) / 2.0 if "time" in limit else value_of(found.answer.cost_usd) / 90e3


def test_a_fleet_that_holds_no_large_model_reaches_the_loss_with_a_small_one() -> None:
    found = plan(gpus="8xV100", loss_like="7B@1T").answer
    assert value_of(found.params) < 7e9
    assert value_of(found.loss_nats) == pytest.approx(value_of(plan(loss_like="7B@1T").answer.loss_nats), abs=1e-6)


def test_what_is_least_where_cost_chooses_nothing() -> None:
    """FLOPs that are asked for, a given utilisation, a given size and no fleet leave it to the law."""
    for more in ({"objective": "flops"}, {"mfu": "40%"}, {"params": "10B"}, {"tokens": "1T"}):
        assert not chosen_by_cost(setting_of(gpus="512xH100", loss="2.1", **more))
    assert not chosen_by_cost(setting_of(loss="2.1"))
    assert chosen_by_cost(setting_of(gpus="512xH100", loss="2.1"))


def test_a_served_token_of_a_size_costs_the_same_in_every_question() -> None:
    """The ladder of served sizes began at the size of the plan, and the cost between its rungs with it."""
    setting = fleeted(setting_of(gpus="512xH100", loss="2.1", inference_tokens="1T"))
    fleet = Fleet(setting, 512)
    sizes = np.geomspace(5e9, 15e9, 23)
    one, other = (np.asarray(costs(setting, fleet, near).serve(sizes)) for near in (7e9, 12.3e9))
    assert other == pytest.approx(one, rel=1e-12)


def _goal(loss: float, bills: dict[int, float]) -> Goal:
    law = load_catalog().law("besiroglu_2024")
    place = lambda run: round(np.log10(run[0]) * FINE)  # noqa: E731
    return Goal(
        way=Option(law=law), loss=loss, bill=lambda answer, run: bills.get(place(run)), limits=setting_of(tokens="1B")
    )


def test_the_cheapest_of_the_sizes_around_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # Sixteen sixty-fourths of a decade to either side of ten billion, whose place is 640. Only bills say what fits.
    answer: Any = SimpleNamespace(answer=SimpleNamespace(elapsed_days=None, cost_usd=None))
    monkeypatch.setattr(own_cost, "on_fleet", lambda fleet, run: answer)
    monkeypatch.setattr(own_cost, "at_own_batch", lambda fleet, run: fleet)
    first = (1e10, 3e11)
    fleet: Any = None
    near = {640: 5.0, 640 + BESIDE: 4.0, 640 - BESIDE: 3.0, 640 + BESIDE + 1: 1.0}
    n, d = cheapest(fleet, _goal(2.2, near), [first])
    assert n == pytest.approx(10.0 ** (10.0 - 0.25))
    # Besiroglu: L = E + A / N^alpha + B / D^beta, so D = (B / (L - E - A / N^alpha))^(1 / beta).
    c = load_catalog().law("besiroglu_2024").constants
    assert d == pytest.approx((c["B"] / (2.2 - c["E"] - c["A"] / n ** c["alpha"])) ** (1.0 / c["beta"]), rel=1e-9)
    # Equal bills: the run that was there already. None near: every eighth of a decade down to a tenth, then around it.
    assert cheapest(fleet, _goal(2.2, {640: 5.0, 641: 5.0}), [first]) == first
    assert cheapest(fleet, _goal(2.2, {600: 7.0, 603: 6.0}), [first])[0] == pytest.approx(10.0 ** (603 / 64))
    assert cheapest(fleet, _goal(2.2, {601: 7.0}), [first]) == first


def test_bills_in_dollars_and_by_the_hour() -> None:
    answer: Any = SimpleNamespace(cost_usd=Band(10.0, 9.0, 11.0), gpu_hours=Band(2.0, 1.0, 3.0))
    assert billed(answer, "usd", 5.0) == 10.0
    assert billed(answer, "co2e", 5.0) == 10.0
    assert billed(SimpleNamespace(cost_usd=None), "usd", 5.0) is None  # type: ignore[arg-type]
