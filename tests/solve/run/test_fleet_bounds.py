"""What a fleet is not asked twice, and what no fleet reaches."""

from __future__ import annotations

import pytest

from hwmodel.physics import shape as shapes
from hwmodel.solve.plan.solver import setting_of
from hwmodel.solve.question.setting import fleeted
from hwmodel.solve.run.fleet import LADDER_STEP, Fleet


@pytest.mark.parametrize(
    "question",
    [
        {"gpus": "512xH100", "time": "30d"},
        {"gpus": "8xH100", "time": "30d", "precision": "fp8-block"},
        {"gpus": "64xB200", "budget": "1M", "precision": "nvfp4"},
        {"gpus": "1024xMI300X", "time": "90d", "seq_len": "512"},
        {"gpus": "V100", "budget": "100k"},
        {"gpus": "256xH100", "time": "30d", "mfu": "0.9"},
    ],
)
def test_no_size_sees_more_tokens_than_the_peak_buys(question: dict[str, str]) -> None:
    setting = fleeted(setting_of(**question))
    fleet = Fleet(setting, 256)
    for step in range(33, 50):  # 178M to 1.8T
        params = LADDER_STEP ** (step + 0.5)
        assert fleet.tokens_affordable(params) <= fleet.tokens_at_peak(params)
        assert fleet.tokens_affordable(params, 0.5) == pytest.approx(0.5 * fleet.tokens_affordable(params))
        assert fleet.tokens_at_peak(params, 0.5) == pytest.approx(0.5 * fleet.tokens_at_peak(params))


def test_what_was_asked_last_is_kept_for_its_shape_and_batch_alone() -> None:
    setting = fleeted(setting_of(gpus="512xH100", time="30d"))
    fleet, shape, other = Fleet(setting, 512), shapes.shape_for_params(7e9), shapes.shape_for_params(8e9)
    first = fleet.evaluate(shape, 7e9)
    assert fleet.evaluate(shape, 7e9) is first
    assert fleet.evaluate(shape, 7e9, [512]) is not first
    assert fleet.evaluate(other, 8e9) is not first
    again = fleet.evaluate(shape, 7e9)
    assert again is not first
    fleet.see(2e12)  # a larger batch
    larger = fleet.evaluate(shape, 7e9)
    assert larger is not again
    assert float(larger.cases.batch_cap_seqs[0]) > float(again.cases.batch_cap_seqs[0])
    assert fleet.evaluate(shape, 7e9, caps=(2.0,)) is not larger
    assert fleet.evaluate(shape, 7e9) is larger
