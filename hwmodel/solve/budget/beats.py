"""The chance that one plan beats another, drawn under the same states of the world."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from hwmodel.solve.budget.draws import Outcome


class Beats(msgspec.Struct, frozen=True, kw_only=True):
    """Chances that the plan of `value` is cheaper, ends sooner and reaches a lower loss than that of `other`; None
    where either has no such figure or both the same."""

    value: str
    other: str
    cheaper: float | None
    sooner: float | None
    lower_loss: float | None


MOST_PAIRED = 8  # plans whose every two are compared; of more each is compared with the first


def pairwise(values: list[str], drawn: list[Outcome | None]) -> tuple[Beats, ...]:
    """Every two of several plans, or the first and each other where they are many; those without a fleet left out."""
    rows = []
    for i, first in enumerate(drawn[: None if len(drawn) <= MOST_PAIRED else 1]):
        for j in range(i + 1, len(drawn)):
            second = drawn[j]
            if first is None or second is None:
                continue
            rows.append(
                Beats(
                    value=values[i], other=values[j],
                    cheaper=_below(first.cost_usd, second.cost_usd),
                    sooner=_below(first.elapsed_days, second.elapsed_days),
                    lower_loss=_below(first.loss_nats, second.loss_nats),
                )
            )  # fmt: skip
    return tuple(rows)


def _below(first: Any, second: Any) -> float | None:
    """Share of the draws in which the first is below the second; ties count half."""
    if first is None or second is None:
        return None
    one, other = np.asarray(first), np.asarray(second)
    if np.array_equal(one, other):
        return None
    return float(np.mean(one < other) + 0.5 * np.mean(one == other))
