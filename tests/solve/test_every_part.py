"""A plan on every accelerator of the catalog: a sane utilisation, or one clear reason why not."""

from __future__ import annotations

import pytest

import hwmodel as hm
from hwmodel.solve.result import value_of


@pytest.mark.parametrize("part", [part.id for part in hm.load_catalog().parts()])
def test_plan_or_a_reason(part: str) -> None:
    try:
        plan = hm.plan(gpus=f"64x{part}", params="1B", tokens="20B")
    except (hm.InputError, hm.InfeasibleError) as refusal:
        assert part in str(refusal) or "cannot compute" in str(refusal)
        assert "\n" not in str(refusal)
        return
    assert 0.01 < value_of(plan.answer.mfu) < 0.8
    assert plan.answer.train_days is not None
    assert plan.resolved["accelerator"] == part
