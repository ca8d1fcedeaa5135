"""What training and serving cost in the unit of a question, what repeats and idle commitments cost beside, and the
chance that a sum stays within a limit, on round numbers.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from hwmodel.catalog import load_catalog
from hwmodel.errors import InputError
from hwmodel.solve.life import objective
from hwmodel.solve.plan.data import data
from hwmodel.solve.run.band import Band
from hwmodel.solve.run.cash import Slot
from hwmodel.solve.run.lines import COMPUTED, StageLine, certain
from hwmodel.solve.stages.committed import idle_line
from hwmodel.solve.stages.limits import _chance
from hwmodel.specs.economics import EnergyFacts, PriceSummary
from hwmodel.specs.intervals import Z80
from tests.solve.quiet import quiet

change = msgspec.structs.replace
PRICE = PriceSummary(
    part="p", kind="on_demand", median_usd_per_accelerator_hour=2.0, low_usd_per_accelerator_hour=1.0,
    high_usd_per_accelerator_hour=4.0, n_quotes=1, first_date="", last_date="", age_days=0, how="given",
)  # fmt: skip
# 1,600 W of the 2,000 rated, a quarter more at the site: 2 kWh an hour.
FACTS = EnergyFacts(
    pue=1.25, load_fraction=0.8, server_overhead_fraction=1.0, grid_kg_co2e_per_kwh=0.5, grid_region="round",
    embodied_kg_co2e_per_accelerator_hour=0.1, usd_per_kwh=0.1,
)  # fmt: skip


def setting(**request: Any) -> Any:
    found = quiet("8xH100", "1T")
    return change(
        found, price=PRICE, energy=FACTS, part=change(found.part, tdp_w=500.0),
        system=change(found.system, node_power_w=16000.0, accelerators_per_node=8),
        request=change(found.request, **request),
    )  # fmt: skip


def test_what_an_hour_counts() -> None:
    # $2; 2 kWh; 2 x 0.5 kg of the grid and 0.1 kg of the hardware.
    for name, unit in (("usd", 2.0), ("kwh", 2.0), ("co2e", 1.1)):
        assert objective.per_accelerator_hour(setting(), name) == pytest.approx(unit)


def test_which_unit_a_question_counts_in() -> None:
    priced, free = setting(), change(setting(), price=None)
    assert objective.default_objective(priced) == "usd"
    assert objective.default_objective(setting(objective="kwh")) == "kwh"
    assert objective.default_objective(free) == "flops"
    with pytest.raises(InputError, match="no price of"):
        objective.default_objective(change(free, request=change(free.request, inference_tokens=1e12)))


def test_costs_in_flops() -> None:
    # 6 N D, 2 N a token; of a prompt of three tokens and one of an answer four answers are 7/4 as many tokens, each of
    # which costs the same: 3/4 + 1/4 x 4.
    found = objective.flop_costs(setting(prompt_share=0.75), why="!")
    assert found.train(3e9, 5e10) == pytest.approx(9e20)
    assert found.serve(3e9) == pytest.approx(6e9)
    assert found.answers(4.0)(3e9) == pytest.approx(1.75 * 6e9)
    # A demand of which 0.6 are prompts and three answers each has the rest: with one, 0.6 / (0.6 + 0.4 / 3) = 9/11.
    several = objective.flop_costs(setting(prompt_share=0.6, samples=3.0))
    assert several.answers(3.0)(3e9) == pytest.approx((9 + 2 * 3) / 11 * 6e9)
    assert (found.objective, found.penalty) == ("flops", None)
    assert found.note == "6 N D to train, 2 N a token served!"


def test_costs_in_dollars(monkeypatch: pytest.MonkeyPatch) -> None:
    # 6 x 1e9 x 1e11 FLOP at 2e15 a second, half as fast again by its own pace, are 2e5 s of 9 accelerators, which
    # failures lengthen by a half: 750 hours, at $2 or 2 kWh.
    spans: list[tuple[float, float]] = []

    def rates(params: float, span: tuple[float, float]) -> float:
        spans.append(span)
        return 2e15

    monkeypatch.setattr(objective, "_serving_cost", lambda asked, span, hour, experts: (span, hour, experts))
    monkeypatch.setattr(objective, "_a_token", lambda answers, setting: answers)
    billed = {True: 1.5, False: 9.0}
    fleet: Any = SimpleNamespace(
        accelerators=9, flop_rates=rates, elapsed_over_productive=lambda n: billed[n == pytest.approx(6e9, rel=0.05)]
    )
    pace: Any = SimpleNamespace(flop_per_s=lambda params, trend: 1.5 * trend if params == 1e9 else 0.0)
    asked = setting()
    found = objective.costs(asked, fleet, 6e9, pace=pace)
    assert found.train(1e9, 1e11) == pytest.approx(2e5 * 9 * 1.5 / 3600 * 2)
    # From a sixtieth of the size to three times.
    assert spans == [(pytest.approx(1e8), pytest.approx(1.8e10))]
    assert found.serve == (spans[0], 2.0, 1.0)
    assert found.objective == "usd"
    energy = objective.costs(setting(objective="kwh"), fleet, 6e9, pace=pace)
    assert energy.train(1e9, 1e11) == pytest.approx(2e5 * 9 * 1.5 / 3600 * 2)
    assert objective.costs(setting(objective="flops"), None, 6e9).objective == "flops"
    with pytest.raises(InputError, match="--objective usd needs accelerators"):
        objective.costs(asked, None, 6e9)


@pytest.mark.parametrize("experts", [2.0, 8.0])
def test_a_mixture_is_timed_as_one(monkeypatch: pytest.MonkeyPatch, experts: float) -> None:
    def crew(asked: Any, accelerators: int, precision: str, machine: str, of: float) -> Any:
        assert (accelerators, precision, machine, of) == (9, "bf16", "round", experts)
        return SimpleNamespace(flop_rates=lambda params, span: 1e15)

    monkeypatch.setattr(objective, "Fleet", crew)
    monkeypatch.setattr(objective, "_serving_cost", lambda *args: args)
    monkeypatch.setattr(objective, "_a_token", lambda *args: args)
    fleet: Any = SimpleNamespace(
        accelerators=9, precision="bf16", machine="round", elapsed_over_productive=lambda n: 1.0 if n > 8e9 else 9.0
    )
    found = objective.costs(setting(), fleet, 6e9, experts=experts)
    assert found.train(1e9, 1e11) == pytest.approx(6e5 * 9 / 3600 * 2)


def test_the_cost_of_a_served_token_between_and_beyond_sizes() -> None:
    # On log scales: half way from 1e9 to 4e9 the root of 2 x 8; beyond in proportion to the size.
    cost = objective._between(np.array([1e9, 4e9]), np.array([2.0, 8.0]))
    found = cost(np.array([5e8, 1e9, 2e9, 4e9, 8e9]))
    assert found == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0])
    steep = objective._between(np.array([1e9, 4e9]), np.array([2.0, 32.0]))
    assert steep(np.array([5e8, 2e9, 8e9])) == pytest.approx([1.0, 8.0, 64.0])
    # Nothing serves the third size: nothing is known of those between it and the second, and beyond.
    none = objective._between(np.array([1e9, 4e9, 1.6e10]), np.array([2.0, 8.0, 1e30]))
    assert none(np.array([2e9, 4e9, 8e9, 1.6e10, 6.4e10])) == pytest.approx([4.0, 8.0, math.inf, math.inf, math.inf])
    # But for those so near to the second that the line between them has risen by less than ten times: by 1e30 / 8 over
    # a factor of 4, ten times are 4^(ln 10 / ln 1.25e29) = 1.049 of it.
    near = none(np.array([4e9 * 1.04, 4e9 * 1.055]))
    assert near == pytest.approx([8.0 * 1.25e29 ** (math.log(1.04) / math.log(4.0)), math.inf])


LAW = change(
    load_catalog().law("besiroglu_2024"), constants={"E": 1.0, "A": 400.0, "B": 1600.0, "alpha": 0.5, "beta": 0.5}
)


def test_what_repeats_cost_beside_fresh_data() -> None:
    # The loss of 1.026 takes 0.013 of each term: N D = (400 x 1,600 / 0.013^2)^2 fresh; the run has 1.6e9 x 2e10 of
    # which 5e9 are distinct, 4 epochs. The rest of its compute is that share of its dollars.
    model: Any = SimpleNamespace(unique_tokens=5e9, law=LAW, effective=lambda tokens: tokens / 2)
    sized: Any = SimpleNamespace(n=1.6e9, d=2e10, loss=1.026)
    fresh = (640_000 / 0.013**2) ** 2
    found = data(model, sized, 1e6)
    assert found is not None
    assert (found.unique_tokens, found.epochs, found.effective_tokens) == (5e9, 4.0, 1e10)
    assert found.fresh_flop == pytest.approx(6 * fresh, rel=1e-6)
    assert found.extra_compute_share == pytest.approx(3.2e19 / fresh - 1, rel=1e-6)
    assert found.extra_usd == pytest.approx(1e6 * (1 - fresh / 3.2e19), rel=1e-6)
    # Fewer tokens than there are: one pass at most. A run below the fresh optimum's compute has nothing extra.
    some = data(model, SimpleNamespace(n=1.6e9, d=4e9, loss=1.026), None)  # type: ignore[arg-type]
    assert some is not None
    assert (some.epochs, some.extra_compute_share, some.extra_usd) == (1.0, 0.0, None)
    none = data(model, SimpleNamespace(n=1.6e9, d=2e10, loss=None), 1e6)  # type: ignore[arg-type]
    assert none is not None
    assert (none.fresh_flop, none.extra_compute_share, none.extra_usd) == (None, None, None)
    below = data(model, SimpleNamespace(n=1.6e9, d=2e10, loss=0.9), 1e6)  # type: ignore[arg-type]
    assert below is not None
    assert below.fresh_flop is None
    assert data(SimpleNamespace(unique_tokens=None), sized, 1e6) is None  # type: ignore[arg-type]


def committed(
    usd: float | None, *days: float, on_demand: float | None = 4.0, part: str = "", start: float = 10.0
) -> StageLine:
    """Eight accelerators at $1 for a year of 8,766 hours, beside what `days` of stages on all of them use."""
    asked = setting()
    ends = ("median", "low", "high")
    price = None if usd is None else change(PRICE, **{f"{end}_usd_per_accelerator_hour": usd for end in ends})
    free = None if on_demand is None else SimpleNamespace(median_usd_per_accelerator_hour=on_demand)
    catalog = SimpleNamespace(price_summary=lambda part, region: free)
    stand_in: Any = SimpleNamespace(part=asked.part, price=price, catalog=catalog, request=asked.request)
    lines = [
        StageLine(stage="s", kind="k", how=COMPUTED, part=part or asked.part.id, gpu_hours=certain(8 * 24.0 * one))
        for one in days
    ]
    slots = [Slot(line=line, start_days=start, end_days=start + one) for line, one in zip(lines, days, strict=True)]
    free_of_hours = StageLine(stage="s", kind="k", how=COMPUTED, part=asked.part.id)
    slots.append(Slot(line=free_of_hours, start_days=900.0, end_days=900.0))
    return idle_line(1, stand_in, 8, slots)


def test_hours_of_a_commitment_that_no_stage_uses() -> None:
    # 8 x 8,766 hours; a stage of 100 days uses 19,200 of them. On demand at $4 the quarter of the price pays.
    found = committed(1.0, 100.0)
    assert found.detail is not None
    assert found.detail.committed_hours == found.detail.committed_usd == 70_128.0  # type: ignore[union-attr]
    assert found.detail.used_share == pytest.approx(19_200 / 70_128)  # type: ignore[union-attr]
    assert found.detail.break_even_share == 0.25  # type: ignore[union-attr]
    assert found.cost_usd == certain(70_128.0 - 19_200)
    assert found.note == "27 % of the committed hours are used; it pays from 25 % on, on demand at $4.00 an hour"
    # A stage that ends on day 370 needs a second year, one on day 360 does not.
    assert committed(1.0, 360.0).cost_usd == certain(140_256.0 - 69_120)
    assert committed(1.0, 355.0).cost_usd == certain(70_128.0 - 68_160)
    # The last of two stages sets how many.
    assert committed(1.0, 1.0, 100.0, start=300.0).cost_usd == certain(140_256.0 - 19_392)
    # At $2 twice the dollars; on demand no dearer at $2, of which nobody knows the other.
    dear = committed(2.0, 100.0, on_demand=2.0)
    assert dear.cost_usd == certain(2 * 50_928.0)
    assert dear.note.endswith("; on demand is no dearer, at $2.00 an hour")
    alone = committed(2.0, 100.0, on_demand=None)
    assert alone.detail is not None
    assert (alone.detail.break_even_share, alone.note) == (None, "27 % of the committed hours are used")  # type: ignore[union-attr]
    # Stages on other parts use none of them.
    assert committed(1.0, 100.0, part="other").cost_usd == certain(70_128.0)
    # More hours than the pool has until its last stage ends: a year each of them.
    both = committed(1.0, 300.0, 300.0)
    assert both.cost_usd == certain(140_256.0 - 115_200)
    with pytest.raises(InputError, match="for 1 year is known: give usd_per_hour"):
        committed(None, 100.0)


def test_the_chance_of_a_sum() -> None:
    # 100, from 50 to 400: its ends are the 10th and the 90th percentile, each side a log-normal of its own.
    band = Band(100.0, 50.0, 400.0)
    for limit, chance in ((50.0, 0.1), (100.0, 0.5), (400.0, 0.9)):
        assert _chance(band, limit) == pytest.approx(chance, abs=1e-9)
    # Twice as far up on the log scale, half as far down.
    assert _chance(band, 1600.0) == pytest.approx(0.5 * (1 + math.erf(2 * Z80 / 2**0.5)))
    assert _chance(band, 100 / 2**0.5) == pytest.approx(0.5 * (1 - math.erf(0.5 * Z80 / 2**0.5)))
    # A sum without doubt is within its limit or not.
    for low, high in ((100.0, 100.0), (0.0, 200.0), (50.0, 100.0)):
        assert [_chance(Band(100.0, low, high), limit) for limit in (99.9, 100.0, 100.1)] == [0.0, 1.0, 1.0]
