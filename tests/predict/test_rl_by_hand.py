"""The terms of a step of reinforcement learning from round phases, worked out in the comments."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from hwmodel.catalog.calibrations import rl_calibration
from hwmodel.predict.rl.doubt import phase_shares, rl_ends
from hwmodel.predict.rl.lengths import lengths_from_histogram
from hwmodel.predict.rl.phases import RlPhases, forward_s, step_terms
from hwmodel.specs import StepTerms
from hwmodel.specs.intervals import IntervalConstants

LEVELS = msgspec.structs.replace(
    rl_calibration(), rollout_level=1.5, update_level=2.0, step_s=7.0, sync_bytes_per_s=1e9, switch_bytes_per_s=4e9
)


def phases(**fields: Any) -> RlPhases:
    """40 s of rollouts, 5 s of scoring, 20 s of updates; 10 GB of weights and 30 GB of states."""
    given: dict[str, Any] = {"rollout_s": 40.0, "logprob_s": 5.0, "update_s": 20.0, "weights_bytes": 1e10,
                             "states_bytes": 3e10, "overlapped": False, "training": None}  # fmt: skip
    return RlPhases(**{**given, **fields})


def test_one_pool() -> None:
    # 1.5 x 40, 2 x 5 and 2 x 20; 10 GB in at 1 GB/s; 30 GB out and back at 4 GB/s; 7 s of the rest: 60 + 3 + 10 + 40 +
    # 10 + 15 + 7 = 145.
    found = step_terms(phases(), LEVELS, 3.0)
    assert (found.rollout_s, found.verifier_s, found.logprob_s, found.update_s) == (60.0, 3.0, 10.0, 40.0)
    assert (found.sync_s, found.switch_s, found.other_s, found.hidden_s) == (10.0, 15.0, 7.0, 0.0)
    assert found.total_s == pytest.approx(145)


def test_two_pools() -> None:
    # The shorter of 60 + 3 and 10 + 40 does not show; updates of 60 s hide the rollouts instead: 63 of 63 and 130.
    assert step_terms(phases(overlapped=True), LEVELS, 3.0).hidden_s == 50.0
    assert step_terms(phases(overlapped=True, update_s=60.0), LEVELS, 3.0).hidden_s == 63.0


def test_a_forward_pass_alone() -> None:
    # Of a step of 100 s, 4 for the optimizer, 6 for gradients and 15 for what is computed again: 75, a third of it.
    zeros = dict.fromkeys(StepTerms.__struct_fields__, 0.0)
    found = StepTerms(**{**zeros, "gemm_s": 75.0, "optimizer_s": 4.0, "dp_exposed_s": 6.0, "recompute_s": 15.0})
    assert forward_s(found) == pytest.approx(25)


def test_shares_of_a_histogram_sum_to_one() -> None:
    # Three of four answers have 100 tokens, one 500: their mean is 200.
    found = lengths_from_histogram([(100.0, 3.0), (500.0, 1.0)])
    assert found.tokens == (100.0, 500.0)
    assert found.shares == (0.75, 0.25)


def test_shares_of_phases_and_what_they_make_of_an_interval() -> None:
    # Of 145 s, 60 are rollouts, 10 + 40 updates and scores, 10 + 15 moves.
    found = step_terms(phases(), LEVELS, 3.0)
    shares = phase_shares(found)
    assert shares == pytest.approx({"rollouts": 60 / 145, "updates": 50 / 145, "moves": 25 / 145})
    # Rollouts alone are doubtful, by a deviation of 0.3: 80 % lie within e^(1.28155 x 0.3) = 1.46884 of their seconds.
    # A length that is not stated adds 1.28155 x 0.2 in squares to either side.
    widths = IntervalConstants(row=0.0, level=0.0, shares={"rollouts": 0.3}, distances={"length": 0.2})
    doubts = msgspec.structs.replace(LEVELS, widths=widths)
    down, up = -math.log(1 - 60 / 145 * (1 - 1 / 1.46884)), math.log(1 + 60 / 145 * 0.46884)
    assert rl_ends(found, doubts) == pytest.approx((down, up), rel=1e-4)
    wider = tuple((end**2 + (1.28155 * 0.2) ** 2) ** 0.5 for end in (down, up))
    assert rl_ends(found, doubts, length_stated=False) == pytest.approx(wider, rel=1e-4)
