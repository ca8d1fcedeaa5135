"""The same run in the formats asked for; each gets its own best layout."""

from __future__ import annotations

from typing import Unpack

import msgspec

from hwmodel.errors import InputError
from hwmodel.solve.plan.answer import FormatPlan
from hwmodel.solve.plan.format_chances import format_chances
from hwmodel.solve.plan.precisions import format_runs, lacking, reference, rows_of
from hwmodel.solve.plan.solver import prepare, run, setting_of
from hwmodel.solve.question.options import PlanOptions
from hwmodel.solve.question.setting import Fleeted, fleeted
from hwmodel.specs import Precision

USUAL = "bf16,fp8"


def compare(**given: Unpack[PlanOptions]) -> FormatPlan:
    """A plan in the first format that the part has, whose `precisions` are the ones asked for ("bf16,fp8"): a format
    that it lacks is a row that says so. Raises InputError where it has none of them."""
    named = given.pop("precision", USUAL)
    names = list(dict.fromkeys(name.strip() for name in named.split(",") if name.strip()))
    if not names:
        raise InputError("--precision names no format; write it like bf16,fp8")
    plain = fleeted(setting_of(**given))
    wanted = [plain.catalog.precision(name) for name in names]
    first = _first(plain, wanted)
    asked: PlanOptions = {"precision": first.id, **given}
    setting = plain if first.id == plain.precision.id else fleeted(setting_of(**asked))
    prepared = prepare(setting)
    solved = prepared.solved
    if solved is None:
        raise InputError("compare needs a fleet: add --gpus, like 512xH100")
    runs = format_runs(setting, solved, wanted)
    rows = rows_of(setting, solved, prepared.model, prepared.lifetime, runs)
    against = reference(runs)
    chances = format_chances(setting, prepared.model, against, runs) if against is not None else ()
    return FormatPlan(**{**msgspec.structs.asdict(run(prepared)), "precisions": rows, "chances": chances})


def _first(setting: Fleeted, wanted: list[Precision]) -> Precision:
    """The first recipe that the part can run: the plan is made in it."""
    missing = [lacking(setting, one) for one in wanted]
    for one, why in zip(wanted, missing, strict=True):
        if why is None:
            return one
    raise InputError(missing[0] or "no format can be run")
