"""Winners found by floors against those of the whole space evaluated."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hwmodel.predict.fastest import fastest
from hwmodel.predict.search import Evaluation, evaluate, usable_bytes
from hwmodel.solve.run.billing import billed_hours
from tests.predict.fleets import FLEETS, NAMES, QUESTIONS, Question


def best(found: Evaluation, case: int, count: int, bill: np.ndarray) -> list[float]:
    """Least billed seconds a sequence of a case."""
    mine = found.space.case == case
    return np.sort((found.s_per_sequence * bill)[mine])[:count].tolist()


@pytest.mark.parametrize("asked", QUESTIONS, ids=NAMES)
@pytest.mark.parametrize("billed", [False, True])
def test_winners_of_the_whole_space(asked: Question, billed: bool) -> None:
    setting = asked.setting
    cases = asked.cases(setting, FLEETS)
    bill = billed_hours(setting, cases.shape) if billed else None
    common = (cases, setting.machine, setting.precision, setting.stack, asked.policy, bill)
    whole, few = evaluate(*common), fastest(*common, keep=5)
    assert few.tally.layouts == whole.space.count
    assert np.array_equal(few.layouts, np.bincount(whole.space.case, minlength=cases.count))
    assert few.tally.evaluated < 0.35 * whole.space.count
    weights = [
        np.ones(f.space.count) if bill is None else bill(np.asarray(f.space.layout.accelerators))
        for f in (whole, few.evaluation)
    ]
    for case in range(cases.count):
        row, other = int(whole.best[case]), int(few.evaluation.best[case])
        assert (row < 0) == (other < 0)
        if row < 0:
            mine = [f.memory_bytes[f.space.case == case] for f in (whole, few.evaluation)]
            assert len(mine[0]) == 0 or mine[0].min() == mine[1].min() > usable_bytes(setting.machine)
            continue
        one, same = whole.space.rows(np.array([row])), few.evaluation.space.rows(np.array([other]))
        for name in one.layout.__struct_fields__:
            assert np.asarray(getattr(one.layout, name)) == np.asarray(getattr(same.layout, name)), name
        assert one.batch_seqs == same.batch_seqs
        assert whole.step_s[row] == few.evaluation.step_s[other]
        assert best(whole, case, 5, weights[0]) == pytest.approx(best(few.evaluation, case, 5, weights[1]), rel=1e-12)


def test_a_bound_that_claims_too_much_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison above dies of a floor that is a tenth too high."""
    from hwmodel.predict import floor_search as module

    true = module.time_floor

    def high(*given):
        floor = true(*given)
        return msgspec.structs.replace(floor, stage_s=1.3 * floor.stage_s)

    monkeypatch.setattr(module, "time_floor", high)
    with pytest.raises(AssertionError):
        test_winners_of_the_whole_space(QUESTIONS[0], billed=False)
