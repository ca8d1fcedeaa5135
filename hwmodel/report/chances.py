"""The chance that one plan beats another, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from hwmodel.report import words
from hwmodel.report.blocks import Table
from hwmodel.report.phrases import say
from hwmodel.solve.budget.beats import Beats


def share(chance: float) -> str:
    """`48 %`; what is as good as sure or impossible says so."""
    if chance < 0.005:
        return say("under 1 %")
    return say("over 99 %") if chance > 0.995 else f"{100 * chance:.0f} %"


def chances_table(chances: Sequence[Beats]) -> Table:
    """The chance that one value beats another in money, time and loss; no rows without fleets."""
    rows = [
        [say("{value} against {other}", value=one.value, other=one.other),
         *(words.DASH if chance is None else share(chance) for chance in (one.cheaper, one.sooner, one.lower_loss))]
        for one in chances
    ]  # fmt: skip
    return Table([say("the chance that"), say("is cheaper"), say("ends sooner"), say("has the lower loss")], rows)
