"""Questions about many fleets that the tests of searches share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwmodel.predict.layouts import Cases
from hwmodel.predict.policy import Policy, policy
from hwmodel.solve.question.parse import parse_request
from hwmodel.solve.question.setting import Fleeted, resolve
from hwmodel.specs.layout import SCHEDULES


@dataclass(frozen=True)
class Question:
    """A model on many fleets of a part; `batch` is given or, with `capped`, the most; `schedules`: other than the
    stack's."""

    part: str
    model: str
    precision: str
    batch: float
    capped: bool = True
    schedules: tuple[str, ...] = ()

    @property
    def setting(self) -> Fleeted:
        """What it resolves to."""
        found = resolve(parse_request(gpus=f"64x{self.part}", tokens="1T", model=self.model, precision=self.precision))
        assert isinstance(found, Fleeted)
        return found

    @property
    def policy(self) -> Policy:
        """What is fixed: nothing but the schedules."""
        return policy(self.setting.stack, {}, schedules=self.schedules)

    def cases(self, setting: Fleeted, fleets: list[float]) -> Cases:
        """Its fleets, not in order."""
        shape = setting.shape()
        assert shape is not None
        return Cases(shape=shape, accelerators=np.array(fleets), batch_cap_seqs=np.full(len(fleets), self.batch),
                     batch_given=not self.capped, seq_len=4096.0)  # fmt: skip


FLEETS = [float(n) for n in (4096, 8, 24, 129, 216, 512, 1000, 1024, 2000, 6144, 3, 1536)]
QUESTIONS = [
    Question("H100", "llama-3.1-70b", "bf16", 4096.0),
    Question("H100", "llama-3.1-70b", "fp8", 216.0),
    Question("A100", "mixtral-8x7b", "bf16", 1024.0),
    Question("B200", "deepseek-v3", "mxfp8", 15_360.0),
    Question("TPU v5p", "llama-3.1-8b", "bf16", 1000.0),
    Question("H100", "llama-3.1-70b", "bf16", 1536.0, capped=False),
    Question("H800", "deepseek-v3", "fp8-block", 2048.0, schedules=SCHEDULES),
]
NAMES = [
    f"{q.model}-{q.part}-{q.precision}-{'capped' if q.capped else 'given'}{'-schedules' * bool(q.schedules)}"
    for q in QUESTIONS
]
