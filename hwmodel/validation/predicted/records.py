"""What the board is made of: a prediction for each row and measured quantity."""

from __future__ import annotations

import msgspec

PREDICTED, REFUSED = "predicted", "refused"


class RowPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """One measured quantity of one row, and what was predicted for it, in the unit of the measured column.

    `group` is what rows of a source are summarised under besides it (serving: family | part | engine | mode), and
    what `--leave-out group` holds out. `baseline_key` names the rows that share one constant utilisation.
    `baseline_unit` is what a utilisation of one would measure, so that the baseline is its own constant times it
    (or over it, where the quantity is a time).
    """

    id: str
    source: str
    group: str
    model: str
    part: str
    engine: str
    metric: str
    measured: float
    predicted: float | None
    low: float | None
    high: float | None
    status: str
    reason: str = ""
    baseline_key: str = ""
    baseline_unit: float | None = None
    family: str = ""
    software: str = ""  # id of the training stack or of the engine
    mixture: bool = False
    scored: bool = True  # the row counts in the summaries
    headline: bool = False  # counts in the overall mean: one quantity a row


def without_given(rows: list[RowPrediction], given: frozenset[str]) -> list[RowPrediction]:
    """The rows, those that were given as measurements (by id) no longer scored: they would speak for themselves."""
    reason = "given by --measured: it set levels and is not scored"
    return [
        msgspec.structs.replace(row, scored=False, reason=row.reason or reason) if row.id in given else row
        for row in rows
    ]
