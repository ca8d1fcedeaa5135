"""The same run in the formats asked for; each gets its own best layout."""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.errors import InputError
from hwmodel.physics.machine import format_peak
from hwmodel.solve.plan import prepare, run, setting_of
from hwmodel.solve.precisions import precision_rows
from hwmodel.solve.result import Plan
from hwmodel.solve.setting import fleeted


def compare(precision: str = "bf16,fp8", **given: Any) -> Plan:
    """A plan in the first format whose `precisions` are the ones asked for. Raises InputError for a format that the
    part lacks."""
    names = list(dict.fromkeys(name.strip() for name in precision.split(",") if name.strip()))
    if not names:
        raise InputError("--precision names no format; write it like bf16,fp8")
    setting = fleeted(setting_of(precision=names[0], **given))
    wanted = [setting.catalog.precision(name) for name in names]
    for one in wanted:
        format_peak(setting.part, one.gemm_format, one.fallback_formats)
    prepared = prepare(setting)
    solved = prepared.solved
    if solved is None:
        raise InputError("compare needs a fleet: add --gpus, like 512xH100")
    return msgspec.structs.replace(run(prepared), precisions=precision_rows(setting, solved, wanted))
