"""What a larger model gains in loss, law by law: the size alone grows, or size and data as the law calls best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from hwmodel import laws
from hwmodel.errors import HwModelError, InputError
from hwmodel.solve.law.answers import Value, banded, over_draws, side_by_side
from hwmodel.specs.law import LawSpec


class SizeGain(msgspec.Struct, frozen=True, kw_only=True):
    """Loss at two sizes under one law and their difference, with the band of the law's joint draws."""

    law: str
    tokens_small: float
    tokens_large: float
    loss_small: Value
    loss_large: Value
    gain_nats: Value
    gain_share: Value  # of the reducible loss of the smaller model (above the floor that nothing goes below)
    decades_outside_fit: float


class Gains(msgspec.Struct, frozen=True, kw_only=True):
    """The gain under each law that has a loss, and the span over them: the doubt that no single law shows."""

    rows: tuple[SizeGain, ...]
    refused: dict[str, str]
    gain_low: float
    gain_high: float


def gains(
    specs: Sequence[LawSpec], small: float, large: float, tokens: float | None, *, count: int = 1000, seed: int = 0
) -> Gains:
    """Loss that going from one size to a larger one gains. Without `tokens` each size has the data the law calls best.

    Laws of another count of parameters than the total are left out, as are those without a loss, with the reason.
    InputError for sizes that are not in order, or where no law answers.
    """
    if not 0.0 < small < large:
        raise InputError(f"--from and --to: two sizes, the smaller first, not {small:g} and {large:g}")
    rows, refused = [], {}
    for spec in side_by_side(specs):
        try:
            if spec.params_convention != "total":
                raise InputError(f"counts {spec.params_convention.replace('_', '-')} parameters")
            rows.append(_gain(spec, small, large, tokens, count, seed))
        except HwModelError as error:
            refused[spec.id] = str(error)
    if not rows:
        raise InputError("no law with a loss answers this question")
    middles = [r.gain_nats if isinstance(r.gain_nats, float) else r.gain_nats.value for r in rows]
    return Gains(rows=tuple(rows), refused=refused, gain_low=min(middles), gain_high=max(middles))


def _gain(spec: LawSpec, small: float, large: float, tokens: float | None, count: int, seed: int) -> SizeGain:
    data = [tokens or float(laws.tokens_for_params(spec, n)) for n in (small, large)]

    def solve(law: LawSpec) -> tuple[Any, Any, Any]:
        """Loss at both sizes and the floor; the data stay those of the law's own constants."""
        return laws.loss(law, small, data[0]), laws.loss(law, large, data[1]), laws.loss_floor(law)

    one, drawn = solve(spec), over_draws(spec, count, seed, solve)
    far = max(laws.decades_outside(spec, params=n, tokens=d, flop=6.0 * n * d) for n, d in zip((small, large), data))

    def value(of: Any) -> Value:
        """A number of the three losses with the band of its draws."""
        return banded(of(*one), None if drawn is None else of(*drawn))

    return SizeGain(
        law=spec.id,
        tokens_small=data[0],
        tokens_large=data[1],
        loss_small=value(lambda a, b, e: a),
        loss_large=value(lambda a, b, e: b),
        gain_nats=value(lambda a, b, e: a - b),
        gain_share=value(lambda a, b, e: (a - b) / (a - e)),
        decades_outside_fit=far,
    )
