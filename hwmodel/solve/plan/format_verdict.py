"""Whether a faster format pays for its loss: speed-up, measured gap, and the gap that the time saved pays for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import msgspec

from hwmodel.catalog.calibrations import speedup_log_half_width
from hwmodel.laws.evidence import Gap, GapBand, gap_band
from hwmodel.predict.uncertainty import is_mixture
from hwmodel.solve.life.demand import Life
from hwmodel.solve.plan import break_even
from hwmodel.solve.question.setting import Fleeted
from hwmodel.solve.run.billing import speedup
from hwmodel.solve.run.format_records import Contradiction, Evidence, FormatRow, ObjectiveVerdict, ServedIn
from hwmodel.solve.run.pairs import evidence_kind, loss_gaps, published_speed, scenarios
from hwmodel.solve.run.result import Band, value_of
from hwmodel.solve.run.sizing import LossModel, Sized
from hwmodel.solve.run.solved import Solved
from hwmodel.solve.serve.quality import quality
from hwmodel.specs import Precision, ServingPrecision

SAME = Band(1.0, 1.0, 1.0)
# What each objective counts of a run; FLOPs are the same in every format, so that a gap is never paid for in them.
OBJECTIVES = {"usd": "cost_usd", "kwh": "energy_mwh", "co2e": "co2e_t", "flops": None}


class FormatQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """The plan whose formats are compared, and what its loss is worth: under a law, over a life where it has one."""

    setting: Fleeted
    solved: Solved
    model: LossModel
    lifetime: Life | None

    @property
    def sized(self) -> Sized:
        return self.solved.sized


def judged(
    question: FormatQuestion, row: FormatRow, precision: Precision, base: FormatRow, base_recipe: Precision
) -> FormatRow:
    """The row of a recipe with what it gains and loses against the reference `base`."""
    setting, sized = question.setting, question.sized
    row = _with_grounds(question, row, precision, base)
    if row.verdict == "reference":
        return row
    if evidence_kind(base_recipe) != "16-bit":
        return _unknown(row, "no recipe of 16 bits stands beside it to measure a gap against")
    band, loss = _band(question, precision), break_even.worth(sized)
    if band is None:
        return _unknown(row, "no published pair gives the loss of such a recipe")
    if loss is None:
        law = setting.law.id
        return _unknown(row, f"{law} gives this model no loss: what the time saved is worth is not known")
    row = _with_verdict(question, row, loss, band)
    assert row.pays_up_to_share is not None
    return msgspec.structs.replace(
        row, verdicts=_verdicts(question, loss, row, base), verdict_at_published=_at_published(question, loss, row),
        against=contradicting(_gaps(setting)[evidence_kind(precision)], row.verdict, row.pays_up_to_share.value),
    )  # fmt: skip


def _unknown(row: FormatRow, reason: str) -> FormatRow:
    return msgspec.structs.replace(row, verdict_reason=reason)


def _with_grounds(question: FormatQuestion, row: FormatRow, precision: Precision, base: FormatRow) -> FormatRow:
    """The row with what a verdict rests on: speed-ups, measured gap, laws, and the format that it is served in."""
    setting, sized, first = question.setting, question.sized, row is base
    share, nats, evidence = _gap(question, precision)
    return msgspec.structs.replace(
        row, speedup=SAME if first else _speedup(row, base),
        speedup_published=None if first else published_speed(setting.catalog.precision_pairs(), precision),
        loss_gap_share=share, loss_gap_nats=nats, evidence=evidence, scenarios=scenarios(setting, precision, sized),
        served_in=served_in(setting, precision, sized, mixture=is_mixture(question.solved.at.shape)),
        verdict="reference" if first else "unknown", verdict_free="reference" if first else "unknown",
    )  # fmt: skip


def _speedup(row: FormatRow, base: FormatRow) -> Band:
    """Time of the reference over that of the recipe; the errors of the two are common, so its band is its own."""
    return Band.around(speedup(value_of(row.tokens_per_s), value_of(base.tokens_per_s)), speedup_log_half_width())


def _gap(question: FormatQuestion, precision: Precision) -> tuple[Band | None, Band | None, Evidence | None]:
    """The measured gap of a kind of recipe as a share of the loss and in nats, and what it rests on."""
    kind = evidence_kind(precision)
    if kind == "16-bit":
        zero = Band(0.0, 0.0, 0.0)
        return zero, zero, None
    band = _band(question, precision)
    if band is None:
        return None, None, None
    share, loss = Band(band.value, band.low, band.high), break_even.worth(question.sized)
    evidence = Evidence(
        kind=kind, pairs=band.pairs, sources=band.sources, largest_params=band.largest_params,
        largest_tokens=band.largest_tokens, beyond=band.beyond,
    )  # fmt: skip
    return share, None if loss is None else share.scaled(loss), evidence


def _band(question: FormatQuestion, precision: Precision) -> GapBand | None:
    return gap_band(_gaps(question.setting), evidence_kind(precision), question.sized.n, question.sized.d)


def _gaps(setting: Fleeted) -> Mapping[str, list[Gap]]:
    return loss_gaps(setting.catalog.precision_pairs())


def _paid_share(question: FormatQuestion, loss: float, speedup: float) -> float:
    """The gap that a speed-up pays for at the size asked, as a share of the loss."""
    sized = question.sized
    return break_even.gap_at_fixed_size(question.model, sized.n, sized.d, speedup) / loss


def _with_verdict(question: FormatQuestion, row: FormatRow, loss: float, band: GapBand) -> FormatRow:
    """The row with the gaps that the speed-up pays for, and the verdicts at the size asked and with size and tokens
    free."""
    model, lifetime, speedup, gap = question.model, question.lifetime, row.speedup, row.loss_gap_share
    assert speedup is not None
    assert gap is not None

    def fixed(s: float) -> float:
        """At the size asked, as a share of the loss."""
        return _paid_share(question, loss, s)

    def free(s: float) -> float | None:
        """With size and tokens free, under the objective asked."""
        if lifetime is not None:
            found = break_even.gap_over_a_life(model, lifetime, s)
        else:
            found = break_even.gap_with_size_free(model, loss, s)
        return None if found is None else found / loss

    at_size, released = break_even.over_band(speedup, fixed), break_even.over_band(speedup, free)
    assert at_size is not None
    return msgspec.structs.replace(
        row, pays_up_to_share=at_size, pays_up_to_share_free=released,
        tokens_factor=break_even.factors(model, question.sized, gap.scaled(loss)),
        probability_wins=break_even.probability_wins(band, speedup, fixed),
        verdict=break_even.verdict(gap, at_size.value),
        verdict_free="unknown" if released is None else break_even.verdict(gap, released.value),
    )  # fmt: skip


def _at_published(question: FormatQuestion, loss: float, row: FormatRow) -> str | None:
    """What the verdict would be were the run as fast as published ones; None where none were timed."""
    if row.speedup_published is None:
        return None
    assert row.loss_gap_share is not None
    return break_even.verdict(row.loss_gap_share, _paid_share(question, loss, row.speedup_published.median))


def _verdicts(question: FormatQuestion, loss: float, row: FormatRow, base: FormatRow) -> dict[str, ObjectiveVerdict]:
    """Under each objective: how many times as much the reference costs, the gap that this pays for at the size asked
    (as a share of the loss), and the verdict; objectives without figures (no price) are left out."""
    assert row.loss_gap_share is not None
    found = {}
    for objective, name in OBJECTIVES.items():
        own, first = (1.0, 1.0) if name is None else (getattr(row, name), getattr(base, name))
        if own is None or first is None:
            continue
        saved = SAME if name is None else Band.around(value_of(first) / value_of(own), speedup_log_half_width())
        paid = break_even.over_band(saved, lambda s: _paid_share(question, loss, s))
        assert paid is not None
        verdict = break_even.verdict(row.loss_gap_share, paid.value)
        found[objective] = ObjectiveVerdict(times_cheaper=saved, pays_up_to_share=paid, verdict=verdict)
    return found


def contradicting(gaps: list[Gap], verdict: str, pays_up_to: float) -> Contradiction | None:
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
    return Contradiction(pairs=len(other), of=len(gaps), furthest_share=furthest, sources=sources)


def served_in(setting: Fleeted, precision: Precision, sized: Sized, *, mixture: bool) -> ServedIn | None:
    """The serving recipe of the same format: trained in it, a model loses nothing more by being served in it, and this
    is what quantising a model trained in 16 bits would lose; None where no serving recipe matches."""
    if not precision.quantised:
        return None
    recipe = _same_format(tuple(setting.catalog.serving_precisions()), precision.gemm_format, precision.weight_bytes)
    if recipe is None:
        return None
    after = quality(recipe, sized.n, sized.d, mixture=mixture)
    return ServedIn(serving_precision=recipe.id, further_loss_nats=0.0, quantising_loss_nats=after.loss_nats)


@cache
def _same_format(recipes: tuple[ServingPrecision, ...], gemm: str, weight_bytes: float) -> ServingPrecision | None:
    same = [r for r in recipes if r.gemm_format == gemm and not r.weight_only]
    return min(same, key=lambda r: abs(r.weight_bytes - weight_bytes), default=None)
