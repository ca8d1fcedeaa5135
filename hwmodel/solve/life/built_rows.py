"""The rows of usual demands as they would be built: each size priced by its own bill, not by the trend of sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hwmodel.solve.run.records import DemandRow

# Cost of training (size, tokens) by the bill of the run that is built; None where nothing of that size fits.
Trained = Callable[[float, float], float | None]
Run = tuple[float, float]  # parameters and tokens


def as_built(
    rows: list[DemandRow], serve: Callable[[float], float], trained: Trained, training: Run, others: Iterable[Run]
) -> list[DemandRow]:
    """The rows with the size whose life is cheapest by the bills of what is built: of those that the trend of sizes
    chose for any of the demands, of the training optimum `training` and of `others` that reach the same loss.

    Between buildable sizes a fleet is up to twice as fast or slow as its trend says, so that a size chosen by it may be
    dearer than one beside it. A row of which nothing can be built stays as it is.
    """
    runs = dict.fromkeys([*others, training, *((row.params, row.tokens) for row in rows)])
    bills = {run: bill for run in runs if (bill := trained(*run)) is not None}
    return [_cheapest(row, serve, bills, training) for row in rows]


def _cheapest(row: DemandRow, serve: Callable[[float], float], bills: dict[Run, float], training: Run) -> DemandRow:
    """The row of the run whose life costs the least for its demand."""
    lives = {run: bill + row.inference_tokens * float(serve(run[0])) for run, bill in bills.items()}
    if not lives:
        return row
    run = min(lives, key=lambda one: lives[one])
    return DemandRow(
        inference_tokens=row.inference_tokens, params=run[0], tokens=run[1], train_cost=bills[run],
        serve_cost=lives[run] - bills[run], lifetime_cost=lives[run],
        saving=1.0 - lives[run] / lives[training] if row.saving is not None and training in lives else None,
    )  # fmt: skip
