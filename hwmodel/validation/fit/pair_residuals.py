"""Published pairs of speed beside the runs of a fit: the gain of a narrow format tells the levels of both apart."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache

import msgspec
import numpy as np

from hwmodel.catalog import load_catalog
from hwmodel.catalog.stacks import training_calibration
from hwmodel.validation.fit.batch import Batch, batch_of, pruned
from hwmodel.validation.fit.cast_fit import pair_rows, pair_run, pair_stack
from hwmodel.validation.predicted.training import Column, PreparedRows, StackKey, stacks_of

NEAR = 1.02  # as `batch.NEAR`; both sides of a pair move alike, so that few layouts may become the best


class SpeedResiduals(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs made ready: their runs (all in 16 bits, then all in the narrow recipe), measured speed-ups and weights."""

    prepared: PreparedRows
    batch: Batch
    log_speedup: Column
    sources: tuple[str, ...]
    left_out: frozenset[str] = frozenset()

    def errors(self, seconds: Column) -> Column:
        """ln(predicted over measured speed-up) of each pair, from the seconds of its runs (the last axis)."""
        count = len(self.log_speedup)
        return np.asarray(np.log(seconds[..., :count] / seconds[..., count:]) - self.log_speedup)

    def without(self, sources: frozenset[str]) -> SpeedResiduals:
        """The pairs but those of `sources`, whose weight is nothing."""
        return msgspec.structs.replace(self, left_out=sources)

    def weights(self, crowd: float) -> Column:
        """Weight of each pair: those of a source of n count n^(1 - crowd) together."""
        sizes = Counter(self.sources)
        return np.array([0.0 if source in self.left_out else sizes[source] ** -crowd for source in self.sources])


@cache
def speed_residuals() -> SpeedResiduals:
    """The shipped pairs. InputError names one that cannot be predicted."""
    rows, catalog = pair_rows(), load_catalog()
    sides = [*((row, row.baseline) for row in rows), *((row, row.recipe) for row in rows)]
    runs = [pair_run(row, catalog.precision(recipe)) for row, recipe in sides]
    names = [pair_stack(row, catalog.precision(recipe)) for row, recipe in sides]
    keys: dict[StackKey, int] = {}
    places = [keys.setdefault((name, family, None), len(keys)) for name, family in names]
    nothing = [""] * len(runs)
    prepared = PreparedRows(
        rows=[], cases=[None] * len(runs), reasons=nothing, families=nothing, parts=nothing, formats=nothing,
        runs=list(runs), tokens_to_target=[0.0] * len(runs), stack_keys=list(keys), row_stack=places,
    )  # fmt: skip
    stacks = stacks_of(prepared, training_calibration())
    return SpeedResiduals(
        prepared=prepared, batch=pruned(batch_of(prepared, range(len(runs))), stacks, len(runs), NEAR),
        log_speedup=np.array([math.log(row.speedup) for row in rows]),
        sources=tuple(row.source for row in rows),
    )  # fmt: skip
