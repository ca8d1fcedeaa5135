"""What the lines of a budget add up to, and what owned pools work and cost, worked out in the comments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hwmodel.errors import InputError
from hwmodel.solve.run.band import Band
from hwmodel.solve.run.cash import DAYS_PER_MONTH, Slot
from hwmodel.solve.run.details import NONE, RlDetail
from hwmodel.solve.run.lines import COMPUTED, NOT_COUNTED, StageLine, certain
from hwmodel.solve.stages.own import months_used, priced
from hwmodel.solve.stages.total import Contingency, budget_of, cash_flow, contingency_of, post_training, price_of
from hwmodel.specs.intervals import Z80


def line(**fields: Any) -> StageLine:
    return StageLine(**{"stage": "s", "kind": "pretrain", "how": COMPUTED, **fields})


def test_money_set_aside() -> None:
    lines = [line(cost_usd=certain(100.0), safe_cost_usd=130.0), line(cost_usd=certain(60.0)), line(),
             line(cost_usd=certain(40.0), safe_cost_usd=35.0)]  # fmt: skip
    # Of 200 dollars 15 %, a tenth, or as much as is said.
    assert contingency_of({"contingency": "15%"}, lines) == Contingency(30.0, "as entered")
    assert contingency_of({"contingency": 0.1, "contingency_why": "w"}, lines) == Contingency(20.0, "w")  # type: ignore[typeddict-item]
    assert contingency_of({"contingency": "50"}, lines).usd == 50.0
    assert contingency_of({"contingency": 1.0}, lines).usd == 1.0  # type: ignore[typeddict-item]
    assert contingency_of({"contingency": "15%"}, [line()]).usd == 0.0
    # Else what the lines lack to be enough: 30 more and 5 fewer, never less than nothing.
    assert contingency_of({}, lines).usd == 25.0
    assert contingency_of({}, lines[3:]).usd == 0.0
    with pytest.raises(InputError, match="add `contingency"):
        contingency_of({"contingency_why": "w"}, lines)


def test_the_sum_of_a_budget() -> None:
    lines = [line(stage="a", gpu_hours=Band(2.0, 1.0, 3.0), cost_usd=Band(10.0, 9.0, 12.0), energy_mwh=certain(4.0),
                  not_counted=("verifier",)),
             line(stage="b", how=NOT_COUNTED, gpu_hours=Band(1.0, 1.0, 2.0), co2e_t=certain(0.5))]  # fmt: skip
    found = budget_of(lines, Contingency(5.0, "why"), [])
    assert (found.gpu_hours, found.cost_usd) == (Band(3.0, 2.0, 5.0), Band(10.0, 9.0, 12.0))
    assert (found.total_usd, found.contingency_usd, found.contingency_why) == (Band(15.0, 14.0, 17.0), 5.0, "why")
    assert found.not_counted == ["b", "verifier of a"]
    assert (found.energy_mwh, found.co2e_t) == (certain(4.0), certain(0.5))
    assert budget_of(lines[1:], Contingency(5.0, "why"), []).total_usd is None
    assert (price_of(lines[0]), price_of(lines[1]), price_of(line())) == (10.0, 1.0, 0.0)


def test_money_out_by_month() -> None:
    month = DAYS_PER_MONTH
    own: Any = SimpleNamespace(part="mine", monthly_usd=[-100.0, -10.0, 30.0])
    slots = [Slot(line=line(part="p", cost_usd=certain(60.0)), start_days=0.0, end_days=2 * month),
             Slot(line=line(part="mine", cost_usd=certain(99.0)), start_days=0.0, end_days=2 * month)]  # fmt: skip
    # Rent over two months, an extra too; the contingency with the last day; the owned pool by its own months.
    extra = line(cost_usd=certain(20.0))
    found = cash_flow(slots, [extra, line()], [own], [], 7.0)
    assert [(row.month, row.usd) for row in found] == [
        (0, 100.0), (1, pytest.approx(50.0)), (2, pytest.approx(30 + 10 + 7 - 30))
    ]  # fmt: skip
    assert [(row.month, row.usd) for row in cash_flow([], [], [], [], 7.0)] == [(1, 7.0)]
    assert cash_flow([], [], [], [], 0.0) == []


def rl(steps: float) -> RlDetail:
    fields = dict.fromkeys(RlDetail.__struct_fields__, 0.0)
    return msgspec.structs.replace(RlDetail(**fields), steps=steps)


def test_post_training_beside_pretraining() -> None:
    # 1,000 dollars before, 100 + 300 after, of which 200 steps take 300: 900 more would be 600 steps.
    lines = [line(cost_usd=certain(900.0), gpu_hours=certain(9.0)),
             line(kind="context", cost_usd=certain(100.0), gpu_hours=certain(1.0)),
             line(kind="sft", cost_usd=certain(100.0), gpu_hours=certain(2.0)),
             line(kind="rl", cost_usd=certain(300.0), gpu_hours=certain(4.0), detail=rl(200.0)),
             line(kind="other", cost_usd=certain(5e3), detail=NONE)]  # fmt: skip
    found = post_training(lines)
    assert found is not None
    assert (found.unit, found.pretraining, found.post_training) == ("usd", 1000.0, 400.0)
    assert (found.over_pretraining, found.rl_steps) == (0.4, 200.0)
    assert found.rl_steps_at_parity == pytest.approx(600.0)
    # Where one has no price, hours: 10 before, 2 + 4 after; 8 are 400 steps.
    lines[0] = msgspec.structs.replace(lines[0], cost_usd=None)
    found = post_training(lines)
    assert found is not None
    assert (found.unit, found.pretraining, found.post_training) == ("gpu_hours", 10.0, 6.0)
    assert found.rl_steps_at_parity == pytest.approx(400.0)
    # Other stages that outspend it already: none; without steps or without either nothing is said.
    dear = [msgspec.structs.replace(lines[2], gpu_hours=certain(50.0)), lines[1], lines[3]]
    found = post_training(dear)
    assert found is not None
    assert found.rl_steps_at_parity == 0.0
    found = post_training(lines[1:3])
    assert found is not None
    assert found.rl_steps is None
    assert post_training(lines[:2]) is None
    assert post_training(lines[2:]) is None


def test_months_that_a_pool_works() -> None:
    month = DAYS_PER_MONTH
    half = line(part="p", gpu_hours=certain(1.0), accelerators=4)
    whole = line(part="p", gpu_hours=certain(1.0))
    slots = [Slot(line=half, start_days=0.0, end_days=1.5 * month),
             Slot(line=whole, start_days=1.5 * month, end_days=2.25 * month),
             Slot(line=line(part="other", gpu_hours=certain(1.0)), start_days=0.0, end_days=9 * month),
             Slot(line=line(part="p"), start_days=0.0, end_days=9 * month)]  # fmt: skip
    # Four of eight for a month and a half, all for three quarters; then 40 % of what is free.
    assert months_used(slots, "p", 8, 4, 0.4) == pytest.approx([0.5, 0.75, 0.25 + 0.4 * 0.75, 0.4])
    assert months_used([], "p", 8, 2, 0.5) == pytest.approx([0.5, 0.5])
    # Stages beside each other work no more than all of it.
    both = [Slot(line=whole, start_days=0.0, end_days=month), Slot(line=half, start_days=0.0, end_days=month)]
    assert months_used(both, "p", 8, 1, 0.0) == [1.0]
    with pytest.raises(InputError, match="longer than the life of 2 months"):
        months_used(slots, "p", 8, 2, 0.0)


def test_hours_on_an_owned_pool() -> None:
    # Ten hours at 2 dollars; further ones add half a dollar, fewer save as much: 8 are 19, 20 are 25.
    pool: Any = SimpleNamespace(usd_per_accelerator_hour=2.0, usd_per_further_hour=0.5)
    hours = Band(10.0, 8.0, 20.0)
    found = priced(line(gpu_hours=hours, safe_cost_usd=1.0), pool)
    assert found.cost_usd == Band(20.0, 19.0, 25.0)
    # In eight of ten cases 10 x 2^(0.84162 / 1.28155) = 15.766 hours are enough.
    assert found.safe_cost_usd == pytest.approx(20 + 0.5 * (10 * 2 ** (0.841621 / Z80) - 10), rel=1e-5)
    assert priced(line(gpu_hours=hours), pool).safe_cost_usd is None
    assert priced(line(), pool).cost_usd is None
