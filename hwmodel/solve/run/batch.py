"""The global batch of a run: given, or capped by the critical batch of its data."""

from __future__ import annotations

import msgspec

from hwmodel.laws import batch as batch_laws
from hwmodel.ops import Num, floor, maximum
from hwmodel.solve.question.setting import Setting
from hwmodel.specs import LawSpec

CRITICAL_BATCH_LAW = "cbs_zhang_2024"


class BatchPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The global batch [sequences]: given, or capped by the critical batch of the data where the tokens are known or
    solved (`seeing`), else of a size at 20 tokens a parameter (the data set it: arXiv 2410.21676)."""

    law: LawSpec
    seq_len: float
    given_seqs: float | None
    tokens: float | None = None

    def seqs(self, params: float) -> float:
        """The batch, or its cap, for a size; at least one sequence."""
        if self.given_seqs is not None:
            return self.given_seqs
        return float(self.seqs_of(self.critical_tokens(params)))

    def seqs_of(self, critical_tokens: Num) -> Num:
        """Sequences of a critical batch [tokens], at least one; a number or a column."""
        return maximum(1.0, floor(critical_tokens / self.seq_len))

    def critical_tokens(self, params: float) -> float:
        """The critical batch [tokens]."""
        return float(self.critical_of(params, self.tokens))

    def critical_of(self, params: float, tokens: Num | None) -> Num:
        """The critical batch [tokens] of a run on so many tokens; a number or a column."""
        return batch_laws.critical_batch_tokens(self.law, params, tokens)

    def seeing(self, tokens: float) -> BatchPolicy:
        """The rule for a run on so many tokens: those of a question, or where a life releases them a run's own."""
        return msgspec.structs.replace(self, tokens=tokens)


def batch_policy(setting: Setting) -> BatchPolicy:
    """The batch rule of a request."""
    law = setting.catalog.law(CRITICAL_BATCH_LAW)
    r = setting.request
    return BatchPolicy(law=law, seq_len=float(r.seq_len), given_seqs=r.global_batch_seqs, tokens=r.tokens)
