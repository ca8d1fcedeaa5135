"""Which laws may be used together, and what is refused or widened, with the reason.

Rules look at what laws are (form, corpus, convention), never at their names.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hwmodel.errors import InputError
from hwmodel.laws.forms import Acts, form
from hwmodel.specs.law import LawSpec

_ONE_EFFECT = ("training_bits", "float_format", "quantised_training", "after_training")
# what a law does to a base -> (verdict, reason), where neither base nor corpus changes it
_JUDGED: dict[Acts, tuple[str, str]] = {
    "training_bits": (
        "interval",
        "f(P) was fitted together with this law's own A and alpha; carried over it can be read in three ways that "
        "differ three to four times, so the penalty is their span",
    ),
    "float_format": ("sound", "the format's term alone, above its bf16 value; its own base is not used"),
    "quantised_training": ("sound", "a term on top of a bf16 loss, 4 bit only"),
    "after_training": (
        "bound",
        "added once after a bf16 loss, as an upper bound; measured 4-bit quality overrides it",
    ),
    "experts": (
        "sound",
        "as a dense equivalent: solve L(1, N_eq, D) = L(E, Nact, D) and feed N_eq, never Nact or Ntotal",
    ),
    "experts_alone": (
        "refused",
        "its N is another count and it has no dense equivalent in tokens; use a joint law of experts",
    ),
    "transfer": ("refused", "measured in characters of one fine-tuning task; not a factor on pretraining tokens"),
    "beside": ("sound", "acts beside the loss, not in it"),
    "unjudged": (
        "refused",
        "nobody has judged whether the two may be combined: its loss, if it has one, is of other data, another unit or "
        "another question; use it alone, as a ratio",
    ),
}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a law may act on a base: sound | bound | interval | refused."""

    law: str
    on: str
    verdict: str
    reason: str


def combine(base: LawSpec, others: Sequence[LawSpec]) -> list[Verdict]:
    """A verdict for each law on the base, and for each pair of them that counts the same thing twice."""
    verdicts = [_on(base, other) for other in others]
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


def _on(base: LawSpec, other: LawSpec) -> Verdict:
    verdict, reason = _rule(base, other)
    return Verdict(law=other.id, on=base.id, verdict=verdict, reason=reason)


def _rule(base: LawSpec, other: LawSpec) -> tuple[str, str]:
    for spec in (base, other):
        if spec.refusal:
            return "refused", f"{spec.id} has no usable constants: {spec.refusal}"
    if form(base.form).acts not in ("base", "repeats"):
        return "refused", f"{base.id} (form {base.form}) is no loss with a floor, a size and a data term to build on"
    if "allocation" in other.not_for:
        return "refused", f"{other.id} is built to extrapolate over-training, not to locate an optimum"
    acts = form(other.form).acts
    if acts == "repeats":
        return _repeats(base, other)
    return _level(base, other) if acts in ("base", "level") else _JUDGED[acts]


def _repeats(base: LawSpec, other: LawSpec) -> tuple[str, str]:
    if other.corpus == base.corpus:
        return "sound", "the decay of repeats on its own base"
    return "sound", "effective tokens D' in this base, U_N recomputed with the base's own G; extrapolated"


def _level(base: LawSpec, other: LawSpec) -> tuple[str, str]:
    if other.corpus != base.corpus or other.params_convention != base.params_convention:
        return "refused", "loss levels across corpora, tokenizers or parameter counts: compare differences or ratios"
    return "sound", "the same corpus and counts: levels compare; constants of the two must still not be mixed"


def _clash(first: LawSpec, second: LawSpec) -> str:
    acts = {_acts(first), _acts(second)}
    if acts == {"training_bits", "float_format"}:
        return "both count the precision of training: use one, or show them as separate scenarios"
    if "quantised_training" in acts and acts & {"after_training", "training_bits"}:
        return "quantisation-aware training replaces quantising afterwards: not both"
    if len(acts) == 1 and acts <= set(_ONE_EFFECT) and first.id != second.id:
        return "two terms for the same effect"
    return ""


def _acts(spec: LawSpec) -> Acts:
    """What the law does to a base; nothing that anybody judged where it has no form."""
    return "unjudged" if spec.form == "none" else form(spec.form).acts
