"""What one plan gains in loss over another: nats, a share of the loss, and the compute that it is worth."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from hwmodel import laws
from hwmodel.errors import HwModelError
from hwmodel.solve.run.result import Band, RunAnswer, value_of
from hwmodel.solve.run.sizing import LossModel


class Gain(msgspec.Struct, frozen=True, kw_only=True):
    """Loss gained over another plan [nats a token], the same over that plan's loss, and `compute_equivalent`: the least
    compute for this loss over the least compute for that one (None for laws without such an optimum). Bands are those
    of the law's joint draws; doubt of the law itself is not in them."""

    nats: Band
    share: Band
    compute_equivalent: Band | None


def gain(model: LossModel, first: RunAnswer, other: RunAnswer) -> Gain | None:
    """The gain of `other` over `first` under one law; None where that gives either no loss."""
    if first.loss_nats is None or other.loss_nats is None:
        return None
    runs = [(value_of(one.params), value_of(one.tokens)) for one in (first, other)]
    of = [_compared(model, runs, law) for law in (None, model.drawn)]
    drawn = of[1] if model.drawn is not None else None

    def band(place: int) -> Band | None:
        """One of the three figures with the 80 % interval of the law's draws, which holds it."""
        value = of[0][place]
        if value is None:
            return None
        spread = None if drawn is None else drawn[place]
        low, high = (value, value) if spread is None else laws.band(spread)
        return Band(float(value), min(float(low), float(value)), max(float(high), float(value)))

    nats, share = band(0), band(1)
    assert nats is not None
    assert share is not None
    return Gain(nats=nats, share=share, compute_equivalent=band(2))


def _compared(model: LossModel, runs: list[tuple[float, float]], law: Any) -> tuple[Any, Any, Any]:
    """Gain in nats, as a share, and the ratio of least computes, under the law or its draws."""
    before, after = (model.loss(n, d) if law is None else model.loss(n, d, law) for n, d in runs)
    spec = law or model.law
    try:
        least = [np.asarray(laws.optimum_for_loss(spec, loss).flop) for loss in (before, after)]
    except HwModelError:
        return before - after, (before - after) / before, None
    return before - after, (before - after) / before, least[1] / least[0]
