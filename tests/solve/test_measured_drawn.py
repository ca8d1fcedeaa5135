"""Cousins of the cases of `--measured`, by seed: a level within a factor of three is taken, others are refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from hwmodel.errors import InputError
from hwmodel.solve.plan.solver import plan

SIZES = ["1B", "7B", "30B"]
FLEETS = ["64xH100", "32xA100", "16xMI300X", "72xGB200"]


def drawn(seed: int) -> tuple[dict[str, str], float]:
    """A question and by how much its own run was faster than predicted."""
    draw = random.Random(f"measured {seed}")
    asked = {"gpus": draw.choice(FLEETS), "params": draw.choice(SIZES)}
    return asked, 2 ** draw.uniform(-4, 3)


@pytest.mark.parametrize("seed", range(14))
def test_a_run_sets_the_level_or_cannot_be_that_run(seed: int, tmp_path: Path) -> None:
    asked, faster = drawn(seed)
    question = {**asked, "tokens": "100B", "precision": "bf16", "global_batch": "1024"}
    answer = plan(**question).answer
    rate, mfu = answer.tokens_per_s.value, answer.mfu.value
    file = tmp_path / "run.yaml"
    fields = {**asked, "precision": "bf16", "global_batch": "1024", "tokens_per_s": f"{rate * faster:.6g}"}
    file.write_text("".join(f"{name}: {value}\n" for name, value in fields.items()), encoding="utf-8")
    if 1 / 2.7 < faster < 2.7 and mfu * faster < 0.9:
        found = plan(**question, measured=str(file)).answer.tokens_per_s.value
        assert found == pytest.approx(rate * faster, rel=0.02)
    elif not 1 / 3.3 < faster < 3.3 or mfu * faster > 1.1:
        with pytest.raises(InputError, match=r"% of the peak|beyond a factor of 3"):
            plan(**question, measured=str(file))
