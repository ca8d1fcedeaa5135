"""A fleet whose time can be worked out by hand: a given utilisation, no failures and no doubt."""

from __future__ import annotations

import msgspec

from hwmodel.solve.plan.solver import setting_of
from hwmodel.solve.question.setting import Fleeted
from hwmodel.specs.economics import WholeRunConstants

RATE = 1e5  # tokens a second of one accelerator: 1e15 FLOP/s x 0.6 over 6 x 1e9 parameters


def quiet(gpus: str, tokens: str, log_spread: float = 0.0) -> Fleeted:
    """1B parameters on a part of 1e15 FLOP/s at an MFU of 60 %; runs are lengthened by nothing but their spread."""
    found = setting_of(gpus=gpus, params="1B", tokens=tokens, mfu="60%")
    assert isinstance(found, Fleeted)
    part = msgspec.structs.replace(found.part, peak_dense_flop_per_s={"bf16": 1e15})
    rare = msgspec.structs.replace(
        found.reliability, interruptions_per_accelerator_hour=1e-15, software_interruptions_per_hour=0.0, restart_s=0.0,
        checkpoint_bytes_per_param=1e-12, storage_bytes_per_s_per_accelerator=1e9,
    )  # fmt: skip
    whole = WholeRunConstants(
        log_factor=0.0, per_year=0.0, per_doubling=0.0, log_spread=log_spread, year=2024.0, accelerators=1024.0
    )
    return msgspec.structs.replace(found, part=part, reliability=rare, whole_run=whole)
