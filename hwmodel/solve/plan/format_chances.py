"""The chance that one number format beats another in the same run: drawn under the same states of the world.

The errors of a prediction in two formats are common but for that of their ratio, which has its own band, narrower than
that of either (fitted on published pairs of speed); the loss gap of each is that of published pairs.
"""

from __future__ import annotations

import msgspec

from hwmodel.catalog.calibrations import speedup_log_half_width
from hwmodel.economics import Z80
from hwmodel.solve.budget.beats import Beats, pairwise
from hwmodel.solve.budget.draws import Doubt, Outcome, UncertainRun, uncertain_run
from hwmodel.solve.plan.precisions import FormatRun
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.sizing import LossModel


def format_chances(setting: Fleeted, model: LossModel, first: FormatRun, runs: list[FormatRun]) -> tuple[Beats, ...]:
    """Chances of each two formats that fit: cheaper, sooner, lower loss; the dearer of two equal ones beats none."""
    kept = [one for one in runs if one.run is not None]
    drawn = [_drawn(setting, model, first, one) for one in kept]
    return pairwise([one.recipe.id for one in kept], list(drawn))


def _drawn(setting: Fleeted, model: LossModel, first: FormatRun, one: FormatRun) -> Outcome:
    """Draws of a run in one format, with the step doubt of the reference and that of their ratio."""
    assert first.run is not None
    assert one.run is not None
    base = _run(setting, model, first)
    if one is first:
        return base.drawn(setting.request.seed)
    own = _run(setting, model, one)
    ratio = Doubt("ratio", f"ratio {setting.part.id} {one.recipe.id} {setting.stack.id}")
    shared = [doubt for doubt in own.doubts if doubt.name != "step"]
    step = [doubt for doubt in base.doubts if doubt.name == "step"]
    joint = msgspec.structs.replace(
        own, doubts=(*step, ratio, *shared), step_log_sds=base.step_log_sds,
        ratio_log_sd=speedup_log_half_width() / Z80,
    )  # fmt: skip
    return joint.drawn(setting.request.seed)


def _run(setting: Fleeted, model: LossModel, one: FormatRun) -> UncertainRun:
    assert one.run is not None
    return uncertain_run(msgspec.structs.replace(setting, precision=one.recipe), one.run, model)
