"""The same run in each format: speed, memory, money, the measured loss gap, and whether the one pays for the other."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from hwmodel.catalog.calibrations import speedup_log_half_width
from hwmodel.errors import HwModelError
from hwmodel.laws.evidence import GapBand, gap_band
from hwmodel.physics.machine import format_peak
from hwmodel.predict.search import choice
from hwmodel.predict.uncertainty import is_mixture, step_shares
from hwmodel.solve.life.demand import Life
from hwmodel.solve.plan import break_even
from hwmodel.solve.question.setting import Fleeted, default_precision, step_doubt
from hwmodel.solve.run.answers import answer
from hwmodel.solve.run.fleet import Fleet
from hwmodel.solve.run.pairs import KUMAR, SUN, evidence_kind, loss_gaps, published_speed, scenarios
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.solve.run.solved import Solved
from hwmodel.solve.serve.quality import quality
from hwmodel.specs import Precision, ServingPrecision

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
        evaluation = fleet.evaluate(solved.at.shape, solved.sized.n)
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


def _row(setting: Fleeted, one: FormatRun) -> dict[str, Any]:
    """One precision of a comparison; `lacking` and `unfit` rows say why."""
    row: dict[str, Any] = {"precision": one.recipe.id, "title": one.recipe.title, "status": one.status}
    if one.run is None:
        return {**row, "reason": one.reason}
    got = one.run.answer
    return {
        **row,
        "train_days": got.train_days,
        "tokens_per_s": got.tokens_per_s,
        "mfu": got.mfu,
        "mfu_of_16_bit_peak": _mfu_of_reference(setting, one.run.fleet, got.mfu),
        "peak_memory_bytes": got.peak_memory_bytes,
        "cost_usd": got.cost_usd,
        "energy_mwh": got.energy_mwh,
        "co2e_t": got.co2e_t,
        "layout": one.run.choice.shown,
        "bf16_layers": one.recipe.bf16_layers,
    }


def _mfu_of_reference(setting: Fleeted, fleet: Fleet, mfu: Any) -> Band:
    """MFU over the peak of 16-bit products, which tells formats apart as their speeds do."""
    peak = format_peak(setting.part, default_precision(setting.part))
    found: Band = mfu.scaled(fleet.peak_flop_per_s / peak)
    return found


def precision_rows(setting: Fleeted, solved: Solved, model: LossModel, lifetime: Life | None) -> list[dict[str, Any]]:
    """The rows of the recipes that the part computes in."""
    return rows_of(setting, solved, model, lifetime, format_runs(setting, solved, supported(setting)))


def reference(runs: list[FormatRun]) -> FormatRun | None:
    """What others are measured against: the first recipe of 16 bits with full optimizer states, else the first that
    fits; None where none does."""
    fitting = [one for one in runs if one.run is not None]
    return next((one for one in fitting if evidence_kind(one.recipe) == "16-bit"), fitting[0] if fitting else None)


def rows_of(
    setting: Fleeted, solved: Solved, model: LossModel, lifetime: Life | None, runs: list[FormatRun]
) -> list[dict[str, Any]]:
    """A row each: the speed-up over the reference, the gap of published pairs, what gap the speed-up pays for, and the
    verdict."""
    rows = [_row(setting, one) for one in runs]
    first = reference(runs)
    if first is None:
        return rows
    fitting = [(row, one.recipe) for row, one in zip(rows, runs, strict=True) if one.run is not None]
    base, base_recipe = next((row, recipe) for row, recipe in fitting if recipe is first.recipe)
    for row, precision in fitting:
        row.update(_against(setting, solved, model, lifetime, row, precision, base, base_recipe))
    return rows


def _against(
    setting: Fleeted,
    solved: Solved,
    model: LossModel,
    lifetime: Life | None,
    row: dict[str, Any],
    precision: Precision,
    base: dict[str, Any],
    base_recipe: Precision,
) -> dict[str, Any]:
    """What one recipe gains and loses against the reference."""
    sized, kind = solved.sized, evidence_kind(precision)
    speedup = _speedup(setting, row, base)
    out: dict[str, Any] = {
        "speedup": speedup,
        "speedup_published": None if row is base else published_speed(setting.catalog.precision_pairs(), precision),
        **_gap(setting, sized, kind),
        "scenarios": scenarios(setting, precision, sized),
        "served_in": served_in(setting, precision, sized, mixture=is_mixture(solved.at.shape)),
        "pays_up_to_share": None,
        "pays_up_to_share_free": None,
        "tokens_factor": None,
        "probability_wins": None,
        "verdict": "reference" if row is base else "unknown",
        "verdict_free": "reference" if row is base else "unknown",
        "verdict_reason": "",
        "verdicts": {},
        "verdict_at_published": None,
        "against": None,
    }
    if row is base:
        return out
    if evidence_kind(base_recipe) != "16-bit":
        return {**out, "verdict_reason": "no recipe of 16 bits stands beside it to measure a gap against"}
    band = _band(setting, sized, kind)
    if band is None:
        return {**out, "verdict_reason": "no published pair gives the loss of such a recipe"}
    loss = break_even.worth(sized)
    if loss is None:
        law = setting.law.id
        return {**out, "verdict_reason": f"{law} gives this model no loss: what the time saved is worth is not known"}
    found = _break_even(model, lifetime, sized, loss, speedup, band, out["loss_gap_share"])
    verdicts = _verdicts(model, sized, loss, row, base, out["loss_gap_share"])
    against = contradicting(_gaps(setting)[kind], found["verdict"], found["pays_up_to_share"].value)
    measured = out["speedup_published"]
    if measured is not None:  # what the verdict would be were the run as fast as published ones
        paid = break_even.gap_at_fixed_size(model, sized.n, sized.d, measured["median"]) / loss
        found["verdict_at_published"] = break_even.verdict(out["loss_gap_share"], paid)
    return {**out, **found, "verdicts": verdicts, "against": against}


# What each objective counts of a run; FLOPs are the same in every format, so that a gap is never paid for in them.
OBJECTIVES = {"usd": "cost_usd", "kwh": "energy_mwh", "co2e": "co2e_t", "flops": None}


def _verdicts(
    model: LossModel, sized: Sized, loss: float, row: dict[str, Any], base: dict[str, Any], gap: Band
) -> dict[str, Any]:
    """Under each objective: how many times as much the reference costs, the gap that this pays for at the size asked
    (as a share of the loss), and the verdict; objectives without figures (no price) are left out."""
    found = {}
    for objective, name in OBJECTIVES.items():
        if name is not None and (row[name] is None or base[name] is None):
            continue
        ratio = 1.0 if name is None else value_of(base[name]) / value_of(row[name])
        saved = Band(1.0, 1.0, 1.0) if name is None else Band.around(ratio, speedup_log_half_width())
        paid = break_even.over_band(saved, lambda s: break_even.gap_at_fixed_size(model, sized.n, sized.d, s) / loss)
        assert paid is not None
        verdict = break_even.verdict(gap, paid.value)
        found[objective] = {"times_cheaper": saved, "pays_up_to_share": paid, "verdict": verdict}
    return found


def contradicting(gaps: Any, verdict: str, pays_up_to: float) -> dict[str, Any] | None:
    """Published pairs of the same kind of recipe that say otherwise than a clear verdict: those that lost more than a
    paying format may, or less than one that does not pay; None where there are none."""
    if verdict == "pays":
        other = [gap for gap in gaps if gap.low > pays_up_to]
        furthest = max((gap.low for gap in other), default=0.0)
    elif verdict == "does_not_pay":
        other = [gap for gap in gaps if gap.high < pays_up_to]
        furthest = min((gap.high for gap in other), default=0.0)
    else:
        return None
    if not other:
        return None
    sources = sorted({gap.source for gap in other})
    return {"pairs": len(other), "of": len(gaps), "furthest_share": furthest, "sources": sources}


def _speedup(setting: Fleeted, row: dict[str, Any], base: dict[str, Any]) -> Band:
    """Time of the reference over that of the recipe; the errors of the two are common, so its band is its own."""
    value = row["tokens_per_s"].value / base["tokens_per_s"].value
    if row is base:
        return Band(1.0, 1.0, 1.0)
    return Band.around(value, speedup_log_half_width())


def _band(setting: Fleeted, sized: Sized, kind: str) -> GapBand | None:
    return gap_band(_gaps(setting), kind, sized.n, sized.d)


def _gaps(setting: Fleeted) -> Any:
    return loss_gaps(setting.catalog.precision_pairs())


def _gap(setting: Fleeted, sized: Sized, kind: str) -> dict[str, Any]:
    """The measured band of a kind of recipe, as a share of the loss and in nats, and what it rests on."""
    if kind == "16-bit":
        zero = Band(0.0, 0.0, 0.0)
        return {"loss_gap_share": zero, "loss_gap_nats": zero, "evidence": None}
    band = _band(setting, sized, kind)
    if band is None:
        return {"loss_gap_share": None, "loss_gap_nats": None, "evidence": None}
    share = Band(band.value, band.low, band.high)
    loss = break_even.worth(sized)
    return {
        "loss_gap_share": share,
        "loss_gap_nats": None if loss is None else share.scaled(loss),
        "evidence": {
            "kind": kind, "pairs": band.pairs, "sources": band.sources, "largest_params": band.largest_params,
            "largest_tokens": band.largest_tokens, "beyond": band.beyond,
        },
    }  # fmt: skip


def _break_even(
    model: LossModel, lifetime: Life | None, sized: Sized, loss: float, speedup: Band, band: GapBand, gap: Band
) -> dict[str, Any]:
    """Gaps that the speed-up pays for, and the verdicts at the size asked and with size and tokens free."""

    def fixed(s: float) -> float:
        """At the size asked, as a share of the loss."""
        return break_even.gap_at_fixed_size(model, sized.n, sized.d, s) / loss

    def free(s: float) -> float | None:
        """With size and tokens free, under the objective asked."""
        if lifetime is not None:
            found = break_even.gap_over_a_life(model, lifetime, s)
        else:
            found = break_even.gap_with_size_free(model, loss, s)
        return None if found is None else found / loss

    at_size, released = break_even.over_band(speedup, fixed), break_even.over_band(speedup, free)
    assert at_size is not None
    return {
        "pays_up_to_share": at_size,
        "pays_up_to_share_free": released,
        "tokens_factor": break_even.factors(model, sized, gap.scaled(loss)),
        "probability_wins": break_even.probability_wins(band, speedup, fixed),
        "verdict": break_even.verdict(gap, at_size.value),
        "verdict_free": "unknown" if released is None else break_even.verdict(gap, released.value),
    }


def served_in(setting: Fleeted, precision: Precision, sized: Sized, *, mixture: bool) -> dict[str, Any] | None:
    """The serving recipe of the same format: trained in it, a model loses nothing more by being served in it, and this
    is what quantising a model trained in 16 bits would lose; None where no serving recipe matches."""
    if not precision.quantised:
        return None
    recipe = _same_format(tuple(setting.catalog.serving_precisions()), precision.gemm_format, precision.weight_bytes)
    if recipe is None:
        return None
    after = quality(recipe, sized.n, sized.d, mixture=mixture)
    return {"serving_precision": recipe.id, "further_loss_nats": 0.0, "quantising_loss_nats": after.loss_nats}


@cache
def _same_format(recipes: tuple[ServingPrecision, ...], gemm: str, weight_bytes: float) -> ServingPrecision | None:
    same = [r for r in recipes if r.gemm_format == gemm and not r.weight_only]
    return min(same, key=lambda r: abs(r.weight_bytes - weight_bytes), default=None)
