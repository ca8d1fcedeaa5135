"""What a lifetime budget pays for, what time and money leave of sizes, and how a plan's own run lifts the trend, on
stand-ins of round numbers.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InfeasibleError, InputError
from hwmodel.solve.life import lifetime_budget as budgets
from hwmodel.solve.life import pace as paces
from hwmodel.solve.life import whole_life
from hwmodel.solve.run.fleet import LADDER_STEP
from hwmodel.solve.run.sizing import LossModel, Sized

LAW = msgspec.structs.replace(
    load_catalog().law("besiroglu_2024"), constants={"E": 1.0, "A": 400.0, "B": 1600.0, "alpha": 0.5, "beta": 0.5}
)
MODEL = LossModel(law=LAW)


def test_what_time_and_money_allow_a_run() -> None:
    # 1e6 s at 6e15 FLOP/s see 1e21 tokens times parameters; speeds are those of a sixtieth of the size to three of it.
    asked: list[tuple[float, float]] = []

    def rates(params: float, span: tuple[float, float]) -> float:
        asked.append(span)
        return 6e15

    def fleet(**limits: float | None) -> Any:
        request = SimpleNamespace(**{"time_s": None, "budget_usd": None, **limits})
        return SimpleNamespace(
            setting=SimpleNamespace(request=request), flop_rates=rates, productive_s_available=lambda n: n / 6e3
        )

    assert budgets.training_limits(fleet(), 6e9) == {}
    for limits, name in (({"time_s": 1.0}, "--time"), ({"budget_usd": 1.0}, "--budget"),
                         ({"time_s": 1.0, "budget_usd": 1.0}, "--time")):  # fmt: skip
        ((said, trains),) = budgets.training_limits(fleet(**limits), 6e9).items()
        assert said == name
        assert (trains(1e10, 0.999e11), trains(1e10, 1e11), trains(1e10, 1.001e11)) == (True, True, False)
    assert set(asked) == {(1e8, 1.8e10)}


def test_the_loss_that_a_lifetime_budget_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    # A loss of x above the floor of 1 costs 100 / x and the demand, and less than 0.01 above it is out of reach.
    def cheapest(way: str, loss: float, demand: float) -> Any:
        assert way == "way"
        if loss < 1.01:
            raise InfeasibleError("no size reaches it", binding="law", remedy="more")
        return SimpleNamespace(total_cost=100.0 / (loss - 1.0) + demand)

    monkeypatch.setattr(budgets, "option_optimum", cheapest)
    way: Any = "way"
    for usd, demand, nats in ((200.0, 0.0, 0.5), (200.0, 100.0, 1.0), (1e6, 0.0, 0.01)):
        # On the side that can be paid, by a hundred-millionth.
        assert 1.0 <= (budgets._affordable_loss(way, 1.0, demand, usd) - 1.0) / nats <= 1.0 + 1.5e-8
    # The highest loss that is looked at lies 6 above the floor: 100 / 6 = $16.7.
    assert budgets._affordable_loss(way, 1.0, 0.0, 16.67) == pytest.approx(7.0, rel=1e-3)
    with pytest.raises(InfeasibleError, match=r"even the smallest model costs at least \$16\.7; raise it"):
        budgets._affordable_loss(way, 1.0, 0.0, 16.0)
    monkeypatch.setattr(budgets, "option_optimum", lambda way, loss, demand: cheapest("way", 1.0, 0.0))
    with pytest.raises(InfeasibleError, match="costs any money"):
        budgets._affordable_loss(way, 1.0, 0.0, 16.0)


def test_costs_and_answer_of_a_lifetime_budget_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    # $72,000 at $2 an hour, half of it for training: 18,000 hours, 6.48e7 s at 0.4 x 1e15 / 6.48 FLOP/s,
    # are 4e21. N D = 6.67e20, of which the best size is a quarter of the root: 6.455e9.
    near: list[float] = []

    setting, fleet = SimpleNamespace(), SimpleNamespace(peak_flop_per_s=1e15 / 6.48)

    def costs(asked: Any, crew: Any, size: float) -> str:
        assert (asked, crew) == (setting, fleet)
        near.append(size)
        return f"costs {len(near)}"

    # The losses of the optimum of 400 / N^0.5: twice that term above 1. The second round stays within 1 % of the first.
    sizes = iter([4e9, 4.01e9])
    monkeypatch.setattr(budgets, "hourly_usd", lambda setting: 2.0)
    monkeypatch.setattr(budgets, "costs", costs)
    monkeypatch.setattr(budgets, "training_limits", lambda fleet, size: {"near": size})
    monkeypatch.setattr(budgets, "option", lambda model, costs, limits: (model, costs, limits["near"]))

    def affordable(way: Any, floor: float, demand: float, usd: float) -> float:
        assert way == (MODEL, f"costs {len(near)}", near[-1])
        assert (demand, usd) == (1e12, 72_000.0)
        return floor + 800 / next(sizes) ** 0.5

    monkeypatch.setattr(budgets, "_affordable_loss", affordable)
    paid_for: Any = budgets.paid_for
    found = paid_for(setting, MODEL, fleet, 1e12, 72_000.0)
    assert near == pytest.approx([0.25 * (4e21 / 6) ** 0.5, 4e9], rel=1e-6)
    assert (found.costs, found.limits["near"]) == ("costs 2", pytest.approx(4e9, rel=1e-6))
    assert found.loss == pytest.approx(1.0 + 800 / 4.01e9**0.5)
    # Where they never meet the sixth round ends it.
    near.clear()
    sizes = iter([4e9 * 1.02**i for i in range(7)])
    last = paid_for(setting, MODEL, fleet, 1e12, 72_000.0)
    assert last.loss == pytest.approx(1.0 + 800 / (4e9 * 1.02**5) ** 0.5)
    assert len(near) == 6
    with pytest.raises(InputError, match="has no loss, so it cannot minimise one"):
        paid_for(setting, LossModel(law=load_catalog().law("chinchilla_2022/approach1")), fleet, 1.0, 1.0)


def test_sizes_that_a_fleet_sees_enough_tokens_with() -> None:
    # The loss is that of the tokens alone. A plan of 1e9 on 1e11; the fleet would see 2e11, so that all are halved.
    # Half as large to twice as large it sees as many; beyond, nine tenths, which at most 5 % less than needed are not.
    model: Any = SimpleNamespace(loss=lambda n, d: 1e10 / d)
    sized: Any = SimpleNamespace(n=1e9, d=1e11)

    def fleet(seen: Any) -> Any:
        # So many tokens a second, or in the time given; a tenth of the elapsed time is no training, whatever the size.
        return SimpleNamespace(tokens_per_s=seen, tokens_affordable=seen, elapsed_over_productive=lambda n: 1.1)

    found = whole_life.fleet_band(fleet(lambda n: 2e11 if 5e8 <= n <= 2e9 else 1.8e11), model, sized, 6e20)
    # Steps of 1 %: 69 of them are 1.987, 70 are 2.007.
    assert found.params_low == pytest.approx(1e9 / 1.01**69)
    assert found.params_high == pytest.approx(1e9 * 1.01**69)
    assert (found.waste, found.flop, found.on_fleet) == (0.05, 6e20, True)
    # Tokens that fall with the size: (1 / 1.01)^5 = 0.9515 is enough and the sixth, 0.942, is not.
    falls = whole_life.fleet_band(fleet(lambda n: 2e20 / n if n >= 1e9 else 0.0), model, sized, 6e20)
    assert falls.params_high == pytest.approx(1e9 * 1.01**5)
    # Below the ladder a size is as fast as the plan's own: it sees more, down to the smallest that is looked at.
    assert whole_life.SMALLEST_PARAMS < falls.params_low < 1.01 * whole_life.SMALLEST_PARAMS
    # Where a size counts twice as much as its tokens, those of a smaller one grow too little: 0.9515 is enough again.
    square: Any = SimpleNamespace(loss=lambda n, d: 1e30 / (n * n * d))
    below = whole_life.fleet_band(fleet(lambda n: 1e11 if n == 1e9 else 0.0), square, sized, 6e20)
    assert (below.params_low, below.params_high) == (pytest.approx(1e9 / 1.01**5), 1e9)
    # Nothing is known of the plan's own size: tokens are those that the fleet sees.
    other = whole_life.fleet_band(fleet(lambda n: 0.0 if n <= 1e9 else 1.04e20 / n), model, sized, 6e20)
    assert other.params_high == pytest.approx(1e9 * 1.01**9)


def test_the_pace_of_a_plan_beside_its_fleet_s_trend(monkeypatch: pytest.MonkeyPatch) -> None:
    # The shape has 8e8 active parameters and runs 1e6 tokens a second, of which a measured run took a half: 9.6e15
    # FLOP/s where the trend says 6e15: 1.6 times as fast.
    asked = {"trend": 6e15}
    shape = SimpleNamespace(active=8e8)
    monkeypatch.setattr(paces.shapes, "parameters", lambda shape: shape)
    fleet: Any = SimpleNamespace(
        setting=SimpleNamespace(request=SimpleNamespace(mfu=None), shape=lambda: shape, level=0.5), experts=1.0,
        rung=lambda size: 1.0,
        evaluate=lambda one, n: SimpleNamespace(tokens_per_s=lambda case: 1e6 if (one, case) == (shape, 0) else 0.0),
        flop_rates=lambda sizes, span: np.full(len(sizes), asked["trend"] if isinstance(sizes, np.ndarray) else 1.0),
    )  # fmt: skip
    size = LADDER_STEP**40.3
    sized = Sized(params=size, tokens=1e10, loss=1.5, solved={}, closed_by="given")
    assert paces.own_pace(fleet, MODEL, sized, (1.0, 2.0)).reach == pytest.approx(1.6)
    # A plan whose model is not given has the shape of its size, with the experts of the fleet.
    monkeypatch.setattr(paces.shapes, "shape_for_params", lambda n: n)
    monkeypatch.setattr(paces.shapes, "with_experts", lambda n, experts: shape if (n, experts) == (size, 1.0) else None)
    fleet.setting.shape = lambda: None
    assert paces.own_pace(fleet, MODEL, sized, (1.0, 2.0)).reach == pytest.approx(1.6)
    fleet.setting.shape = lambda: shape
    # A size that time or money closed has the least loss that they allow: another takes as long at least.
    # Of the loss of 1.026 a size leaves 0.026 - 400 / N^0.5 for its tokens, whose FLOPs are as many times the plan's as
    # its bound is of 9.6e15.
    solved = {"params": "time", "tokens": "time"}
    small = Sized(params=1.6e9, tokens=1e10, loss=1.026, solved=solved, closed_by="fleet")
    monkeypatch.setattr(paces, "BOUND_SIZES", 3)
    bound = paces.own_pace(fleet, MODEL, small, (8e8, 3.2e9))
    assert np.exp(bound.logs) == pytest.approx([8e8, 1.6e9, 1.6e9, 3.2e9])
    tokens = [(1600 / (0.026 - 400 / n**0.5)) ** 2 for n in (8e8, 1.6e9, 1.6e9, 3.2e9)]
    assert np.exp(bound.most) == pytest.approx(
        [9.6e15 * n * d / 1.6e19 for n, d in zip((8e8, 1.6e9, 1.6e9, 3.2e9), tokens, strict=True)], rel=1e-6
    )
    assert bound.flop_per_s(1.6e9, 6e15) == pytest.approx(9.6e15)
    for open_one in (
        msgspec.structs.replace(small, solved={"params": "time"}),
        msgspec.structs.replace(small, closed_by="given"),
    ):
        assert len(paces.own_pace(fleet, MODEL, open_one, (1.0, 2.0)).logs) == 0
    # A shape slower than the trend does not lower it; nothing is known where the size's own rung does not fit.
    asked["trend"] = 1e17
    slow = paces.own_pace(fleet, MODEL, sized, (1.0, 2.0))
    assert (slow.reach, len(slow.logs)) == (1.0, 0)
    fleet.rung = lambda size: 0.0 if size == pytest.approx(LADDER_STEP**40) else 1.0
    asked["trend"] = 6e15
    assert paces.own_pace(fleet, MODEL, sized, (1.0, 2.0)).reach == 1.0
    fleet.setting.request.mfu, fleet.rung = 0.4, lambda size: 1.0
    assert paces.own_pace(fleet, MODEL, sized, (1.0, 2.0)).reach == 1.0


def test_the_bound_of_a_pace() -> None:
    # Twice the trend up to a bound between sizes on log scales: 1e15 at 1e9, 4e15 at 4e9, half way between 2e15.
    pace = paces.Pace(reach=2.0, logs=np.log([1e9, 4e9]), most=np.log([1e15, 4e15]))
    assert pace.flop_per_s(np.array([1e9, 2e9, 4e9]), 0.9e15) == pytest.approx([1e15, 1.8e15, 1.8e15])
    assert pace.flop_per_s(2e9, 2e15) == pytest.approx(2e15)
    assert paces.Pace(reach=2.0).flop_per_s(2e9, 2e15) == 4e15
    assert math.isclose(paces.Pace().flop_per_s(2e9, 2e15), 2e15)
