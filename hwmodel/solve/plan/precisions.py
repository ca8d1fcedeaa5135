"""The same run in each format, its layout chosen anew: which recipes, their runs, and a row each."""

from __future__ import annotations

from typing import Any

import msgspec

from hwmodel.errors import HwModelError
from hwmodel.physics.machine import format_peak
from hwmodel.predict.search import choice
from hwmodel.predict.uncertainty import is_mixture, step_shares
from hwmodel.solve.life.demand import Life
from hwmodel.solve.plan.format_verdict import FormatQuestion, judged
from hwmodel.solve.question.setting import Fleeted, default_precision, step_doubt
from hwmodel.solve.run.answers import answer
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.format_records import FormatRow
from hwmodel.solve.run.pairs import KUMAR, SUN, evidence_kind
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.run.sizing import LossModel
from hwmodel.solve.run.solved import Solved
from hwmodel.specs import Precision

__all__ = ["KUMAR", "REPEATS", "SUN", "FormatRun", "format_runs", "precision_rows", "rows_of", "supported"]

REPEATS = "muennighoff_2023"
# Recipes that a plan leaves to `compare`: variants of one that it shows, and those that no production run has used.
VARIANTS = ("fp8-delayed", "fp8-row", "fp8-states", "nvfp4-full", "mxfp4")


def supported(setting: Fleeted) -> list[Precision]:
    """Training recipes whose GEMM format the part has, bf16 (or fp16) first."""
    first = default_precision(setting.part)
    own = [
        p for p in setting.catalog.precisions()
        if lacking(setting, p) is None and p.id not in VARIANTS and (p.quantised or p.id == first)
    ]  # fmt: skip
    return sorted(own, key=lambda p: p.id != first)


def lacking(setting: Fleeted, precision: Precision) -> str | None:
    """Why the part cannot run a recipe, None where it can."""
    try:
        format_peak(setting.part, precision.gemm_format, precision.fallback_formats)
    except HwModelError as error:
        return str(error)
    return None


class FormatRun(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe of a comparison, and the run of the plan in it; without one, why (`status`: lacking | unfit)."""

    recipe: Precision
    run: Solved | None = None
    status: str = "ok"
    reason: str = ""


def format_runs(setting: Fleeted, solved: Solved, recipes: list[Precision]) -> list[FormatRun]:
    """The run of a plan in each recipe; its layout is chosen anew."""
    return [_format_run(setting, solved, one) for one in recipes]


def _format_run(setting: Fleeted, solved: Solved, precision: Precision) -> FormatRun:
    missing = lacking(setting, precision)
    if missing is not None:
        return FormatRun(recipe=precision, status="lacking", reason=missing)
    try:
        machine, rule = setting.machine_for(precision), solved.fleet.batch
        fleet = Fleet(setting, solved.fleet.accelerators, precision, machine, batch=rule)
        own = precision == solved.fleet.precision and machine == solved.fleet.machine
        evaluation = solved.evaluation if own else fleet.evaluate(solved.at.shape, solved.sized.n)
    except HwModelError as error:
        return FormatRun(recipe=precision, status="unfit", reason=str(error))
    best = int(evaluation.best[0])
    if best < 0:
        return FormatRun(recipe=precision, status="unfit", reason="no layout fits")
    found = choice(evaluation, best, fleet.machine, precision, setting.stack)
    doubt = step_doubt(setting, precision, is_mixture(solved.at.shape), fleet.accelerators, step_shares(found.step))
    rate = None
    if setting.request.mfu is not None and precision.id != setting.precision.id:
        # An MFU given was reached in the plan's own format: it sets the level, the prediction the ratio to another.
        rate = found.tokens_per_s * value_of(solved.answer.tokens_per_s) / solved.choice.tokens_per_s
    got = answer(fleet, solved.sized, solved.at, found, doubt, rate)
    return FormatRun(
        recipe=precision,
        run=msgspec.structs.replace(solved, fleet=fleet, evaluation=evaluation, choice=found, answer=got, doubt=doubt),
    )


def _row(setting: Fleeted, one: FormatRun) -> FormatRow:
    """One precision of a comparison; `lacking` and `unfit` rows say why."""
    row = FormatRow(precision=one.recipe.id, title=one.recipe.title, status=one.status, reason=one.reason)
    if one.run is None:
        return row
    got = one.run.answer
    return msgspec.structs.replace(
        row, train_days=got.train_days, tokens_per_s=got.tokens_per_s, mfu=got.mfu,
        mfu_of_16_bit_peak=_mfu_of_reference(setting, one.run.fleet, got.mfu),
        peak_memory_bytes=got.peak_memory_bytes, cost_usd=got.cost_usd, energy_mwh=got.energy_mwh,
        co2e_t=got.co2e_t, layout=one.run.choice.shown, bf16_layers=one.recipe.bf16_layers,
    )  # fmt: skip


def _mfu_of_reference(setting: Fleeted, fleet: Fleet, mfu: Any) -> Band:
    """MFU over the peak of 16-bit products, which tells formats apart as their speeds do."""
    peak = format_peak(setting.part, default_precision(setting.part))
    found: Band = mfu.scaled(fleet.peak_flop_per_s / peak)
    return found


def precision_rows(setting: Fleeted, solved: Solved, model: LossModel, lifetime: Life | None) -> list[FormatRow]:
    """The rows of the recipes that the part computes in."""
    return rows_of(setting, solved, model, lifetime, format_runs(setting, solved, supported(setting)))


def reference(runs: list[FormatRun]) -> FormatRun | None:
    """What others are measured against: the first recipe of 16 bits with full optimizer states, else the first that
    fits; None where none does."""
    fitting = [one for one in runs if one.run is not None]
    return next((one for one in fitting if evidence_kind(one.recipe) == "16-bit"), fitting[0] if fitting else None)


def rows_of(
    setting: Fleeted, solved: Solved, model: LossModel, lifetime: Life | None, runs: list[FormatRun]
) -> list[FormatRow]:
    """A row each: the speed-up over the reference, the gap of published pairs, what gap the speed-up pays for, and the
    verdict."""
    rows = [_row(setting, one) for one in runs]
    first = reference(runs)
    if first is None:
        return rows
    base = next(row for row, one in zip(rows, runs, strict=True) if one is first)
    question = FormatQuestion(setting=setting, solved=solved, model=model, lifetime=lifetime)
    return [
        row if one.run is None else judged(question, row, one.recipe, base, first.recipe)
        for row, one in zip(rows, runs, strict=True)
    ]
