"""Shares of pre-training and terms of commitments, each case worked out in its comment."""

from __future__ import annotations

from typing import Any

import pytest

from hwmodel.errors import InputError
from hwmodel.solve.run.band import Band
from hwmodel.solve.run.cash import Slot
from hwmodel.solve.run.details import CommitmentDetail, ShareDetail
from hwmodel.solve.run.lines import StageLine, certain
from hwmodel.solve.stages.committed import paid_evenly, years_of
from hwmodel.solve.stages.entered import share_of_pretraining
from hwmodel.solve.stages.file import Stage

KINDS = ("pretrain", "context")


def _line(**more: Any) -> StageLine:
    return StageLine(**{"stage": "run", "kind": "pretrain", "how": "computed", **more})


def _stage(share: object, **more: Any) -> Stage:
    return Stage(name="ablations", kind="ablations", own={"share": share, **more}, options={}, where="")


MAIN = _line(
    part="h100", accelerators=10, gpu_hours=Band(1000.0, 800.0, 1500.0), cost_usd=Band(2000.0, 1600.0, 3000.0),
    elapsed_days=certain(4.0), energy_mwh=certain(1.2), co2e_t=certain(0.4), safe_cost_usd=2500.0,
    not_counted=("storage",),
)  # fmt: skip
LONGER = _line(kind="context", gpu_hours=Band(200.0, 160.0, 260.0), cost_usd=certain(600.0), energy_mwh=certain(0.4))
OTHER = _line(kind="sft", gpu_hours=certain(7000.0), cost_usd=certain(9000.0), co2e_t=certain(9.0))
UNTIMED = _line(cost_usd=certain(5000.0), co2e_t=certain(5.0))


def test_a_share_is_of_all_of_pretraining_and_of_nothing_else() -> None:
    # 5 % of 1,000 + 200 hours (800 + 160 to 1,500 + 260), $2,000 + 600, 1.2 + 0.4 MWh and 0.4 t; neither of the other
    # kind nor of what has no hours. 60 hours of ten accelerators are 60 / 240 = 0.25 days.
    found = share_of_pretraining(_stage("5%", why="as last time"), [MAIN, LONGER, OTHER, UNTIMED], KINDS)
    want = {
        "gpu_hours": (60.0, 48.0, 88.0), "cost_usd": (130.0, 110.0, 180.0), "energy_mwh": (0.08, 0.08, 0.08),
        "co2e_t": (0.02, 0.02, 0.02), "elapsed_days": (0.25, 0.2, 88.0 / 240.0),
    }  # fmt: skip
    for name, (value, low, high) in want.items():
        band = getattr(found, name)
        assert (band.value, band.low, band.high) == pytest.approx((value, low, high), rel=1e-12), name
    assert (found.stage, found.kind, found.how) == ("ablations", "ablations", "entered")
    assert (found.part, found.accelerators, found.safe_cost_usd, found.not_counted) == ("h100", 10, None, ())
    assert found.detail == ShareDetail(share=0.05)
    assert found.note == "5 % of pre-training, as entered; as last time"


def test_a_share_of_hours_on_no_known_fleet() -> None:
    # Half of 200 hours, as of one accelerator: 100 / 24 days; $300; nothing is known of the carbon.
    found = share_of_pretraining(_stage("50%"), [OTHER, LONGER], KINDS)
    assert found.gpu_hours == Band(100.0, 80.0, 130.0)
    assert found.elapsed_days is not None
    assert found.elapsed_days.value == pytest.approx(100.0 / 24.0, rel=1e-12)
    assert found.cost_usd == certain(300.0)
    assert (found.co2e_t, found.note) == (None, "50 % of pre-training, as entered")


def test_a_share_of_nothing_or_beside_what_computes_it_is_refused() -> None:
    for before in ([], [OTHER], [UNTIMED]):
        with pytest.raises(InputError, match="put the stage after it"):
            share_of_pretraining(_stage("5%"), before, KINDS)
    with pytest.raises(InputError, match="share is entered, prompts would be computed from"):
        share_of_pretraining(_stage("5%", prompts=3), [MAIN], KINDS)
    options = Stage(name="a", kind="ablations", own={"share": "5%"}, options={"params": "8B"}, where="")
    with pytest.raises(InputError, match="share is entered, params would be computed from"):
        share_of_pretraining(options, [MAIN], KINDS)


def _idle(years: int, usd: float | None) -> StageLine:
    detail = CommitmentDetail(
        years=years, committed_hours=1.0, committed_usd=1.0, used_share=0.5, break_even_share=None
    )
    return _line(cost_usd=None if usd is None else certain(usd), detail=detail)


def _slot(end_days: float, **more: Any) -> Slot:
    return Slot(line=_line(**more), start_days=0.0, end_days=end_days)


POOL: dict[str, Any] = {"part": "h100", "gpu_hours": certain(10.0)}
YEAR = 365.25  # days


def test_terms_are_as_many_as_the_last_stage_needs() -> None:
    # Idle $30 + 12, worked $70 + 8; entered money without hours or a pool is no part of it. Of years of 365.25 days the
    # 800 of the last stage need three.
    slots = [
        _slot(300.0, **POOL, cost_usd=certain(70.0)), _slot(800.0, **POOL, cost_usd=certain(8.0)),
        _slot(700.0, **POOL), _slot(100.0, part="h100", cost_usd=certain(500.0)),
        _slot(100.0, gpu_hours=certain(3.0), cost_usd=certain(900.0)),
    ]  # fmt: skip
    idle = [_idle(1, 30.0), _idle(1, 12.0), _idle(1, None)]
    assert paid_evenly(idle, slots) == [(0.0, 3 * YEAR, 120.0)]


def test_the_longest_term_counts_and_one_is_the_least() -> None:
    # 800 days lie within one term of three years, and three years to the day; a day more needs two.
    mixed = [_idle(3, 30.0), _idle(1, 12.0)]
    for end, terms in ((0.0, 1), (800.0, 1), (3 * YEAR, 1), (3 * YEAR + 1.0, 2)):
        assert paid_evenly(mixed, [_slot(end)]) == [(0.0, terms * 3 * YEAR, 42.0)], end
    assert paid_evenly(mixed, []) == [(0.0, 3 * YEAR, 42.0)]


def test_without_a_commitment_nothing_is_paid_by_terms() -> None:
    assert paid_evenly([], [_slot(800.0, **POOL, cost_usd=certain(70.0))]) == []
    # Idle hours whose terms nobody says: their money, at once.
    assert paid_evenly([_line(cost_usd=certain(30.0))], [_slot(800.0)]) == [(0.0, 0.0, 30.0)]


@pytest.mark.parametrize(("term", "years"), [("1 year", 1), ("362 days", 1), ("3 years", 3), ("1092 days", 3)])
def test_terms_that_are_sold(term: str, years: int) -> None:
    # Within a hundredth of one or of three years.
    assert years_of({"term": term}) == years


@pytest.mark.parametrize("term", ["2 years", "369 days", "1 day", "6 years"])
def test_terms_that_nobody_sells(term: str) -> None:
    with pytest.raises(InputError, match="is not sold: commitments are for 1 year or 3 years"):
        years_of({"term": term})


def test_a_term_that_is_not_stated_is_a_year() -> None:
    assert years_of({}) == 1
