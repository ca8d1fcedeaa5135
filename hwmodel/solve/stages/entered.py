"""Stages that are entered: hours or money as given, shares of pre-training, spares, and what is not counted."""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.economics import spares_needed
from hwmodel.errors import InputError
from hwmodel.solve.question.options import PlanOptions, alone, without
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.details import ShareDetail
from hwmodel.solve.run.lines import ENTERED, NOT_COUNTED, StageLine, added, certain, of_hours, times
from hwmodel.solve.stages.file import Stage
from hwmodel.solve.stages.frame import Frame, duration_s, number, share, usd

# Shared options that price accelerators and say where and how they fail.
SHARED = ("region", "pue", "usd_per_hour", "prices", "price_kind", "reliability")
# A size that stands for none: hours are entered.
_UNSIZED: PlanOptions = {"params": "1B", "tokens": "1B"}
_SIZES = ("params", "tokens", "model", "flops", "time", "budget")
IDLE_MFU = 1e-9  # what waits draws as an idle cluster does


def entered(frame: Frame, stage: Stage, fleet: str | None) -> StageLine:
    """Hours and money as entered; hours on one pool are priced as that pool's are, where no money is given.

    Raises InputError where keys would be computed from beside what is entered.
    """
    own = stage.own
    beside = [name for name in (*own, *stage.options) if name not in ("gpu_hours", "cost_usd", "gpus", "why")]
    if beside:
        raise InputError(
            f"gpu_hours and cost_usd are entered, {beside[0]} would be computed from: drop one or the other"
        )
    hours = certain(number(own["gpu_hours"], "gpu_hours")) if "gpu_hours" in own else None
    money = certain(usd(own["cost_usd"], "cost_usd")) if "cost_usd" in own else None
    line = StageLine(stage=stage.name, kind=stage.kind, how=ENTERED)
    if hours is not None and fleet is not None:
        setting = frame.setting({**without(frame.options(stage, fleet), *_SIZES), **_UNSIZED})
        line = of_hours(
            hours, setting, float(setting.request.gpus or 1), stage=stage.name, kind=stage.kind, how=ENTERED
        )
    changes: dict[str, Any] = {"gpu_hours": hours, "note": str(own.get("why", ""))}
    if money is not None:
        changes |= {"cost_usd": money, "safe_cost_usd": None}
    return msgspec.structs.replace(line, **changes)


def share_of_pretraining(stage: Stage, before: list[StageLine], kinds: tuple[str, ...]) -> StageLine:
    """A share, as entered, of the hours and money of the pre-training stages above. Raises InputError for none."""
    beside = [name for name in stage.own if name not in ("share", "why")] + list(stage.options)
    if beside:
        raise InputError(f"share is entered, {beside[0]} would be computed from: drop one or the other")
    base = [line for line in before if line.kind in kinds and line.gpu_hours is not None]
    if not base:
        raise InputError("share is of the hours of pre-training: put the stage after it")
    part = share(stage.own["share"], "share")
    hours, money = (added([b for one in base if (b := getattr(one, name))]) for name in ("gpu_hours", "cost_usd"))
    whole = msgspec.structs.replace(base[0], gpu_hours=hours, cost_usd=money, elapsed_days=None, safe_cost_usd=None,
                                    energy_mwh=added([b for one in base if (b := one.energy_mwh)]),
                                    co2e_t=added([b for one in base if (b := one.co2e_t)]))  # fmt: skip
    said = f"{100 * part:g} % of pre-training, as entered"
    why = str(stage.own.get("why", ""))
    line = times(whole, part, stage=stage.name, kind=stage.kind, how=ENTERED, note="; ".join(filter(None, (said, why))),
                 detail=ShareDetail(share=part), not_counted=())  # fmt: skip
    days = None if line.gpu_hours is None else line.gpu_hours.scaled(1.0 / (24.0 * (line.accelerators or 1)))
    return msgspec.structs.replace(line, elapsed_days=days)


def spares(frame: Frame, stage: Stage, line: StageLine) -> StageLine | None:
    """Accelerators held ready beside a stage, which wait as long as it runs; None where the fleet needs none."""
    assert line.elapsed_days is not None
    shared = alone(frame.file.options, *SHARED)

    def fleet(count: float) -> Fleeted:
        return frame.setting({**shared, "gpus": f"{int(count)}x{line.part}", "params": "1B", "tokens": "1B"})

    count = _ready(stage, line, fleet(line.accelerators or 1))
    if count == 0:
        return None
    hours = line.elapsed_days.scaled(24.0 * count)
    note = f"{count} accelerators ready as long as the stage runs"
    found = of_hours(hours, fleet(count), count, IDLE_MFU, stage=f"spares of {stage.name}", kind="spares", note=note)
    return msgspec.structs.replace(found, elapsed_days=None, part=line.part)


def _ready(stage: Stage, line: StageLine, fleet: Fleeted) -> int:
    """How many: as stated, or whole machines that cover those in repair with 99 % certainty."""
    if "spares" in stage.own:
        if "repair" in stage.own:
            raise InputError("spares says how many are ready, repair would find them: give one of them")
        count = number(stage.own["spares"], "spares")
        if count != int(count):
            raise InputError(f"spares is a whole number of accelerators, got {count:g}")
        return int(count)
    per_node = float(fleet.system.accelerators_per_node)
    machines = (line.accelerators or 1) / per_node
    failures = fleet.reliability.interruptions_per_accelerator_hour * per_node
    repair_h = duration_s(stage.own["repair"], "repair") / 3600.0
    return int(spares_needed(machines, failures, repair_h) * per_node)


def not_counted(name: str, kind: str, why: object = None) -> StageLine:
    """A term that is neither computed nor entered."""
    return StageLine(stage=name, kind=kind, how=NOT_COUNTED, note=str(why or ""))
