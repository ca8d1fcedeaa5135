"""Which laws may be used together, and what is refused or widened, with the reason.

Rules look at what laws are (form, corpus, convention), never at their names.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hwmodel.errors import InputError
from hwmodel.specs.law import LawSpec

_BASES = ("additive", "repeated")
_TRAINED_PRECISION = ("kumar", "sun", "qat")
_AFTER_TRAINING = ("ptq_power",)


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
    if base.form not in _BASES:
        return "refused", f"{base.id} (form {base.form}) is no loss with a floor, a size and a data term to build on"
    if "allocation" in other.not_for:
        return "refused", f"{other.id} is built to extrapolate over-training, not to locate an optimum"
    if other.form == "kumar":
        return "interval", (
            "f(P) was fitted together with this law's own A and alpha; carried over it can be read in three ways that "
            "differ three to four times, so the penalty is their span"
        )
    if other.form == "sun":
        return "sound", "the format's term alone, above its bf16 value; its own base is not used"
    if other.form == "qat":
        return "sound", "a term on top of a bf16 loss, 4 bit only"
    if other.form in _AFTER_TRAINING:
        return "bound", "added once after a bf16 loss, as an upper bound; measured 4-bit quality overrides it"
    return _data_and_experts(base, other)


def _data_and_experts(base: LawSpec, other: LawSpec) -> tuple[str, str]:
    if other.form == "repeated":
        if other.corpus == base.corpus:
            return "sound", "the decay of repeats on its own base"
        return "sound", "effective tokens D' in this base, U_N recomputed with the base's own G; extrapolated"
    if other.form == "joint_moe":
        return "sound", "as a dense equivalent: solve L(1, N_eq, D) = L(E, Nact, D) and feed N_eq, never Nact or Ntotal"
    if other.form in ("clark", "granular", "sparsity"):
        return "refused", "its N is another count and it has no dense equivalent in tokens; use a joint law of experts"
    if other.form in (*_BASES, "kaplan_nd", "power_of_params", "power_of_tokens", "power_of_flop"):
        if other.corpus != base.corpus or other.params_convention != base.params_convention:
            return (
                "refused",
                "loss levels across corpora, tokenizers or parameter counts: compare differences or ratios",
            )
        return "sound", "the same corpus and counts: levels compare; constants of the two must still not be mixed"
    if other.form == "transfer":
        return "refused", "measured in characters of one fine-tuning task; not a factor on pretraining tokens"
    return "sound", "acts beside the loss, not in it"


def _clash(first: LawSpec, second: LawSpec) -> str:
    forms = {first.form, second.form}
    if forms == {"kumar", "sun"}:
        return "both count the precision of training: use one, or show them as separate scenarios"
    if "qat" in forms and forms & {*_AFTER_TRAINING, "kumar"}:
        return "quantisation-aware training replaces quantising afterwards: not both"
    if first.form == second.form and first.form in (*_TRAINED_PRECISION, *_AFTER_TRAINING) and first.id != second.id:
        return "two terms for the same effect"
    return ""
