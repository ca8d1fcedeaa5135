"""What has been judged of one law on another: the verdict, why, and where that stands.

Here stand judgements by what a law does to a base (`Form.acts`). What has no entry here nobody has judged, and
`laws.combine` refuses it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from hwmodel.laws.forms import Acts

VerdictName = Literal["sound", "bound", "interval", "refused"]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """One judgement. `source` is an id of the catalog's sources with its place, or empty: the paper of the law itself.

    `dense_only`: judged on dense language models alone, so that a base of mixtures, images or several modalities is
    another question. `terms_needed`: it enters the base's own terms in size and in data.
    """

    verdict: VerdictName
    reason: str
    source: str = ""
    dense_only: bool = False
    terms_needed: bool = False


LANGUAGE = ("pretraining", "inference", "data", "experts", "own")  # families of laws whose loss is that of text
BESIDE = "acts beside the loss, not in it, in the counts of its own paper"

# what a law does to a base -> what was judged of it
JUDGED: dict[Acts, Judgement] = {
    "training_bits": Judgement(
        verdict="interval",
        reason="f(P) was fitted together with this law's own A and alpha; carried over it can be read in three ways "
        "that differ three to four times, so the penalty is their span",
        dense_only=True,
        terms_needed=True,
    ),
    "float_format": Judgement(
        verdict="sound",
        reason="the format's term alone, above its bf16 value; its own base is not used",
        dense_only=True,
    ),
    "quantised_training": Judgement(
        verdict="sound", reason="a term on top of a bf16 loss, 4 bit only", dense_only=True
    ),
    "after_training": Judgement(
        verdict="bound",
        reason="added once after a bf16 loss, as an upper bound; measured 4-bit quality overrides it",
        dense_only=True,
    ),
    "experts": Judgement(
        verdict="sound",
        reason="as a dense equivalent: solve L(1, N_eq, D) = L(E, Nact, D) and feed N_eq, never Nact or Ntotal",
        dense_only=True,
    ),
    "repeats": Judgement(
        verdict="sound",
        reason="effective tokens D' in this base, U_N recomputed with the base's own G; extrapolated: levels do not "
        "transfer between corpora, ratios do",
        source="arxiv-2305.16264, maintainers in issue 9 of huggingface/datablations",
        dense_only=True,
        terms_needed=True,
    ),
    "zeros": Judgement(
        verdict="sound",
        reason="as a dense equivalent: N non-zero parameters are worth N times its gain here, on as many tokens",
        dense_only=True,
    ),
    "teacher": Judgement(
        verdict="sound",
        reason="as supervised tokens: a student has the loss that its size has after so many more tokens on its own; "
        "levels of the two are never mixed",
        dense_only=True,
        terms_needed=True,
    ),
    "experts_alone": Judgement(
        verdict="refused",
        reason="its N is another count and it has no dense equivalent in tokens; use a joint law of experts",
    ),
    "transfer": Judgement(
        verdict="refused", reason="measured in characters of one fine-tuning task; not a factor on pretraining tokens"
    ),
    "vocabulary": Judgement(
        verdict="refused",
        reason="another vocabulary is another unit of loss (nats a token of one tokenizer); use it alone, as a ratio",
    ),
    "accounting": Judgement(verdict="sound", reason="counts compute or parameters by definition; no loss enters"),
    "settings": Judgement(verdict="sound", reason=f"batch, learning rate or steps: {BESIDE}", dense_only=True),
    "answers": Judgement(verdict="sound", reason=f"what answers cost or are worth: {BESIDE}"),
}

# what two laws do to one base -> why not both; any other two terms nobody has judged together
NOT_BOTH: dict[frozenset[Acts], str] = {
    frozenset({"training_bits", "float_format"}): "both count the precision of training: use one, or show them as "
    "separate scenarios",
    frozenset({"quantised_training", "after_training"}): "quantisation-aware training replaces quantising afterwards: "
    "not both",
    frozenset({"quantised_training", "training_bits"}): "quantisation-aware training replaces quantising afterwards: "
    "not both",
    frozenset({"repeats", "experts"}): "no law of repeated data was fitted on mixtures of experts",
    frozenset({"repeats", "teacher"}): "no law of repeated data was fitted on students",
    frozenset({"experts", "teacher"}): "no law has students with experts",
}
# what changes the loss of a base, so that two of it can count one thing twice
TERMS: tuple[Acts, ...] = (
    "training_bits", "float_format", "quantised_training", "after_training", "repeats", "experts", "zeros", "teacher",
)  # fmt: skip
