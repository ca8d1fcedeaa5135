"""The search's columns against one plain evaluation a row: what rows share is computed once and must not mix them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from hwmodel.physics.memory import peak_memory
from hwmodel.physics.training import step
from hwmodel.predict.columns import row_of
from hwmodel.predict.layouts import Cases, layout_space
from hwmodel.predict.policy import policy
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import Fleeted, resolve
from hwmodel.specs import Workload

SAMPLED = 60


@dataclass(frozen=True)
class Question:
    """A model on a part in a recipe."""

    part: str
    model: str
    precision: str


QUESTIONS = [
    Question("A100", "llama-3.1-70b", "bf16"),
    Question("H100", "llama-3.1-70b", "fp8"),
    Question("B200", "llama-3.1-405b", "nvfp4"),
    Question("H100", "deepseek-v3", "fp8"),
    Question("MI300X", "mixtral-8x7b", "bf16"),
]


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda q: f"{q.model}-{q.part}-{q.precision}")
def test_columns_equal_rows(asked: Question) -> None:
    setting = resolve(parse_request(gpus=f"1024x{asked.part}", tokens="1T", model=asked.model,
                                    precision=asked.precision))  # fmt: skip
    assert isinstance(setting, Fleeted)
    shape = setting.shape()
    assert shape is not None
    fleets = np.array([64.0, 1024.0, 4096.0])
    cases = Cases(shape=shape, accelerators=fleets, batch_cap_seqs=np.array([128.0, 1024.0, 1000.0]),
                  batch_given=False, seq_len=4096.0)  # fmt: skip
    space = layout_space(cases, float(setting.machine.network.domain), policy(setting.stack, {}))
    load = Workload(seq_len=4096.0, global_batch_seqs=space.batch_seqs)
    together = step(shape, setting.machine, setting.precision, space.layout, load, setting.stack).total_s
    held = peak_memory(shape, setting.precision, space.layout, load, setting.stack).total_bytes
    for row in np.random.default_rng(0).integers(0, space.count, SAMPLED):
        layout = row_of(space.layout, int(row))
        own = Workload(seq_len=4096.0, global_batch_seqs=float(space.batch_seqs[row]))
        alone = step(shape, setting.machine, setting.precision, layout, own, setting.stack).total_s
        assert together[row] == pytest.approx(alone, rel=1e-12)
        memory = peak_memory(shape, setting.precision, layout, own, setting.stack).total_bytes
        assert held[row] == pytest.approx(memory, rel=1e-12)
