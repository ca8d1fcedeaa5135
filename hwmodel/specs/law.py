"""A scaling law as published: its form by name, its constants, and what they may be used for."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from hwmodel.errors import InputError
from hwmodel.ops import Num

CONVENTIONS = ("total", "non_embedding", "active", "flop_per_token")


class PrintedNumber(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"given": "with"}):
    """One printed number of a test point: which of what is asked (`ask`) from what (`with`) it is.

    `law`: asked of another law than the point's. Held to the printed digits, or `between` two numbers, `within` a
    share, within `decades`.
    """

    ask: str = "evaluate"
    law: str = ""
    given: dict[str, int | float | str] = {}
    want: str
    expect: str = ""
    between: tuple[int | float, int | float] | None = None
    within: float | None = None
    decades: float | None = None

    @property
    def numbers(self) -> dict[str, float]:
        """What is given as numbers."""
        return {name: value for name, value in self.given.items() if not isinstance(value, str)}


class PrintedPoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Numbers that the paper of a law prints, to be computed again, or the reason why they cannot be."""

    text: str
    status: str
    locator: str = ""
    checks: tuple[PrintedNumber, ...] = ()
    reason: str = ""


class LawSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One law or one variant of it (`chinchilla_2022/approach1`).

    `form` names a function of `hwmodel.laws`; `params_convention` is total | non_embedding | active | flop_per_token;
    `covariance` belongs to `covariance_of` (names of constants, natural logs where the name starts with `log_`).
    `corpus` names data and tokenizer: loss levels of two laws compare only where it is the same. `modifies` says that
    the law is a term or factor on top of a base law; `not_for` lists uses that its authors or arithmetic rule out.
    """

    id: str
    title: str
    form: str
    source: str
    status: str  # primary | secondary | derived | unconfirmed
    constants: dict[str, float] = {}
    locator: str = ""
    authors: str = ""
    year: int | None = None
    params_convention: str = "total"
    loss_unit: str = "nats_per_token"  # bits_per_word | error | none: the law gives an allocation but no loss
    family: str = "pretraining"
    corpus: str = ""
    fit_params: tuple[float, float] | None = None
    fit_tokens: tuple[float, float] | None = None
    fit_flop: tuple[float, float] | None = None
    covariance_of: tuple[str, ...] = ()
    covariance_mean: tuple[float, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    default_variant: str = ""
    shown: str = ""  # ensemble: counts in the spread of laws; beside: stands next to it for comparison only
    not_for: tuple[str, ...] = ()
    caveats: str = ""
    test_points: tuple[PrintedPoint, ...] = ()
    refusal: str = ""  # why it does not evaluate, when its constants are unpublished or unconfirmed


class Count(msgspec.Struct, frozen=True):
    """A number of parameters that knows how it was counted; other conventions are refused, not converted silently."""

    value: Num
    convention: ClassVar[str] = ""

    def _same(self, other: Count) -> Num:
        if type(self) is not type(other):
            raise InputError(
                f"cannot compare {self.convention} with {getattr(other, 'convention', 'untyped')} parameter counts; "
                "convert one of them first (hwmodel.laws.convert)"
            )
        return other.value

    def __truediv__(self, other: Count) -> Num:
        return self.value / self._same(other)

    def __sub__(self, other: Count) -> Num:
        return self.value - self._same(other)


class Total(Count, frozen=True):
    """All parameters, embeddings included (Chinchilla)."""

    convention: ClassVar[str] = "total"


class NonEmbedding(Count, frozen=True):
    """Parameters outside the embeddings (Kaplan)."""

    convention: ClassVar[str] = "non_embedding"


class Active(Count, frozen=True):
    """Parameters that one token uses (mixture of experts)."""

    convention: ClassVar[str] = "active"


class FlopPerToken(Count, frozen=True):
    """A sixth of the training FLOPs a token (DeepSeek's M, in parameters)."""

    convention: ClassVar[str] = "flop_per_token"


COUNTS: dict[str, type[Count]] = {kind.convention: kind for kind in (Total, NonEmbedding, Active, FlopPerToken)}


class Optimum(msgspec.Struct, frozen=True, kw_only=True):
    """What a law calls best. `params` is in the law's own convention; `loss` is None for a law without one."""

    params: Num
    tokens: Num
    flop: Num
    loss: Num | None
    params_convention: str = "total"

    @property
    def count(self) -> Count:
        return COUNTS[self.params_convention](self.params)
