"""A stage of reinforcement learning: its second pool, what judging costs, and what its keys say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hwmodel.errors import InputError
from hwmodel.solve.run.band import Band
from hwmodel.solve.run.details import RlDetail
from hwmodel.solve.run.lines import COMPUTED, StageLine, certain
from hwmodel.solve.stages import rl
from hwmodel.solve.stages.rl import _judged, _lag, _lengths, _passes, _weight, _with_pool

DETAIL = RlDetail(
    params=1.0, steps=1.0, rollouts=1.0, tokens=1.0, step_s=certain(1.0), terms_s=None, longest_response=1.0,  # type: ignore[arg-type]
    mean_response=1.0, mfu=certain(0.5), lag=1.0, pools="two",
)  # fmt: skip


def line(**fields: Any) -> StageLine:
    return StageLine(**{"stage": "s", "kind": "rl", "how": COMPUTED, "detail": DETAIL, **fields})


def test_the_pool_that_generates_runs_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    # Ten days, of eight to twenty, of four accelerators: 960 hours, 768 to 1,920, at 2 dollars.
    monkeypatch.setattr(rl, "of_hours", lambda hours, setting, count, **words: line(
        gpu_hours=hours, cost_usd=hours.scaled(2.0), energy_mwh=hours.scaled(0.001), safe_cost_usd=2500.0, **words
    ))  # fmt: skip
    trains = line(elapsed_days=Band(10.0, 8.0, 20.0), gpu_hours=Band(100.0, 90.0, 120.0), cost_usd=certain(50.0),
                  safe_cost_usd=60.0)  # fmt: skip
    pool: Any = SimpleNamespace(part=SimpleNamespace(id="p"))
    found, detail = _with_pool(trains, DETAIL, pool, 4.0)
    assert found.gpu_hours == Band(1060.0, 858.0, 2040.0)
    assert found.cost_usd == Band(1970.0, 50 + 2 * 768.0, 50 + 2 * 1920.0)
    assert found.energy_mwh is not None
    assert found.energy_mwh.value == pytest.approx(0.96)
    assert (found.safe_cost_usd, found.co2e_t, found.elapsed_days) == (2560.0, None, trains.elapsed_days)
    assert (detail.rollout_accelerators, detail.rollout_part, detail.rollout_gpu_hours) == (
        4,
        "p",
        Band(960.0, 768.0, 1920.0),
    )
    assert found.detail == detail
    unpriced, _ = _with_pool(msgspec.structs.replace(trains, safe_cost_usd=None), DETAIL, pool, 4.0)
    assert unpriced.safe_cost_usd is None


def test_what_judging_costs() -> None:
    found = _judged(line(cost_usd=Band(50.0, 40.0, 70.0), safe_cost_usd=60.0), DETAIL, 7.0)
    assert (found.cost_usd, found.safe_cost_usd) == (Band(57.0, 47.0, 77.0), 67.0)
    assert isinstance(found.detail, RlDetail)
    assert found.detail.verifier_usd == 7.0
    unpriced = _judged(line(), DETAIL, 7.0)
    assert (unpriced.cost_usd, unpriced.safe_cost_usd) == (None, None)
    assert isinstance(unpriced.detail, RlDetail)
    assert unpriced.detail.verifier_usd == 7.0
    assert _judged(line(cost_usd=certain(1.0)), DETAIL, 7.0).safe_cost_usd is None


def test_keys_of_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (_lag("0"), _lag(0.0), _lag("0.5"), _lag(2)) == (0.0, 0.0, 0.5, 2.0)
    assert (_passes({}), _passes({"scored_passes": 0}), _passes({"scored_passes": 3})) == (2.0, 0.0, 3.0)  # type: ignore[typeddict-item]
    assert (_weight("40%"), _weight(" 3 ")) == (40.0, 3.0)
    # Half of 100 tokens, half of 300.
    given = _lengths({"lengths": {100: "50%", 300: "50%"}}, 8.0)  # type: ignore[typeddict-item]
    assert (given.tokens, given.shares) == ((100.0, 300.0), (0.5, 0.5))
    asked: list[Any] = []
    monkeypatch.setattr(rl, "lengths_of", lambda *args: asked.append(args))
    monkeypatch.setattr(rl, "rl_calibration", lambda: SimpleNamespace(length_log_sd=0.7))
    _lengths({"response_tokens": "2k", "response_limit": "8k"}, 8.0)
    _lengths({"response_tokens": "2k"}, 8.0)
    assert asked == [(2000.0, 8000.0, 0.7, 8.0), (2000.0, None, 0.7, 8.0)]
    for wrong, said in (
        ({"lengths": {100: "50%"}, "response_tokens": "2k"}, "drop response_tokens"),
        ({"lengths": {100: "50%"}, "response_limit": "2k"}, "drop response_tokens"),
        ({"lengths": "100"}, "maps tokens to shares"), ({}, "needs response_tokens"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            _lengths(wrong, 8.0)  # type: ignore[arg-type]
