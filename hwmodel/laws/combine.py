"""Which laws may be used together, and what is refused or widened, with the reason and where it stands.

Rules look at what laws are (form, family, corpus, convention), never at their names; what has no entry in
`laws.judged` is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hwmodel.errors import InputError
from hwmodel.laws.forms import Acts, form
from hwmodel.laws.judged import JUDGED, LANGUAGE, NOT_BOTH, TERMS, Judgement, VerdictName
from hwmodel.specs.law import LawSpec


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a law may act on a base: sound | bound | interval | refused; `source`: where it was judged, if it was."""

    law: str
    on: str
    verdict: VerdictName
    reason: str
    source: str = ""


def combine(base: LawSpec, others: Sequence[LawSpec]) -> list[Verdict]:
    """A verdict for each law on the base, and for each pair of them that may not act on it together."""
    verdicts = [judge(base, other) for other in others]
    for i, first in enumerate(others):
        for second in others[i + 1 :]:
            clash = _clash(first, second)
            if clash:
                verdicts.append(Verdict(law=second.id, on=first.id, verdict="refused", reason=clash))
    return verdicts


def require_sound(base: LawSpec, others: Sequence[LawSpec]) -> list[Verdict]:
    """The verdicts, or InputError with the first reason to refuse."""
    verdicts = combine(base, others)
    for v in verdicts:
        if v.verdict == "refused":
            raise InputError(f"{v.law} on {v.on}: {v.reason}")
    return verdicts


def judge(base: LawSpec, other: LawSpec) -> Verdict:
    """The verdict on one law on a base."""
    reason = _unfit(base, other)
    found = Judgement(verdict="refused", reason=reason) if reason else _judgement(base, other)
    return Verdict(
        law=other.id, on=base.id, verdict=found.verdict, reason=found.reason,
        source="" if reason else found.source or _paper(other),
    )  # fmt: skip


def _paper(spec: LawSpec) -> str:
    return f"{spec.source}, {spec.locator}" if spec.locator else spec.source


def _unfit(base: LawSpec, other: LawSpec) -> str:
    """Why the two cannot be used together whatever the second does; empty where they can, or nobody has judged it."""
    for spec in (base, other):
        if spec.refusal:
            return f"{spec.id} has no usable constants: {spec.refusal}"
    if form(base.form).acts not in ("base", "repeats"):
        return f"{base.id} (form {base.form}) is no loss with a floor, a size and a data term to build on"
    if "allocation" in other.not_for:
        return f"{other.id} is not for allocation: {other.caveats.split('. ')[0].rstrip('.')}"
    shape = form(other.form)
    if shape.acts in ("base", "level") or "loss" in shape.needs:
        return _levels_apart(base, other)
    if shape.acts == "restates":
        return _exponents_apart(base, other)
    return _beyond(base, other, JUDGED.get(shape.acts))


def _beyond(base: LawSpec, other: LawSpec, judgement: Judgement | None) -> str:
    """Why this base lies beyond what was judged."""
    if judgement is None:
        gives = ", ".join(form(other.form).gives)
        what = f"it gives {gives}; use" if gives else "use"
        return (
            f"nobody has judged whether {other.id} may act on another law's loss: {what} it alone "
            f"(`hwmodel law show {other.id}`)"
        )
    if judgement.verdict != "refused" and other.loss_unit not in ("nats_per_token", "none"):
        return f"{other.id} is of another loss ({other.loss_unit.replace('_', ' ')}): nobody has judged it on {base.id}"
    if judgement.dense_only and not _dense_text(base):
        return (
            f"judged on dense language models only, and {base.id} ({base.family}, {base.params_convention} parameters) "
            f"is none: nobody has judged the two together; ask {base.id} alone"
        )
    if judgement.dense_only and "dense" in other.not_for:
        return f"{other.id} was fitted on mixtures of experts: nobody has judged it for a dense base; use it alone"
    if judgement.terms_needed and "outer" in base.constants:
        return f"{base.id} raises its sum to a power: it has no terms of its own for {other.id} to act on"
    return ""


def _dense_text(base: LawSpec) -> bool:
    """Whether a base is a loss of dense language models: all of the parameters counted work on each token."""
    return base.params_convention in ("total", "non_embedding") and base.family in LANGUAGE


def _judgement(base: LawSpec, other: LawSpec) -> Judgement:
    """What was judged of two laws that may be used together."""
    shape = form(other.form)
    if shape.acts in ("base", "level") or "loss" in shape.needs:
        return Judgement(
            verdict="sound",
            reason="the same corpus and counts: levels compare; constants of the two must still not be mixed",
        )
    if shape.acts == "restates":
        return Judgement(verdict="sound", reason="says of this base's own exponents what they cost")
    if shape.acts == "repeats" and _one_corpus(base, other):
        return Judgement(verdict="sound", reason="the decay of repeats on its own base")
    return JUDGED[shape.acts]


def _one_corpus(base: LawSpec, other: LawSpec) -> bool:
    """Whether both state one corpus: two that state none are not known to share it."""
    return base.id == other.id or (bool(base.corpus) and base.corpus == other.corpus)


def _levels_apart(base: LawSpec, other: LawSpec) -> str:
    """Why the levels of two losses do not compare; empty where they do."""
    one_count = base.params_convention == other.params_convention
    one_unit = base.loss_unit == other.loss_unit or "loss" in form(other.form).needs
    if _one_corpus(base, other) and one_count and one_unit:
        return ""
    return "loss levels across corpora, tokenizers or parameter counts: compare differences or ratios"


def _exponents_apart(base: LawSpec, other: LawSpec) -> str:
    """Why a law that follows from exponents says nothing of this base; empty where they are its own."""
    if all(base.constants.get(name) == value for name, value in other.constants.items()):
        return ""
    said = ", ".join(f"{name} {value:g}" for name, value in other.constants.items())
    return f"follows from {said}, which are not those of {base.id}: ask {base.id} itself (`hwmodel law optimum`)"


def _clash(first: LawSpec, second: LawSpec) -> str:
    """Why two laws may not act on one base together; empty where they do not meet in the loss."""
    acts = [_acts(first), _acts(second)]
    if not set(acts) <= set(TERMS) or first.id == second.id:
        return ""
    if acts[0] == acts[1]:
        return "two terms for the same effect"
    unknown = f"nobody has judged {first.id} and {second.id} together: each was fitted without the other; use one"
    return NOT_BOTH.get(frozenset(acts), unknown)


def _acts(spec: LawSpec) -> Acts:
    """What the law does to a base; nothing that anybody judged where it has no form."""
    return "unjudged" if spec.form == "none" else form(spec.form).acts
